"""How far back a recurrent network feels: gradients over distance, before any training.

Hochreiter & Schmidhuber 1997 (doi:10.1162/neco.1997.9.8.1735). The answer depends on how the network starts
(``starts``), so both starts are measured, over several seeds. What training makes of it is another question
(``recall``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from llmbook.core.measure.intervals import seed_interval
from llmbook.history import recurrent
from llmbook.history.starts import STARTS, check_start, help_start

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes


@dataclass(frozen=True, eq=False)
class Reach:
    """What one kind of cell feels from one kind of start: ``per_seed`` (seeds, distance), relative to the last token.

    The numbers span many powers of ten, so mean and 95 % interval are taken of their logarithms: ``mean``, ``low`` and
    ``high`` (distance,) are a geometric mean and what it may be for other seeds.

    >>> Reach("rnn", "plain", np.array([[1.0, 0.1], [1.0, 0.001]])).mean.round(6).tolist()
    [1.0, 0.01]
    """

    kind: str
    start: str
    per_seed: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        return np.exp(np.log(self.per_seed).mean(axis=0))

    @property
    def low(self) -> np.ndarray:
        return self._interval[0]

    @property
    def high(self) -> np.ndarray:
        return self._interval[1]

    @property
    def _interval(self) -> tuple[np.ndarray, np.ndarray]:
        found = [seed_interval(logs.tolist()) for logs in np.log(self.per_seed).T]
        return np.exp([i.low for i in found]), np.exp([i.high for i in found])


def reach(
    kinds: Sequence[str] = ("rnn", "gru", "lstm"),
    starts: Sequence[str] = STARTS,
    distance: int = 48,
    seed: int = 0,
    seeds: int = 5,
    n: int = 32,
) -> dict[tuple[str, str], Reach]:
    """Gradient of the last prediction with respect to each earlier input, relative to the last, by kind and start.

    Each of ``seeds`` seeds from ``seed`` on draws a network of 128 units and ``n`` random texts, the same texts for
    every kind and start, and the same network for both starts of a kind, but for the change that ``help_start`` makes.
    Raises ``ValueError`` for a bare string, an unknown kind or start, fewer than two seeds (one has no interval), a
    distance or number of texts below 1, or a distance over which a gradient gets too small for float32.

    >>> far = reach(("lstm",), distance=24, seeds=2, n=4)
    >>> bool(far["lstm", "helped"].mean[20] > far["lstm", "plain"].mean[20])
    True
    """
    for name, given in (("kinds", kinds), ("starts", starts)):
        if isinstance(given, str):
            raise ValueError(f"{name} is the string {given!r}; give a list, such as [{given!r}]")
    for start in starts:
        check_start(start)
    if distance < 1 or n < 1 or seeds < 2:
        raise ValueError(
            f"distance is {distance}, n is {n}, seeds is {seeds}; give at least 1, 1 and 2 seeds, for an interval"
        )
    drawn = range(seed, seed + seeds)
    return {
        (kind, start): Reach(kind, start, np.array([_once(kind, start, distance, s, n) for s in drawn]))
        for kind in kinds
        for start in starts
    }


def _once(kind: str, start: str, distance: int, seed: int, n: int) -> np.ndarray:
    """(distance,) for one seed."""
    torch.manual_seed(seed)
    model = recurrent.RecurrentLM(kind, vocab_size=64, n_embd=64, n_hidden=128, block_size=distance)
    if start == "helped":
        help_start(model)
    ids = torch.randint(64, (n, distance + 1), generator=torch.Generator().manual_seed(seed))
    size = recurrent.gradient_by_distance(model, ids)
    if not size.all():
        raise ValueError(
            f"distance is {distance}, but {int(np.argmin(size))} tokens back the gradient of the {kind} from a {start} "
            "start is 0 in float32, and 0 has no logarithm; give a smaller distance"
        )
    return size / size[0]


def draw_reach(ax: Axes, reaches: Mapping[tuple[str, str], Reach]) -> Axes:
    """A line per kind and start over the distance, with its 95 % band; plain starts are dashed."""
    from llmbook.core.show.plotting import PALETTE, band

    colors = dict(zip(dict.fromkeys(kind for kind, _ in reaches), PALETTE, strict=False))
    for (kind, start), r in reaches.items():
        x, style = np.arange(len(r.mean)), "-" if start == "helped" else "--"
        ax.plot(x, r.mean, style, color=colors[kind], label=f"{kind.upper()}, {start}")
        band(ax, x, r.low, r.high, colors[kind])
    ax.set_yscale("log")
    ax.legend()
    return ax
