"""Drawings of machines: boxes, arrows and sums, from a configuration.

A drawing takes an ``ax`` and what it shows, and returns the ``ax``; numbers in it are passed in or read from the
configuration, never typed. Left out: layout. The coordinates are chosen by hand, in the order of reading: upwards,
as data flow in the papers' own figures (Vaswani et al. 2017, figure 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from torch import Tensor

from llmbook.core.models.config import Config

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes

MIDDLE, NOTE, SKIP = 2.4, 4.2, 0.5  # x of the boxes, of what is written beside them, of the residual lines


def residual_sum(ax: Axes, y_from: float, y_to: float) -> Axes:
    """A line that leaves the stream at ``y_from``, runs past what is between, and is added at ``y_to``."""
    from llmbook.core.show.drawing import arrow, circle
    from llmbook.core.show.plotting import INK

    ax.plot([MIDDLE, SKIP, SKIP], [y_from, y_from, y_to], color=INK, linewidth=1.3)
    return arrow(ax, (SKIP, y_to), circle(ax, MIDDLE, y_to, "+", color=INK, radius=0.28))


def machine(ax: Axes, c: Config, parameters: Mapping[str, int]) -> Axes:
    """A decoder from tokens to probabilities, with the shape of what flows and the weights of each part.

    ``parameters`` holds the number of weights under "embedding", "attention", "feed-forward".
    """
    from llmbook.core.show.drawing import arrow, box
    from llmbook.core.show.plotting import BLUE, GREEN, INK, RED, SKY

    million = {name: f"\n{n / 1e6:.0f} million weights in all" for name, n in parameters.items()}
    ax.fill([0.15, 10.1, 10.1, 0.15], [2.65, 2.65, 8.85, 8.85], color=SKY, alpha=0.12, linewidth=0, zorder=0)
    ax.text(9.9, 8.45, f"× {c.n_layer} blocks", ha="right", va="center", fontweight="bold")
    rows = [
        (0.2, "token numbers", None, "T numbers"),
        (1.5, "embedding", BLUE, f"T vectors of {c.n_embd}{million['embedding']}"),
        (3.7, "norm", INK, ""),
        (4.65, "attention", GREEN, f"tokens exchange, {c.n_head} heads{million['attention']}"),
        (6.6, "norm", INK, ""),
        (7.55, "feed-forward", RED, f"each on its own, {c.d_ff:,} wide{million['feed-forward']}"),
        (9.4, "norm", INK, ""),
        (10.35, "output layer", BLUE, "the embedding again" if c.tied else million["output"].strip()),
        (11.3, "softmax", INK, f"T distributions over {c.vocab_size:,} tokens"),
    ]
    for y, name, color, note in rows:
        if color is None:
            ax.text(MIDDLE, y, name, ha="center", va="center")
        else:
            box(ax, MIDDLE, y, name, color=color, width=2.7, height=0.66)
        ax.text(NOTE, y, note, ha="left", va="center")
    below = [0.2, 1.5, 3.7, 4.65, 5.55, 6.6, 7.55, 8.4, 9.4, 10.35, 11.3, 11.95]
    for low, high in pairwise(below):
        lift = {0.2: 0.3, 5.55: 0.28, 8.4: 0.28}.get(low, 0.33)
        drop = {5.55: 0.28, 8.4: 0.28, 11.95: 0.0}.get(high, 0.33)
        arrow(ax, (MIDDLE, low + lift), (MIDDLE, high - drop))
    for y_from, y_to in ((2.95, 5.55), (6.0, 8.4)):
        residual_sum(ax, y_from, y_to)
    ax.set(xlim=(0, 10.2), ylim=(-0.1, 12))
    ax.axis("off")
    return ax


def mask_cells(ax: Axes, mask: Tensor, title: str) -> Axes:
    """A mask (T, T), bool: dark where the row may look at the column, with white lines between the cells."""
    from llmbook.core.show.plotting import PAPER, heatmap, label

    heatmap(ax, mask.float(), vmin=-0.12, vmax=1)
    n_row, n_column = mask.shape
    for i in range(n_row + 1):
        ax.axhline(i - 0.5, color=PAPER, linewidth=1.5)
    for i in range(n_column + 1):
        ax.axvline(i - 0.5, color=PAPER, linewidth=1.5)
    return label(ax, "looked at", "looking", title)
