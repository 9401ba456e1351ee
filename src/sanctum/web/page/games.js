// Games: rooms in which somebody waits, and those in which one plays.

import { call } from "./api.js";
import { button, field, fill, h } from "./dom.js";
import { room } from "./game.js";
import { called, learn } from "./people.js";
import * as session from "./session.js";
import { attempt, begin, empty, load } from "./ui.js";

const SHOWN = 50;
const REMEMBERED = 10;
const NAME_MAX = 100;

/** Show the rooms, or with an id the game in that one; returns what ends the view. */
export function games(main, [id]) {
  if (id) return room(main, Number(id));
  begin(main, "Games", button("Refresh", () => refresh(), { class: "quiet" }));
  const waiting = h("ul", { class: "rooms" });
  const own = h("ul", { class: "rooms" });
  const ownPart = h("section", { hidden: true }, h("h2", {}, "Your games"), own);
  main.append(opener(), ownPart, h("section", {}, h("h2", {}, "Waiting for a second player"), waiting));
  const refresh = () =>
    load(waiting, rooms, ({ open, playing }) => {
      fill(waiting, open.length ? open.map(offer) : h("li", {}, empty("Nobody is waiting. Start a game and somebody may join.")));
      fill(own, playing.map(offer));
      ownPart.hidden = !playing.length;
    });
  return void refresh();
}

async function rooms() {
  const { rooms: open } = await call("GET", `/v1/rooms?limit=${SHOWN}`);
  const left = remembered().filter((id) => !open.some((one) => one.id === id));
  const found = await Promise.all(left.map((id) => call("GET", `/v1/rooms/${id}`).catch(forgetMissing)));
  const playing = found.filter((one) => one && one.state !== "ended");
  await learn([...open, ...playing].flatMap((one) => [one.host, one.guest]));
  return { open, playing };
}

function forgetMissing(failure) {
  if (failure.status === 404) return null;
  throw failure;
}

function offer(one) {
  const me = session.current()?.user_id;
  const joins = one.state === "waiting" && one.host !== me;
  const join = button("Join", () => attempt(() => enter(call("POST", `/v1/rooms/${one.id}/join`))), { "aria-label": `Join ${one.name}` });
  const open = h("a", { href: `#/games/${one.id}`, "aria-label": `Open ${one.name}` }, "Open");
  const players = [one.host, one.guest].filter((player) => player !== null).map(called).join(" and ");
  return h("li", { class: "room" }, h("div", {}, h("p", { class: "name", dir: "auto" }, one.name), h("p", { class: "soft" }, players)), joins ? join : open);
}

function opener() {
  const name = field("Name of a new game", h("input", { name: "game", maxlength: NAME_MAX, autocomplete: "off" }));
  const submit = h("button", { type: "submit" }, "Start a game");
  const form = h("form", { class: "beside" }, name.wrapper, submit);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const wanted = name.control.value.trim();
    name.complain(wanted ? "" : "Give the game a name.");
    if (!wanted) name.control.focus();
    if (!wanted || submit.disabled) return;
    submit.disabled = true;
    await attempt(() => enter(call("POST", "/v1/rooms", { name: wanted })));
    submit.disabled = false;
  });
  return form;
}

async function enter(asked) {
  const { id } = await asked;
  remember(id);
  location.hash = `#/games/${id}`;
}

function key() {
  return `sanctum.games.${session.current()?.user_id}`;
}

/** List the rooms that this browser played in: the service lists only those that wait. */
function remembered() {
  try {
    const ids = JSON.parse(localStorage.getItem(key()));
    return Array.isArray(ids) ? ids.filter(Number.isSafeInteger) : [];
  } catch {
    return []; // somebody else wrote there: the same as nothing
  }
}

/** Remember that this browser plays in a room. */
export function remember(id) {
  const ids = [id, ...remembered().filter((one) => one !== id)];
  localStorage.setItem(key(), JSON.stringify(ids.slice(0, REMEMBERED)));
}
