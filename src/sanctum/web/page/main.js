// The page begins here: who is logged in decides what there is to see, the address which part of it.

import { courses } from "./courses.js";
import { button, fill, h } from "./dom.js";
import { feed } from "./feed.js";
import { games } from "./games.js";
import { counts, follow, inbox, unfollow } from "./inbox.js";
import { messages } from "./messages.js";
import { notifications } from "./notifications.js";
import { learn, nameOf } from "./people.js";
import * as session from "./session.js";
import { attempt, closeDialogs, say } from "./ui.js";
import { welcome } from "./welcome.js";

// By the first word of the address after `#/`: the tab's name and its view. A view is given where to
// show itself and the rest of the address; it returns what ends it, or nothing.
const VIEWS = {
  feed: { name: "Feed", show: feed },
  messages: { name: "Messages", show: messages },
  courses: { name: "Courses", show: courses },
  games: { name: "Games", show: games },
  notifications: { name: "Notifications", show: notifications },
};

const main = document.getElementById("main");
const skip = document.querySelector(".skip");
let end = null;

function show() {
  end?.();
  end = null;
  closeDialogs();
  const who = session.current();
  document.getElementById("top").hidden = !who;
  document.body.classList.toggle("outside", !who);
  if (!who) {
    welcome(main);
    return;
  }
  const [, word, ...rest] = location.hash.split("/");
  const isKnown = Object.hasOwn(VIEWS, word ?? "");
  const name = isKnown ? word : "feed";
  mark(name);
  end = VIEWS[name].show(main, isKnown ? rest : []) ?? null;
}

function build() {
  const tabs = Object.entries(VIEWS).map(([word, view]) => h("a", { href: `#/${word}`, "data-word": word }, view.name));
  fill(document.getElementById("tabs"), tabs);
  const who = session.current();
  fill(
    document.getElementById("account"),
    who ? [h("span", { class: "me" }, who.username), button("Log out", leave, { class: "quiet" })] : null,
  );
}

/** Log out; whoever comes next does not begin where this one left, unlike after a session that ran out. */
function leave() {
  history.replaceState(null, "", "#/feed");
  return attempt(session.logOut);
}

function mark(name) {
  for (const tab of document.querySelectorAll("#tabs a")) {
    if (tab.dataset.word === name) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
}

/** Show beside each tab how much in it is unread. */
function count() {
  for (const tab of document.querySelectorAll("#tabs a")) {
    const { word } = tab.dataset;
    const unread = counts[word];
    fill(
      tab,
      VIEWS[word].name,
      unread ? [" ", h("span", { class: "count" }, String(unread), h("span", { class: "unseen" }, " unread"))] : null,
    );
  }
}

/** Say what arrived, unless it is on the screen already. */
async function tellMessage({ detail: { from, conversation } }) {
  if (from === session.current()?.user_id || location.hash === `#/messages/${conversation}`) return;
  await learn([from]).catch(() => null); // a name that cannot be learnt now is told as a number
  say(`New message from ${nameOf(from)}.`);
}

function restart() {
  build();
  if (session.current()) follow();
  else unfollow();
  show();
}

skip.addEventListener("click", (event) => {
  event.preventDefault(); // the address names the view
  main.focus();
});
addEventListener("hashchange", show);
inbox.addEventListener("counts", count);
inbox.addEventListener("message", tellMessage);
inbox.addEventListener("notification", () => say("New notification."));
session.changes.addEventListener("change", restart);
restart();
