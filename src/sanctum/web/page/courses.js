// Courses: what is offered, what one is enrolled in, and for instructors a way to offer one.

import { call } from "./api.js";
import { course } from "./course.js";
import { button, field, fill, h } from "./dom.js";
import { lesson } from "./lesson.js";
import * as session from "./session.js";
import { attempt, begin, dialog, empty, load } from "./ui.js";

const PAGE = 20;
const CENTS = 100;

/** Show the courses, with an id that one, and with a second id its live session; returns what ends the view. */
export function courses(main, [id, live]) {
  if (live) return lesson(main, Number(id), Number(live));
  if (id) return void course(main, Number(id));
  begin(main, "Courses", teaches() ? button("Offer a course", offerOne) : null);
  const own = h("ul", { class: "rooms" });
  const ownPart = h("section", { hidden: true }, h("h2", {}, "Your courses"), own);
  const found = h("ul", { class: "rooms", "aria-label": "Courses on offer", tabindex: "-1" });
  const place = h("section", {}, h("h2", {}, "On offer"), found);
  const search = (words) => load(found, () => page(words), (first) => showFirst(found, words, first));
  main.append(searcher(search), ownPart, place);
  search("");
  load(own, enrolled, (mine) => {
    fill(own, mine.map(offer));
    ownPart.hidden = !mine.length;
  });
  return undefined;
}

/** Say what a course costs. */
export function price(cents) {
  return cents ? (cents / CENTS).toFixed(2) : "Free";
}

function teaches() {
  return ["instructor", "admin"].includes(session.current()?.role);
}

function page(words, before) {
  return call("GET", `/v1/courses?limit=${PAGE}&q=${encodeURIComponent(words)}${before ? `&before=${before}` : ""}`);
}

async function enrolled() {
  const { enrolments } = await call("GET", `/v1/enrolments?limit=${PAGE}`);
  return Promise.all(enrolments.map((one) => call("GET", `/v1/courses/${one.course}`)));
}

function showFirst(found, words, first) {
  fill(found);
  if (first.courses.length) append(found, words, first);
  else fill(found, h("li", {}, empty(words ? "No course has all of these words. Try fewer." : "No course is offered yet.")));
}

function append(found, words, { courses: some, next }) {
  const items = some.map(offer);
  found.append(...items);
  if (!next) return items[0];
  const more = h("li", {}, button("Show older courses", () =>
    attempt(async () => {
      const following = await page(words, next);
      more.remove();
      append(found, words, following).querySelector("a").focus();
    }), { class: "more" }));
  found.append(more);
  return items[0];
}

function offer(one) {
  const left = one.seats - one.seats_taken;
  const state = one.state === "draft" ? "Not published" : left > 0 ? `${left} of ${one.seats} seats left` : "Full";
  return h(
    "li",
    { class: "room" },
    h("div", {}, h("p", { class: "name", dir: "auto" }, one.title), h("p", { class: "soft" }, `${price(one.price_cents)}. ${state}.`)),
    h("a", { href: `#/courses/${one.id}`, "aria-label": `Open ${one.title}` }, "Open"),
  );
}

function searcher(search) {
  const words = field("Words", h("input", { type: "search", name: "words", maxlength: "100", autocomplete: "off" }));
  const form = h("form", { class: "beside", role: "search" }, words.wrapper, h("button", { type: "submit" }, "Search"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    search(words.control.value.trim());
  });
  return form;
}

function offerOne() {
  const title = field("Title", h("input", { name: "title", maxlength: "200", autocomplete: "off" }));
  const about = field("What is it about?", h("textarea", { name: "about", rows: "3", maxlength: "4000" }), "May stay empty.");
  const cost = field("Price", h("input", { name: "price", inputmode: "decimal", autocomplete: "off" }), "As 25 or 25.50; empty for a free course.");
  const seats = field("Seats", h("input", { name: "seats", inputmode: "numeric", autocomplete: "off" }));
  const submit = h("button", { type: "submit" }, "Offer");
  const form = h("form", {}, title.wrapper, about.wrapper, cost.wrapper, seats.wrapper);
  const made = dialog("Offer a course", form);
  form.append(h("div", { class: "actions" }, button("Cancel", () => made.close(), { class: "quiet" }), submit));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const asked = read(title, about, cost, seats);
    if (!asked || submit.disabled) return;
    submit.disabled = true;
    await attempt(async () => {
      const { id } = await call("POST", "/v1/courses", asked);
      await call("POST", `/v1/courses/${id}/publish`);
      made.close();
      location.hash = `#/courses/${id}`;
    });
    submit.disabled = false;
  });
  title.control.focus();
}

/** Read what is to be offered; tells at each field what is wrong and leads to the first, then null. */
function read(title, about, cost, seats) {
  const name = title.control.value.trim();
  const written = cost.control.value.trim().replace(",", ".");
  const cents = Math.round(Number(written || 0) * CENTS);
  const count = Number(seats.control.value);
  const wrong = [
    [title, name ? "" : "Give the course a title."],
    [cost, /^(\d{1,4}(\.\d{1,2})?|10000)?$/.test(written) ? "" : "Write a price up to 10000, as 25 or 25.50."],
    [seats, Number.isInteger(count) && count >= 1 && count <= 100000 ? "" : "Write a number from 1 to 100000."],
  ];
  for (const [at, problem] of wrong) at.complain(problem);
  const first = wrong.find(([, problem]) => problem);
  first?.[0].control.focus();
  return first ? null : { title: name, description: about.control.value, price_cents: cents, seats: count };
}
