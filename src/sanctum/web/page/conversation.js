// One conversation: what was said, what arrives, and what one says.

import { call } from "./api.js";
import { button, fill, h } from "./dom.js";
import { inbox, recount } from "./inbox.js";
import { members } from "./members.js";
import { learnParticipants, titleOf } from "./messages.js";
import { called, learn } from "./people.js";
import * as session from "./session.js";
import { composer, said } from "./talk.js";
import { attempt, empty, load } from "./ui.js";

const PAGE = 30;
const MISSED_PAGES_MAX = 20; // whoever missed more sees the newest, and how much is above it
const NEAR_END_PX = 80;
const HEARD_MAX = 300; // of a message that is read aloud when it arrives

/** Show a conversation in a pane; returns what ends it. */
export function conversation(pane, id) {
  const talk = new Talk(pane, id);
  const arrived = ({ detail }) => detail.conversation === id && talk.arrive(detail);
  const stale = () => talk.catchUp();
  const seen = () => talk.markRead();
  inbox.addEventListener("message", arrived);
  inbox.addEventListener("stale", stale);
  document.addEventListener("visibilitychange", seen);
  talk.open();
  return () => {
    inbox.removeEventListener("message", arrived);
    inbox.removeEventListener("stale", stale);
    document.removeEventListener("visibilitychange", seen);
  };
}

class Talk {
  #pane;
  #id;
  #shown = new Map(); // the item of each message, by its number
  #sending = new Map(); // the items of own messages that are not acknowledged, by their id
  #turn = Promise.resolve(); // one message is sent after the other, in the order in which they were written
  #read = 0;
  #log = h("ol", { class: "log", tabindex: "0", "aria-label": "Messages" });
  #heard = h("p", { class: "unseen", role: "status" });

  constructor(pane, id) {
    this.#pane = pane;
    this.#id = id;
    this.#log.addEventListener("scroll", () => this.markRead());
  }

  open() {
    const loadAll = async () => {
      const talk = await call("GET", `/v1/conversations/${this.#id}`);
      await learnParticipants(talk);
      return { talk, page: await this.#back(talk.unread ? talk.read_number : Infinity) };
    };
    load(this.#pane, loadAll, ({ talk, page }) => this.#show(talk, page));
  }

  #show(talk, page) {
    const back = h("a", { href: "#/messages", class: "back" }, "All conversations");
    const people = talk.kind === "group" ? button("People", () => members(talk), { class: "quiet" }) : null;
    const title = h("div", { class: "title" }, h("h2", {}, titleOf(talk)), people);
    fill(this.#pane, back, title, this.#log, this.#heard, composer((draft) => this.#send(draft)));
    this.#read = talk.read_number;
    document.title = `${titleOf(talk)} · Sanctum`;
    this.#prepend(page);
    if (!page.messages.length) this.#log.append(h("li", { class: "hollow" }, empty("Nothing said yet.")));
    const isNew = ([number, item]) => number > this.#read && !item.matches(".mine");
    const first = [...this.#shown].sort(([a], [b]) => a - b).find(isNew);
    if (first && talk.unread) first[1].before(h("li", { class: "divider" }, "New"));
    this.#group();
    // What is new is read from its beginning; where all of it fits that is the end.
    const divider = this.#log.querySelector(".divider");
    this.#log.scrollTop = divider ? divider.offsetTop - this.#log.offsetTop - NEAR_END_PX / 2 : this.#log.scrollHeight;
    this.markRead();
  }

  /** Read from the newest message back to one with this number, so that nothing between is left out. */
  async #back(number) {
    let { messages, next } = await this.#page();
    for (let read = 1; next && read < MISSED_PAGES_MAX && messages.at(-1).number > number + 1; read++) {
      const older = await this.#page(next);
      messages = [...messages, ...older.messages];
      next = older.next;
    }
    return { messages, next };
  }

  async #page(before) {
    const page = await call("GET", `/v1/conversations/${this.#id}/messages?limit=${PAGE}${before ? `&before=${before}` : ""}`);
    await learn(page.messages.map((message) => message.from));
    return page;
  }

  /** Show older messages above the others; whoever reads stays where they are. */
  #prepend({ messages, next }) {
    const height = this.#log.scrollHeight;
    // What arrived while this page was loading is here already.
    const items = messages.toReversed().filter(({ number }) => !this.#shown.has(number)).map((message) => this.#item(message));
    this.#log.querySelector(".earlier")?.remove();
    this.#log.prepend(...items);
    if (next) this.#log.prepend(h("li", { class: "earlier" }, button("Show earlier messages", () => this.#earlier(next), { class: "more" })));
    this.#group();
    this.#log.scrollTop += this.#log.scrollHeight - height;
  }

  #earlier(next) {
    return attempt(async () => {
      this.#prepend(await this.#page(next));
      this.#log.focus({ preventScroll: true });
    });
  }

