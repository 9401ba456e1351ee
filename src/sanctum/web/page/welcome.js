// Logging in, and making an account.

import { button, field, fill, h } from "./dom.js";
import * as session from "./session.js";

/** Show the form for whoever is logged out; `entering` says whether it logs in or signs up. */
export function welcome(main, entering = true) {
  document.title = `${entering ? "Log in" : "Sign up"} · Sanctum`;
  const name = field("Name", nameInput(), entering ? "" : "3 to 64 letters, digits, dots, dashes or underscores.");
  const password = field("Password", passwordInput(entering), entering ? "" : "At least 8 characters.");
  const problem = h("p", { class: "problem", role: "alert" });
  const submit = h("button", { type: "submit" }, entering ? "Log in" : "Sign up");
  const form = h("form", { novalidate: true }, problem, name.wrapper, password.wrapper, submit);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (submit.disabled || !complete(name, password, entering)) return;
    submit.disabled = true;
    problem.textContent = "";
    try {
      const enter = entering ? session.logIn : session.signUp;
      await enter(name.control.value.trim(), password.control.value);
    } catch (failure) {
      problem.textContent = failure.message;
      submit.disabled = false;
      name.control.focus();
    }
  });
  const heading = h("h1", { tabindex: "-1" }, entering ? "Welcome back" : "Join Sanctum");
  const other = button(entering ? "Make an account" : "Log in", () => welcome(main, !entering), { class: "link" });
  const question = h("p", { class: "aside" }, entering ? "New here? " : "Been here before? ", other);
  fill(main, h("section", { class: "welcome" }, h("p", { class: "brand", "aria-hidden": "true" }, "Sanctum"), heading, form, question));
  name.control.focus();
}

function nameInput() {
  return h("input", { name: "username", autocomplete: "username", autocapitalize: "none", spellcheck: "false", maxlength: "64", required: true });
}

function passwordInput(entering) {
  const autocomplete = entering ? "current-password" : "new-password";
  return h("input", { type: "password", name: "password", autocomplete, maxlength: "128", required: true });
}

/** Tell at each field what is missing, and lead to the first; returns whether nothing is. */
function complete(name, password, entering) {
  const written = name.control.value.trim();
  const nameRight = entering ? written !== "" : /^[A-Za-z0-9_.-]{3,64}$/.test(written);
  const passwordRight = password.control.value.length >= (entering ? 1 : 8);
  name.complain(nameRight ? "" : entering ? "Enter your name." : "Use 3 to 64 letters, digits, dots, dashes or underscores.");
  password.complain(passwordRight ? "" : entering ? "Enter your password." : "Use at least 8 characters.");
  if (!nameRight) name.control.focus();
  else if (!passwordRight) password.control.focus();
  return nameRight && passwordRight;
}
