// The three widgets: the next token, surprise, chat. Each returns its element; the model is loaded when they are made.

import { button, field, later, make, percent, slider, spoken } from "./dom.js";
import { LiveError, answer, engine, finish, next, surprise as measure, write } from "./engine.js";
import { reshape } from "./tokens.js";

const N_BARS = 10;
const N_WRITE = 40; // tokens that "write on" adds at most
const MAX_TOKENS = 400; // of a text whose surprise is measured
const ALL = 101; // the top-k slider's last position
const LEVELS = [1, 4, 8, 12]; // bits at which a token's mark gets stronger

/** Run a task that the reader may replace by another: the old one's signal aborts. Failures go to `status`. */
function latest(status) {
  let running = null;
  return async (task) => {
    running?.abort();
    const mine = (running = new AbortController());
    try {
      return await task(mine.signal);
    } catch (problem) {
      if (!mine.signal.aborted) status.textContent = problem instanceof LiveError ? problem.message : `It went wrong: ${problem.message}`;
      return null;
    }
  };
}

const statusLine = () => make("p", { class: "llmbook-live-status", role: "status" });
const textarea = (value, rows) => {
  const area = make("textarea", { rows, spellcheck: "false", autocomplete: "off" });
  area.value = value;
  return area;
};

// ---- the next token

export function nextToken({ prompt, temperature = 1, top_k: topK = null, top_p: topP = 1 }) {
  const status = statusLine();
  const text = textarea(prompt, 3);
  const bars = make("ol", { class: "llmbook-live-bars" });
  const run = latest(status);
  let known = null; // { text, ids, p } of the last answer

  const options = () => ({ temperature: t.value, topK: k.value >= ALL ? 0 : k.value, topP: p.value });
  const redraw = () => known && drawBars(bars, known, reshape(known.p, options()), append);
  const t = slider("Temperature", { min: 0, max: 2, step: 0.05, value: temperature, write: (x) => x.toFixed(2), oninput: redraw });
  const k = slider("Top-k", { min: 1, max: ALL, step: 1, value: topK ?? ALL, write: (x) => (x >= ALL ? "all" : String(x)), oninput: redraw });
  const p = slider("Top-p", { min: 0.05, max: 1, step: 0.05, value: topP, write: (x) => x.toFixed(2), oninput: redraw });

  const ask = () =>
    run(async (signal) => {
      const asked = text.value;
      bars.setAttribute("aria-busy", "true");
      const found = await next(asked, signal);
      if (!found || signal.aborted) return;
      known = { text: asked, ...found };
      redraw();
      bars.removeAttribute("aria-busy");
      const first = asked ? "Likeliest next" : "Likeliest to begin a text";
      status.textContent = `${first}: “${engine.vocabulary.show(known.ids[0])}” with ${percent(known.p[0])}.`;
    });
  const append = (id) =>
    run(async (signal) => {
      const whole = engine.vocabulary.whole(id);
      text.value = known.text + (whole ? engine.vocabulary.decode([id]) : await finish(known.text, known, id, signal));
      await ask();
    });
  text.addEventListener("input", later(ask, 350));

  const go = button("Write on", () => (go.dataset.writing ? run(async () => {}).then(idle) : writeOn()));
  const idle = () => {
    delete go.dataset.writing;
    go.textContent = "Write on";
  };
  const writeOn = () =>
    run(async (signal) => {
      go.dataset.writing = "1";
      go.textContent = "Stop";
      const before = text.value;
      const { rate } = await write(before, {
        ...options(), n: N_WRITE, signal,
        onText: (more) => { if (!signal.aborted) text.value = before + more; },
      }).finally(idle);
      await ask();
      if (rate) status.textContent += ` ${rate.toFixed(1)} tokens a second on this machine.`;
    });
  const restart = button("Start again", () => {
    text.value = prompt;
    ask();
  });

  ask();
  return make("div", { class: "llmbook-live-next" },
    field("Your text", text),
    make("p", { class: "llmbook-live-hint" }, "The ten likeliest next tokens; choose one to append it."),
    bars,
    make("div", { class: "llmbook-live-sliders" }, t.box, k.box, p.box),
    make("div", { class: "llmbook-live-buttons" }, go, restart),
    status);
}

