"""The timeline of language models as a figure and as a table.

The rows are in ``timeline``.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from llmbook.core.show.tables import Html, table
from llmbook.history.timeline import Milestone

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes


NAMES_SHOWN = (
    "seq2seq", "GPT", "BERT-large", "GPT-2", "T5", "GPT-3", "Switch Transformer", "Gopher", "Chinchilla", "PaLM",
    "LLaMA-65B", "Mistral 7B", "Llama 3.1 405B", "DeepSeek-V3", "SmolLM2-135M", "gpt-oss-120b",
    "Kimi K3",
)  # fmt: skip


def draw_timeline(ax: Axes, rows: Sequence[Milestone]) -> Axes:
    """Parameters against date: filled where computed from an open configuration, else hollow."""
    from llmbook.core.show.plotting import BLUE, ORANGE, date2num

    sized = [r for r in rows if r.size and r.day.year >= 2013]
    for is_open, color, face, label in (
        (True, BLUE, BLUE, "open weights, size computed"),
        (False, ORANGE, "none", "all others"),
    ):
        chosen = [r for r in sized if (r.open and r.computed is not None) == is_open]
        ax.scatter(
            [float(date2num(r.day)) for r in chosen],
            [float(r.size or 0) for r in chosen],
            s=36,
            edgecolor=color,
            facecolor=face,
            label=label,
        )
    for r in sized:
        if r.name in NAMES_SHOWN:
            ax.annotate(
                r.name,
                (float(date2num(r.day)), float(r.size or 0)),
                xytext=(5, 3),
                textcoords="offset points",
                fontsize=8,
            )
    ax.xaxis_date()
    ax.set_yscale("log")
    ax.legend(loc="lower right")
    return ax


def table_of_milestones(rows: Sequence[Milestone]) -> Html:
    """Every milestone as an accessible HTML table: date, name, kind, parameters, training tokens, source."""

    def number(n: int | None) -> str:
        return f"{n:,}" if n else "–"

    def size(r: Milestone) -> str:
        return number(r.size) + (" (computed)" if r.computed else "")

    def source(r: Milestone) -> str:
        return f'<a href="{escape(r.source.url)}">{escape(r.source.author)} {r.source.year}</a>'

    cells = [
        (escape(r.date), escape(r.name), escape(r.kind), size(r), number(r.tokens_seen), source(r))
        for r in rows
    ]
    return table(
        "Milestones of language modelling",
        ["date", "model", "kind", "parameters", "tokens seen", "source"],
        cells,
    )
