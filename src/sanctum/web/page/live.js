// Sockets that follow a topic: what is new arrives by itself, in order and without gaps.
//
// A stream that lost its socket tries again, later each time, and after `TRIES_MAX` in a row stops
// until somebody asks it to, or the machine is back in the network. It resumes after the last frame
// that it has seen. Only a socket that held for a while makes the tries count from the beginning:
// a service that accepts and closes at once is not run against for ever.

import { call } from "./api.js";

const FIRST_MS = 500;
const LONGEST_MS = 30000;
const TRIES_MAX = 8;
const HELD_MS = 10000;
const PING_MS = 25000;
const PONG_MS = 10000;
const MISSED_MAX = 500; // beyond it a view loads anew instead of being told of each

/**
 * Follow a topic. Events: `state` when `state` changed (connecting, live, waiting, stopped), `live`
 * when what was shown may be out of date, `frame` with the frame as its detail, and `answer` with what
 * the service says to something that was sent. With `fromStart` all that is there comes first.
 */
export class Stream extends EventTarget {
  state = "stopped";
  #topic;
  #key;
  #seen = null;
  #fromStart;
  #socket = null;
  #tries = 0;
  #timer = 0;
  #ended = false;
  #wake = () => document.visibilityState === "visible" && this.state !== "live" && this.again();

  constructor(topic, key, fromStart = false) {
    super();
    this.#fromStart = fromStart;
    if (fromStart) this.#seen = 0;
    this.#topic = topic;
    this.#key = key;
    addEventListener("online", this.#wake);
    document.addEventListener("visibilitychange", this.#wake);
    this.#connect();
  }

  /** Try at once, with all tries before it. */
  again() {
    if (this.#ended || this.state === "connecting") return;
    this.#tries = 0;
    this.#connect();
  }

  /** Send something; returns whether there is a socket to send it over. */
  send(said) {
    if (this.state !== "live") return false;
    this.#socket.send(JSON.stringify(said));
    return true;
  }

  /** End for good. */
  end() {
    this.#ended = true;
    clearTimeout(this.#timer);
    removeEventListener("online", this.#wake);
    document.removeEventListener("visibilitychange", this.#wake);
    this.#socket?.close(1000);
  }

  async #connect() {
    clearTimeout(this.#timer);
    this.#become("connecting");
    try {
      const { ticket } = await call("POST", "/api/ws/ticket", { topic: this.#topic, key: this.#key });
      if (!this.#ended) this.#open(ticket);
    } catch (failure) {
      // What is refused for good is not asked for again; all else may pass.
      if ([401, 403, 404, 422].includes(failure.status)) this.#become("stopped");
      else this.#later();
    }
  }

  #open(ticket) {
    const address = new URL(`/api/ws/${this.#topic}`, location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    address.searchParams.set("ticket", ticket);
    if (this.#seen !== null) address.searchParams.set("after", this.#seen);
    const socket = new WebSocket(address);
    const opened = Date.now();
    let pinging = setTimeout(() => socket.close(), PONG_MS);
    const awaitPong = () => {
      socket.send('{"type":"ping","id":"page"}');
      pinging = setTimeout(() => socket.close(), PONG_MS);
    };
    socket.onmessage = ({ data }) => {
      clearTimeout(pinging);
      pinging = setTimeout(awaitPong, PING_MS);
      this.#take(JSON.parse(data));
    };
    socket.onclose = () => {
      clearTimeout(pinging);
      if (Date.now() - opened > HELD_MS) this.#tries = 0;
      this.#later();
    };
    this.#socket = socket;
  }

  #take(frame) {
    if (frame.type === "welcome") {
      const missed = frame.last - (this.#seen ?? 0);
      if (this.#seen === null || missed > MISSED_MAX) this.#seen = this.#fromStart ? frame.last - MISSED_MAX : frame.last;
      this.#become("live");
      this.dispatchEvent(new Event("live"));
    } else if (["ack", "error", "pong"].includes(frame.type)) {
      this.dispatchEvent(new CustomEvent("answer", { detail: frame }));
    } else if (frame.number > this.#seen) {
      this.#seen = frame.number;
      this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
    }
  }

  #later() {
    if (this.#ended) return;
    if (++this.#tries >= TRIES_MAX) {
      this.#become("stopped");
      return;
    }
    this.#become("waiting");
    const longest = Math.min(FIRST_MS * 2 ** this.#tries, LONGEST_MS);
    this.#timer = setTimeout(() => this.#connect(), longest * (0.5 + Math.random() / 2));
  }

  #become(state) {
    if (this.#ended || this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}
