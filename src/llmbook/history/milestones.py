"""The timeline of language models as a figure and as a table.

The rows are in ``timeline``.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from llmbook.core.show.tables import Html, collapsed, sortable, table
from llmbook.history.timeline import Milestone

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes


NAMES_SHOWN = (
    "seq2seq", "GPT", "BERT-large", "GPT-2", "T5", "GPT-3", "Switch Transformer", "Gopher", "Chinchilla", "PaLM",
    "Mistral 7B", "Llama 3.1 405B", "DeepSeek-V3", "SmolLM2-135M", "gpt-oss-120b",
    "Kimi K3",
)  # fmt: skip


def short(n: float) -> str:
    """A large number as people say it, to three digits: K, M, B and T for thousands, millions, billions and trillions.

    Raises ``ValueError`` for a number below 0.

    >>> [short(n) for n in (15_600_000_000_000, 124_439_808, 1_000_000_000, 999_999, 42)]
    ['15.6T', '124M', '1B', '1M', '42']
    """
    if n < 0:
        raise ValueError(f"n is {n}; give 0 or more")
    rounded = float(f"{n:.3g}")  # first, so that 999,999 becomes a million
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if rounded >= size:
            return f"{rounded / size:.4g}{unit}"
    return f"{rounded:g}"


def draw_timeline(ax: Axes, rows: Sequence[Milestone], names: Sequence[str] = NAMES_SHOWN) -> Axes:
    """Parameters against date. Filled marks are computed, layer by layer; hollow ones are as published.

    Circles have open weights, squares closed ones, of which the authors published the layers. ``names`` are written in.
    """
    from llmbook.core.show.plotting import BLUE, INK, ORANGE, date2num

    sized = [r for r in rows if r.size and r.day.year >= 2013]
    opened, closed = ([r for r in sized if r.computed and r.open is is_open] for is_open in (True, False))
    for label, marker, color, face, chosen in (
        ("open weights, computed", "o", BLUE, BLUE, opened),
        ("closed, computed from the published layers", "s", ORANGE, ORANGE, closed),
        ("as published", "o", INK, "none", [r for r in sized if not r.computed]),
    ):
        x, y = [float(date2num(r.day)) for r in chosen], [float(r.size or 0) for r in chosen]
        ax.scatter(x, y, s=36, marker=marker, edgecolor=color, facecolor=face, label=label)
    for r in sized:
        if r.name in names:
            at = (float(date2num(r.day)), float(r.size or 0))
            ax.annotate(r.name, at, xytext=(5, 3), textcoords="offset points", fontsize=8)
    ax.xaxis_date()
    ax.set_yscale("log")
    ax.legend(loc="lower right")
    return ax


COLUMNS = ("date", "of", "model", "kind", "weights", "parameters", "tokens seen", "source")


def table_of_milestones(rows: Sequence[Milestone]) -> Html:
    """Every milestone as a table that is folded away and can be sorted.

    A date is that of a release or of a paper. Numbers are short (15.6T), and say where they are computed: a size layer
    by layer, tokens as a product of published numbers.
    """
    cells = [
        (
            escape(r.date),
            r.dated_as,
            escape(r.name),
            r.kind,
            "open" if r.open else "–",
            _size(r),
            _tokens(r),
            _source(r),
        )
        for r in rows
    ]
    whole = table("Milestones of language modelling", COLUMNS, cells)
    return collapsed(f"All {len(cells)} milestones, with sources", sortable(whole))


def _number(n: int | None, computed: str = "") -> str:
    """A cell: the short number, the exact one in ``value``, by which the column is sorted."""
    return f'<data value="{n}">{short(n)}</data>{computed}' if n else "–"


def _size(r: Milestone) -> str:
    return _number(r.size, " (computed)" if r.computed else "")


def _tokens(r: Milestone) -> str:
    return _number(r.tokens_seen, f" (computed: {escape(r.tokens_computed)})" if r.tokens_computed else "")


def _source(r: Milestone) -> str:
    return f'<a href="{escape(r.source.url)}">{escape(r.source.author)} {r.source.year}</a>'
