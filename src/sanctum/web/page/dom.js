// Elements are built from names and text; there is no way from a text to markup.

/**
 * Build an element.
 *
 * Properties: `class`, `on` (listeners by event), anything else as an attribute; `true` sets an
 * attribute without a value, `false`, `null` and `undefined` leave it out. Children are nodes,
 * texts, lists of both, or nothing.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "on") {
      for (const [event, listen] of Object.entries(value)) element.addEventListener(event, listen);
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value);
    }
  }
  element.append(...nodes(children));
  return element;
}

/** Replace what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
}

function nodes(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

/** Make a button that does something; it is dead while that runs, so that nothing is done twice. */
export function button(label, act, properties = {}) {
  const made = h("button", { type: "button", ...properties }, label);
  made.addEventListener("click", async () => {
    if (made.getAttribute("aria-disabled") === "true") return;
    made.setAttribute("aria-disabled", "true");
    try {
      await act(made);
    } finally {
      made.removeAttribute("aria-disabled");
    }
  });
  return made;
}

let ids = 0;

/** Make a labelled field: returns the wrapper, its control, and how to show an error at it. */
export function field(label, control, hint = "") {
  const id = `field-${++ids}`;
  control.id = id;
  const note = h("p", { class: "hint", id: `${id}-hint` }, hint);
  const problem = h("p", { class: "problem", id: `${id}-problem` });
  control.setAttribute("aria-describedby", `${note.id} ${problem.id}`);
  const wrapper = h("div", { class: "field" }, h("label", { for: id }, label), control, hint ? note : null, problem);
  const complain = (text) => {
    problem.textContent = text;
    if (text) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  };
  return { wrapper, control, complain };
}

/** Tell when something was, in words for eyes and as an instant for machines. */
export function when(instant) {
  const date = new Date(instant);
  return h("time", { datetime: date.toISOString(), title: date.toLocaleString() }, ago(date));
}

function ago(date) {
  const minutes = Math.round((Date.now() - date.getTime()) / 60000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 24 * 60) return `${Math.round(minutes / 60)} h ago`;
  return date.toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" });
}
