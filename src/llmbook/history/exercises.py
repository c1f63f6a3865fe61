"""Exercises of the page ``history``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import pairwise

from llmbook.core.show.grading import Exercise, close, expect, grader
from llmbook.history.ladder import Text, text
from llmbook.history.ngram import Interpolated, NGram


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


def check_vanishing(answer: int) -> None:
    close(answer, 31, 0, "solve 0.8 ** n < 0.001 for the smallest n")


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
    4: Exercise(check_vanishing, wrong=(30, 30.96, 32)),
    5: Exercise(check_lambdas, wrong=((0.99, 0.01, 0.01), (0.5, 0.5), "abc")),
}
grade = grader(EXERCISES)
