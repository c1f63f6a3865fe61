"""From counting to attention: what the page ``history`` computes.

The models are in ``core``: ``eliza`` (Weizenbaum 1966), ``ngram``, ``recurrent``, ``transformer``;
``core.ladder`` gives them equal time on the same plays. Here are the page's other measurements, and its figures.

Left out on purpose: anything pre-trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from llmbook.core import recurrent, training
from llmbook.core.ladder import (
    RUNGS,
    Climb,
    Text,
    by_budget,
    climb,
    count_ngrams,
    draw_ladder,
    sample,
    scores,
    text,
)
from llmbook.core.ngram import NGram, Smoothing
from llmbook.core.optim import Recipe
from llmbook.core.tables import Html, table
from llmbook.core.timeline import Milestone

if TYPE_CHECKING:
    from llmbook.core.plotting import Axes

__all__ = [
    "RECORD",
    "RUNGS",
    "Climb",
    "by_budget",
    "climb",
    "count_ngrams",
    "draw_ladder",
    "draw_timeline",
    "ngram_scores",
    "open_forget_gate",
    "reach",
    "reverse_by_length",
    "sample",
    "scores",
    "table_of_milestones",
    "text",
    "unseen_share",
]

RECORD = Path(__file__).parent / "data" / "ladder.json"  # rows of Climb, written by benchmarks/ladder.py

# ------------------------------------------------------------------------------------- before networks


def ngram_scores(
    corpus: Text, orders: Sequence[int], smoothings: dict[str, Smoothing]
) -> dict[str, list[float]]:
    """Bits per byte of unseen plays for each smoothing method and order."""
    result: dict[str, list[float]] = {}
    for name, smoothing in smoothings.items():
        fitted = [NGram(n, corpus.vocab_size, smoothing).fit(corpus.train) for n in orders]
        result[name] = [corpus.bits_per_byte(-m.log_probs(corpus.unseen)[1:].mean()) for m in fitted]
    return result


def unseen_share(corpus: Text, order: int) -> float:
    """The share of the unseen plays' n-grams that never occur in the training plays, 0 to 1."""

    def grams(ids: Tensor) -> np.ndarray:
        rows = ids.unfold(0, order, 1).numpy().astype(np.int64)  # (N - n + 1, n)
        return rows @ (corpus.vocab_size ** np.arange(order, dtype=np.int64))

    return float(1 - np.isin(grams(corpus.unseen), grams(corpus.train)).mean())


# --------------------------------------------------------------------------------- memory over distance


def reach(kinds: Sequence[str], distance: int = 48, seed: int = 0, n: int = 32) -> dict[str, np.ndarray]:
    """Gradient of the last prediction with respect to each earlier input, relative to the last: (distance,) per kind.

    Freshly initialised cells in their plain form; the LSTM's forget gate starts open (bias 1, Gers et al. 2000).
    """
    result = {}
    for kind in kinds:
        torch.manual_seed(seed)
        model = recurrent.RecurrentLM(kind, vocab_size=64, n_embd=64, n_hidden=128, block_size=distance)
        if kind == "lstm":
            open_forget_gate(model)
        ids = torch.randint(64, (n, distance + 1), generator=torch.Generator().manual_seed(seed))
        size = recurrent.gradient_by_distance(model, ids)
        result[kind] = size / size[0]
    return result


def open_forget_gate(model: recurrent.RecurrentLM, bias: float = 1.0) -> None:
    """Let an LSTM remember by default: add ``bias`` to its forget gates (rows N to 2N of PyTorch's layout)."""
    for name, p in model.named_parameters():
        if ".bias_ih" in name or name.startswith("bias_ih"):
            n = len(p) // 4
            with torch.no_grad():
                p[n : 2 * n] += bias


# ------------------------------------------------------------------------------- sequence to sequence


def reverse_by_length(attention: bool, lengths: Sequence[int], *, steps: int, seed: int = 0, kind: str = "lstm",
                      device: str | torch.device = "cpu", n_test: int = 200) -> dict[int, float]:  # fmt: skip
    """Train a sequence-to-sequence model to reverse 2 to 12 symbols; the share of whole sequences right, per length."""
    torch.manual_seed(seed)
    model = recurrent.Seq2Seq(kind, attention, source_vocab=14, target_vocab=14, n_embd=32, n_hidden=64)

    def draw(generator: torch.Generator) -> tuple[Tensor, ...]:
        return tuple(t.to(device) for t in recurrent.reversal_batch(64, (2, 12), generator=generator))

    def loss(model: nn.Module, batch: tuple) -> Tensor:
        return recurrent.sequence_loss(model(batch[0], batch[1]), batch[2])

    recipe = Recipe(lr=5e-3, steps=steps, batch_size=64, block_size=16, weight_decay=0.0, warmup=0.05)
    training.train(model, draw, recipe, loss_fn=loss, seed=seed, device=device, progress=False)
    generator = torch.Generator().manual_seed(seed + 1)
    right = {}
    for n in lengths:
        batch = recurrent.reversal_batch(n_test, (n, n), generator=generator)
        out = model.translate(batch.source.to(device), max_new_tokens=n + 2).ids
        right[n] = float(recurrent.exact_match(out, batch.target_out.to(device)).float().mean())
    return right


# ------------------------------------------------------------------------------------- figures and table

NAMES_SHOWN = (
    "seq2seq", "GPT", "BERT-large", "GPT-2", "T5", "GPT-3", "Switch Transformer", "Gopher", "Chinchilla", "PaLM",
    "LLaMA-65B", "Mistral 7B", "Llama 3.1 405B", "DeepSeek-V3", "SmolLM2-135M", "gpt-oss-120b",
    "Kimi K3",
)  # fmt: skip


def draw_timeline(ax: Axes, rows: Sequence[Milestone]) -> Axes:
    """Parameters against date: filled where computed from an open configuration, else hollow."""
    from llmbook.core.plotting import BLUE, ORANGE, date2num

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
