"""Four ways to use a gradient: plain descent, momentum, Adam and AdamW, each a few lines on our own arrays.

All have one interface: ``step()`` moves every parameter by its gradient and forgets the gradient. What differs is
``direction``: where one parameter goes at a step, per unit of the learning rate. The tests hold each to the class of
``torch.optim`` with the same name.

Left out on purpose: schedules, clipping, Nesterov's variant, and Muon (``llmbook.core.train.optim``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from llmbook.neural_networks.articles import split_news
from llmbook.neural_networks.autograd import Array, cross_entropy
from llmbook.neural_networks.mlp import MLP
from llmbook.neural_networks.reading import own_bags

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes


class SGD:
    """Gradient descent: against the gradient. With ``weight_decay`` the gradient of wd/2 · p² is added to it.

    >>> x = Array(3.0)
    >>> (x * x).backward()                   # slope 6
    >>> SGD([x], lr=0.1).step()
    >>> float(x.value), float(x.grad)        # 3 - 0.1 · 6, and the gradient is forgotten
    (2.4, 0.0)

    Raises ``ValueError`` without a parameter, for a rate that is not positive and finite, and for negative decay.
    """

    memory = 0  # numbers remembered for each parameter from one step to the next

    def __init__(self, parameters: Iterable[Array], lr: float, weight_decay: float = 0.0):
        self.parameters = list(parameters)
        if not self.parameters or not all(isinstance(p, Array) for p in self.parameters):
            raise ValueError("parameters must be Arrays, at least one: model.parameters()")
        if not 0 < lr < math.inf or not 0 <= weight_decay < math.inf:
            raise ValueError(
                f"lr is {lr}, weight_decay {weight_decay}; give a positive rate, and 0 or more decay"
            )
        self.lr, self.weight_decay, self.t = lr, weight_decay, 0
        self.remembered = [[np.zeros_like(p.value) for _ in range(self.memory)] for p in self.parameters]

    def direction(self, p: Array, gradient: np.ndarray, remembered: list[np.ndarray]) -> np.ndarray:
        """Where ``p`` moves, per unit of the learning rate; may write into ``remembered``."""
        return -gradient

    def decayed(self, p: Array) -> np.ndarray:
        """The gradient with weight decay in it."""
        return p.grad + self.weight_decay * p.value

    def step(self) -> None:
        """Move every parameter, then forget the gradients."""
        self.t += 1
        for p, remembered in zip(self.parameters, self.remembered, strict=True):
            # a new array: the numbers that an Array was made of stay as they were
            p.value = np.asarray(p.value + self.lr * self.direction(p, self.decayed(p), remembered))
            p.grad = np.zeros_like(p.value)


class Momentum(SGD):
    """A ball that rolls: each step keeps ``beta`` of the last one's velocity.

    Source: Polyak 1964, "Some methods of speeding up the convergence of iteration methods",
    doi:10.1016/0041-5553(64)90137-5.

    Where gradients agree, steps grow up to 1 / (1 - beta) times; where they alternate, they cancel.
    """

    memory = 1

    def __init__(self, parameters: Iterable[Array], lr: float, weight_decay: float = 0.0, beta: float = 0.9):
        super().__init__(parameters, lr, weight_decay)
        self.beta = _decay("beta", beta)

    def direction(self, p: Array, gradient: np.ndarray, remembered: list[np.ndarray]) -> np.ndarray:
        (velocity,) = remembered
        velocity *= self.beta
        velocity -= gradient
        return velocity


class Adam(SGD):
    """A rate for every parameter: the mean gradient over the root of the mean square.

    Source: Kingma & Ba 2015, arXiv:1412.6980, algorithm 1.

    Both means start at zero and are too small at first; dividing by 1 - beta^t corrects that. So the first step has
    the length of the rate in every direction, whatever the gradient's size:

    >>> x = Array([1.0, 1.0])
    >>> (x * np.array([1000.0, 0.001])).sum().backward()
    >>> Adam([x], lr=0.1).step()
    >>> x.value.round(4).tolist()
    [0.9, 0.9]
    """

    memory = 2

    def __init__(
        self,
        parameters: Iterable[Array],
        lr: float,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ):
        super().__init__(parameters, lr, weight_decay)
        self.betas, self.eps = (_decay("betas", betas[0]), _decay("betas", betas[1])), eps

    def direction(self, p: Array, gradient: np.ndarray, remembered: list[np.ndarray]) -> np.ndarray:
        mean, square = remembered
        b1, b2 = self.betas
        mean[...] = b1 * mean + (1 - b1) * gradient
        square[...] = b2 * square + (1 - b2) * gradient**2
        corrected_mean, corrected_square = mean / (1 - b1**self.t), square / (1 - b2**self.t)
        return -corrected_mean / (np.sqrt(corrected_square) + self.eps)


class AdamW(Adam):
    """Adam whose weight decay goes around the division: p shrinks by lr · wd · p at each step.

    Source: Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2.

    In ``Adam`` the decay is part of the gradient, and is divided by its root mean square like the rest: parameters
    with large gradients hardly decay at all.
    """

    def __init__(self, parameters: Iterable[Array], lr: float, weight_decay: float = 0.01, **options: object):
        super().__init__(parameters, lr, weight_decay, **options)  # type: ignore[arg-type]

    def decayed(self, p: Array) -> np.ndarray:
        return p.grad

    def direction(self, p: Array, gradient: np.ndarray, remembered: list[np.ndarray]) -> np.ndarray:
        return super().direction(p, gradient, remembered) - self.weight_decay * p.value


OPTIMIZERS: dict[str, type[SGD]] = {"SGD": SGD, "momentum": Momentum, "Adam": Adam, "AdamW": AdamW}


def _decay(name: str, beta: float) -> float:
    if not 0 <= beta < 1:
        raise ValueError(
            f"{name} holds {beta}; what is kept of a running mean is a share from 0 up to below 1"
        )
    return beta


def memory(optimizer: SGD) -> dict[str, int]:
    """Numbers held while training: the parameters, their gradients, and what the optimizer remembers of each.

    >>> memory(Adam(MLP((4, 3)).parameters(), lr=0.1))
    {'parameters': 15, 'gradients': 15, 'optimizer': 30}
    """
    n = sum(p.value.size for p in optimizer.parameters)
    remembered = sum(a.size for arrays in optimizer.remembered for a in arrays)
    return {"parameters": n, "gradients": n, "optimizer": remembered}


# ------------------------------------------------------------------------- two parameters, and a valley to walk in


def ravine(p: Array) -> Array:
    """A valley 20 times as steep across as along: (x² + 20 y²) / 2 for p = (x, y), lowest at (0, 0).

    >>> float(ravine(Array([2.0, 1.0])).value)
    12.0
    """
    return (p * p * np.array([0.5, 10.0])).sum()


def descend(
    optimizer: str,
    lr: float,
    steps: int,
    start: Sequence[float] = (-4.0, 1.0),
    loss: Callable[[Array], Array] = ravine,
) -> np.ndarray:
    """The way an optimizer takes down ``loss`` from ``start``: positions, the start first, (steps + 1, 2).

    Raises ``ValueError`` for an unknown optimizer, a negative number of steps, or a start that is no point.
    """
    if np.shape(start) != (2,) or steps < 0:
        raise ValueError(f"start is {start!r}, steps {steps}; give two numbers, and 0 or more steps")
    p = Array(np.array(start, dtype=float))
    walker = _optimizer(optimizer)([p], lr)
    way = [p.value.copy()]
    for _ in range(steps):
        loss(p).backward()
        walker.step()
        way.append(p.value.copy())
    return np.array(way)


def draw_walk(ax: Axes, walk: np.ndarray, across: float, thick: int = 20) -> Axes:
    """A walk (steps + 1, 2) over contours of (x² + across · y²) / 2, its first ``thick`` steps thick, start a cross."""
    from llmbook.core.show.plotting import INK, ORANGE, SKY

    x, y = np.meshgrid(np.linspace(-4.6, 3, 60), np.linspace(-1.8, 1.8, 45))
    levels = (1, 4, 10, 40, 110)
    ax.contour(x, y, (x**2 + across * y**2) / 2, levels=levels, colors=SKY, linewidths=0.8)
    ax.plot(*walk[thick:].T, color=ORANGE, linewidth=0.7)
    ax.plot(*walk[: thick + 1].T, color=ORANGE, marker=".", linewidth=1.6)
    ax.plot(*walk[0], "x", color=INK)
    ax.plot(0, 0, "o", markerfacecolor="none", color=INK)
    ax.set(xlim=(-4.6, 3), ylim=(-1.8, 1.8), xticks=(-4, -2, 0, 2), yticks=(-1, 0, 1))
    return ax


# -------------------------------------------------------------------------------------- the news, at many rates


@lru_cache(maxsize=2)
def _task(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]:
    """Bags of words and labels to train on, the same to look at (validation articles), and the number of topics."""
    parts = split_news(seed)
    train, valid = own_bags(parts.train.texts, parts.valid.texts)
    return train, parts.train.labels, valid, parts.valid.labels, len(parts.topics)


def rate_curves(
    optimizer: str, rates: Sequence[float], steps: int = 100, seed: int = 0, batch_size: int = 64
) -> dict[float, np.ndarray]:
    """Loss on the news' validation articles before each step and after the last, for each rate: lr -> (steps + 1,).

    All rates begin with the same weights and see the same batches. A loss that is no number any more stays infinite.
    Raises ``ValueError`` for an unknown optimizer, no rate or one that makes no sense, or a negative number of steps.
    """
    if not len(rates) or steps < 0:
        raise ValueError(
            f"rates are {list(rates)}, steps {steps}; give at least one rate, and 0 or more steps"
        )
    kind = _optimizer(optimizer)
    for lr in rates:
        kind([Array(0.0)], lr)  # refuses a rate that makes no sense before the first is tried
    return {float(lr): _one_curve(kind, lr, steps, seed, batch_size) for lr in rates}


def _one_curve(kind: type[SGD], lr: float, steps: int, seed: int, batch_size: int) -> np.ndarray:
    x, y, x_valid, y_valid, n_topic = _task(seed)
    model, rng = MLP((x.shape[1], 32, n_topic), seed=seed), np.random.default_rng(seed)
    optimizer, curve = kind(model.parameters(), lr), np.full(steps + 1, np.inf)
    with np.errstate(all="ignore"):  # a rate that is far too high overflows: that is what the curve says then
        for step in range(steps + 1):
            loss = float(cross_entropy(model(x_valid), y_valid).value)
            if not math.isfinite(loss):
                break
            curve[step] = loss
            rows = rng.integers(len(x), size=batch_size)
            cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
    return curve


def steps_to_reach(curves: Mapping[float, np.ndarray], level: float) -> dict[float, int | None]:
    """The first step after which the loss was at or below ``level``, for each rate; None if it never was.

    >>> steps_to_reach({0.1: np.array([3.0, 2.0, 1.0]), 9.0: np.array([3.0, 5.0, 8.0])}, level=2.0)
    {0.1: 1, 9.0: None}
    """
    found = {lr: np.flatnonzero(np.asarray(curve) <= level) for lr, curve in curves.items()}
    return {lr: int(where[0]) if len(where) else None for lr, where in found.items()}


def _optimizer(name: str) -> type[SGD]:
    if name not in OPTIMIZERS:
        raise ValueError(f"optimizer is {name!r}; choose one of {', '.join(OPTIMIZERS)}")
    return OPTIMIZERS[name]
