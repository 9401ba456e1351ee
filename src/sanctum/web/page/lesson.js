// The chat of a live session: what was said in it, what arrives, and what one says, until it is over.

import { call } from "./api.js";
import { button, fill, h } from "./dom.js";
import { Stream } from "./live.js";
import { called, learn } from "./people.js";
import * as session from "./session.js";
import { composer, said } from "./talk.js";
import { begin, empty, load } from "./ui.js";

const LENGTH_MAX = 1000;
const NEAR_END_PX = 80;
const HEARD_MAX = 300; // of a message that is read aloud when it arrives
const LOST = "Not sent: the connection is lost.";

/** Show the chat of a live session; returns what ends the view. */
export function lesson(main, course, id) {
  const heading = begin(main, "Live session", h("a", { href: `#/courses/${course}` }, "Back to the course"));
  const place = h("section", { class: "pane lesson" });
  main.append(place);
  let chat = null;
  let over = false;
  load(place, () => call("POST", `/v1/live-sessions/${id}/join`), (joined) => {
    heading.textContent = joined.title;
    document.title = `${joined.title} · Sanctum`;
    if (!over) chat = new Chat(place, joined.channel);
  });
  return () => {
    over = true;
    chat?.end();
  };
}

class Chat {
  #stream;
  #sending = new Map(); // the item of each own message that did not come back yet, by its id
  #turn = Promise.resolve(); // shown one after the other, however long a name takes to be learnt
  #log = h("ol", { class: "log", tabindex: "0", "aria-label": "Messages" }, h("li", { class: "hollow" }, empty("Nothing said yet.")));
  #heard = h("p", { class: "unseen", role: "status" });
  #told = h("p", { class: "soft told", role: "status" });

  constructor(place, channel) {
    fill(place, this.#told, this.#log, this.#heard, composer((draft) => this.#send(draft), LENGTH_MAX));
    this.#stream = new Stream("chat", channel, true);
    this.#stream.addEventListener("frame", ({ detail }) => (this.#turn = this.#turn.then(() => this.#arrive(detail))));
    this.#stream.addEventListener("answer", ({ detail }) => this.#answered(detail));
    this.#stream.addEventListener("state", () => this.#tell());
  }

  end() {
    this.#stream.end();
  }

  async #arrive({ id, from, body }) {
    await learn([from]).catch(() => null); // a name that cannot be learnt now is shown as a number
    const mine = from === session.current()?.user_id;
    const waiting = mine ? this.#sending.get(id) : null;
    this.#sending.delete(id);
    this.#show(said({ from, payload: body }), waiting);
    if (!mine) this.#heard.textContent = `${called(from)}: ${body.slice(0, HEARD_MAX)}`;
  }

  #show(item, instead = null) {
    const atEnd = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < NEAR_END_PX;
    this.#log.querySelector(".hollow")?.remove();
    instead?.remove();
    this.#log.append(item, ...this.#sending.values());
    if (atEnd || instead) this.#log.scrollTop = this.#log.scrollHeight;
  }

  #send(draft) {
    const made = said({ ...draft, from: session.current().user_id });
    made.append(h("p", { class: "soft note", role: "status" }, "Sending…"));
    this.#sending.set(draft.id, made);
    this.#show(made);
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#say(draft);
  }

  #say(draft) {
    const isOn = this.#stream.send({ type: "send", id: draft.id, body: draft.payload });
    if (!isOn) this.#failed(draft, LOST);
    else this.#sending.get(draft.id).draft = draft;
  }

  #failed(draft, words) {
    const made = this.#sending.get(draft.id);
    const again = () => {
      fill(made.querySelector(".note"), "Sending…");
      this.#say(draft);
    };
    fill(made.querySelector(".note"), `${words} `, button("Send again", again, { class: "link" }));
  }

  #answered({ type, id, error }) {
    const made = this.#sending.get(id);
    if (type !== "error" || !made) return;
    this.#failed(made.draft, error === "not_a_member" ? "Not sent: the session is over, or you take no part any more." : "Not sent.");
  }

  #tell() {
    const words = { live: "", stopped: "The session is over, or the connection is lost.", waiting: "The connection is lost. Trying again." };
    if (!(this.#stream.state in words)) return;
    fill(this.#told, words[this.#stream.state], this.#stream.state === "stopped" ? [" ", button("Connect", () => this.#stream.again(), { class: "link" })] : null);
    // Whether it got through shows when what was said comes: what is said again here is said twice.
    if (this.#stream.state !== "live") for (const made of this.#sending.values()) fill(made.querySelector(".note"), "Perhaps not sent: the connection was lost.");
  }
}
