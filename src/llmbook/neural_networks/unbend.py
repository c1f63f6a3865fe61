"""Exclusive or, unbent: how two hidden neurons move four points until a straight line separates them.

What a hidden layer is for, seen from both sides: in the plane of the inputs the boundary bends, in the plane of the
hidden neurons' outputs it is straight, always, and the points have moved instead.

Left out on purpose: more than two hidden neurons, whose outputs fill no plane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from llmbook.neural_networks.autograd import cross_entropy
from llmbook.neural_networks.mlp import MLP, XOR, fit, probability
from llmbook.neural_networks.stuck import LOW

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes

MOST_SEEDS = 50
EDGE = 1.25  # of the hidden plane as drawn; tanh stays within 1


@dataclass(frozen=True)
class Snapshot:
    """A network after ``step`` steps of training (a copy), with its loss on the four points in nats."""

    step: int
    loss: float
    seed: int
    model: MLP

    @property
    def hidden(self) -> np.ndarray:
        """Where the hidden layer puts the four points: (4, 2), within -1 and 1."""
        return self.model.layers(XOR[0])[0].value

    @property
    def line(self) -> tuple[np.ndarray, float]:
        """(a, c) of the line a · h + c = 0 in the hidden plane where it is undecided; above 0 it says class 1."""
        weight, bias = self.model.weights[1].value, self.model.biases[1].value
        return weight[:, 1] - weight[:, 0], float(bias[1] - bias[0])


def unbending(
    seed: int = 0, steps: Sequence[int] = (0, 30, 60, 100, 200, 1000), lr: float = 0.5
) -> list[Snapshot]:
    """A network of two hidden neurons that learns exclusive or, looked at after each of ``steps``.

    Not every start leads there: seeds are tried from ``seed`` on until the last snapshot has all four points right and
    a loss below 0.1. So the way shown is chosen, and says nothing about how often it is found (the record ``stuck``).

    Raises ``ValueError`` for steps that do not rise, and when none of 50 seeds succeeds.
    """
    if not len(steps) or any(b <= a for a, b in pairwise((-1, *steps))):
        raise ValueError(f"steps are {list(steps)}; give numbers from 0 up, each larger than the one before")
    for tried in range(seed, seed + MOST_SEEDS):
        way = _way(tried, steps, lr)
        if way[-1].loss < LOW and (way[-1].model.predict(XOR[0]) == XOR[1]).all():
            return way
    raise ValueError(
        f"none of the seeds {seed} to {seed + MOST_SEEDS - 1} solves it in {steps[-1]} steps at a rate of {lr}: "
        "give more steps, or a rate near 0.5"
    )


def snapshot_of(seed: int, n_step: int = 1000, lr: float = 0.5) -> Snapshot:
    """The network of two hidden neurons that starts from ``seed``, after ``n_step`` steps, solved or stuck.

    >>> snapshot_of(2, n_step=0).model.sizes
    (2, 2, 2)
    """
    return _way(seed, (n_step,), lr)[-1]


def _way(seed: int, steps: Sequence[int], lr: float) -> list[Snapshot]:
    """The snapshots of one start."""
    (points, labels), model, way = XOR, MLP((2, 2, 2), "tanh", seed), []
    for before, step in pairwise((0, *steps)):
        fit(model, points, labels, lr=lr, steps=step - before)
        loss = float(cross_entropy(model(points), labels).value)
        way.append(Snapshot(step, loss, seed, _copy(model)))
    return way


def _copy(model: MLP) -> MLP:
    """The same weights, and no shared memory."""
    twin = MLP(model.sizes, model.activation, model.seed, model.gain)
    for mine, theirs in zip(twin.parameters(), model.parameters(), strict=True):
        mine.value = theirs.value.copy()
    return twin


def line_within(a: np.ndarray, c: float, edge: float = EDGE) -> np.ndarray | None:
    """The two ends of the line a · h + c = 0 within the square of half width ``edge``: (2, 2); None if it misses it.

    >>> line_within(np.array([0.0, 2.0]), -1.0, edge=1.0).tolist()
    [[-1.0, 0.5], [1.0, 0.5]]
    """
    ends = []
    for i in (0, 1):  # where it meets the sides at which coordinate i is -edge and +edge
        for side in (-edge, edge) if a[1 - i] else ():
            other = -(c + a[i] * side) / a[1 - i]
            if abs(other) <= edge:
                ends.append([side, other] if i == 0 else [other, side])
    distinct = np.unique(np.round(ends, 12), axis=0) if ends else np.empty((0, 2))
    return distinct[[0, -1]] if len(distinct) > 1 else None


def draw_unbend(left: Axes, right: Axes, snapshot: Snapshot) -> tuple[Axes, Axes]:
    """On the left the plane of the inputs with its boundary, on the right that of the hidden outputs with its line.

    Both are shaded alike: the colours say which class the network expects where. On the right circles are larger than
    squares, so that two points of different classes in one place are seen to be two.
    """
    from llmbook.core.show.plotting import BLUE, INK, ORANGE, PAPER, boundary, label

    points, labels = XOR
    boundary(left, lambda xy: probability(snapshot.model, xy, label=1), points, labels)
    label(left, "first input", "second input", "inputs")
    _shade(right, *snapshot.line)
    ends = line_within(*snapshot.line)
    if ends is not None:
        right.plot(*ends.T, color=INK, linewidth=1.5)
    for value, marker, color, size in ((0, "o", BLUE, 130), (1, "s", ORANGE, 45)):
        here = snapshot.hidden[labels == value]
        style: dict[str, Any] = {
            "marker": marker,
            "color": color,
            "edgecolor": PAPER,
            "s": size,
            "label": f"class {value}",
        }
        right.scatter(here[:, 0], here[:, 1], zorder=3, **style)
    right.set(xlim=(-EDGE, EDGE), ylim=(-EDGE, EDGE), xticks=(-1, 0, 1), yticks=(-1, 0, 1))
    right.grid(False)
    label(right, "first hidden output", "second hidden output", "hidden outputs")
    left.figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncol=2)
    return left, right


def _shade(ax: Axes, a: np.ndarray, c: float) -> None:
    """The hidden plane in the colours of ``boundary``: straight bands, since only a · h + c counts."""
    corner = np.array([-EDGE, EDGE])
    score = a[0] * corner[None, :] + a[1] * corner[:, None] + c  # linear, so two points a side are enough
    share = np.linspace(0.1, 0.9, 9)
    levels = [-1e9, *np.log(share / (1 - share)), 1e9]
    ax.contourf(corner, corner, score, levels=levels, colors=[_color(p) for p in np.linspace(0.05, 0.95, 10)])


def _color(share: float) -> str:
    """From the colour of class 0 over white to that of class 1.

    >>> _color(0.5), _color(0.0) == _color(1.0)
    ('#ffffff', False)
    """
    from llmbook.core.show.plotting import PAPER, SKY, YELLOW

    end, part = (SKY if share < 0.5 else YELLOW), abs(2 * share - 1)
    pairs = ((int(PAPER[i : i + 2], 16), int(end[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(white + part * (color - white)):02x}" for white, color in pairs)
