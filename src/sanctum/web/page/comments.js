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
  const shown = new Map(); // the item of each comment, by its id
  const count = (change) => {
    post.comments += change;
    counted();
  };
  const form = composer(address, (made) => {
    list.querySelector(".empty")?.parentElement.remove();
    list.append(item(address, made, count, shown));
    count(1);
  });
  fill(place, list, form);
  load(list, () => call("GET", `${address}?limit=${PAGE}`), (page) => {
    list.replaceChildren();
    shown.clear();
    if (!page.comments.length) list.append(h("li", {}, empty("No comments yet.")));
    const end = h("li", { hidden: true });
    list.append(end);
    insert(end, address, page, count, shown);
  });
}

/** Show a page of comments before the place where the next one goes; own ones may be below it already. */
function insert(end, address, { comments: found, next }, count, shown) {
  end.before(...found.map((comment) => shown.get(comment.id) ?? item(address, comment, count, shown)));
  end.hidden = !next;
  if (!next) return;
  const more = async () => insert(end, address, await call("GET", `${address}?limit=${PAGE}&after=${next}`), count, shown);
  fill(end, button("Show later comments", () => attempt(more), { class: "more" }));
}

function item(address, comment, count, shown) {
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
  shown.set(comment.id, made);
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
