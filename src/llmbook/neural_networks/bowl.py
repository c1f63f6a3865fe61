"""How long a step may be: plain gradient descent on a bowl, and the curvature that decides.

On loss(w) = c/2 · (w - lowest)² the slope is c times the distance from the lowest point, so a step at rate lr leaves
1 - lr · c of that distance: descent converges below the rate 2/c, and diverges above (Polyak 1964,
doi:10.1016/0041-5553(64)90137-5).

Left out on purpose: momentum, whose limit is higher, and curvature that changes along the way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes


def curvature(loss: Callable[[float], float], at: float, step: float = 1e-3) -> float:
    """How much the slope of ``loss`` changes per unit, by nudging: the second difference at ``at``.

    >>> round(curvature(lambda w: (2 * w - 6) ** 2, at=1.0), 4)
    8.0
    """
    return (loss(at + step) - 2 * loss(at) + loss(at - step)) / step**2


def left_by_a_step(lr: float, curvature: float) -> float:
    """Of the distance from the lowest point, the share that a step leaves, with its sign: below 0 it jumps across.

    >>> left_by_a_step(0.125, 8.0), left_by_a_step(0.25, 8.0)
    (0.0, -1.0)
    """
    return 1 - lr * curvature


def longest_rate(curvature: float) -> float:
    """The rate below which descent converges: 2 / curvature.

    >>> longest_rate(8.0)
    0.25

    Raises ``ValueError`` unless the curvature is above 0.
    """
    if not curvature > 0:
        raise ValueError(f"the curvature is {curvature}; a bowl has one above 0")
    return 2 / curvature


def descend_bowl(lr: float, curvature: float, lowest: float, start: float, steps: int) -> np.ndarray:
    """Where plain descent goes on c/2 · (w - lowest)²: (steps + 1,), the start first.

    >>> descend_bowl(0.25, curvature=8.0, lowest=3.0, start=1.0, steps=3).tolist()
    [1.0, 5.0, 1.0, 5.0]
    """
    ws = [start]
    for _ in range(steps):
        ws.append(ws[-1] - lr * curvature * (ws[-1] - lowest))
    return np.array(ws)


def draw_descent(ax: Axes, ws: np.ndarray, curvature: float, lowest: float, reach: float = 5.0) -> Axes:
    """The bowl, and the points ``ws`` on it joined in their order; what leaves the picture is cut off."""
    from llmbook.core.show.plotting import BLUE, INK, ORANGE

    grid = np.linspace(lowest - reach, lowest + reach, 61)
    top = curvature / 2 * reach**2
    ax.plot(grid, curvature / 2 * (grid - lowest) ** 2, color=BLUE, label="loss")
    ax.plot(
        ws, curvature / 2 * (ws - lowest) ** 2, color=ORANGE, marker="o", linewidth=1.2,
        label=f"{len(ws) - 1} steps",
    )  # fmt: skip
    ax.plot(ws[0], curvature / 2 * (ws[0] - lowest) ** 2, "o", color=INK, label="start", zorder=3)
    ax.set(xlim=(lowest - reach, lowest + reach), ylim=(-0.06 * top, 1.06 * top))
    ax.legend(loc="upper center")
    return ax


def draw_stability(ax: Axes, curvature: float, measured: Sequence[tuple[float, float]]) -> Axes:
    """The size of what a step leaves against the rate, with ``measured`` pairs (rate, share left) as points.

    Shaded is where steps climb: above the rate 2 / curvature.
    """
    from llmbook.core.show.plotting import BLUE, INK, ORANGE, tag

    limit = longest_rate(curvature)
    most = 1.05 * max(max(lr for lr, _ in measured), limit)
    corners = np.array([0, limit / 2, most])
    ax.axvspan(limit, most, color=ORANGE, alpha=0.12, linewidth=0)
    ax.plot(corners, np.abs(1 - corners * curvature), color=BLUE, label="|1 − rate · c|")
    for name, color, marker, here in (
        ("comes closer", BLUE, "o", [p for p in measured if p[1] < 1]),
        ("does not", ORANGE, "s", [p for p in measured if p[1] >= 1]),
    ):
        ax.plot(*zip(*here, strict=True), marker, color=color, label=name) if here else None
    ax.axhline(1, color=INK, linewidth=1, linestyle=":")
    tag(ax, "1/c", (limit / 2, 0), (0, 14), side="center")
    tag(ax, "2/c", (limit, 1), (-6, 12), side="right")
    ax.set(xlim=(0, most), ylim=(0, None))
    ax.legend(loc="upper left")
    return ax
