// What every view uses: words for the user's eye and ear, and the states of a part that loads.

import { button, fill, h } from "./dom.js";

const TOAST_MS = 4000;
let vanishing = 0;

/** Say something in passing; screen readers say it too. */
export function say(text) {
  const toast = document.getElementById("toast");
  clearTimeout(vanishing);
  toast.textContent = text;
  toast.classList.add("shown");
  vanishing = setTimeout(() => {
    toast.classList.remove("shown");
    toast.textContent = "";
  }, TOAST_MS);
}

/** Do something a user asked for; tell what went wrong. Returns whether it went well. */
export async function attempt(work) {
  try {
    await work();
    return true;
  } catch (failure) {
    say(failure.message);
    return false;
  }
}

/** Begin a view: its heading gets the focus, for whoever does not see that the view changed. */
export function begin(main, title, ...beside) {
  const heading = h("h1", { tabindex: "-1" }, title);
  fill(main, h("div", { class: "heading" }, heading, beside));
  document.title = `${title} · Sanctum`;
  heading.focus({ preventScroll: true });
  scrollTo(0, 0);
  return heading;
}

const loading = new WeakMap(); // what loads into an element now: an answer that is overtaken is not shown

/** Load something into an element: while it loads, when it fails, and when it is there. */
export async function load(into, work, show) {
  const mine = {};
  loading.set(into, mine);
  const isWanted = () => into.isConnected && loading.get(into) === mine;
  into.setAttribute("aria-busy", "true");
  if (!into.childElementCount) fill(into, waiting());
  try {
    const loaded = await work();
    if (isWanted()) show(loaded);
  } catch (failure) {
    if (isWanted()) fill(into, failed(failure, () => load(into, work, show)));
  } finally {
    if (loading.get(into) === mine) into.removeAttribute("aria-busy");
  }
}

/** Show that there is nothing yet, and what to do about it. */
export function empty(text) {
  return h("p", { class: "empty" }, text);
}

function waiting() {
  const line = () => h("div", { class: "bone" });
  return h("div", { class: "waiting" }, h("p", { class: "unseen" }, "Loading"), line(), line(), line());
}

function failed(failure, again) {
  return h("div", { class: "failed", role: "alert" }, h("p", {}, failure.message), button("Try again", again));
}

/** Open a dialog: the browser keeps the focus inside, and gives it back to where it was. */
export function dialog(title, ...content) {
  const heading = h("h2", { id: "dialog-title", tabindex: "-1", autofocus: true }, title);
  const made = h("dialog", { "aria-labelledby": "dialog-title" }, heading, content);
  made.addEventListener("close", () => made.remove());
  document.body.append(made);
  made.showModal();
  return made;
}

/** Close what is open above the page. */
export function closeDialogs() {
  for (const open of document.querySelectorAll("dialog")) open.close();
}

/** Ask before something is done for good; `done` follows when the page has the focus again. */
export function confirm(question, label, act, done) {
  const carryOut = async () => {
    if (!(await attempt(act))) return;
    made.close();
    done();
  };
  const made = dialog(
    question,
    h(
      "div",
      { class: "actions" },
      button("Keep", () => made.close(), { class: "quiet" }),
      button(label, carryOut, { class: "danger" }),
    ),
  );
}