/** Draw the bars anew, or only their lengths while the tokens stay the same, so that focus stays where it is. */
function drawBars(list, { text, ids, p }, shaped, append) {
  const key = `${text}\n${ids.slice(0, N_BARS)}`;
  if (list.dataset.key !== key) {
    const focused = list.contains(document.activeElement);
    Object.assign(list.dataset, { key, text });
    list.replaceChildren(...Array.from(ids.slice(0, N_BARS), (id) => make("li", {}, barButton(id, append))));
    if (focused) list.querySelector("button")?.focus({ preventScroll: true });
  }
  [...list.querySelectorAll("button")].forEach((bar, i) => {
    bar.dataset.p = shaped[i];
    bar.dataset.original = p[i];
    bar.classList.toggle("llmbook-live-cut", shaped[i] === 0);
    bar.style.setProperty("--share", shaped[i]);
    bar.style.setProperty("--original", p[i]);
    bar.querySelector(".llmbook-live-p").textContent = shaped[i] === 0 ? "cut" : percent(shaped[i]);
  });
}

function barButton(id, append) {
  const { vocabulary } = engine;
  const about = vocabulary.special.has(id) ? "a mark" : vocabulary.whole(id) ? null : "part of a character";
  return make("button", { type: "button", "data-id": id, onclick: () => append(id) },
    spoken("Append "),
    make("span", { class: "llmbook-live-token" }, vocabulary.show(id)),
    make("span", { class: "llmbook-live-track", "aria-hidden": "true" }),
    make("span", { class: "llmbook-live-p" }),
    about && make("span", { class: "llmbook-live-about" }, about));
}

// ---- surprise

export function surprise({ text: given }) {
  const status = statusLine();
  const text = textarea(given, 4);
  const tokens = make("div", { class: "llmbook-live-tokens", role: "group", "aria-label": "Tokens, each with its surprise" });
  const about = make("p", { class: "llmbook-live-hint" }, "Point at a token, or walk with Tab and the arrow keys, to read its number.");
  const run = latest(status);
  const numbers = make("input", { type: "checkbox", onchange: () => tokens.classList.toggle("llmbook-live-numbers", numbers.checked) });

  const go = () =>
    run(async (signal) => {
      const asked = text.value;
      const ids = engine.vocabulary.encode(asked);
      if (ids.length < 2) throw new LiveError("Write at least two words: surprise is what a token is after those before it.");
      if (ids.length > MAX_TOKENS) throw new LiveError(`This text has ${ids.length} tokens; ${MAX_TOKENS} are the most that are measured here.`);
      const marks = drawTokens(tokens, ids, about);
      status.textContent = "Reading …";
      const found = await measure(asked, { signal, onToken: (i, one) => mark(marks[i], one) });
      if (!signal.aborted) status.textContent = summary(asked, found);
    });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) go();
  });
  go();
  return make("div", { class: "llmbook-live-surprise" },
    field("Your text", text),
    make("div", { class: "llmbook-live-buttons" }, button("Measure", go), make("label", {}, numbers, " all numbers")),
    tokens, about, legend(), status);
}

/** A token each, as buttons of which one can be reached with Tab and the others with the arrow keys. */
function drawTokens(box, ids, about) {
  const marks = ids.map((id, i) =>
    make("button", { type: "button", class: "llmbook-live-mark", tabindex: i ? -1 : 0, "data-id": id },
      make("span", { class: "llmbook-live-token" }, engine.vocabulary.show(id)),
      make("span", { class: "llmbook-live-bits" }, i ? "…" : "first")));
  const tell = (event) => {
    const one = event.target.closest(".llmbook-live-mark");
    if (one?.dataset.about) about.textContent = one.dataset.about;
  };
  for (const one of marks) {
    one.addEventListener("focus", tell);
    one.addEventListener("mouseenter", tell);
  }
  box.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const at = marks.indexOf(document.activeElement);
    if (!step || !marks[at + step]) return;
    event.preventDefault();
    marks[at].tabIndex = -1;
    marks[at + step].tabIndex = 0;
    marks[at + step].focus();
  };
  marks[0].dataset.about = "The first token has nothing before it, so it is not measured.";
  box.replaceChildren(...marks);
  return marks;
}

