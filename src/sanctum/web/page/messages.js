// Conversations: all of them beside the one that is open, with what is unread in each.

import { call } from "./api.js";
import { conversation } from "./conversation.js";
import { button, field, fill, h, when } from "./dom.js";
import { inbox } from "./inbox.js";
import { called, find, learn } from "./people.js";
import * as session from "./session.js";
import { attempt, begin, dialog, empty, load } from "./ui.js";

const SHOWN = 50;
const GATHER_MS = 150;
const TITLE_MAX = 200;
const known = new Map(); // who takes part in each conversation that has no title

/** Show the conversations, and with an id that one; returns what ends the view. */
export function messages(main, [id]) {
  const open = id ? Number(id) : null;
  begin(main, "Messages", button("New conversation", () => start()));
  const list = h("ul", { class: "talks", "aria-label": "Conversations" });
  const aside = h("div", { class: "aside-list" }, list);
  const pane = h("section", { class: "pane" });
  const frame = h("div", { class: open ? "split open" : "split" }, aside, pane);
  main.append(frame);
  const refresh = () => load(list, newest, (found) => show(list, found, open));
  let gathering = 0;
  const later = () => {
    gathering ||= setTimeout(() => {
      gathering = 0;
      refresh();
    }, GATHER_MS);
  };
  const events = ["message", "stale", "read"];
  for (const event of events) inbox.addEventListener(event, later);
  refresh();
  const end = open ? conversation(pane, open) : fill(pane, empty("Choose a conversation, or start one."));
  return () => {
    clearTimeout(gathering);
    for (const event of events) inbox.removeEventListener(event, later);
    end?.();
  };
}

async function newest() {
  const { conversations } = await call("GET", `/v1/conversations?limit=${SHOWN}`);
  await Promise.all(conversations.map(learnParticipants));
  return conversations;
}

/** Learn who takes part in a conversation that has no title to be called by. */
export async function learnParticipants(talk) {
  if (talk.title || known.has(talk.id)) return;
  const { participants } = await call("GET", `/v1/conversations/${talk.id}/participants`);
  await learn(participants);
  known.set(talk.id, participants);
}

/** Ask anew, when it is next shown, who takes part in a conversation: somebody came or went. */
export function forgetParticipants(id) {
  known.delete(id);
  inbox.dispatchEvent(new Event("read"));
}

/** Say what a conversation is called. */
export function titleOf(talk) {
  const others = (known.get(talk.id) ?? []).filter((user) => user !== session.current()?.user_id);
  return talk.title || others.map(called).join(", ") || "Only you";
}

function show(list, found, open) {
  const focused = document.activeElement?.closest?.("a[data-talk]")?.dataset.talk;
  fill(list, found.length ? found.map((talk) => item(talk, open)) : h("li", {}, empty("No conversations yet.")));
  if (focused) list.querySelector(`a[data-talk="${focused}"]`)?.focus();
}

function item(talk, open) {
  const unread = talk.unread
    ? h("span", { class: "count" }, String(talk.unread), h("span", { class: "unseen" }, " unread"))
    : null;
  return h(
    "li",
    {},
    h(
      "a",
      { href: `#/messages/${talk.id}`, "data-talk": talk.id, "aria-current": talk.id === open ? "page" : null },
      h("span", { class: "name" }, titleOf(talk)),
      unread,
      when(talk.updated_at),
    ),
  );
}

function start() {
  const names = field("With whom?", h("input", { name: "names", autocapitalize: "none", spellcheck: "false", autocomplete: "off" }), "Names, with commas between them.");
  const title = field("Title", h("input", { name: "title", maxlength: TITLE_MAX, autocomplete: "off" }), "May stay empty. Several people, or a title, make a group: people come and go in it.");
  const form = h("form", {}, names.wrapper, title.wrapper);
  const made = dialog("New conversation", form);
  const submit = h("button", { type: "submit" }, "Start");
  form.append(h("div", { class: "actions" }, button("Cancel", () => made.close(), { class: "quiet" }), submit));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (submit.disabled) return;
    submit.disabled = true;
    await attempt(async () => {
      const id = await create(names, title.control.value.trim());
      if (id === null) return;
      made.close();
      location.hash = `#/messages/${id}`;
    });
    submit.disabled = false;
  });
  names.control.focus();
}

/** Create the conversation asked for and return its id, null where somebody asked for is not there. */
async function create(names, title) {
  const me = session.current()?.username;
  const wanted = [...new Set(names.control.value.split(",").map((name) => name.trim()))].filter((name) => name && name !== me);
  const found = wanted.length ? await find(wanted) : [];
  const missing = wanted.filter((name) => !found.some((person) => person.username === name));
  names.complain(missing.length ? `There is nobody called ${missing.join(", ")}.` : found.length ? "" : "Name somebody else.");
  if (missing.length || !found.length) {
    names.control.focus();
    return null;
  }
  const kind = found.length === 1 && !title ? "direct" : "group";
  const made = await call("POST", "/v1/conversations", { kind, title, participants: found.map((person) => person.id) });
  return made.id;
}
