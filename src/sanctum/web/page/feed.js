// The feed: what everybody posts, newest first.

import { call } from "./api.js";
import { button, field, fill, h } from "./dom.js";
import { article, learnLikes } from "./post.js";
import { attempt, begin, empty, load, say } from "./ui.js";

const PAGE = 20;
const TEXT_MAX = 4000;

/** Show the feed, or with an id one post of it. */
export function feed(main, [id]) {
  if (id) return onePost(main, id);
  begin(main, "Feed", button("Refresh", () => refresh(), { class: "quiet" }));
  const posts = h("div", { class: "posts" });
  const refresh = () => load(posts, () => page(), (first) => showPage(posts, first, true));
  main.append(composer((post) => prepend(posts, post)), posts);
  refresh();
}

function onePost(main, id) {
  begin(main, "Post", h("a", { href: "#/feed" }, "Back to the feed"));
  const place = h("div", { class: "posts" });
  main.append(place);
  load(
    place,
    async () => learnLikes([await call("GET", `/api/posts/${encodeURIComponent(id)}`)]),
    ([post]) => fill(place, article(post, { open: true, gone: () => (location.hash = "#/feed") })),
  );
}

function composer(posted) {
  const text = field("What is new?", h("textarea", { rows: "3", maxlength: TEXT_MAX, name: "text" }));
  const submit = h("button", { type: "submit" }, "Post");
  const form = h("form", { class: "composer" }, text.wrapper, h("div", { class: "actions" }, submit));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const written = text.control.value;
    text.complain(written.trim() ? "" : "Write something first.");
    if (submit.disabled || !written.trim()) return;
    submit.disabled = true;
    await attempt(async () => {
      const post = await call("POST", "/api/posts", { text: written });
      text.control.value = "";
      posted(post);
      say("Posted.");
    });
    submit.disabled = false;
    text.control.focus();
  });
  return form;
}

async function page(before) {
  const { posts, next } = await call("GET", `/api/feed?limit=${PAGE}${before ? `&before=${before}` : ""}`);
  return { posts: await learnLikes(posts), next };
}

function showPage(posts, { posts: found, next }, first) {
  const articles = found.map((post) => article(post));
  if (first) fill(posts, articles.length ? articles : empty("Nothing here yet. Write the first post."));
  else posts.append(...articles);
  if (next) posts.append(more(posts, next));
  return articles[0];
}

function more(posts, next) {
  const made = button(
    "Show older posts",
    () =>
      attempt(async () => {
        const following = await page(next);
        made.remove();
        showPage(posts, following, false)?.focus();
      }),
    { class: "more" },
  );
  return made;
}

function prepend(posts, post) {
  posts.querySelector(".empty, .failed")?.remove();
  posts.prepend(article(post));
}
