"""Exercises of the page ``history``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor

from llmbook.core.show.grading import Exercise, close, expect, grader
from llmbook.history.ngram import Interpolated, NGram
from llmbook.history.plays import Text, text


@lru_cache(maxsize=1)
def corpus() -> Text:
    """The page's tokens with the plays on which choices are made; built when the first answer needs them."""
    return text(split="valid")


def check_add_one(answer: float) -> None:
    close(
        answer,
        4 / 14,
        1e-6,
        "add one to the count of the pair, and one per word of the vocabulary to the total",
    )


def check_bigrams(bigram_probabilities: Callable) -> None:
    got = bigram_probabilities(["to", "be", "or", "not", "to", "be", "to", "do"])
    right = {
        ("to", "be"): 2 / 3,
        ("to", "do"): 1 / 3,
        ("be", "or"): 1 / 2,
        ("be", "to"): 1 / 2,
        ("or", "not"): 1.0,
        ("not", "to"): 1.0,
    }
    expect(set(got) == set(right), f"the pairs should be {sorted(right)}")
    expect(
        all(abs(got[p] - right[p]) < 1e-9 for p in right),
        f"p(be|to) is {got[('to', 'be')]:.3f}, not 2/3; p(or|be) {got[('be', 'or')]:.3f}",
    )


def check_reply(reply: Callable[[str], str]) -> None:
    for sentence, right in {
        "I want a holiday.": "What would it mean to you if you got a holiday?",
        "I want my mother to help me": "What would it mean to you if you got your mother to help you?",
        "It rains.": "Please go on.",
    }.items():
        expect(reply(sentence) == right, f"{sentence!r} should give {right!r}, not {reply(sentence)!r}")


def coupled(x: Tensor, h: Tensor, c: Tensor, W: Tensor, U: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """An LSTM cell whose input gate is one minus its forget gate: what is kept makes no room for what is new."""
    f, g, o = (W @ x + U @ h + b).chunk(3)
    c = f.sigmoid() * c + (1 - f.sigmoid()) * g.tanh()
    return o.sigmoid() * c.tanh(), c


def check_coupled(cell: Callable[..., tuple[Tensor, Tensor]]) -> None:
    draw = torch.Generator().manual_seed(0)
    W, U, b = (torch.randn(*shape, generator=draw) for shape in ((12, 5), (12, 4), (12,)))
    x, h, c = (torch.randn(n, generator=draw) for n in (5, 4, 4))
    (new_h, new_c), (right_h, right_c) = cell(x, h, c, W, U, b), coupled(x, h, c, W, U, b)
    expect(torch.allclose(new_c, right_c, atol=1e-5), "the cell is not f * c + (1 - f) * tanh(g)")
    expect(
        torch.allclose(new_h, right_h, atol=1e-5), "the cell is right; the state is the gate o times tanh(c)"
    )


def uncoupled(x: Tensor, h: Tensor, c: Tensor, W: Tensor, U: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """A wrong answer to exercise 4: what is new is added in full."""
    f, g, o = (W @ x + U @ h + b).chunk(3)
    c = f.sigmoid() * c + g.tanh()
    return o.sigmoid() * c.tanh(), c


def check_lambdas(answer: Iterable[float]) -> None:
    lambdas = tuple(float(x) for x in answer)
    expect(len(lambdas) == 3, "give three weights, order one first")
    model = NGram(3, corpus().vocab_size, Interpolated(lambdas)).fit(corpus().train)
    bits = corpus().bits_per_byte(-model.log_probs(corpus().unseen)[1:].mean())
    expect(bits < 2.25, f"that scores {bits:.3f} bits per byte")


EXERCISES = {
    1: Exercise(check_add_one, wrong=(3 / 4, 4 / 5, 3 / 14)),
    2: Exercise(
        check_bigrams,
        wrong=(
            lambda t: {},
            lambda t: {p: t.count(p[1]) / t.count(p[0]) for p in pairwise(t)},
        ),
    ),
    3: Exercise(
        check_reply,
        wrong=(lambda s: "Please go on.", lambda s: f"What would it mean to you if you got {s[7:]}?"),
    ),
    4: Exercise(check_coupled, wrong=(uncoupled, lambda x, h, c, W, U, b: coupled(x, h, c, W, U, b)[::-1])),
    5: Exercise(check_lambdas, wrong=((0.99, 0.01, 0.01), (0.5, 0.5), "abc")),
}
grade = grader(EXERCISES)
