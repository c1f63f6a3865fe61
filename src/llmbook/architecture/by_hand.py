"""One query, four tokens: attention as it is worked by hand, drawn from the numbers that a page has computed.

Queries are orange, keys blue, values green, in every drawing. Left out: layout; see ``diagrams``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from llmbook.core.show.drawing import Part
    from llmbook.core.show.plotting import Axes


def vector(x: Tensor, digits: int | None = None) -> str:
    """A small vector as it is written in a text.

    >>> vector(Tensor([2.0, 0.5])), vector(Tensor([2.3978, 0.95]), 2)
    ('(2, 0.5)', '(2.40, 0.95)')
    """
    form = "{:g}" if digits is None else f"{{:.{digits}f}}"
    return "(" + ", ".join(form.format(v) for v in x.tolist()) + ")"


def query_and_keys(ax: Axes, query: Tensor, keys: Mapping[str, Tensor]) -> Axes:
    """Arrows in the plane of living things and places: the query (2,) of *it*, and the key (2,) of each token.

    A key of no length is a dot. The query is drawn a little aside, so that a key along it stays visible.
    """
    from llmbook.core.show.plotting import BLUE, GREEN, ORANGE, PURPLE, SKY, label

    aside = 0.06 * query.flip(0) * query.new_tensor([-1.0, 1.0])
    (x, y), (dx, dy) = query.tolist(), aside.tolist()
    _line(ax, (dx, dy), (x + dx, y + dy), ORANGE, 2.6)
    if abs(y) < 0.3 * abs(x):  # the name stands beside the middle of the arrow, where no key is
        at, across = (x / 2 - (0.45 if x < 0 else 0.0), 0.25), "center"
    else:
        at, across = (x / 2 + (0.2 if x > 0.5 else -0.2), y / 2 - 0.15), "left" if x > 0.5 else "right"
    ax.text(at[0], at[1], "query of it", color=ORANGE, weight="bold", ha=across, gid="halo")
    below = {"animal": (1.25, -0.3), "it": (0.28, -0.3), "because": (-0.05, -0.3), "street": (0.62, 1.75)}
    for (name, key), color in zip(keys.items(), (BLUE, GREEN, SKY, PURPLE), strict=False):
        x, y = key.tolist()
        if x or y:
            _line(ax, (0, 0), (x, y), color, 2.0)
        else:
            ax.plot([0], [0], "o", color=color, markersize=6, zorder=5)
        side = "right" if name == "because" else "left"
        at = below.get(name, (x, y))
        ax.text(at[0], at[1], name, color=color, weight="bold", ha=side, gid="halo")
    ax.set(xlim=(-1.7, 2.9), ylim=(-0.5, 2.55))
    return label(ax, "living thing", "place")


def _line(ax: Axes, start: tuple[float, float], end: tuple[float, float], color: str, width: float) -> None:
    ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": color, "lw": width, "shrinkA": 0,
                                            "shrinkB": 0})  # fmt: skip


def share_bars(ax: Axes, names: Sequence[str], shares: Tensor) -> Axes:
    """What each token gets of one query: shares (N,) that add up to one, first on top."""
    from llmbook.core.show.plotting import bars, label

    bars(ax, dict(zip(names, shares.tolist(), strict=True)))
    ax.set_xlim(0, 1.18)
    return label(ax, "share", "")


COLUMNS = {"query": 1.05, "keys": 3.15, "fits": 4.95, "shares": 6.45, "values": 8.3, "mix": 10.25}
TOP, STEP = 4.35, 1.15  # y of the first row, and how far down the next is


def one_query(
    ax: Axes, names: Sequence[str], query: Tensor, keys: Tensor, values: Tensor, shares: Tensor
) -> Axes:
    """From the left: a query (2,), its fit with each of the keys (N, 2), their shares (N,), the mixed values (N, 2).

    On a ``drawing.canvas`` 11.2 across and 6 high.
    """
    from llmbook.core.show.drawing import arrow, box, circle
    from llmbook.core.show.plotting import BLUE, GREEN, INK, ORANGE

    for name, x in COLUMNS.items():
        ax.text(x, 5.65, name, ha="center", va="center", fontweight="bold")
    ax.text(COLUMNS["fits"], 5.2, "q · k", ha="center", va="center")
    ax.text(COLUMNS["shares"], 5.2, "softmax", ha="center", va="center")
    middle = TOP - 1.5 * STEP
    asks = box(ax, COLUMNS["query"], middle, f"of it:\n{vector(query)}", color=ORANGE, width=1.7, height=1.2)
    takes = box(ax, COLUMNS["mix"], middle, "it takes\n" + vector(shares @ values, 2).replace(" ", "\n"),
                color=INK, width=1.75, height=1.75)  # fmt: skip
    rows = zip(names, keys, (keys @ query).tolist(), shares.tolist(), values, strict=True)
    for i, (name, key, fit, share, value) in enumerate(rows):
        y = TOP - i * STEP
        offers = box(ax, COLUMNS["keys"], y, f"{name}\n{vector(key)}", color=BLUE, width=1.75, height=0.95)
        fits = circle(ax, COLUMNS["fits"], y, f"{fit:g}", color=INK, radius=0.36)
        gives = box(ax, COLUMNS["values"], y, vector(value), color=GREEN, width=1.25, height=0.8)
        arrow(ax, asks, offers)
        arrow(ax, offers, fits)
        _share(ax, y, share, fits)
        arrow(ax, (7.35, y), gives)
        _weighted(ax, gives, takes, share)
    return ax


def _share(ax: Axes, y: float, share: float, fits: Part) -> None:
    """A bar as long as the share, with its number above it."""
    from llmbook.core.show.drawing import arrow
    from llmbook.core.show.plotting import FAINT, ORANGE

    left, whole = 5.85, 1.4
    arrow(ax, fits, (left - 0.04, y))
    for length, color in ((whole, FAINT), (whole * share, ORANGE)):
        ax.fill([left, left + length, left + length, left], [y - 0.22, y - 0.22, y + 0.08, y + 0.08],
                color=color, linewidth=0)  # fmt: skip
    ax.text(left + whole / 2, y + 0.31, f"{share:.2f}", ha="center", va="center")


def _weighted(ax: Axes, part: Part, end: Part, share: float) -> None:
    """An arrow from a value to the mix, as thick as the share is large."""
    from llmbook.core.show.plotting import GREEN

    target = (end.x, end.y + 0.45 * (part.y - end.y) / STEP)  # spread along the left side
    style = {"arrowstyle": "-|>", "color": GREEN, "lw": 0.8 + 5 * share, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", (end.x - end.width / 2, target[1]), (part.x + part.width / 2, part.y), arrowprops=style)


def two_heads(
    ax: Axes,
    asked: Tensor,
    names: Sequence[str],
    queries: Tensor,
    shares: Tensor,
    values: Tensor,
    n_head: int,
) -> Axes:
    """Heads side by side, read upwards: the vector of *it*, a query (2,) and shares (N,) for each of two heads.

    ``asked`` (C,) is what the queries (2, 2) were made of, ``n_head`` the number of heads of a real model; on a
    ``drawing.canvas`` 11.2 across and 8.6 high.
    """
    from llmbook.core.show.drawing import arrow, box
    from llmbook.core.show.plotting import GREEN, INK

    below = box(ax, 5.6, 0.55, f"vector of it: {vector(asked)}", color=INK, width=5.4)
    brought = [vector(s @ values, 2) for s in shares]
    joined = box(ax, 5.6, 6.75, f"side by side: {brought[0]}, {brought[1]}, …", color=INK, width=9.4)
    mixed = box(ax, 5.6, 8.1, "one more matrix", width=4.2)
    others = box(ax, 9.45, 3.65, f"{n_head - 2} more\nin SmolLM2", color=GREEN, width=2.15, height=3.3)
    for behind in (0.22, 0.44):  # the edges of those that are not opened
        left, right, low, high = 8.375 + behind, 10.525 + behind, 2.0 + behind, 5.3 + behind
        corners = [(left, high - 0.22), (left, high), (right, high), (right, low), (right - 0.22, low)]
        ax.plot(*zip(*corners, strict=True), color=GREEN, linewidth=1.4)
    cards = [
        _head(ax, 1.95 + 3.9 * i, ("first head", "second head")[i], names, queries[i], shares[i])
        for i in range(2)
    ]
    for card in (*cards, others):
        arrow(ax, below, card)
        arrow(ax, card, joined)
    return arrow(ax, joined, mixed)


def _head(ax: Axes, x: float, title: str, names: Sequence[str], query: Tensor, shares: Tensor) -> Part:
    """A card with a head's query and the shares that it hands out."""
    from llmbook.core.show.drawing import box
    from llmbook.core.show.plotting import FAINT, GREEN, ORANGE

    card = box(ax, x, 3.65, "", color=GREEN, width=3.6, height=3.3)
    ax.text(x, 4.95, title, ha="center", va="center", fontweight="bold", zorder=4)
    ax.text(x, 4.45, f"query {vector(query)}", ha="center", va="center", color=ORANGE, zorder=4)
    for i, (name, share) in enumerate(zip(names, shares.tolist(), strict=True)):
        y, left, whole = 3.9 - 0.52 * i, x - 0.2, 1.0
        ax.text(left - 0.12, y, name, ha="right", va="center", zorder=4)
        for length, color in ((whole, FAINT), (whole * share, ORANGE)):
            ax.fill([left, left + length, left + length, left], [y - 0.14, y - 0.14, y + 0.14, y + 0.14],
                    color=color, linewidth=0, zorder=4)  # fmt: skip
        ax.text(left + whole + 0.08, y, f"{share:.2f}", ha="left", va="center", zorder=4)
    return card
