"""Exercises of the page ``overview``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from llmbook.core.models.lm import LanguageModel
from llmbook.core.show.grading import Exercise, close, expect, grader


@lru_cache(maxsize=1)
def lm() -> LanguageModel:
    """The packaged model, loaded when the first answer needs it."""
    return LanguageModel.load()


def check_bits(answer: float) -> None:
    close(answer, 3.0, 1e-9, "how often must a coin fall right for a chance of 1/8?")


def check_chain(log_probability: Callable[[Sequence[float]], float]) -> None:
    for p in ([0.5], [0.5, 0.25], [0.1] * 1000):
        right = sum(map(math.log, p))
        expect(
            abs(log_probability(p) - right) < 1e-6 * abs(right),
            f"for {p[:3]} (x {len(p)}) it should be {right:.4f}",
        )


def check_reheat(reheat: Callable[[Sequence[float], float], Iterable[float]]) -> None:
    p = [0.7, 0.2, 0.1]
    for t in (0.5, 1.0, 2.0):
        total = sum(x ** (1 / t) for x in p)
        right = [x ** (1 / t) / total for x in p]
        expect(
            all(abs(a - b) < 1e-9 for a, b in zip(reheat(p, t), right, strict=True)),
            f"wrong at temperature {t}",
        )


def check_nucleus(nucleus: Callable[[Sequence[float], float], Iterable[float]]) -> None:
    p = [0.15, 0.5, 0.3, 0.05]
    for share, kept in {0.4: (1,), 0.7: (1, 2), 0.9: (0, 1, 2), 0.99: (0, 1, 2, 3)}.items():
        total = sum(p[i] for i in kept)
        right = [x / total if i in kept else 0.0 for i, x in enumerate(p)]
        out = [float(x) for x in nucleus(p, share)]
        expect(
            len(out) == len(p) and all(abs(a - b) < 1e-9 for a, b in zip(out, right, strict=True)),
            f"with share {share} it should be {[round(x, 3) for x in right]}",
        )


def check_prompt(answer: str) -> None:
    expect(isinstance(answer, str) and answer.strip(), "give a string")
    expect("lima" not in answer.lower(), "the prompt must not contain the answer")
    best = next(iter(lm().top(answer, 1)))
    expect(best == "' Lima'", f"the likeliest next token is {best}")


EXERCISES = {
    1: Exercise(check_bits, wrong=(8, 0.125, 2)),
    2: Exercise(check_chain, wrong=(math.prod, sum, lambda p: math.log(math.prod(p)))),
    3: Exercise(check_reheat, wrong=(lambda p, t: p, lambda p, t: [x ** (1 / t) for x in p])),
    4: Exercise(
        check_nucleus, wrong=(lambda p, share: p, lambda p, share: [x if x >= share else 0.0 for x in p])
    ),
    5: Exercise(check_prompt, wrong=("The capital of Peru is", "Lima, Lima,", 3)),
}
grade = grader(EXERCISES)
