"""The real model, alive in the page: places that the built site fills with SmolLM2, running in the reader's browser.

``next_token``, ``surprise``, ``chat`` and ``pieces`` return something that a notebook shows. It reads well without any
script (Jupyter, Colab, GitHub, a printed page): what it is, and the values that were stored when the page ran. On the
built site book/_static/live.js finds it and offers to load the model, by a button that says how much that is; pieces
need no model.

Left out: the model itself (llmbook.build.live publishes it with the site) and any computation: what is stored is given.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from llmbook.core.show.shown import Shown

SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"  # as the model was trained
NOTE = "On the book's site the model itself answers here, in your browser."
PIECES = "On the book's site this changes as you type."
STORED = "What stands here was stored when this page ran."
BAR = 20  # characters of a bar in plain text
LEVELS = (1, 4, 8, 12)  # bits at which a token's mark gets stronger, as in book/_static/live/widgets.js


def next_token(
    prompt: str,
    stored: Mapping[str, float] | None = None,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
) -> Shown:
    """What comes after ``prompt``: bars of the ten likeliest tokens, to choose from, with sliders that reshape them.

    Args:
        prompt: the text to begin with; the reader may change it.
        stored: token -> probability (0..1), likeliest first, shown where no model runs. Tokens as text or as their
            ``repr``, so that ``LanguageModel.top(prompt)`` fits.
        temperature, top_k, top_p: where the sliders stand at first (0..2; 1..100 or None for all; above 0, at most 1).

    Raises:
        ValueError: a slider has no such position, or a stored value is no probability.

    >>> next_token("Once upon a", {" time": 0.75, " midnight": 0.25})
    Next token after 'Once upon a':
        '␣time' 0.750 ███████████████
        '␣midnight' 0.250 █████
    """
    _check_sliders(temperature, top_k, top_p)
    rows = [(_visible(_token(token)), _probability(token, p)) for token, p in (stored or {}).items()]
    title = f"What comes after “{prompt}”?"
    options = {"prompt": prompt, "temperature": temperature, "top_k": top_k, "top_p": top_p}
    lines = [f"Next token after {prompt!r}:", *(f"    '{t}' {p:.3f} {_bar(p)}".rstrip() for t, p in rows)]
    return _place("next-token", title, options, _bars(prompt, rows) if rows else "", lines)


def surprise(text: str, stored: Sequence[tuple[str, float | None]] | None = None) -> Shown:
    """How much each token of ``text`` surprises the model, given those before it, in bits.

    Args:
        text: the text to begin with; the reader may change it.
        stored: (token, bits) in the order of the text, shown where no model runs; None for what has no bits, such as
            the first token.

    Raises:
        ValueError: there is no text, or bits are negative.

    >>> surprise("a b", [("a", None), (" b", 3.5)])
    Surprise in bits, token by token:
        a –, ␣b 3.5
    """
    if not text.strip():
        raise ValueError("the text is empty; give at least two words, since the first has nothing before it")
    rows = [(_visible(token), _bits(token, bits)) for token, bits in stored or []]
    marks = " ".join(_mark(token, bits) for token, bits in stored or [])
    still = f"<p>Above each token: how many bits of surprise.</p>\n<p>{marks}</p>" if rows else ""
    lines = ["Surprise in bits, token by token:", "    " + ", ".join(f"{t} {b}" for t, b in rows)]
    title = "How much does each token surprise the model?"
    return _place("surprise", title, {"text": text}, still, lines if rows else [f"Surprise of {text!r}"])


def chat(
    message: str = "",
    stored: Sequence[tuple[str, str]] | None = None,
    *,
    system: str = SYSTEM,
    temperature: float = 0.7,
    max_new_tokens: int = 200,
) -> Shown:
    """A conversation with the model, in its own chat template.

    Args:
        message: what stands in the reader's field at first.
        stored: (who, text) in order, such as ``("You", "Hello")``, shown where no model runs.
        system: the system prompt at first.
        temperature: of sampling, 0..2; 0 always takes the likeliest token.
        max_new_tokens: how long an answer may get, in tokens (1..1000).

    Raises:
        ValueError: the temperature or the length is out of range.

    >>> chat("Hello", [("You", "Hello"), ("SmolLM2", "Hi!")])
    A conversation:
        You: Hello
        SmolLM2: Hi!
    """
    _check_sliders(temperature, None, 1.0)
    if not 1 <= max_new_tokens <= 1000:
        raise ValueError(f"max_new_tokens is {max_new_tokens!r}; choose between 1 and 1000")
    turns = list(stored or [])
    still = "\n".join(f"<p><strong>{escape(who)}:</strong> {escape(said)}</p>" for who, said in turns)
    options = {
        "message": message,
        "system": system,
        "temperature": temperature,
        "max_new_tokens": max_new_tokens,
    }
    lines = ["A conversation:", *(f"    {who}: {said}" for who, said in turns)]
    return _place("chat", "Talk to the model", options, still, lines)


def pieces(text: str, own: Mapping[str, Any], stored: Mapping[str, Sequence[str]]) -> Shown:
    """How tokenizers cut ``text``, anew at each key that the reader presses; it needs no model, so it is there at once.

    Args:
        text: the text to begin with; the reader may change it.
        own: a byte-level BPE as the browser reads it: "name", "tokens" (written in GPT-2's printable bytes; the place
            in the list is the number), "merges" ("a b", first learnt first), "digits" (whether each stands alone).
        stored: tokenizer -> its pieces of the text, shown where no script runs.

    Raises:
        ValueError: ``own`` lacks a part or one of the 256 bytes, or a merge makes a piece that has no number.

    >>> letters = [chr(33 + i) for i in range(256)]  # any 256 will do for an example
    >>> own = {"name": "ours", "tokens": [*letters, "ab"], "merges": ["a b"], "digits": False}
    >>> pieces("ab a", own, {"ours": ["ab", " a"]})
    'ab a' in pieces:
        ours (2): ab|␣a
    """
    if missing := {"name", "tokens", "merges", "digits"} - set(own):
        raise ValueError(f"own lacks {', '.join(sorted(missing))}")
    known = set(own["tokens"])
    if (single := sum(len(token) == 1 for token in known)) < 256:
        raise ValueError(
            f"own has {single} tokens of one sign; each of the 256 bytes needs one, or some text has no cut"
        )
    if lost := [merge for merge in own["merges"] if merge.replace(" ", "") not in known]:
        raise ValueError(f"the merge {lost[0]!r} makes a piece that is not among the {len(known)} tokens")
    rows = [(name, [_visible(piece) for piece in cut]) for name, cut in stored.items()]
    still = "\n".join(
        f"<p><strong>{escape(name)}</strong> ({len(cut)}): "
        + "|".join(f"<code>{escape(p)}</code>" for p in cut)
        + "</p>"
        for name, cut in rows
    )
    lines = [f"{text!r} in pieces:", *(f"    {name} ({len(cut)}): {'|'.join(cut)}" for name, cut in rows)]
    return _place(
        "pieces", "Type, and see the pieces", {"text": text, "own": dict(own)}, still, lines, PIECES
    )


def _codes(pieces: Sequence[str]) -> str:
    return "|".join(f"<code>{escape(piece)}</code>" for piece in pieces)


def _place(
    kind: str, title: str, options: Mapping[str, Any], still: str, lines: Sequence[str], note: str = NOTE
) -> Shown:
    data = escape(json.dumps(options, ensure_ascii=False), quote=True)
    shown = f'<div class="llmbook-live-still">\n{still}\n</div>\n' if still else ""
    note = f"{note} {STORED}" if still else note
    html = (
        f'<div class="llmbook-live" data-live="{kind}" data-options="{data}">\n'
        f'<p class="llmbook-live-title">{escape(title)}</p>\n'
        f'{shown}<p class="llmbook-live-note">{note}</p>\n</div>'
    )
    return Shown(html.replace("\n\n", "\n"), "\n".join(lines))


def _bars(prompt: str, rows: Sequence[tuple[str, float]]) -> str:
    body = "\n".join(
        f'<tr><th scope="row"><code>{escape(token)}</code></th><td>{100 * p:.1f} %</td>'
        f'<td aria-hidden="true">{_bar(p)}</td></tr>'
        for token, p in rows
    )
    head = '<tr><th scope="col">token</th><th scope="col">probability</th><td></td></tr>'
    caption = f"<caption>Likeliest after “{escape(prompt)}”</caption>"
    return f"<table>{caption}<thead>{head}</thead><tbody>\n{body}\n</tbody></table>"


def _bar(p: float) -> str:
    return "█" * round(BAR * p)


def _token(text: str) -> str:
    """A token from its text, or from the ``repr`` of it."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        try:
            return str(ast.literal_eval(text))
        except (ValueError, SyntaxError):
            pass
    return text


