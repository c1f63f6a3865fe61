"""Drawings of machines: boxes, arrows and sums, from a configuration.

A drawing takes an ``ax`` and what it shows, and returns the ``ax``; numbers in it are passed in or read from the
configuration, never typed. Left out: layout. The coordinates are chosen by hand, in the order of reading: upwards,
as data flow in the papers' own figures (Vaswani et al. 2017, figure 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from llmbook.core.models.config import Config

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes

MIDDLE, NOTE, SKIP = 2.6, 4.5, 0.6  # x of the boxes, of what is written beside them, of the residual lines


def box(ax: Axes, y: float, text: str, color: str, x: float = MIDDLE) -> Axes:
    """A box with a name in it, centred at (x, y)."""
    left, right, low, high = x - 1.35, x + 1.35, y - 0.33, y + 0.33
    ax.fill([left, right, right, left], [low, low, high, high], color=color, zorder=3)
    ax.text(x, y - 0.02, text, ha="center", va="center", color="white", fontweight="bold", zorder=4)
    return ax


def arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> Axes:
    """An arrow between two points."""
    ax.annotate(
        "", end, start, arrowprops={"arrowstyle": "-|>", "color": "#222222", "shrinkA": 0, "shrinkB": 0}
    )
    return ax


def residual_sum(ax: Axes, y_from: float, y_to: float) -> Axes:
    """A line that leaves the stream at ``y_from``, runs past what is between, and is added at ``y_to``."""
    ax.plot([MIDDLE, SKIP, SKIP], [y_from, y_from, y_to], color="#222222", linewidth=1.2)
    arrow(ax, (SKIP, y_to), (MIDDLE - 0.18, y_to))
    ring = {"boxstyle": "circle,pad=0.12", "facecolor": "white", "edgecolor": "#222222"}
    ax.text(MIDDLE, y_to, "+", ha="center", va="center", fontsize=10, bbox=ring, zorder=5)
    return ax


def machine(ax: Axes, c: Config, parameters: Mapping[str, int]) -> Axes:
    """A decoder from tokens to probabilities, with the shape of what flows and the weights of each part.

    ``parameters`` holds the number of weights under "embedding", "attention", "feed-forward".
    """
    from llmbook.core.show.plotting import BLUE, GREEN, INK, RED

    million = {name: f"{n / 1e6:.0f} million weights in all" for name, n in parameters.items()}
    ax.fill([0.2, 10.0, 10.0, 0.2], [2.65, 2.65, 8.75, 8.75], color="#eef3f7", zorder=0)
    ax.text(
        9.8, 8.4, f"× {c.n_layer} blocks", ha="right", va="center", fontsize=11, fontweight="bold", color=INK
    )
    arrow(ax, (MIDDLE, 0.45), (MIDDLE, 11.75))
    rows = [
        (0.2, "token numbers", None, "T numbers"),
        (1.5, "embedding", BLUE, f"T vectors of {c.n_embd}; {million['embedding']}"),
        (3.7, "norm", INK, ""),
        (4.6, "attention", GREEN, f"tokens exchange, {c.n_head} heads; {million['attention']}"),
        (6.6, "norm", INK, ""),
        (7.5, "feed-forward", RED, f"each on its own, {c.d_ff:,} wide; {million['feed-forward']}"),
        (9.4, "norm", INK, ""),
        (10.3, "output layer", BLUE, "the embedding again" if c.tied else million["output"]),
        (11.2, "softmax", INK, f"T distributions over {c.vocab_size:,} tokens"),
    ]
    for y, name, color, note in rows:
        if color is None:
            ax.text(MIDDLE, y, name, ha="center", va="center")
        else:
            box(ax, y, name, color)
        ax.text(NOTE, y, note, ha="left", va="center", fontsize=9)
    for y_from, y_to in ((3.0, 5.5), (6.0, 8.35)):
        residual_sum(ax, y_from, y_to)
    ax.set(xlim=(0, 10.2), ylim=(-0.1, 12))
    ax.axis("off")
    return ax
