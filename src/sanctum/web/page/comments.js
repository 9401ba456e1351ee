// What is said about one post, oldest first.

import { call } from "./api.js";
import { button, field, fill, h, when } from "./dom.js";
import * as session from "./session.js";
import { attempt, confirm, empty, load, say } from "./ui.js";

const PAGE = 50;
const TEXT_MAX = 2000;

/** Show the comments of a post in a place; `counted` is told when their number changed. */
export function comments(place, post, counted) {
  const list = h("ol", { class: "list", tabindex: "-1", "aria-label": "Comments" });
  const address = `/api/posts/${post.id}/comments`;
  const count = (change) => {
    post.comments += change;
    counted();
  };
  const form = composer(address, (made) => {
    list.querySelector(".empty")?.parentElement.remove();
    list.append(item(address, made, count));
    count(1);
  });
  fill(place, list, form);
  load(list, () => call("GET", `${address}?limit=${PAGE}`), (page) => {
    list.replaceChildren();
    if (!page.comments.length) list.append(h("li", {}, empty("No comments yet.")));
    append(list, address, page, count);
  });
}

function append(list, address, { comments: found, next }, count) {
  list.append(...found.map((comment) => item(address, comment, count)));
  if (!next) return;
  const more = h("li", {}, button("Show later comments", () =>
    attempt(async () => {
      const page = await call("GET", `${address}?limit=${PAGE}&after=${next}`);
      more.remove();
      append(list, address, page, count);
    }), { class: "more" }));
  list.append(more);
}

function item(address, comment, count) {
  const remove = () => call("DELETE", `${address}/${comment.id}`);
  const removed = () => {
    const next = made.parentElement;
    made.remove();
    next.focus();
    count(-1);
    say("Deleted.");
  };
  const mine = comment.author === session.current()?.username;
  const made = h(
    "li",
    { class: "comment" },
    h("p", { class: "by" }, h("span", { class: "author" }, comment.author), " ", when(comment.created_at)),
    h("p", { class: "text", dir: "auto" }, comment.text),
    mine ? button("Delete", () => confirm("Delete this comment?", "Delete", remove, removed), { class: "link", "aria-label": "Delete comment" }) : null,
  );
  return made;
}

function composer(address, posted) {
  const text = field("Your comment", h("input", { name: "comment", maxlength: TEXT_MAX, autocomplete: "off" }));
  const submit = h("button", { type: "submit" }, "Comment");
  const form = h("form", { class: "beside" }, text.wrapper, submit);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const written = text.control.value;
    text.complain(written.trim() ? "" : "Write something first.");
    if (submit.disabled || !written.trim()) return;
    submit.disabled = true;
    await attempt(async () => {
      posted(await call("POST", address, { text: written }));
      text.control.value = "";
    });
    submit.disabled = false;
    text.control.focus();
  });
  return form;
}
