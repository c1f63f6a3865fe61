// Puts the widgets into a page: first the offer to load the model, then, once it is there, the widget itself.

import { button, make, megabytes } from "./dom.js";
import { cancel, configure, engine, forget, load } from "./engine.js";
import { pieces } from "./pieces.js";
import { chat, nextToken, surprise } from "./widgets.js";

const WIDGETS = { "next-token": nextToken, surprise, chat };
const AT_ONCE = { pieces }; // these need no model

/** Make the placeholders `places` live. */
export async function mount(places, config) {
  for (const place of places) mountOne(place);
  await configure(config);
}

function mountOne(place) {
  const still = place.querySelector(".llmbook-live-still");
  const note = place.querySelector(".llmbook-live-note");
  const stage = make("div", { class: "llmbook-live-stage" });
  place.append(stage);
  if (AT_ONCE[place.dataset.live]) {
    stage.append(AT_ONCE[place.dataset.live](JSON.parse(place.dataset.options)));
    if (still) still.hidden = true;
    note.hidden = true;
    return;
  }
  const offer = loader(stage);
  const stored = still ? "What stands here was stored when the page ran. " : "";
  note.textContent = `${stored}Load the model to ask it yourself: it runs in this browser, and what you write stays here.`;
  engine.addEventListener("change", function onChange() {
    if (engine.state !== "ready") {
      if (stage.firstChild !== offer) stage.replaceChildren(offer);
      if (still) still.hidden = false;
      note.hidden = false;
      return;
    }
    if (stage.firstChild !== offer) return;
    const focused = offer.contains(document.activeElement);
    const widget = WIDGETS[place.dataset.live](JSON.parse(place.dataset.options));
    stage.replaceChildren(widget, afterword());
    if (still) still.hidden = true;
    note.hidden = true;
    if (focused) widget.querySelector("textarea, button")?.focus({ preventScroll: true });
  });
}

/** The button that loads the model, its progress, and what went wrong. */
function loader(stage) {
  const words = make("span");
  const begin = button("", () => {
    stage.dataset.asked = "";
    load();
  });
  const stop = button("Cancel", cancel);
  const bar = make("progress", { "aria-label": "Loading the model" });
  const status = make("p", { class: "llmbook-live-status", role: "status" });
  const offer = make("div", { class: "llmbook-live-loader" }, begin, bar, stop, words, status);
  const show = () => {
    const { state, config, cached, done, total, text } = engine;
    const loading = state === "loading";
    const asked = "asked" in stage.dataset; // only the widget whose button was pressed speaks
    const held = offer.contains(document.activeElement);
    begin.hidden = loading;
    bar.hidden = stop.hidden = !loading || !asked;
    if (config) begin.textContent = offerText(config, cached, state);
    bar.max = total;
    bar.value = done;
    words.textContent = loading && asked ? `${megabytes(done)} of ${megabytes(total)}` : "";
    const said = loading && !asked ? "The model is loading, for all of this page." : text;
    if (status.textContent !== said) status.textContent = said;
    if (held) (loading ? stop : begin).focus({ preventScroll: true }); // the button that had the focus may be gone
    if (state === "idle" || state === "failed") delete stage.dataset.asked;
  };
  engine.addEventListener("change", show);
  show();
  return offer;
}

function offerText({ size, program }, cached, state) {
  const again = state === "failed" ? "Try again" : "Load the model";
  return cached ? `${again} (kept in this browser)` : `${again} (${megabytes(size)} + ${megabytes(program)})`;
}

function afterword() {
  const place = make("p", { class: "llmbook-live-afterword" }, "SmolLM2-135M runs in this tab; what you write stays here. ");
  if (engine.cached) {
    place.append(
      button("Remove it from this browser", async (event) => {
        await forget();
        event.target.replaceWith("It will be fetched anew next time.");
      }),
    );
  }
  return place;
}
