// One course: what it is, how one gets in, and its live sessions.

import { call } from "./api.js";
import { price } from "./courses.js";
import { button, field, fill, h } from "./dom.js";
import { called, learn } from "./people.js";
import * as session from "./session.js";
import { freshId } from "./talk.js";
import { attempt, begin, dialog, empty, load, say } from "./ui.js";

const SHOWN = 20;
const STATES = { scheduled: "Not begun yet", live: "Live now", ended: "Over" };

/** Show a course. */
export function course(main, id) {
  const heading = begin(main, "Course", h("a", { href: "#/courses" }, "All courses"));
  const place = h("div", { class: "course" });
  main.append(place);
  const refresh = () => load(place, () => find(id), (found) => show(place, heading, found, refresh));
  refresh();
}

async function find(id) {
  const one = await call("GET", `/v1/courses/${id}`);
  const [{ enrolments }, { sessions }] = await Promise.all([
    call("GET", `/v1/enrolments?limit=1&before=${id + 1}`),
    call("GET", `/v1/courses/${id}/live-sessions?limit=${SHOWN}`),
    learn([one.instructor]).catch(() => null), // a name that cannot be learnt now is shown as a number
  ]);
  return { ...one, sessions, enrolled: enrolments.some((enrolment) => enrolment.course === id) };
}

function show(place, heading, found, refresh) {
  heading.textContent = found.title;
  document.title = `${found.title} · Sanctum`;
  const focused = place.contains(document.activeElement);
  const left = found.seats - found.seats_taken;
  const by = teaches(found) ? "" : ` By ${called(found.instructor)}.`;
  const facts = `${price(found.price_cents)}. ${left > 0 ? `${left} of ${found.seats} seats left` : "Full"}.${by}`;
  fill(
    place,
    h("p", { class: "soft" }, facts),
    found.description ? h("p", { class: "text", dir: "auto" }, found.description) : null,
    entry(found, left, refresh),
    lessons(found, refresh),
  );
  if (focused) heading.focus();
}

function teaches(found) {
  return found.instructor === session.current()?.user_id;
}

/** Show how one gets in, or that one is in. */
function entry(found, left, refresh) {
  if (teaches(found)) return h("p", { class: "status" }, "This is your course.");
  if (found.enrolled) return h("p", { class: "status" }, "You are enrolled.");
  if (found.price_cents) return payment(found, left, refresh);
  if (left <= 0) return h("p", { class: "status" }, "Every seat is taken.");
  return h("div", { class: "actions" }, button("Enrol", () => attempt(() => enrol(found.id, refresh))));
}

async function enrol(id, refresh) {
  await call("POST", `/v1/courses/${id}/enrolments`);
  say("You are enrolled.");
  await refresh();
}

function payment(found, left, refresh) {
  const card = field("Card number", h("input", { name: "card", inputmode: "numeric", autocomplete: "cc-number" }), "12 to 19 digits.");
  const problem = h("p", { class: "problem", role: "alert" });
  const submit = h("button", { type: "submit" }, `Pay ${price(found.price_cents)} and enrol`);
  const form = h("form", { class: "composer", novalidate: true }, card.wrapper, problem, h("div", { class: "actions" }, submit));
  const keys = new Map(); // one for each card: asked again, the same payment goes on
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const digits = card.control.value.replaceAll(/[\s-]/g, "");
    const isRight = /^\d{12,19}$/.test(digits);
    card.complain(isRight ? "" : "Write the 12 to 19 digits of the card.");
    if (!isRight) card.control.focus();
    if (!isRight || submit.disabled) return;
    submit.disabled = true;
    problem.textContent = "";
    try {
      if (!keys.has(digits)) keys.set(digits, freshId());
      await pay(found.id, digits, keys.get(digits));
      await enrol(found.id, refresh);
    } catch (failure) {
      if (failure.status === 402 || failure.code === "payment_cancelled") keys.delete(digits);
      problem.textContent = failure.message;
    }
    submit.disabled = false;
  });
  // A payment holds its seat, so whoever has paid gets in though the course is full.
  return left > 0 ? form : [h("p", { class: "status" }, "Every seat is taken."), button("I have paid", () => attempt(() => enrol(found.id, refresh)), { class: "quiet" })];
}

async function pay(id, digits, key) {
  try {
    await call("POST", "/v1/payments", { course: id, card: digits, key });
  } catch (failure) {
    if (failure.code !== "already_paid") throw failure; // paid before the page was loaded anew
  }
}

function lessons(found, refresh) {
  const heading = h("div", { class: "heading" }, h("h2", {}, "Live sessions"), teaches(found) ? button("Schedule one", () => schedule(found.id, refresh), { class: "quiet" }) : null);
  const list = found.sessions.length
    ? h("ul", { class: "rooms" }, found.sessions.map((one) => item(found, one, refresh)))
    : empty("None is planned yet.");
  return h("section", {}, heading, list);
}

function item(found, one, refresh) {
  const starts = new Date(one.starts_at);
  const when = h("time", { datetime: starts.toISOString() }, starts.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }));
  const move = (action) => () =>
    attempt(async () => {
      await call("POST", `/v1/live-sessions/${one.id}/${action}`);
      await refresh();
    });
  const joins = one.state === "live" && (teaches(found) || found.enrolled);
  return h(
    "li",
    { class: "room" },
    h("div", {}, h("p", { class: "name", dir: "auto" }, one.title), h("p", { class: "soft" }, STATES[one.state], ", ", when)),
    h(
      "div",
      { class: "actions" },
      joins ? h("a", { href: `#/courses/${found.id}/${one.id}`, "aria-label": `Join ${one.title}` }, "Join") : null,
      teaches(found) && one.state === "scheduled" ? button("Start", move("start"), { class: "quiet", "aria-label": `Start ${one.title}` }) : null,
      teaches(found) && one.state === "live" ? button("End", move("end"), { class: "quiet", "aria-label": `End ${one.title}` }) : null,
    ),
  );
}

function schedule(id, refresh) {
  const title = field("Title", h("input", { name: "title", maxlength: "200", autocomplete: "off" }));
  const starts = field("Begins", h("input", { name: "starts", type: "datetime-local" }));
  const submit = h("button", { type: "submit" }, "Schedule");
  const form = h("form", { novalidate: true }, title.wrapper, starts.wrapper);
  const made = dialog("Schedule a live session", form);
  form.append(h("div", { class: "actions" }, button("Cancel", () => made.close(), { class: "quiet" }), submit));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const name = title.control.value.trim();
    title.complain(name ? "" : "Give the session a title.");
    starts.complain(starts.control.value ? "" : "Choose a day and a time.");
    if (!name || !starts.control.value || submit.disabled) {
      (name ? starts : title).control.focus();
      return;
    }
    submit.disabled = true;
    await attempt(async () => {
      await call("POST", `/v1/courses/${id}/live-sessions`, { title: name, starts_at: new Date(starts.control.value).toISOString() });
      made.close();
      await refresh();
    });
    submit.disabled = false;
  });
  title.control.focus();
}
