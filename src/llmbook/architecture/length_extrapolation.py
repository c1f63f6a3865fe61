"""Train short, read long: what each kind of position does beyond the length it was trained on.

The experiment of Press et al. 2021 (arXiv:2108.12409, section 4) at a size that a laptop can train. Left out on
purpose: anything that repairs a model afterwards (position interpolation, YaRN) or trains it on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from llmbook.core.measure import intervals
from llmbook.core.measure.records import Record
from llmbook.core.models.config import Config
from llmbook.core.models.transformer import Transformer
from llmbook.core.run.runtime import pick_device
from llmbook.core.text import corpora, tokens
from llmbook.core.train import training
from llmbook.core.train.optim import Recipe

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes

NAMES = {
    "learned": "learned",
    "sinusoidal": "sinusoidal",
    "rope": "rotary (RoPE)",
    "alibi": "ALiBi",
    "none": "no positions",
}
KINDS = tuple(NAMES)
LENGTHS = (32, 64, 128, 256, 512)  # bytes that the trained model is shown
TRAINED = 64  # bytes that it was trained on
LONGEST = 4096  # bytes of the longest window that can be scored: where the first one ends
N_LAST = 16  # bytes of each window that count


@dataclass(frozen=True)
class WindowScore:
    """The loss of one trained model at one window length (bytes), in bits per byte."""

    kind: str
    steps: int
    seed: int
    length: int
    bits: float


def extrapolation(
    kind: str,
    lengths: Sequence[int] = LENGTHS,
    *,
    steps: int,
    batch_size: int = 16,
    train_length: int = TRAINED,
    n_window: int = 128,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> list[WindowScore]:
    """Train a small byte model with one kind of position on ``train_length`` bytes, score it at each length.

    The score counts only the last 16 bytes of each of ``n_window`` windows, so that longer windows can only help by
    being longer. Learned positions end where training ended; there is no score beyond.
    Raises ``ValueError`` for no length, one that cannot be scored, no window, or an unknown kind.
    """
    if not lengths or n_window < 1:
        raise ValueError(f"lengths are {list(lengths)}, n_window {n_window}; give at least one of each")
    for n in lengths:
        check_length(n, N_LAST)
    text, unseen = (
        tokens.encode_bytes(corpora.plays_text("train")),
        tokens.encode_bytes(corpora.plays_text("test")),
    )
    room = train_length if kind == "learned" else max(train_length, *lengths)
    torch.manual_seed(seed)
    model = Transformer(Config(256, room, n_layer=2, n_head=4, n_embd=96, position=kind))
    recipe = Recipe(lr=1e-2, steps=steps, batch_size=batch_size, block_size=train_length, weight_decay=0.0,
                    optimizer="muon")  # fmt: skip
    training.train(model, text, recipe, seed=seed, device=device, progress=False)
    return [
        WindowScore(kind, steps, seed, n, last_token_bits(model, unseen, n, n_window))
        for n in lengths
        if n <= room
    ]


@torch.no_grad()
def last_token_bits(
    model: Transformer, ids: Tensor, length: int, n_window: int = 128, n_last: int = N_LAST
) -> float:
    """Bits per token of the last ``n_last`` tokens of ``n_window`` windows.

    The windows end at the same places for every length.
    Raises ``ValueError`` for a length below ``n_last`` or above 4096, a shorter text, or no window.
    """
    check_length(length, n_last)
    if len(ids) < LONGEST + 2 or n_window < 1:
        raise ValueError(
            f"{len(ids)} tokens, {n_window} windows; a text of at least {LONGEST + 2} and one window are needed"
        )
    device = next(model.parameters()).device
    ends = torch.linspace(LONGEST, len(ids) - 2, n_window).long()
    x = torch.stack([ids[e - length : e + 1] for e in ends]).long().to(device)  # (N, length + 1)
    nats = [
        F.cross_entropy(
            model(part[:, :-1])[:, -n_last:].flatten(0, 1), part[:, -n_last:].flatten(), reduction="none"
        )
        for part in x.split(16)
    ]
    return float(torch.cat(nats).mean() / math.log(2))


def check_length(length: int, n_last: int) -> None:
    """``ValueError`` unless a window of ``length`` holds the tokens that count and is no longer than the longest."""
    if not n_last <= length <= LONGEST:
        raise ValueError(f"length is {length}; choose between {n_last}, the tokens that count, and {LONGEST}")


def measure(steps: int, seeds: int, device: str = "auto") -> Iterator[WindowScore]:
    """Every kind of position after ``steps`` training steps of 16 windows of 64 bytes, over ``seeds`` seeds.

    All kinds get the same windows in the same order, the same optimizer and learning rate, and the same number of
    steps; nothing was tuned for any of them.
    """
    where = pick_device(device)
    for seed, kind in product(range(seeds), KINDS):
        yield from extrapolation(kind, steps=steps, seed=seed, device=where)


POSITIONS = Record(  # rows of WindowScore
    "positions",
    measure,
    {"steps": 1000, "seeds": 3, "device": "cpu"},
    seconds=1200,
    path=Path(__file__).parent / "data" / "positions.json",
)
POSITIONS_EARLY = Record(  # the same after a few steps, when a model does not rely on its positions yet
    "positions-early",
    measure,
    {"steps": 50, "seeds": 3, "device": "cpu"},
    seconds=60,
    path=Path(__file__).parent / "data" / "positions-early.json",
)
ARTEFACTS = (POSITIONS, POSITIONS_EARLY)


def grouped(scores: Sequence[WindowScore]) -> dict[str, dict[int, list[float]]]:
    """Kind -> window length -> the loss of each seed."""
    found: dict[str, dict[int, list[float]]] = {}
    for s in scores:
        found.setdefault(s.kind, {}).setdefault(s.length, []).append(s.bits)
    return found


def by_length(scores: Sequence[WindowScore]) -> dict[str, dict[int, intervals.Interval]]:
    """Kind -> window length -> mean loss and its 95 % interval over seeds, of which there are at least two."""
    return {
        kind: {n: intervals.seed_interval(bits) for n, bits in at.items()}
        for kind, at in grouped(scores).items()
    }


def draw_by_length(ax: Axes, scores: Sequence[WindowScore]) -> Axes:
    """Loss against window length, a line per kind; with several seeds the mean, and a bar for the 95 % interval."""
    from llmbook.core.show.plotting import INK, PALETTE, lines, whiskers

    lengths, bits = sorted({s.length for s in scores}), grouped(scores)
    means = {NAMES[kind]: (list(at), [sum(b) / len(b) for b in at.values()]) for kind, at in bits.items()}
    lines(ax, means)
    if len({s.seed for s in scores}) > 1:
        for color, at in zip(PALETTE, by_length(scores).values(), strict=False):
            spans = list(at.values())
            whiskers(ax, list(at), [i.low for i in spans], [i.high for i in spans], color)
    ax.axvline(TRAINED, color=INK, linewidth=1, linestyle=":")
    ax.set_xscale("log", base=2)
    ax.set_xticks(lengths, [str(n) for n in lengths])
    return ax
