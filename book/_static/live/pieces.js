// The widget that cuts a text into pieces as it is typed: the page's own tokenizer at once, SmolLM2's on request.

import { button, field, later, make, spoken } from "./dom.js";
import { LiveError, vocabularyAlone } from "./engine.js";
import { Vocabulary } from "./tokens.js";

const MOST = 2000; // characters that are cut; a book would take the page's breath away
const HUES = 4;

/** `own`: `{name, tokens, merges, digits}` of a byte-level BPE, as llmbook.core.show.live.pieces writes it. */
export function pieces({ text: given, own }) {
  const text = make("textarea", { rows: 3, spellcheck: "false", autocomplete: "off", maxlength: MOST });
  text.value = given;
  const rows = make("div", { class: "llmbook-live-ways" });
  const status = make("p", { class: "llmbook-live-status", role: "status" });
  const cutters = [[own.name, new Vocabulary(own)]];

  const draw = () => rows.replaceChildren(...cutters.map(([name, vocabulary]) => row(name, vocabulary, text.value)));
  const tell = () => {
    status.textContent = cutters.map(([name, vocabulary]) => `${name}: ${vocabulary.encode(text.value).length} pieces`).join(". ");
  };
  const changed = later(tell, 800); // a screen reader hears it when the typing has ended
  text.addEventListener("input", () => {
    draw();
    changed();
  });
  const fetchIt = button("Compare with SmolLM2's 49,152 pieces (0.5 MB)", async () => {
    fetchIt.disabled = true;
    status.textContent = "Fetching …";
    try {
      cutters.push(["SmolLM2", await vocabularyAlone()]);
      fetchIt.remove();
      draw();
      tell();
      text.focus({ preventScroll: true });
    } catch (problem) {
      status.textContent = problem instanceof LiveError ? problem.message : `It went wrong: ${problem.message}`;
      fetchIt.disabled = false;
    }
  });
  draw();
  return make("div", { class: "llmbook-live-pieces" },
    field("Your text", text), rows, make("div", { class: "llmbook-live-buttons" }, fetchIt), status);
}

/** One tokenizer's cut: each piece with its number, and how many there are for how many characters and bytes. */
function row(name, vocabulary, text) {
  const ids = vocabulary.encode(text);
  const chips = ids.map((id, i) =>
    make("li", { class: "llmbook-live-piece", "data-hue": i % HUES },
      make("span", { class: "llmbook-live-token" }, vocabulary.show(id)),
      spoken(" is number "),
      make("span", { class: "llmbook-live-number" }, String(id))));
  const bytes = new TextEncoder().encode(text).length;
  const per = ids.length ? `; ${(bytes / ids.length).toFixed(1)} bytes a piece` : "";
  const count = `${ids.length} ${ids.length === 1 ? "piece" : "pieces"} for ${[...text].length} characters, ${bytes} bytes${per}`;
  return make("div", { class: "llmbook-live-way" },
    make("p", {}, make("strong", {}, name), ` (${count})`),
    make("ol", { class: "llmbook-live-chips" }, ...chips));
}
