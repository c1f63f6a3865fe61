// The model of the page: loaded once, asked by one widget at a time.
//
// llama.cpp as WebAssembly (wllama) reads the same GGUF file as the book's own code. Nothing is fetched before
// somebody asks for it, nothing from another host; the file stays in the browser's cache (Cache Storage).
// Left out: threads (they need headers that a plain web server does not send) and graphics processors.

import { Vocabulary, readVocabulary } from "./tokens.js";

export const N_CTX = 2048; // tokens of context
const START = "<|endoftext|>"; // what stands before a text that has no words yet
const HEAD = 8 << 20; // the vocabulary is in the first megabytes of the file
const STORE = "llmbook-live";
const PATIENCE = 30_000; // milliseconds to finish a character in
const HUSH = 20; // taken from a logit, this makes its token the e^20th part as likely

/** Something went wrong; its message is for the reader. */
export class LiveError extends Error {}

export const engine = new EventTarget();
Object.assign(engine, { state: "idle", text: "", done: 0, total: 1, vocabulary: null, cached: false, config: null });

let wllama = null;
let abort = null;
let queue = Promise.resolve();

function tell(state, changes = {}) {
  Object.assign(engine, { state, ...changes });
  engine.dispatchEvent(new Event("change"));
}

const place = (name) => new URL(name, import.meta.url).href;
const keyOf = (name) => `${place(name)}?v=${engine.config.version}`;

/** Say what there is to load, and look whether this browser has it already. */
export async function configure(config) {
  engine.config = config;
  try {
    engine.cached = Boolean(await (await caches.open(STORE)).match(keyOf(config.model)));
  } catch {
    engine.cached = false; // no Cache Storage here: the file is then fetched each time
  }
  tell(engine.state);
}

// ---- loading

/** Load the model; it ends in the state "ready", "idle" (cancelled) or "failed" (with `text`). */
export async function load() {
  if (engine.state === "loading" || engine.state === "ready") return;
  abort = new AbortController();
  const { signal } = abort;
  tell("loading", { text: "Fetching the model", done: 0, total: engine.config.size });
  try {
    const { model, size } = engine.config;
    const blob = await get(model, signal, { size, onDone: (done) => tell("loading", { done }) });
    tell("loading", { text: "Starting the model", done: blob.size });
    await start(blob, signal);
    tell("ready", { text: "" });
  } catch (problem) {
    await drop();
    if (signal.aborted) tell("idle", { text: "" });
    else tell("failed", { text: explain(problem) });
  }
}

/** Stop loading. */
export function cancel() {
  abort?.abort();
}

/** Remove the file from the browser's cache. */
export async function forget() {
  await caches.delete(STORE);
  tell(engine.state, { cached: false });
}

/** A file of the site as a Blob, from the browser's cache if it is there, else fetched and kept. */
async function get(name, signal, { size = null, type = "", onDone = () => {} } = {}) {
  const store = await caches.open(STORE).catch(() => null);
  const key = keyOf(name);
  const kept = await (await store?.match(key))?.blob();
  if (kept && (size === null || kept.size === size)) return new Blob([kept], { type });
  const blob = new Blob(await download(name, signal, size, onDone), { type });
  try {
    for (const old of await store.keys()) if (!old.url.endsWith(key.split("?")[1])) await store.delete(old);
    await store.put(key, new Response(blob));
    if (name === engine.config.model) engine.cached = true;
  } catch {
    // no room, or not allowed: it works all the same, and is fetched again next time
  }
  return blob;
}

async function download(name, signal, size, onDone) {
  const answer = await fetch(place(name), { signal, cache: "no-store" });
  if (!answer.ok) {
    throw new LiveError(`A file of the model is not on this site (${name}: ${answer.status}). Whoever built the site left it out.`);
  }
  const parts = [];
  let done = 0;
  for (const reader = answer.body.getReader(); ; ) {
    const part = await reader.read();
    if (part.done) break;
    parts.push(part.value);
    onDone((done += part.value.length));
  }
  if (size !== null && done !== size) throw new LiveError(`The model arrived incomplete: ${done} of ${size} bytes. Try again.`);
  return parts;
}

