"""Exercises that check themselves.

A page ends with exercises. In each, the reader replaces ``...`` and runs ``grade``: it says "not attempted",
"correct", or what is wrong. It never raises, so an untouched page runs from top to bottom. Every exercise
carries wrong answers that its check has to refuse (tests/notebooks/test_exercises.py), and the page a
solution that it has to accept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any


@dataclass(frozen=True)
class Exercise:
    """``check(answer)`` raises AssertionError with a hint; ``wrong`` are answers that it must refuse."""

    check: Callable[[Any], None]
    wrong: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not self.wrong:
            raise ValueError(
                "an exercise needs at least one wrong answer: a check that refuses nothing checks nothing"
            )


def verdict(exercise: Exercise, answer: Any) -> str:
    """What to tell the reader: "not attempted", "correct", or "not yet: ..." with a hint.

    >>> two = Exercise(check=lambda x: expect(x == 2, "count again"), wrong=(3,))
    >>> verdict(two, ...), verdict(two, 3), verdict(two, 2)
    ('not attempted', 'not yet: count again', 'correct')
    """
    if answer is ...:
        return "not attempted"
    try:
        exercise.check(answer)
    except AssertionError as problem:
        return f"not yet: {str(problem) or 'an assertion failed'}"
    except Exception as problem:  # the reader's own code failed: say how, do not stop the page
        return f"not yet: {type(problem).__name__}: {problem}"
    return "correct"


def expect(condition: object, hint: str) -> None:
    """Raise AssertionError(hint) unless ``condition`` holds; unlike ``assert``, under ``python -O`` too."""
    if not condition:
        raise AssertionError(hint)


def close(answer: Any, right: float, tolerance: float, hint: str) -> None:
    """``answer`` has to be a number, Python's or NumPy's, within ``tolerance`` of ``right``."""
    expect(
        isinstance(answer, Real) and not isinstance(answer, bool) and abs(float(answer) - right) <= tolerance,
        hint,
    )


def grader(exercises: Mapping[int, Exercise]) -> Callable[[int, Any], None]:
    """``grade(number, answer)`` for one page: prints the verdict."""

    def grade(number: int, answer: Any = ...) -> None:
        if number not in exercises:
            raise ValueError(f"this page has exercises {', '.join(map(str, exercises))}, not {number}")
        print(f"Exercise {number}: {verdict(exercises[number], answer)}")

    return grade
