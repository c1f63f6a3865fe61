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
    close(answer, 0.5, 1e-9, "add up the surprises, 1 + 2 + 3 + ..., then divide by the bytes")


def check_chain(surprise: Callable[[Sequence[float]], float]) -> None:
    for p in ([0.5], [0.5, 0.25], [0.1] * 1000):
        right = -sum(map(math.log2, p))
        expect(
            abs(surprise(p) - right) < 1e-6 * abs(right),
            f"for {p[:3]} (x {len(p)}) it should be {right:.4f}",
        )


def check_temperature(answer: float) -> None:
    powers = [p ** (1 / float(answer)) for p in (0.6, 0.3, 0.1)]
    share = powers[0] / sum(powers)
    expect(abs(share - 0.9) < 0.006, f"there the likeliest has {share:.3f}")


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
    1: Exercise(check_bits, wrong=(12, 2.0, 0.25)),
    2: Exercise(check_chain, wrong=(math.prod, sum, lambda p: -math.log2(math.prod(p)))),
    3: Exercise(check_temperature, wrong=(0.5, 1.0, 3.1)),
    4: Exercise(
        check_nucleus, wrong=(lambda p, share: p, lambda p, share: [x if x >= share else 0.0 for x in p])
    ),
    5: Exercise(check_prompt, wrong=("The capital of Peru is", "Lima, Lima,", 3)),
}
grade = grader(EXERCISES)
