"""Exercises of the page ``neural_networks``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from llmbook.core.show.grading import Exercise, close, expect, grader
from llmbook.neural_networks import MLP, XOR, Array, gradient_by_layer


def check_rate(answer: float) -> None:
    close(answer, 1 / 50, 1e-9, "the slope is 50 (w - 2), and the step has to be w - 2: how long is that?")


def check_count(count: Callable[[tuple[int, ...]], int]) -> None:
    for sizes in ((2, 3), (4, 5, 2), (1024, 32, 5)):
        right = sum(p.value.size for p in MLP(sizes).parameters())
        expect(
            count(sizes) == right, f"for sizes {sizes} there are {right} numbers to learn, not {count(sizes)}"
        )


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
    expect(isinstance(answer, int | float) and 0 < answer < 100, "a single number between 0 and 100")
    for seed in range(3):
        g = gradient_by_layer("sigmoid", 10, seed=seed, gain=float(answer))
        ratio = float(g[0] / g[-2])
        expect(
            0.1 < ratio < 10,
            f"with seed {seed} the first layer's gradient is {ratio:.2g} times the last hidden layer's",
        )


def _wrong_sqrt(x: Array) -> Array:
    return x.elementwise(np.sqrt(x.value), 1 / np.sqrt(x.value), "sqrt")


EXERCISES = {
    1: Exercise(check_rate, wrong=(0.1, 1 / 25, 1 / 10)),
    2: Exercise(
        check_count,
        wrong=(lambda s: s[0] * s[-1], lambda s: sum(a * b for a, b in pairwise(s))),
    ),
    3: Exercise(check_sqrt, wrong=(_wrong_sqrt, lambda x: Array(np.sqrt(x.value)))),
    4: Exercise(check_xor, wrong=(([[1, 1], [1, 1]], [0, 0], [1, 1], -0.5), (1, 2, 3, 4))),
    5: Exercise(check_gain, wrong=(1.0, 4.0, None)),
}
grade = grader(EXERCISES)