function mark(element, { bits, best }) {
  const { vocabulary } = engine;
  const token = vocabulary.show(Number(element.dataset.id));
  const odds = Math.round(2 ** Math.min(bits, 50));
  const instead = best && best.id !== Number(element.dataset.id) ? ` Likeliest was ${vocabulary.show(best.id)}, ${percent(Math.exp(best.logprob))}.` : " Nothing was likelier.";
  element.dataset.bits = bits;
  element.dataset.level = LEVELS.filter((level) => bits >= level).length;
  element.dataset.about = `${token}: ${bits.toFixed(1)} bits, a chance of 1 in ${odds.toLocaleString("en")}.${instead}`;
  element.querySelector(".llmbook-live-bits").replaceChildren(bits.toFixed(1), spoken(" bits"));
}

function summary(text, { bits }) {
  const known = bits.filter((one) => one !== null);
  const sum = known.reduce((a, b) => a + b, 0);
  const left = bits.length - 1 - known.length;
  const unknown = left ? ` ${left} more ${left > 1 ? "are" : "is"} not measured: they begin inside a character.` : "";
  return `${known.length} tokens, ${sum.toFixed(1)} bits, ${(sum / Math.max(1, known.length)).toFixed(1)} bits a token.${unknown}`;
}

function legend() {
  const names = [`under ${LEVELS[0]}`, ...LEVELS.slice(0, -1).map((low, i) => `${low}–${LEVELS[i + 1]}`), `${LEVELS.at(-1)} and more`];
  const keys = names.map((name, level) => make("li", {}, make("span", { class: "llmbook-live-mark", "data-level": level }, name)));
  return make("div", { class: "llmbook-live-legend" }, make("span", {}, "Bits of surprise:"), make("ul", {}, ...keys));
}

// ---- chat

export function chat({ message = "", system, temperature = 0.7, max_new_tokens: n = 200 }) {
  const status = statusLine();
  const log = make("div", { class: "llmbook-live-log", role: "log", "aria-label": "Conversation", tabindex: 0 });
  const text = textarea(message, 2);
  const orders = textarea(system, 2);
  const run = latest(status);
  const turns = [];

  const speak = async (signal) => {
    const said = text.value.trim();
    if (!said) throw new LiveError("Write something first.");
    turns.push({ role: "user", content: said });
    text.value = "";
    log.append(bubble("You", said));
    const reply = bubble("SmolLM2", "");
    reply.setAttribute("aria-busy", "true"); // read out when it is whole
    log.append(reply);
    status.textContent = "Writing …";
    send.textContent = "Stop";
    send.dataset.writing = "1";
    const done = await answer(turns, {
      system: orders.value, temperature: t.value, n, signal,
      onText: (all) => {
        reply.lastChild.textContent = all;
        log.scrollTop = log.scrollHeight;
      },
    }).finally(() => {
      reply.removeAttribute("aria-busy");
      send.textContent = "Send";
      delete send.dataset.writing;
      if (reply.isConnected) turns.push({ role: "assistant", content: reply.lastChild.textContent }); // else begun anew
    });
    const speed = done.rate ? `${done.rate.toFixed(1)} tokens a second on this machine.` : "";
    if (reply.isConnected) status.textContent = signal.aborted ? "Stopped." : speed;
  };
  const send = button("Send", () => (send.dataset.writing ? stop() : run(speak)));
  const stop = () => {
    run(async () => {});
    status.textContent = "Stopped.";
  };
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (!send.dataset.writing) run(speak);
  });
  const t = slider("Temperature", { min: 0, max: 2, step: 0.05, value: temperature, write: (x) => x.toFixed(2), oninput: () => {} });
  const restart = button("New conversation", () => {
    stop();
    turns.length = 0;
    log.replaceChildren();
    status.textContent = "";
  });
  return make("div", { class: "llmbook-live-chat" },
    log,
    field("Your message (Enter sends it)", text),
    make("div", { class: "llmbook-live-buttons" }, send, restart),
    make("details", {}, make("summary", {}, "System prompt and temperature"), field("System prompt", orders), t.box),
    status);
}

function bubble(who, text) {
  return make("div", { class: `llmbook-live-${who === "You" ? "you" : "model"}` },
    make("span", { class: "llmbook-live-who" }, `${who}: `), make("span", { class: "llmbook-live-said" }, text));
}
