// What others did that one may want to know, newest first.

import { call } from "./api.js";
import { button, h, when } from "./dom.js";
import { inbox, recount } from "./inbox.js";
import { attempt, begin, empty, load } from "./ui.js";

const PAGE = 20;
const MISSED_PAGES_MAX = 5; // who missed more than that is shown the newest anew
const GATHER_MS = 150; // many frames at once are one question
const DID = { post: "posted something new", comment: "commented on your post", like: "likes your post" };

/** Show the notifications; returns what ends the view. */
export function notifications(main) {
  begin(main, "Notifications", button("Mark all read", () => attempt(markAll), { class: "quiet" }));
  const list = h("ul", { class: "notices" });
  const place = h("div", { class: "posts" });
  main.append(place);
  const shown = new Map(); // the item of each notification
  const first = () => load(place, () => page(), (found) => showFirst(place, list, shown, found));
  const fresh = async () => {
    if (!list.isConnected) return first();
    return attempt(async () => (takeNew(list, shown, await missed(shown)) ? null : first()));
  };
  let gathering = 0;
  let asking = Promise.resolve();
  const later = () => {
    gathering ||= setTimeout(() => {
      gathering = 0;
      asking = asking.then(fresh); // one after the other: none is shown twice
    }, GATHER_MS);
  };
  const events = ["notification", "stale"];
  for (const event of events) inbox.addEventListener(event, later);
  first();
  return () => {
    clearTimeout(gathering);
    for (const event of events) inbox.removeEventListener(event, later);
  };

  async function markAll() {
    let more = true;
    while (more) ({ more } = await call("POST", "/api/notifications/read-all"));
    for (const item of shown.values()) seen(item);
    recount();
  }
}

function page(before) {
  return call("GET", `/api/notifications?limit=${PAGE}${before ? `&before=${before}` : ""}`);
}

function showFirst(place, list, shown, found) {
  list.replaceChildren();
  shown.clear();
  if (!found.notifications.length) {
    place.replaceChildren(empty("Nothing yet. Whoever likes your posts or writes about them is told of here."));
    return;
  }
  place.replaceChildren(list);
  append(list, shown, found);
}

function append(list, shown, { notifications: found, next }) {
  const items = found.filter((one) => !shown.has(one.id)).map((one) => item(one, shown));
  list.append(...items);
  if (!next) return items[0];
  const more = button(
    "Show older ones",
    () =>
      attempt(async () => {
        const following = await page(next);
        more.remove();
        append(list, shown, following)?.querySelector("a").focus();
      }),
    { class: "more" },
  );
  list.after(more);
  return items[0];
}

/** Read from the newest on down to what is shown already; null where that is too far. */
async function missed(shown) {
  const found = [];
  let next;
  for (let read = 0; read < MISSED_PAGES_MAX; read++) {
    const one = await page(next);
    found.push(...one.notifications);
    next = one.next;
    if (!next || one.notifications.some(({ id }) => shown.has(id))) return found;
  }
  return null;
}

/** Show what is new above the rest; returns whether it could be. */
function takeNew(list, shown, found) {
  if (!found) return false;
  const fresh = found.filter((one) => !shown.has(one.id)).map((one) => item(one, shown));
  list.prepend(...fresh);
  for (const one of found) if (one.read) seen(shown.get(one.id));
  return true;
}

function item(one, shown) {
  const mark = () =>
    attempt(async () => {
      await call("POST", "/api/notifications/read", { ids: [one.id] });
      seen(made);
      recount();
    });
  const made = h(
    "li",
    { class: one.read ? "notice" : "notice new" },
    h("a", { href: `#/feed/${one.post}`, on: { click: () => made.classList.contains("new") && mark() } },
      one.read ? null : h("span", { class: "unseen" }, "New: "),
      h("span", { class: "author" }, one.actor), ` ${DID[one.kind] ?? "did something"}`),
    when(one.created_at),
    one.read ? null : button("Mark read", mark, { class: "quiet", "aria-label": `Mark read: ${one.actor} ${DID[one.kind] ?? ""}` }),
  );
  shown.set(one.id, made);
  return made;
}

function seen(made) {
  if (!made?.classList.contains("new")) return;
  const focused = made.contains(document.activeElement);
  made.classList.remove("new");
  made.querySelector(".unseen")?.remove();
  made.querySelector("button")?.remove();
  if (focused) made.querySelector("a").focus();
}