/** Whether this browser lacks two parts of WebAssembly that the better program needs, as Safari does. */
function needsCompat() {
  if (/Firefox\//.test(navigator.userAgent)) return false; // it does well without one of them
  try {
    new WebAssembly.Memory({ address: "i64", initial: 1n });
    return !WebAssembly.Suspending;
  } catch {
    return true;
  }
}

async function start(blob, signal) {
  const compat = needsCompat();
  const wasm = await get(compat ? "wllama-compat.wasm" : "wllama.wasm", signal, { type: "application/wasm" });
  const { Wllama } = await import("./wllama.js");
  engine.vocabulary = readVocabulary(await blob.slice(0, HEAD).arrayBuffer());
  signal.throwIfAborted();
  const silent = Object.fromEntries(["debug", "log", "warn", "error"].map((name) => [name, () => {}]));
  const program = URL.createObjectURL(wasm);
  wllama = new Wllama({ default: program }, { suppressNativeLog: true, logger: silent });
  // Said in any case: left alone, the library would ask another host for it.
  wllama.setCompat(compat ? { worker: place("wllama-compat.js"), wasm: program } : null);
  const cancelled = new Promise((_, refuse) => signal.addEventListener("abort", () => refuse(signal.reason)));
  const settings = { n_ctx: N_CTX, n_gpu_layers: 0, n_parallel: 1, warmup: false };
  await Promise.race([wllama.loadModel([blob], settings), cancelled]).finally(() => URL.revokeObjectURL(program));
}

async function drop() {
  const old = wllama;
  wllama = null;
  await old?.exit().catch(() => {});
}

function explain(problem) {
  if (problem instanceof LiveError) return problem.message;
  const words = `${problem?.name}: ${problem?.message ?? problem}`;
  if (/NetworkError|Failed to fetch|^TypeError|import/.test(words)) return "A file of the model did not arrive. Try again.";
  if (/memory|allocat|RangeError/i.test(words)) {
    return "Your browser did not give the model the memory that it needs, about half a gigabyte. Close some tabs and try again, or read on: the page does not need it.";
  }
  if (/WebAssembly|CompileError|LinkError|wasm/i.test(words)) {
    return `Your browser cannot run the model's program (${words.slice(0, 120)}). A current Chrome, Edge, Firefox or Safari can.`;
  }
  return `The model did not start (${words.slice(0, 160)}). Try again, or read on: the page does not need it.`;
}

/** The model's vocabulary without the model: a file of its own, half a megabyte as it travels. */
export async function vocabularyAlone() {
  if (engine.vocabulary) return engine.vocabulary;
  const answer = await fetch(`${place("vocabulary.json")}?v=${engine.config.version}`).catch(() => null);
  if (!answer?.ok) throw new LiveError("The vocabulary did not arrive. Try again, or read on: the page does not need it.");
  return (engine.vocabulary = new Vocabulary(await answer.json()));
}

// ---- asking

/** Run `ask` when nobody else is asking. A model that broke down is put away, with words that say so. */
function alone(ask) {
  const turn = queue.then(async () => {
    if (!wllama) throw new LiveError("The model is not loaded.");
    try {
      return await ask();
    } catch (problem) {
      if (problem?.name === "WllamaAbortError" || problem?.name === "AbortError") return null;
      const words = String(problem?.message ?? problem);
      if (/context size/.test(words)) {
        throw new LiveError(`The text is too long: the model reads ${N_CTX.toLocaleString("en")} tokens at most. Shorten it.`);
      }
      if (problem?.name !== "WllamaError") {
        await drop();
        tell("failed", { text: "The model broke down. Load it again." });
      }
      throw new LiveError(`The model could not answer (${words.slice(0, 120)}).`);
    }
  });
  queue = turn.catch(() => {});
  return turn;
}

const complete = (options) => wllama.createCompletion({ temperature: 0, cache_prompt: true, ...options });

/**
 * What comes after `text`: `{ids, p}`, likeliest first, over all tokens but those that start inside a character.
 *
 * The model's program answers in JSON and breaks down when half a character gets into it. So the few tokens that start
 * inside one (no whole text is followed by them) are shut out, and those that end inside one are made so unlikely that
 * none is drawn; what that took from their probabilities is given back here.
 */
export async function next(text, signal) {
  const { partial, unsayable, size } = engine.vocabulary;
  const answer = await alone(() => {
    signal?.throwIfAborted();
    return complete({
      ...{ prompt: text || START, max_tokens: 1, abortSignal: signal },
      ...{ temperature: 1, top_k: 0, top_p: 1, min_p: 0, post_sampling_probs: true, logprobs: size },
      logit_bias: [...unsayable.map((id) => [id, false]), ...partial.map((id) => [id, -HUSH])],
    });
  });
  const all = answer?.choices[0].logprobs.content[0].top_probs;
  if (!all) return null;
  const hushed = new Set(partial);
  for (const one of all) if (hushed.has(one.id)) one.prob *= Math.exp(HUSH);
  all.sort((a, b) => b.prob - a.prob);
  const sum = all.reduce((sofar, one) => sofar + one.prob, 0);
  return { ids: all.map((one) => one.id), p: Float64Array.from(all, (one) => one.prob / sum) };
}

/** Write on from `text`; `onText(all)` gets what is new so far. Returns it, and tokens a second. */
export async function write(text, { temperature, topK, topP, n, signal, onText = () => {}, bias = [], enough = () => false }) {
  let all = "";
  let count = 0;
  let begun = 0;
  const full = new AbortController(); // the end is called from here: an answer cut inside a character would break it
  await alone(() => {
    signal?.throwIfAborted();
    return complete({
      ...{ prompt: text || START, max_tokens: -1, stream: true, abortSignal: AbortSignal.any([full.signal, ...(signal ? [signal] : [])]) },
      ...{ temperature, top_k: topK, top_p: topP, min_p: 0, samplers: ["temperature", "top_k", "top_p"] },
      ...{ seed: Math.floor(Math.random() * 2 ** 31), logit_bias: bias },
      onData: (chunk) => {
        if (full.signal.aborted || signal?.aborted) return;
        begun ||= performance.now();
        count += 1;
        onText((all += chunk.choices[0]?.text ?? ""));
        if (count >= n || enough(all)) full.abort();
      },
    });
  });
  return { text: all, rate: count > 1 ? (count - 1) / ((performance.now() - begun) / 1000) : 0 };
}

/** The whole character that starts with this token, as the model itself would finish it; "" when it does not. */
export async function finish(text, { ids, p }, id, signal) {
  const push = Math.log(p[0] / p[ids.indexOf(id)]) + 1; // just enough to come first, so that another token can come next
  const patience = AbortSignal.any([AbortSignal.timeout(PATIENCE), ...(signal ? [signal] : [])]);
  const options = { temperature: 0, topK: 0, topP: 1, n: 8, signal: patience, bias: [[id, push]], enough: (all) => all.trim().length > 0 };
  const found = await write(text, options);
  const spaces = found.text.match(/^\s*/u)[0];
  return found.text === spaces ? "" : spaces + [...found.text.slice(spaces.length)][0];
}

/**
 * Surprise of each token of `text` given those before it; `onToken(index, {bits, best})` as they come.
 *
 * The first token has nothing before it, and a token that starts inside a character cannot be asked for: their bits
 * are null. Returns `{ids, bits}`.
 */
export async function surprise(text, { signal, onToken = () => {} } = {}) {
  const vocabulary = engine.vocabulary;
  const ids = vocabulary.encode(text);
  const bits = ids.map(() => null);
  const note = (i, content) => {
    if (content?.id !== ids[i]) return;
    bits[i] = Math.max(0, -content.logprob / Math.LN2);
    onToken(i, { bits: bits[i], best: content.top_logprobs?.[0] });
  };
  for (let i = 1; i < ids.length && !signal?.aborted; ) {
    const prompt = vocabulary.decode(ids.slice(0, i));
    const exact = String(vocabulary.encode(prompt)) === String(ids.slice(0, i));
    const end = exact ? runEnd(vocabulary, ids, i) : i;
    if (end > i) await alone(() => forced(prompt, ids.slice(i, end), (k, content) => note(i + k, content), signal));
    else if (exact && vocabulary.sayable(ids[i])) note(i, await one(prompt, ids[i], signal));
    i = Math.max(end, i + 1);
  }
  return { ids, bits };
}

/** Where the run of tokens that a grammar can force ends: whole characters, no marks. */
function runEnd(vocabulary, ids, from) {
  let end = from;
  while (end < ids.length && vocabulary.whole(ids[end]) && !vocabulary.special.has(ids[end])) end++;
  return end;
}

/** Let the model write exactly these tokens, and hear what it thought of each before it was made to. */
async function forced(prompt, ids, hear, signal) {
  signal?.throwIfAborted();
  let heard = 0;
  await complete({
    ...{ prompt, max_tokens: ids.length, logprobs: 1, stream: true, abortSignal: signal },
    grammar: `root ::= ${ids.map((id) => `<[${id}]>`).join(" ")}`,
    onData: (chunk) => {
      for (const content of chunk.choices[0]?.logprobs?.content ?? []) if (heard < ids.length) hear(heard++, content);
    },
  });
}

/** The same for a token that ends inside a character, which cannot be written alone. */
async function one(prompt, id, signal) {
  const found = await next(prompt, signal);
  const at = found?.ids.indexOf(id) ?? -1;
  return at < 0 ? null : { id, logprob: Math.log(found.p[at]), top_logprobs: [{ id: found.ids[0], logprob: Math.log(found.p[0]) }] };
}

/** The conversation as the one text that the model reads: SmolLM2's ChatML. */
export function chatText(turns, system) {
  const all = [{ role: "system", content: system }, ...turns];
  return all.map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`).join("") + "<|im_start|>assistant\n";
}

/** Answer the last of `turns`; the oldest are left out when all do not fit. */
export function answer(turns, { system, n, ...options }) {
  let kept = turns;
  const room = () => N_CTX - n - engine.vocabulary.encode(chatText(kept, system)).length;
  while (kept.length > 1 && room() < 0) kept = kept.slice(2);
  return write(chatText(kept, system), { n, topK: 0, topP: 0.9, ...options });
}
