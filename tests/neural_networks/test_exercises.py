"""What the exercises of the page accept and refuse (`llmbook.neural_networks.exercises`)."""

from __future__ import annotations

import pytest

from llmbook.core.show.grading import verdict
from llmbook.neural_networks import Array
from llmbook.neural_networks.exercises import EXERCISES, Value


def relu(value):
    slope = 1.0 if value.number > 0 else 0.0
    return type(value)(max(value.number, 0.0), [(value, slope)])


@pytest.mark.parametrize("number", EXERCISES)
def test_every_wrong_answer_is_refused(number):
    assert all(verdict(EXERCISES[number], wrong).startswith("not yet") for wrong in EXERCISES[number].wrong)


def test_a_right_relu_is_accepted_and_one_that_forgets_a_part_is_told_which():
    assert verdict(EXERCISES[2], relu) == "correct"
    said = [verdict(EXERCISES[2], wrong) for wrong in EXERCISES[2].wrong]
    assert "at -3 the slope is 0; 1 was passed back" in said[0] and "at 2 the slope is 1; 2" in said[1]
    assert "at 2 the slope is 1; 0" in said[2] and "return a Value" in said[3] and "new Value" in said[4]


def test_the_graders_engine_gives_the_gradients_of_the_books():
    a, b = Value(0.3), Value(-0.8)
    c = a * b + a
    (c * c + b).backward()
    x, y = Array(0.3), Array(-0.8)
    z = x * y + x
    (z * z + y).backward()
    assert (a.grad, b.grad) == pytest.approx((float(x.grad), float(y.grad)))


@pytest.mark.parametrize("gain", [8.5, 14.0, 14, 30.0, 80.0])
def test_every_gain_that_the_text_allows_is_accepted(gain):
    from llmbook.neural_networks import gradient_by_layer

    ratios = [g[0] / g[-2] for g in (gradient_by_layer("sigmoid", 10, seed=s, gain=gain) for s in range(3))]
    assert (verdict(EXERCISES[5], gain) == "correct") == (min(ratios) >= 0.1)
    assert gain != 14 or verdict(EXERCISES[5], gain) == "correct"
