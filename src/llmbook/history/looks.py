"""The picture of one word that looks at those before it: arrows as thick as its shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes

THICK = 7.0  # typographic points for a share of 1


def draw_looks(ax: Axes, words: Sequence[str], shares: Sequence[float]) -> Axes:
    """Words side by side; an arrow leads from each to the last, as thick as its share, which stands below the word.

    ``ax`` is a ``drawing.canvas``. Raises ``ValueError`` unless there is one share for each of at least two words, and
    they add up to one.
    """
    if len(words) < 2 or len(shares) != len(words) or min(shares) < 0 or abs(sum(shares) - 1) > 1e-3:
        raise ValueError(
            f"{len(words)} words and {len(shares)} shares that add up to {sum(shares):.3f}: give two words or more, "
            "and for each a share, together 1"
        )
    from llmbook.core.show import drawing
    from llmbook.core.show.plotting import BLUE

    across, middle = ax.get_xlim()[1], 1.75
    step = across / len(words)
    boxes = [
        drawing.box(ax, step * (i + 0.5), middle, word, width=0.7 * step) for i, word in enumerate(words)
    ]
    for part, share in zip(boxes, shares, strict=True):
        ax.text(part.x, middle - 0.9, f"{share:.2f}", ha="center", va="center")
        if part is not boxes[-1]:
            start, end = (part.x, middle + 0.42), (boxes[-1].x, middle + 0.46)
            drawing.arrow(ax, start, end, bend=-0.35, color=BLUE, width=max(0.8, THICK * share))
    return ax
