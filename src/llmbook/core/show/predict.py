"""Predict, then reveal: questions that a page asks before it shows a result.

Questions with wrong options teach those too, unless feedback follows (Butler and Roediger 2008,
doi:10.3758/MC.36.3.604): so every option has its own. A question is plain HTML that needs no kernel: an option is a
``<details>`` whose feedback opens when it is picked, by mouse, keyboard or screen reader, with or without JavaScript.
Only a number that the reader types is compared by a few lines of script; without them the answer still unfolds.
As text (on GitHub, in a terminal) question and options come first and the answer below a line.

Left out: scores, and anything that remembers a reader. Text may hold `` `code` ``; everything else is escaped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from numbers import Real

from llmbook.core.show.shown import Shown

_BORDER = "var(--pst-color-border, var(--jp-border-color1, #8a8a8a))"
_BOX = f"border:1px solid {_BORDER};border-radius:.25rem;padding:.25rem 1rem .75rem;margin:1rem 0;min-width:0"
_OPTION = f"border:1px solid {_BORDER};border-radius:.25rem;padding:.35rem .75rem;margin:.5rem 0"
_LEGEND = "float:none;width:auto;font-size:1em;font-weight:600;padding:0 .4rem;margin:0"
_FIELD = "font:inherit;color:inherit;background:transparent;border:1px solid;border-radius:.25rem;padding:.2rem .5rem"

# Compares what was typed with the answer, says what it found, and opens the explanation.
_SCRIPT = """(() => {{
  const box = document.getElementById("{id}"), form = box.querySelector("form");
  form.hidden = false;
  form.onsubmit = event => {{
    event.preventDefault();
    const guess = form.querySelector("input").valueAsNumber, far = guess - {answer};
    form.querySelector("[role=status]").textContent =
      Math.abs(far) <= {reach} ? "✓ Right." : far < 0 ? "✗ Too low." : "✗ Too high.";
    box.querySelector("details").open = true;
  }};
}})();"""


def choice(question: str, options: Mapping[str, str], *, answer: str) -> Shown:
    """A question with a few answers to pick from; each has a feedback that says why it is right or wrong.

    Args:
        question: what will happen? One sentence or two; may hold `` `code` ``.
        options: option -> feedback, in the order shown.
        answer: the option that is right.

    Raises:
        ValueError: the question is empty, there are fewer than two options, one has no feedback, or ``answer``
            is none of them.

    >>> choice("Is one half more?", {"yes": "1/2 > 1/3.", "no": "Draw a cake."}, answer="yes")
    Predict: Is one half more?
      a) yes
      b) no
    ----------------------------------------
    Answer: a) yes
      a) Right. 1/2 > 1/3.
      b) Not so. Draw a cake.
    """
    _check_choice(question, options, answer)
    group = _identifier(question, *options)
    picks = "\n".join(
        f'<details name="{group}" style="{_OPTION}"><summary style="cursor:pointer">{_html(option)}</summary>\n'
        f'<p role="status" style="margin:.5rem 0 0"><strong>{"✓ Right." if option == answer else "✗ Not so."}'
        f"</strong> {_html(feedback)}</p></details>"
        for option, feedback in options.items()
    )
    letters = dict(zip(options, "abcdefghijklmnopqrstuvwxyz", strict=False))
    shown = [f"  {letters[option]}) {option}" for option in options]
    why = [
        f"  {letters[option]}) {'Right' if option == answer else 'Not so'}. {feedback}"
        for option, feedback in options.items()
    ]
    return _question(group, question, picks, shown, [f"Answer: {letters[answer]}) {answer}", *why])


def number(question: str, *, answer: float, tolerance: float = 0.0, because: str, unit: str = "") -> Shown:
    """A question whose answer is a number: the reader types one, hears "too low" or "too high", and why.

    Args:
        question: what will it be? One sentence or two; may hold `` `code` ``.
        answer: the right number.
        tolerance: how far from it still counts as right, in the same unit.
        because: why it is that number.
        unit: written behind the numbers, such as "bits".

    Raises:
        ValueError: the question or the reason is empty, a number is not finite, or the tolerance is negative.

    >>> number("How many bits has a fair coin?", answer=1, because="log2(2) = 1.", unit="bit")
    Predict: How many bits has a fair coin?
    ----------------------------------------
    Answer: 1 bit. log2(2) = 1.
    """
    _check_number(question, answer, tolerance, because)
    group = _identifier(question, repr(answer))
    behind = f" {unit}" if unit else ""
    right = f"{_number(answer)}{behind}" + (f" (± {_number(tolerance)} counts)" if tolerance else "")
    script = _SCRIPT.format(id=group, answer=repr(float(answer)), reach=repr(float(tolerance) + 1e-9))
    body = (
        f'<form hidden style="margin:.5rem 0"><label>Your guess: <input type="number" step="any" required '
        f'style="{_FIELD};width:8rem"></label>{escape(behind)} <button style="{_FIELD};cursor:pointer">Check'
        f'</button> <strong role="status"></strong></form>\n'
        f'<details style="{_OPTION}"><summary style="cursor:pointer">Show the answer</summary>\n'
        f'<p style="margin:.5rem 0 0"><strong>{escape(right)}.</strong> {_html(because)}</p></details>\n'
        f"<script>{script}</script>"
    )
    return _question(group, question, body, [], [f"Answer: {right}. {because}"])


def _question(group: str, question: str, body: str, shown: list[str], below: list[str]) -> Shown:
    html = (
        f'<fieldset class="llmbook-predict" id="{group}" style="{_BOX}">\n'
        f'<legend style="{_LEGEND}">Predict</legend>\n<p style="margin:.25rem 0 .5rem">{_html(question)}</p>\n'
        f"{body}\n</fieldset>"
    )
    return Shown(html, "\n".join([f"Predict: {question}", *shown, "-" * 40, *below]))


def _check_choice(question: str, options: Mapping[str, str], answer: str) -> None:
    _check_text("question", question)
    if not 2 <= len(options) <= 8:
        raise ValueError(f"{len(options)} options, expected two to eight: option -> feedback")
    for option, feedback in options.items():
        _check_text("an option", option)
        _check_text(f"the feedback to {option!r}", feedback)
    if answer not in options:
        raise ValueError(f"answer={answer!r} is none of the options: {', '.join(map(repr, options))}")


def _check_number(question: str, answer: float, tolerance: float, because: str) -> None:
    _check_text("question", question)
    _check_text("because", because)
    for name, value in (("answer", answer), ("tolerance", tolerance)):
        if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
            raise ValueError(f"{name}={value!r} is not a finite number: give an int or a float")
    if tolerance < 0:
        raise ValueError(f"tolerance={tolerance!r} is negative: give 0 or how far off still counts as right")


def _check_text(name: str, text: str) -> None:
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{name} is {text!r}: give a sentence")


def _identifier(*texts: str) -> str:
    """An id that depends on the question alone, so that a stored output never changes by itself."""
    return "predict-" + sha256("\0".join(texts).encode()).hexdigest()[:10]


def _number(x: float) -> str:
    """A number as a reader writes it.

    >>> _number(0.63), _number(134515008), _number(1e-9)
    ('0.63', '134,515,008', '1e-09')
    """
    return f"{int(x):,}" if float(x).is_integer() and abs(x) < 1e15 else f"{x:.6g}"


def _html(text: str) -> str:
    """Escaped text, with `` `code` `` as code.

    >>> _html("`a < b`, not *c*")
    '<code>a &lt; b</code>, not *c*'
    """
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
