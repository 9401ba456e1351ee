// Who takes part in a group: seen by all of them, added by any, removed by whoever made it.

import { call } from "./api.js";
import { button, field, fill, h } from "./dom.js";
import { forgetParticipants } from "./messages.js";
import { called, find, learn } from "./people.js";
import * as session from "./session.js";
import { dialog, load } from "./ui.js";

/** Open the list of who takes part in a group, and what one may do to it. */
export function members(talk) {
  const list = h("ul", { class: "people", "aria-label": "People", tabindex: "-1" });
  const told = h("p", { class: "hint", role: "status" }, "Whoever is added sees what is said from then on.");
  const made = dialog("People", list, adder(), told);
  const refresh = () => load(list, listed, (people) => fill(list, people.map(item)));
  made.append(h("div", { class: "actions" }, leaver(), button("Close", () => made.close(), { class: "quiet" })));
  refresh();

  async function listed() {
    const { participants } = await call("GET", address());
    await learn(participants);
    return participants;
  }

  function address(user) {
    return `/v1/conversations/${talk.id}/participants${user ? `/${user}` : ""}`;
  }

  function item(user) {
    const mayGo = talk.created_by === me() && user !== me();
    const remove = () =>
      tell(async () => {
        await call("DELETE", address(user));
        list.focus();
        return `${called(user)} was removed.`;
      });
    const name = h("span", {}, called(user), user === talk.created_by ? h("span", { class: "soft" }, " made this group") : null);
    return h("li", {}, name, mayGo ? button("Remove", remove, { class: "quiet", "aria-label": `Remove ${called(user)}` }) : null);
  }

  function adder() {
    const name = field("Add somebody", h("input", { name: "added", autocapitalize: "none", spellcheck: "false", autocomplete: "off" }));
    const submit = h("button", { type: "submit" }, "Add");
    const form = h("form", { class: "beside" }, name.wrapper, submit);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (submit.disabled) return;
      submit.disabled = true;
      await tell(() => add(name));
      submit.disabled = false;
      name.control.focus();
    });
    return form;
  }

  async function add(name) {
    const wanted = name.control.value.trim();
    const [person] = wanted ? await find([wanted]) : [];
    name.complain(person ? "" : wanted ? `There is nobody called ${wanted}.` : "Name somebody.");
    if (!person) return "";
    await call("POST", address(), { user: person.id });
    name.control.value = "";
    return `${person.username} was added.`;
  }

  function leaver() {
    if (talk.created_by === me()) return null;
    const leave = async () => {
      await call("DELETE", address(me()));
      made.close();
      location.hash = "#/messages";
      return "";
    };
    return button("Leave the group", () => tell(leave), { class: "danger" });
  }

  /** Do something and say in the dialog what came of it: what is outside of it nobody hears meanwhile. */
  async function tell(act) {
    try {
      told.textContent = await act();
      forgetParticipants(talk.id);
      if (made.open) refresh();
    } catch (failure) {
      told.textContent = failure.message;
    }
  }
}

function me() {
  return session.current()?.user_id;
}
