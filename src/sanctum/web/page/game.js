// One game of noughts and crosses: every event holds the whole room, so the last one says all.

import { call } from "./api.js";
import { button, fill, h } from "./dom.js";
import { remember } from "./games.js";
import { Stream } from "./live.js";
import { called, learn } from "./people.js";
import * as session from "./session.js";
import { attempt, begin, confirm, load } from "./ui.js";

const SIDE = 3;
const MARKS = { X: "cross", O: "nought", ".": "free" };
const STEPS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -SIDE, ArrowDown: SIDE };

/** Show the game of a room; returns what ends the view. */
export function room(main, id) {
  const heading = begin(main, "Game", h("a", { href: "#/games" }, "All games"));
  const place = h("div", { class: "game" });
  main.append(place);
  const game = new Game(place, heading, id);
  game.refresh();
  const stream = new Stream("game", id);
  stream.addEventListener("frame", ({ detail }) => game.take(detail.event.room));
  stream.addEventListener("live", () => game.refresh());
  return () => stream.end();
}

class Game {
  #place;
  #heading;
  #id;
  #room = null;
  #status = h("p", { class: "status", role: "status" });
  #players = h("p", { class: "soft" });
  #cells = [];
  #actions = h("div", { class: "actions" });

  constructor(place, heading, id) {
    this.#place = place;
    this.#heading = heading;
    this.#id = id;
  }

  refresh() {
    const show = (found) => {
      if (!this.#cells.length) this.#build();
      return this.take(found);
    };
    if (this.#cells.length) return attempt(async () => show(await this.#find()));
    return load(this.#place, () => this.#find(), show);
  }

  #find() {
    return call("GET", `/v1/rooms/${this.#id}`);
  }

  #build() {
    this.#cells = Array.from({ length: SIDE * SIDE }, (_, at) => this.#cell(at));
    const board = h("div", { class: "board", role: "group", "aria-label": "Board" }, this.#cells);
    fill(this.#place, this.#status, this.#players, board, this.#actions);
  }

  #cell(at) {
    const made = h("button", { type: "button", class: "cell" });
    made.addEventListener("click", () => this.#move(at));
    made.addEventListener("keydown", (event) => {
      const next = this.#cells[at + (STEPS[event.key] ?? SIDE * SIDE)];
      if (!next) return;
      event.preventDefault();
      next.focus();
    });
    return made;
  }

  /** Show how the room stands, unless something newer is shown already. */
  async take(found) {
    if (!this.#cells.length || (this.#room && found.last <= this.#room.last)) return;
    this.#room = found;
    await learn([found.host, found.guest]).catch(() => null); // a name not learnt is shown as a number
    if (this.#room === found) this.#show();
  }

  #show() {
    const one = this.#room;
    this.#heading.textContent = one.name;
    document.title = `${one.name} · Sanctum`;
    fill(this.#status, this.#tells());
    fill(this.#players, `${called(one.host)}: cross`, one.guest === null ? "" : `. ${called(one.guest)}: nought.`);
    this.#cells.forEach((cell, at) => this.#mark(cell, at));
    const focused = this.#actions.contains(document.activeElement);
    fill(this.#actions, this.#choices());
    if (focused && !this.#actions.contains(document.activeElement)) this.#heading.focus();
  }

  #mark(cell, at) {
    const mark = this.#room.board[at];
    const free = mark === "." && this.#room.turn === session.current()?.user_id;
    cell.textContent = mark === "." ? "" : mark === "X" ? "×" : "○";
    cell.setAttribute("aria-label", `Row ${Math.floor(at / SIDE) + 1}, column ${(at % SIDE) + 1}: ${MARKS[mark]}`);
    cell.setAttribute("aria-disabled", String(!free));
  }

  #tells() {
    const { state, turn, winner, end_reason: reason, host } = this.#room;
    const me = session.current()?.user_id;
    if (state === "waiting") return host === me ? "Waiting for somebody to join." : "This game waits for a second player.";
    if (state === "playing") return turn === me ? "Your turn." : `${called(turn)} is to move.`;
    if (reason === "draw") return "A draw.";
    if (reason === "closed") return "The game was closed.";
    if (reason === "idle") return "Nobody moved for too long, so the game has ended.";
    const won = winner === null ? "The game has ended." : winner === me ? "You have won." : `${called(winner)} has won.`;
    return reason === "leave" ? `A player left. ${won}` : won;
  }

  #choices() {
    const { state, host, guest } = this.#room;
    const me = session.current()?.user_id;
    if (state === "ended") return [h("a", { href: "#/games" }, "Play another game")];
    if (state === "waiting" && me !== host) return [button("Join", () => this.#act("join"))];
    if (state === "waiting") return [button("Close the game", () => this.#act("close"), { class: "quiet" })];
    if (me !== host && me !== guest) return [];
    return [button("Leave the game", () => this.#leave(), { class: "quiet" })];
  }

  #leave() {
    confirm("Leave this game? The other player wins.", "Leave", () => this.#do("leave"), () => this.#heading.focus());
  }

  #act(action) {
    return attempt(() => this.#do(action));
  }

  async #do(action) {
    await this.take(await call("POST", `/v1/rooms/${this.#id}/${action}`));
    if (action === "join") remember(this.#id);
  }

  async #move(at) {
    if (this.#cells[at].getAttribute("aria-disabled") === "true") return;
    this.#cells[at].setAttribute("aria-disabled", "true");
    const moved = await attempt(async () => {
      this.take(await call("POST", `/v1/rooms/${this.#id}/moves`, { number: this.#room.moves + 1, place: at }));
    });
    if (!moved) {
      await this.refresh();
      this.#show();
    }
  }
}
