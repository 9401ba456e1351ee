// One post: its text, what its author may do to it, and what others say and think of it.

import { call } from "./api.js";
import { button, field, fill, h, when } from "./dom.js";
import { comments } from "./comments.js";
import * as session from "./session.js";
import { attempt, confirm, say } from "./ui.js";

const TEXT_MAX = 4000;

/** Learn which of these posts whoever is logged in likes, and note it in each. */
export async function learnLikes(posts) {
  if (!posts.length) return posts;
  const { liked } = await call("GET", `/api/likes?posts=${posts.map((post) => post.id).join(",")}`);
  const mine = new Set(liked);
  return posts.map((post) => ({ ...post, liked: mine.has(post.id) }));
}

/** Make the article of a post; `open` shows its comments, `gone` is told when it was deleted. */
export function article(post, { open = false, gone = () => null } = {}) {
  const made = h("article", { class: "post", tabindex: "-1", "aria-label": `Post by ${post.author}` });
  const talk = h("section", { class: "comments", "aria-label": "Comments", hidden: true });
  show(made, talk, post, gone);
  if (open) made.querySelector("[aria-expanded]").click();
  return made;
}

function show(made, talk, post, gone) {
  const edited = post.version > 1 ? h("span", { class: "soft" }, "edited") : null;
  const mine = post.author === session.current()?.username;
  fill(
    made,
    h("header", {}, h("span", { class: "author" }, post.author), when(post.created_at), edited),
    h("p", { class: "text", dir: "auto" }, post.text),
    h("div", { class: "actions" }, like(post), reply(talk, post), mine ? owners(made, talk, post, gone) : null),
    talk,
  );
}

function like(post) {
  const made = button("", () => attempt(change), { class: "quiet" });
  const tell = () => {
    fill(made, "Like", post.likes ? h("span", { class: "number" }, ` ${post.likes}`) : null);
    made.setAttribute("aria-pressed", String(Boolean(post.liked)));
  };
  const change = async () => {
    Object.assign(post, await call(post.liked ? "DELETE" : "PUT", `/api/posts/${post.id}/like`));
    tell();
  };
  tell();
  return made;
}

function reply(talk, post) {
  const made = button("", () => toggle(), { class: "quiet", "aria-expanded": String(!talk.hidden) });
  const tell = () => fill(made, "Comments", post.comments ? h("span", { class: "number" }, ` ${post.comments}`) : null);
  const toggle = () => {
    talk.hidden = !talk.hidden;
    made.setAttribute("aria-expanded", String(!talk.hidden));
    if (!talk.hidden) comments(talk, post, tell);
  };
  tell();
  return made;
}

function owners(made, talk, post, gone) {
  return [
    button("Edit", () => edit(made, talk, post, gone), { class: "quiet" }),
    button("Delete", () => remove(made, post, gone), { class: "quiet" }),
  ];
}

function remove(made, post, gone) {
  const done = () => {
    const next = made.nextElementSibling ?? made.previousElementSibling;
    made.remove();
    say("Deleted.");
    next?.focus();
    gone();
  };
  confirm("Delete this post?", "Delete", () => call("DELETE", `/api/posts/${post.id}`), done);
}

function edit(made, talk, post, gone) {
  const text = field("Your post", h("textarea", { rows: "4", maxlength: TEXT_MAX }));
  text.control.value = post.text;
  const back = (shown) => {
    show(made, talk, shown, gone);
    made.focus();
  };
  const save = () =>
    attempt(async () => {
      const changed = { text: text.control.value, version: post.version };
      back({ ...post, ...(await call("PUT", `/api/posts/${post.id}`, changed)) });
      say("Saved.");
    });
  fill(
    made,
    text.wrapper,
    h("div", { class: "actions" }, button("Save", save), button("Cancel", () => back(post), { class: "quiet" })),
  );
  text.control.focus();
}