def _visible(text: str) -> str:
    """Spaces, tabs and line ends as signs, as book/_static/live/tokens.js shows them."""
    return text.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥")


def _probability(token: str, p: float) -> float:
    if not 0 <= p <= 1:
        raise ValueError(f"the stored value of {token!r} is {p!r}; probabilities lie between 0 and 1")
    return float(p)


def _bits(token: str, bits: float | None) -> str:
    if bits is not None and not bits >= 0:
        raise ValueError(
            f"the stored surprise of {token!r} is {bits!r} bits; it is 0 or more, None if unknown"
        )
    return "–" if bits is None else f"{bits:.1f}"


def _mark(token: str, bits: float | None) -> str:
    """A token with its number above it, which no line end parts, marked the more strongly the more bits it has."""
    ruby = f"<ruby>{escape(_visible(token))}<rp> (</rp><rt>{_bits(token, bits)}</rt><rp>)</rp></ruby>"
    level = sum((bits or 0.0) >= least for least in LEVELS)
    return f'<span class="llmbook-live-mark" data-level="{level}" style="display:inline-block">{ruby}</span>'


def _check_sliders(temperature: float, top_k: int | None, top_p: float) -> None:
    if not 0 <= temperature <= 2:
        raise ValueError(f"temperature is {temperature!r}; the slider goes from 0 to 2")
    if top_k is not None and not 1 <= top_k <= 100:
        raise ValueError(f"top_k is {top_k!r}; the slider goes from 1 to 100, None is all tokens")
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p is {top_p!r}; it has to be above 0 and at most 1")
