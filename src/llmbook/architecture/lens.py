"""The stream read on its way up: what the output layer would say after a block, as if it were the last.

The logit lens (nostalgebraist 2020, "interpreting GPT: the logit lens"). What it gives after the last block is the
model's own answer; before that it is a reading by a table that was trained for the top, and no part of the model
uses it. Left out on purpose: lenses that are trained for their layer (Belrose et al. 2023, arXiv:2303.08112).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes

SPACE = "␣"  # a token that is nothing but white space would be an empty cell


def shown(token: str) -> str:
    """A token as it stands in a cell: without the space in front, and visible when it is one.

    >>> shown(" Paris"), shown(" "), shown(",")
    ('Paris', '␣', ',')
    """
    return token.strip() or SPACE


def draw_lens(
    ax: Axes, said: Sequence[Sequence[str]], chance: Tensor, after: Sequence[int], read: Sequence[str]
) -> Axes:
    """Tokens named after some blocks, the last block on top: ``said`` and ``chance`` (N blocks, T tokens).

    ``after``: the numbers of the blocks, in order; ``read``: the tokens that the columns have read last.
    Raises ``ValueError`` when the numbers of rows or columns differ.
    """
    from llmbook.core.show.plotting import BLACK, BLUES, PAPER, heatmap, label, luminance

    if tuple(chance.shape) != (len(after), len(read)) or [len(row) for row in said] != [len(read)] * len(
        after
    ):
        raise ValueError(f"chance is {tuple(chance.shape)}; give a row for each of {len(after)} blocks and a column "
                         f"for each of {len(read)} tokens, and as many words")  # fmt: skip
    heatmap(
        ax, chance.flip(0), rows=[str(n) for n in reversed(after)], columns=[shown(t) for t in read], vmax=1
    )
    for y, (words, row) in enumerate(zip(reversed(said), chance.flip(0).tolist(), strict=True)):
        for x, (word, p) in enumerate(zip(words, row, strict=True)):
            ink = BLACK if luminance(BLUES(p)) > 0.18 else PAPER
            ax.text(x, y, shown(word), ha="center", va="center", color=ink)
    ax.set_xticks(range(len(read)), [shown(t) for t in read], rotation=0, ha="center")
    return label(ax, "the last token read", "after block")
