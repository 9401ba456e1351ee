// The inbox of whoever is logged in: one socket for the page, and the counts that follow from it.

import { call } from "./api.js";
import { button, fill, h } from "./dom.js";
import { Stream } from "./live.js";

const GATHER_MS = 150; // many frames at once are one question
const TROUBLE_MS = 1500; // a socket that is back before that was not worth a word

/** Events: `message` and `notification` with the frame as detail; `stale` when anything may be new; `counts`. */
export const inbox = new EventTarget();
export const counts = { messages: 0, notifications: 0 };

let stream = null;
let gathering = 0;
let troubled = 0;

/** Begin to follow, for whoever is logged in now. */
export function follow() {
  unfollow();
  stream = new Stream("inbox");
  stream.addEventListener("state", tell);
  stream.addEventListener("live", () => {
    inbox.dispatchEvent(new Event("stale"));
    recount();
  });
  stream.addEventListener("frame", ({ detail }) => {
    inbox.dispatchEvent(new CustomEvent(detail.kind, { detail }));
    recount();
  });
}

/** Follow no more. */
export function unfollow() {
  stream?.end();
  stream = null;
  clearTimeout(gathering);
  gathering = 0;
  clearTimeout(troubled);
  document.getElementById("connection").hidden = true;
  set({ messages: 0, notifications: 0 });
}

/** Ask the service how much is unread; it knows better than any sum of what arrived here. */
export function recount() {
  gathering ||= setTimeout(async () => {
    gathering = 0;
    const [messages, notifications] = await Promise.allSettled([
      call("GET", "/v1/unread"),
      call("GET", "/api/notifications/unread"),
    ]);
    // One that fails leaves the count as it was; the next frame asks again.
    if (stream) {
      set({
        messages: messages.value?.unread ?? counts.messages,
        notifications: notifications.value?.unread ?? counts.notifications,
      });
    }
  }, GATHER_MS);
}

function set(values) {
  Object.assign(counts, values);
  inbox.dispatchEvent(new Event("counts"));
}

function tell() {
  const place = document.getElementById("connection");
  clearTimeout(troubled);
  if (stream.state === "live") {
    place.hidden = true;
  } else if (stream.state === "stopped" || !place.hidden) {
    trouble(place);
  } else {
    troubled = setTimeout(trouble, TROUBLE_MS, place);
  }
}

function trouble(place) {
  place.hidden = false;
  const stopped = stream.state === "stopped";
  const words = navigator.onLine ? "The live connection is lost." : "You are offline.";
  const what = stopped ? "Nothing new arrives by itself." : "Trying to connect again.";
  fill(place, h("span", {}, `${words} ${what}`), stopped ? button("Connect", () => stream.again(), { class: "link" }) : null);
}
