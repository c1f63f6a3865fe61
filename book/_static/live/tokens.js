// Text into the model's tokens and back, and what temperature, top-k and top-p do to probabilities.
//
// Byte-level BPE (Sennrich et al. 2016; Radford et al. 2019) with the vocabulary and merges that the GGUF file carries:
// digits stand alone, then GPT-2's pattern. The same ids as Hugging Face's tokenizer (tests/core/show/test_live.py).
// Left out: every other kind of tokenizer.

const CONTROL = 3; // GGUF's type of a token such as <|im_end|>
const DIGITS = /(\p{N})/u;
const NOTHING = /(?!)/; // found nowhere
const WORDS =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

// ---- the vocabulary, out of the head of a GGUF file

const WANTED = { "tokenizer.ggml.tokens": "tokens", "tokenizer.ggml.merges": "merges", "tokenizer.ggml.token_type": "types" };
const SIZES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8]; // bytes of GGUF's value types; 8 is a string, 9 an array

/** The vocabulary in the first megabytes (ArrayBuffer) of a GGUF file. Throws when they hold none. */
export function readVocabulary(buffer) {
  const view = new DataView(buffer);
  const decoder = new TextDecoder();
  let at = 24;
  const count = () => Number(view.getBigUint64((at += 8) - 8, true));
  const word = () => view.getUint32((at += 4) - 4, true);
  const string = () => {
    const length = count();
    return decoder.decode(new Uint8Array(buffer, (at += length) - length, length));
  };
  const value = (type) => {
    if (type === 8) return string();
    if (type === 9) {
      const inner = word();
      return Array.from({ length: count() }, () => value(inner));
    }
    at += SIZES[type];
    return type === 4 || type === 5 ? view.getInt32(at - 4, true) : null;
  };
  if (view.getUint32(0, true) !== 0x46554747) throw new Error("this is not a GGUF file");
  const found = {};
  for (let left = Number(view.getBigUint64(16, true)); left > 0 && Object.keys(found).length < 3; left--) {
    const name = string();
    const read = value(word());
    if (WANTED[name]) found[WANTED[name]] = read;
  }
  return new Vocabulary(found);
}

/** Every byte as a printable character, as GPT-2 writes them in its vocabulary. */
function byteCharacters() {
  const plain = (b) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCodePoint(plain(b) ? b : next++));
}

export class Vocabulary {
  /** `types` as in GGUF, one for each token; or `control`, the ids of the marks. `digits`: whether each stands alone. */
  constructor({ tokens, merges, types = [], control = [], digits = true }) {
    this.names = tokens;
    this.digits = digits ? DIGITS : NOTHING;
    this.size = tokens.length;
    this.ids = new Map(tokens.map((name, id) => [name, id]));
    this.ranks = new Map(merges.map((pair, rank) => [pair, rank]));
    this.special = new Set([...control, ...types.flatMap((type, id) => (type === CONTROL ? [id] : []))]);
    this.characters = byteCharacters();
    this.byteOf = new Map(this.characters.map((character, byte) => [character, byte]));
    this.known = new Map();
    const names = [...this.special].map((id) => tokens[id].replace(/[|\\{}()[\]^$+*?.]/g, "\\$&"));
    this.marks = names.length ? new RegExp(`(${names.join("|")})`) : NOTHING;
    const all = tokens.map((_, id) => id);
    this.unsayable = all.filter((id) => !this.sayable(id)); // they start inside a character
    this.partial = all.filter((id) => this.sayable(id) && !this.whole(id)); // they end inside one
  }

  /** Token ids of a text; marks such as <|im_end|> in it are tokens of their own. */
  encode(text) {
    const ids = [];
    for (const part of text.split(this.marks)) {
      if (this.ids.has(part) && this.special.has(this.ids.get(part))) ids.push(this.ids.get(part));
      else for (const run of part.split(this.digits)) for (const word of run.match(WORDS) ?? []) ids.push(...this.merge(word));
    }
    return ids;
  }

