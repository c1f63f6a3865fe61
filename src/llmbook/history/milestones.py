"""The timeline of language models as a figure and as a table.

The rows are in ``timeline``.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from llmbook.core.show.tables import Html, collapsed, short, sortable, table
from llmbook.history.timeline import Milestone

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes


NAMES_SHOWN = (
    "seq2seq", "GPT", "BERT-large", "GPT-2", "T5", "GPT-3", "Switch Transformer", "Gopher", "Chinchilla", "PaLM",
    "Mistral 7B", "Llama 3.1 405B", "DeepSeek-V3", "SmolLM2-135M", "gpt-oss-120b",
    "Kimi K3",
)  # fmt: skip
PLACES = {  # where a name stands: its middle, in points from its mark
    "seq2seq": (28, 0), "GPT": (10, -12), "BERT-large": (-8, 12), "GPT-2": (22, 0), "T5": (13, -3),
    "GPT-3": (22, -3), "Switch Transformer": (-59, 0), "Gopher": (-32, 3), "Chinchilla": (-32, -3),
    "PaLM": (28, -12), "Mistral 7B": (-17, -12), "Llama 3.1 405B": (-46, 15), "DeepSeek-V3": (-24, 27),
    "SmolLM2-135M": (-47, 0), "gpt-oss-120b": (-17, -81), "Kimi K3": (-8, 12),
}  # fmt: skip
LED = (  # so far away that a line leads back to the mark
    "GPT", "BERT-large", "Gopher", "PaLM", "Mistral 7B", "Llama 3.1 405B", "DeepSeek-V3", "gpt-oss-120b",
)  # fmt: skip


def draw_timeline(ax: Axes, rows: Sequence[Milestone], names: Sequence[str] = NAMES_SHOWN) -> Axes:
    """Parameters against date. Filled marks are computed, layer by layer; hollow ones are as published.

    Circles have open weights, squares closed ones, of which the authors published the layers. ``names`` are written in,
    those of `PLACES` apart from all marks in a figure of 5.6 x 4.8 inches. The legend stands below the axes.
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
        ax.scatter(x, y, s=22, marker=marker, edgecolor=color, facecolor=face, label=label)
    for r in sized:
        if r.name in names:
            _name(ax, r.name, (float(date2num(r.day)), float(r.size or 0)))
    ax.xaxis_date()
    ax.set_yscale("log")
    ax.set_ylim(4e6, 1e13)
    ax.figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=1)
    return ax


def _name(ax: Axes, name: str, at: tuple[float, float]) -> None:
    """``name`` beside the mark ``at``, or where `PLACES` moves it; from there a thin line leads back to the mark."""
    from llmbook.core.show.plotting import INK

    offset = PLACES.get(name, (0, 11))
    leader = {"arrowstyle": "-", "color": INK, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 3}
    ax.annotate(name, at, xytext=offset, textcoords="offset points", ha="center", va="center",
                arrowprops=leader if name in LED else None)  # fmt: skip


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
