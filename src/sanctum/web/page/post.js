// One post: its text, what its author may do to it, and what others say and think of it.

import { call } from "./api.js";
import { button, field, fill, h, when } from "./dom.js";
import * as session from "./session.js";
import { attempt, confirm, say } from "./ui.js";

/** Make the article of a post; `gone` is told when it was deleted. */
export function article(post, { open = false, gone = () => null } = {}) {
  const made = h("article", { class: "post", tabindex: "-1", "aria-label": `Post by ${post.author}` });
  show(made, post, gone);
  return made;
}

function show(made, post, gone) {
  const text = h("p", { class: "text", dir: "auto" }, post.text);
  const by = h("header", {}, h("span", { class: "author" }, post.author), " ", when(post.created_at));
  fill(made, by, text, h("div", { class: "actions" }, post.author === session.current()?.username ? owners(made, post, gone) : null));
}

function owners(made, post, gone) {
  return [
    button("Edit", () => edit(made, post, gone), { class: "quiet" }),
    button("Delete", () => confirm("Delete this post?", "Delete", () => remove(made, post, gone)), { class: "quiet" }),
  ];
}

async function remove(made, post, gone) {
  await call("DELETE", `/api/posts/${post.id}`);
  const next = made.nextElementSibling ?? made.previousElementSibling;
  made.remove();
  say("Deleted.");
  next?.focus();
  gone();
}

function edit(made, post, gone) {
  const text = field("Your post", h("textarea", { rows: "4", maxlength: 4000 }));
  text.control.value = post.text;
  const back = (shown) => {
    show(made, shown, gone);
    made.focus();
  };
  const save = () => attempt(async () => back(await call("PATCH", `/api/posts/${post.id}`, { text: text.control.value })));
  fill(
    made,
    text.wrapper,
    h("div", { class: "actions" }, button("Save", save), button("Cancel", () => back(post), { class: "quiet" })),
  );
  text.control.focus();
}
