// What every talk is made of, whether it is kept as a conversation or goes with a lesson.

import { field, h, when } from "./dom.js";
import { called } from "./people.js";
import * as session from "./session.js";

/** Make the item of something that somebody said: `from`, `payload`, and perhaps `created_at`. */
export function said(message) {
  const mine = message.from === session.current()?.user_id;
  return h(
    "li",
    { class: mine ? "said mine" : "said", "data-from": message.from },
    h("p", { class: "by" }, h("span", { class: "author" }, called(message.from)), " ", message.created_at ? when(message.created_at) : null),
    h("p", { class: "text", dir: "auto" }, message.payload),
  );
}

/** Make the form in which one writes; `send` is given what was written under an id of its own. */
export function composer(send, lengthMax = 20000) {
  const text = field("Your message", h("textarea", { rows: "2", maxlength: lengthMax, name: "message" }), "Enter sends, Shift and Enter begins a new line.");
  const form = h("form", { class: "say" }, text.wrapper, h("button", { type: "submit" }, "Send"));
  text.control.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!text.control.value.trim()) return;
    send({ id: freshId(), payload: text.control.value });
    text.control.value = "";
    text.control.focus();
  });
  return form;
}

/** Make an id that nobody else makes, on pages without TLS as well. */
export function freshId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
