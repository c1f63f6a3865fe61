"""Exercises that check themselves: `llmbook.core.show.grading`."""

import numpy as np
import pytest

from llmbook.core.show.grading import Exercise, close, expect, grader, verdict

DOUBLE = Exercise(check=lambda f: expect(f(3) == 6, "f(3) should be 6"), wrong=(lambda x: x + 2,))


def test_an_untouched_answer_is_not_attempted_and_never_checked():
    asked = []
    exercise = Exercise(check=asked.append, wrong=(1,))
    assert verdict(exercise, ...) == "not attempted" and asked == []


def test_a_right_answer_is_correct_and_a_wrong_one_gets_the_hint():
    assert verdict(DOUBLE, lambda x: 2 * x) == "correct"
    assert verdict(DOUBLE, lambda x: x) == "not yet: f(3) should be 6"


@pytest.mark.parametrize("answer", [None, 0, False, "", [], np.zeros(3)], ids=repr)
def test_an_answer_that_looks_empty_is_an_answer(answer):
    assert verdict(DOUBLE, answer).startswith("not yet: TypeError")


@pytest.mark.parametrize(
    "problem",
    [ZeroDivisionError("oops"), NameError("oops"), RecursionError("oops"), StopIteration("oops")],
    ids=repr,
)
def test_an_answer_that_raises_is_reported_not_raised(problem):
    def answer(x):
        raise problem

    assert verdict(DOUBLE, answer) == f"not yet: {type(problem).__name__}: oops"


def test_an_answer_that_is_interrupted_stops():
    def answer(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verdict(DOUBLE, answer)


def test_an_exercise_needs_a_wrong_answer():
    with pytest.raises(ValueError, match="at least one wrong answer"):
        Exercise(check=lambda answer: None, wrong=())


def test_expect_raises_its_hint_unless_the_condition_holds():
    expect(1, "never shown")
    with pytest.raises(AssertionError, match=r"^look again$"):
        expect([], "look again")


@pytest.mark.parametrize(
    "answer", [3, 3.0, 3.09, 2.91, np.float64(3.05), np.float32(3.05), np.int64(3)], ids=repr
)
def test_close_accepts_numbers_within_the_tolerance(answer):
    close(answer, 3.0, 0.1, "no")


@pytest.mark.parametrize("answer", [3.2, 2.8, float("nan"), float("inf"), True, "3", None, [3]], ids=repr)
def test_close_refuses_the_rest_with_its_hint(answer):
    with pytest.raises(AssertionError, match=r"^about three$"):
        close(answer, 3.0, 0.1, "about three")


def test_true_is_no_number_even_where_one_is_right():
    with pytest.raises(AssertionError):
        close(True, 1.0, 0.5, "a number")


def test_grade_prints_one_line_per_exercise_and_returns_nothing(capsys):
    grade = grader({1: DOUBLE, 2: DOUBLE})
    assert grade(1) is None and grade(2, lambda x: 2 * x) is None
    grade(2, 5)
    first, second, third = capsys.readouterr().out.splitlines()
    assert (first, second) == ("Exercise 1: not attempted", "Exercise 2: correct")
    assert third.startswith("Exercise 2: not yet: TypeError")


def test_a_number_that_the_page_does_not_have_is_refused():
    with pytest.raises(ValueError, match="exercises 1, 2, not 3"):
        grader({1: DOUBLE, 2: DOUBLE})(3)