  /** Take a message that the inbox brought. */
  async arrive({ message, id, from, payload, created }) {
    await learn([from]).catch(() => null); // a name that cannot be learnt now is shown as a number
    this.#add({ number: message, id, from, payload, created_at: created * 1000 });
    if (from !== session.current()?.user_id) this.#heard.textContent = `${called(from)}: ${payload.slice(0, HEARD_MAX)}`;
  }

  /** Show what came while nothing could arrive; where that is too much, the conversation anew. */
  catchUp() {
    if (!this.#log.isConnected) return;
    attempt(async () => {
      const reach = this.#reach();
      const { messages, next } = await this.#back(reach);
      if (next && messages.at(-1).number > reach + 1) {
        this.#shown.clear();
        this.#log.replaceChildren();
        this.open();
      } else {
        for (const message of messages.toReversed()) this.#add(message);
      }
    });
  }

  #add(message) {
    if (this.#shown.has(message.number)) return;
    const atEnd = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < NEAR_END_PX;
    this.#log.querySelector(".hollow")?.remove();
    this.#sending.get(message.id)?.remove();
    this.#sending.delete(message.id);
    const made = this.#item(message);
    const later = [...this.#shown].filter(([number]) => number > message.number).sort(([a], [b]) => a - b)[0];
    if (later) later[1].before(made);
    else this.#log.append(made, ...this.#sending.values());
    this.#group();
    if (atEnd) this.#log.scrollTop = this.#log.scrollHeight;
    this.markRead();
  }

  #item(message) {
    const made = said(message);
    this.#shown.set(message.number, made);
    return made;
  }

  /** Tell up to which number everything is shown: numbers have no gaps, what is missing is on its way. */
  #reach() {
    let number = Math.min(...this.#shown.keys());
    while (this.#shown.has(number + 1)) number++;
    return Number.isFinite(number) ? number : 0;
  }

  /** Name the author once where one says several things in a row. */
  #group() {
    let before = null;
    for (const item of this.#log.children) {
      const author = item.dataset.from ?? null;
      item.classList.toggle("follows", author !== null && author === before);
      before = author;
    }
  }

  /** Tell the service how far the reader has seen: only what is on a visible screen counts. */
  async markRead() {
    const seen = document.visibilityState === "visible" && this.#log.isConnected;
    const atEnd = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < NEAR_END_PX;
    const reach = this.#reach();
    if (!seen || !atEnd || reach <= this.#read) return;
    const before = this.#read;
    this.#read = reach;
    try {
      await call("POST", `/v1/conversations/${this.#id}/read`, { number: reach });
      inbox.dispatchEvent(new Event("read"));
      recount();
    } catch {
      this.#read = before; // said again with the next message or the next look
    }
  }

  /** Send a message under an id of its own, so that sending it again cannot say it twice. */
  #send(draft) {
    this.#log.querySelector(".hollow")?.remove();
    const made = said({ ...draft, from: session.current().user_id, created_at: Date.now() });
    const note = h("p", { class: "soft", role: "status" }, "Sending…");
    made.append(note);
    this.#sending.set(draft.id, made);
    this.#log.append(made);
    this.#group();
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#deliver(draft, made, note);
  }

  #deliver(draft, made, note) {
    this.#turn = this.#turn.then(() => this.#deliverNow(draft, made, note));
    return this.#turn;
  }

  async #deliverNow(draft, made, note) {
    try {
      const { number } = await call("POST", "/v1/messages", { conversation: this.#id, ...draft });
      note.remove();
      if (this.#shown.has(number)) return; // the inbox was quicker
      this.#sending.delete(draft.id);
      this.#shown.set(number, made);
    } catch (failure) {
      const again = button("Send again", () => {
        fill(note, "Sending…");
        return this.#deliver(draft, made, note);
      }, { class: "link" });
      fill(note, `Not sent. ${failure.message} `, again);
    }
  }
}
