"""Drawings of machines and graphs: boxes, circles, arrows, and numbers on them.

``canvas`` gives an empty sheet; ``box`` and ``circle`` put a part on it and return it; ``arrow`` leads from part to
part (or point to point) and may carry a text on either side. Left out: layout. Coordinates are chosen by hand.

>>> ax = canvas(5.6, 2.0)
>>> x, f = circle(ax, 1, 1.8, "x"), box(ax, 5, 1.8, "times 3")
>>> arrow(ax, x, f, "2", under="3") is ax
True
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from llmbook.core.show.plotting import BLUE, INK, ORANGE, PAPER, Axes, figure

_LAYERS = {"arrow": 2, "part": 3, "text": 4}


@dataclass(frozen=True)
class Part:
    """Where a part is: its centre, its width and height in the units of the sheet, and whether it is round."""

    x: float
    y: float
    width: float
    height: float
    round: bool = False

    def edge(self, toward: tuple[float, float]) -> tuple[float, float]:
        """The point of its outline that faces ``toward``.

        >>> Part(0, 0, 2, 1).edge((5, 0)), Part(0, 0, 2, 1).edge((0, -3)), Part(1, 1, 2, 2, round=True).edge((1, 9))
        ((1.0, 0.0), (0.0, -0.5), (1.0, 2.0))
        """
        dx, dy = toward[0] - self.x, toward[1] - self.y
        if self.round:
            share = self.width / 2 / max(float(np.hypot(dx, dy)), 1e-9)
        else:
            share = min(self.width / 2 / max(abs(dx), 1e-9), self.height / 2 / max(abs(dy), 1e-9))
        return float(self.x + share * dx), float(self.y + share * dy)


def canvas(width: float = 5.6, height: float = 3.0, across: float = 10.0) -> Axes:
    """An empty sheet of this size in inches; x runs from 0 to ``across``, y upwards in the same unit.

    >>> tuple(map(float, canvas(5, 2).get_ylim()))
    (0.0, 4.0)
    """
    if min(width, height, across) <= 0:
        raise ValueError(f"width={width}, height={height}, across={across}: give positive numbers")
    _, (ax,) = figure(width=width, height=height)
    ax.set(xlim=(0, across), ylim=(0, across * height / width), aspect="equal")
    ax.axis("off")
    return ax


def box(
    ax: Axes, x: float, y: float, text: str, *, color: str = BLUE, width: float = 2.4, height: float = 0.8
) -> Part:
    """A box with a text in it, centred at (x, y)."""
    corner = (x - width / 2, y - height / 2)
    shape = "round,pad=0,rounding_size=0.12"
    for paint in _paint(color):
        ax.add_patch(FancyBboxPatch(corner, width, height, boxstyle=shape, **paint))
    return _named(ax, Part(x, y, width, height), text)


def circle(ax: Axes, x: float, y: float, text: str, *, color: str = BLUE, radius: float = 0.4) -> Part:
    """A circle with a text in it, centred at (x, y): a neuron, a number, a sum."""
    for paint in _paint(color):
        ax.add_patch(Circle((x, y), radius, **paint))
    return _named(ax, Part(x, y, 2 * radius, 2 * radius, round=True), text)


def arrow(
    ax: Axes,
    start: Part | tuple[float, float],
    end: Part | tuple[float, float],
    text: str = "",
    *,
    under: str = "",
    bend: float = 0.0,
    color: str = INK,
    width: float = 1.3,
) -> Axes:
    """An arrow between two parts or points; ``text`` stands on its left as it runs, ``under`` on its right, in orange.

    ``bend`` is how far it swings to the right, as a share of its length; ``width`` its thickness in points.
    """
    a, b = _centre(start), _centre(end)
    tail = start.edge(b) if isinstance(start, Part) else a
    head = end.edge(a) if isinstance(end, Part) else b
    style: dict[str, Any] = {
        "arrowstyle": "-|>",
        "mutation_scale": 10 + width,
        "shrinkA": 0,
        "shrinkB": 0,
        "linewidth": width,
    }
    bow = f"arc3,rad={bend}"
    ax.add_patch(
        FancyArrowPatch(tail, head, connectionstyle=bow, color=color, zorder=_LAYERS["arrow"], **style)
    )
    along = np.subtract(head, tail) / max(float(np.hypot(*np.subtract(head, tail))), 1e-9)
    left = np.array([-along[1], along[0]])
    middle = (np.array(tail) + head) / 2 - left * bend * float(np.hypot(*np.subtract(head, tail))) / 2
    for words, side, ink in ((text, 1, INK), (under, -1, ORANGE)):
        if words:
            _beside(ax, middle, left * side, words, ink)
    return ax


def _beside(ax: Axes, at: np.ndarray, away: np.ndarray, text: str, color: str) -> None:
    """A text near a point, on the side that ``away`` names, clear of a line through the point."""
    across = "center" if abs(away[0]) < 0.5 else "left" if away[0] > 0 else "right"
    down = "center" if abs(away[1]) < 0.5 else "bottom" if away[1] > 0 else "top"
    x, y = at + 0.12 * away
    ax.text(x, y, text, ha=across, va=down, color=color, zorder=_LAYERS["text"], gid="halo")


def _paint(color: str) -> list[dict[str, Any]]:
    """Paper, so that lines below do not shine through, and on it a pale area with a line of the same colour."""
    layer = {"zorder": _LAYERS["part"]}
    return [
        {
            "facecolor": PAPER,
            "linewidth": 0,
            "gid": "under",
            **layer,
        },  # by this name it is no panel's background
        {"facecolor": to_rgba(color, 0.15), "edgecolor": color, "linewidth": 1.4, **layer},
    ]


def _named(ax: Axes, part: Part, text: str) -> Part:
    ax.text(part.x, part.y, text, ha="center", va="center", zorder=_LAYERS["text"])
    return part


def _centre(thing: Part | tuple[float, float]) -> tuple[float, float]:
    return (thing.x, thing.y) if isinstance(thing, Part) else thing
