"""Exercises of the page ``neural_networks``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import numpy as np

from llmbook.core.show.grading import Exercise, close, expect, grader
from llmbook.neural_networks import XOR, Array, gradient_by_layer


def check_rate(answer: float) -> None:
    close(answer, 1 / 50, 1e-9, "the slope is 50 (w - 2), and the step has to be w - 2: how long is that?")


class Value:
    """The page's engine for single numbers, as far as the check needs it."""

    def __init__(self, number: float, parents: Sequence[tuple[Value, float]] = ()):
        self.number, self.parents, self.grad = number, parents, 0.0

    def __add__(self, other: Value) -> Value:
        return Value(self.number + other.number, [(self, 1.0), (other, 1.0)])

    def __mul__(self, other: Value) -> Value:
        return Value(self.number * other.number, [(self, other.number), (other, self.number)])

    def backward(self) -> None:
        order: list[Value] = []

        def visit(value: Value) -> None:
            if value not in order:
                for parent, _ in value.parents:
                    visit(parent)
                order.append(value)

        visit(self)
        self.grad = 1.0
        for value in reversed(order):
            for parent, slope in value.parents:
                parent.grad += slope * value.grad


def check_relu(relu: Callable[[Value], Value]) -> None:
    for number, right, slope in ((2.0, 2.0, 1.0), (-3.0, 0.0, 0.0), (0.5, 0.5, 1.0)):
        x = Value(number)
        y = relu(x)
        expect(hasattr(y, "parents"), "return a Value, not a plain number: type(value)(number, parents)")
        expect(y is not x and x.number == number, "return a new Value, and leave the one given as it is")
        expect(y.number == right, f"relu({number:g}) is {right:g}, not {y.number}")
        y.backward()
        expect(x.grad == slope, f"at {number:g} the slope is {slope:g}; {x.grad:g} was passed back")
    x = Value(3.0)
    y = relu(x)
    (y * y + relu(x)).backward()
    expect(x.grad == 7.0, f"relu(x)² + relu(x) has the slope 7 at x = 3; {x.grad:g} arrived")


def check_sqrt(my_sqrt: Callable[[Array], Array]) -> None:
    x = Array([4.0, 0.25])
    y = my_sqrt(x)
    expect(isinstance(y, Array), "return an Array, not a plain number")
    expect(np.allclose(y.value, [2.0, 0.5]), "the value is not the square root")
    (y * Array([1.0, 3.0])).sum().backward()
    expect(
        np.allclose(x.grad, [0.25, 3.0]),
        f"the slope of sqrt(x) is 1 / (2 sqrt(x)); sent back: {x.grad.tolist()}",
    )
    (my_sqrt(x) * 1.0).sum().backward()
    expect(np.allclose(x.grad, [0.5, 4.0]), "gradients of two uses have to add up")


def check_xor(answer: Sequence[Any]) -> None:
    w1, b1, w2, b2 = (np.asarray(a, dtype=float) for a in answer)
    expect(
        w1.shape == (2, 2) and b1.shape == (2,) and w2.shape == (2,) and b2.shape == (),
        "give w1 (2, 2), b1 (2,), w2 (2,), and one number b2",
    )
    points, labels = XOR
    out = np.maximum(points @ w1 + b1, 0) @ w2 + b2
    expect(
        ((out > 0) == labels.astype(bool)).all(),
        f"the outputs are {out.tolist()}: above 0 for (0,1) and (1,0) only",
    )


def check_gain(answer: float) -> None:
    is_number = isinstance(answer, Real) and not isinstance(answer, bool)
    expect(is_number and 0 < answer < math.inf, "a gain is a single number above 0")
    for seed in range(3):
        with np.errstate(all="ignore"):
            g = gradient_by_layer("sigmoid", 10, seed=seed, gain=float(answer))
        expect(
            np.isfinite(g).all() and g[-2] > 0,
            f"with seed {seed} the gradients are no finite numbers, or none arrives at the last hidden layer",
        )
        ratio = float(g[0] / g[-2])
        expect(
            ratio >= 0.1,
            f"with seed {seed} the first layer's gradient is {ratio:.2g} times the last hidden layer's",
        )


def _wrong_sqrt(x: Array) -> Array:
    return x.elementwise(np.sqrt(x.value), 1 / np.sqrt(x.value), "sqrt")


EXERCISES = {
    1: Exercise(check_rate, wrong=(0.1, 1 / 25, 1 / 10)),
    2: Exercise(
        check_relu,
        wrong=(
            lambda v: Value(max(v.number, 0.0), [(v, 1.0)]),  # the slope is 1 everywhere
            lambda v: Value(max(v.number, 0.0), [(v, max(v.number, 0.0))]),  # the output for a slope
            lambda v: Value(max(v.number, 0.0)),  # no parents
            lambda v: max(v.number, 0.0),
            lambda v: v if v.number > 0 else Value(0.0, [(v, 0.0)]),
        ),
    ),
    3: Exercise(check_sqrt, wrong=(_wrong_sqrt, lambda x: Array(np.sqrt(x.value)))),
    4: Exercise(check_xor, wrong=(([[1, 1], [1, 1]], [0, 0], [1, 1], -0.5), (1, 2, 3, 4))),
    5: Exercise(check_gain, wrong=(1.0, 4.0, -14.0, math.inf, None)),
}
grade = grader(EXERCISES)