  /** Token ids of one word: its bytes, joined pair by pair in the order in which the pairs were learnt. */
  merge(word) {
    if (this.known.has(word)) return this.known.get(word);
    let parts = [...new TextEncoder().encode(word)].map((byte) => this.characters[byte]);
    for (;;) {
      let best = Infinity;
      for (let i = 0; i + 1 < parts.length; i++) best = Math.min(best, this.ranks.get(`${parts[i]} ${parts[i + 1]}`) ?? Infinity);
      if (best === Infinity) break;
      const joined = [];
      for (let i = 0; i < parts.length; i++) {
        if (this.ranks.get(`${parts[i]} ${parts[i + 1]}`) === best) joined.push(parts[i] + parts[++i]);
        else joined.push(parts[i]);
      }
      parts = joined;
    }
    const ids = parts.map((part) => this.ids.get(part));
    this.known.set(word, ids);
    return ids;
  }

  /** The bytes (Uint8Array) that a token stands for. */
  bytes(id) {
    const name = this.names[id];
    if (this.special.has(id)) return new TextEncoder().encode(name);
    return Uint8Array.from([...name].flatMap((character) => this.byteOf.get(character) ?? []));
  }

  /** Text of several tokens; what is half a character at its end becomes U+FFFD. */
  decode(ids) {
    return new TextDecoder().decode(Uint8Array.from(ids.flatMap((id) => [...this.bytes(id)])));
  }

  /** Whether a token is whole characters, or a mark. */
  whole(id) {
    return decoded(this.bytes(id)) !== null;
  }

  /** Whether llama.cpp can name a token in its answer: whole characters, perhaps with the beginning of one behind. */
  sayable(id) {
    const bytes = this.bytes(id);
    for (let back = 1; back <= Math.min(3, bytes.length); back++) {
      const length = leadLength(bytes[bytes.length - back]);
      if (length > 1) return decoded(length > back ? bytes.slice(0, -back) : bytes) !== null;
    }
    return decoded(bytes) !== null;
  }

  /** A token as a reader can see it: its spaces and line ends marked, bytes of a broken character in hexadecimal. */
  show(id) {
    const bytes = this.bytes(id);
    const text = decoded(bytes);
    if (text !== null) return visible(text);
    return `⟨${[...bytes].map((byte) => byte.toString(16).toUpperCase().padStart(2, "0")).join(" ")}⟩`;
  }
}

/** How many bytes a character has that starts with this byte; 0 for a byte that starts none. */
function leadLength(byte) {
  if (byte < 0x80) return 1;
  return byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 0;
}

/** The text of these bytes, null when they are not whole characters. */
function decoded(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Text with its spaces and line ends made visible, and whatever else would not be seen. */
export function visible(text) {
  return text
    .replaceAll(" ", "␣")
    .replaceAll("\n", "⏎")
    .replaceAll("\t", "⇥")
    .replace(/[\p{Cc}\p{Cf}\p{Z}\ufffd]/gu, (c) => `⟨U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

/**
 * Probabilities after temperature, then top-k, then top-p; each step renormalises.
 *
 * `p`: probabilities, likeliest first. Temperature 0 keeps only the likeliest; topK 0 and topP 1 keep all. Top-p keeps
 * the fewest likeliest tokens that together reach it (Holtzman et al. 2020). As transformers' processors do.
 */
export function reshape(p, { temperature = 1, topK = 0, topP = 1 }) {
  const kept = topK > 0 ? Math.min(topK, p.length) : p.length;
  const out = new Float64Array(p.length);
  if (temperature <= 0) {
    out[0] = 1;
    return out;
  }
  let sum = 0;
  for (let i = 0; i < kept; i++) sum += out[i] = p[i] > 0 ? Math.exp(Math.log(p[i] / p[0]) / temperature) : 0;
  let end = 0;
  let mass = 0;
  while (end < kept && (end === 0 || mass < topP * sum * (1 - 1e-12))) mass += out[end++];
  for (let i = 0; i < p.length; i++) out[i] = i < end ? out[i] / mass : 0;
  return out;
}
