// Small helpers for the widgets: elements, fields, what a screen reader is told.

/** An element with attributes (`onclick` and the like are listeners) and children. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

let last = 0;
export const newId = () => `llmbook-live-${(last += 1)}`;

export const button = (text, onclick, attributes = {}) =>
  make("button", { type: "button", class: "llmbook-live-button", onclick, ...attributes }, text);

/** A labelled field around an input or a text area. */
export function field(label, control) {
  control.id ||= newId();
  return make("div", { class: "llmbook-live-field" }, make("label", { for: control.id }, label), control);
}

/** A labelled slider that shows its value; `write(value)` is what it shows, and what a screen reader says. */
export function slider(label, { min, max, step, value, write, oninput }) {
  const input = make("input", { type: "range", min, max, step, id: newId() });
  const output = make("span", { class: "llmbook-live-value", "aria-hidden": "true" }); // the slider itself says it
  const show = () => {
    output.textContent = write(Number(input.value));
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.value = value;
  input.addEventListener("input", () => {
    show();
    oninput();
  });
  show();
  const box = make("div", { class: "llmbook-live-slider" }, make("label", { for: input.id }, label), input, output);
  return { box, get value() { return Number(input.value); } };
}

export const percent = (p) =>
  p > 0 && p < 0.0005 ? "< 0.1 %" : `${(100 * p).toFixed(p >= 0.9995 ? 0 : 1)} %`;

export const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`;

/** Text that only a screen reader says. */
export const spoken = (text) => make("span", { class: "llmbook-live-spoken" }, text);

/** Calls `run` once things have been quiet for a while. */
export function later(run, milliseconds) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(run, milliseconds);
  };
}
