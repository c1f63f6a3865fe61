"""Recall against distance: a letter is planted in a text and asked for d tokens later; LSTM beside Transformer.

Two tasks, because the answer depends on which is set:

- ``own``: the planted letter is of an alphabet of its own, so that it is enough to find it;
- ``marked``: it is a letter like all others, and only a mark before it says which one counts, so that two facts have
  to be put together (for a Transformer two steps of attention, one in each layer: Olsson et al. 2022,
  arXiv:2209.11895).

Both networks get the same number of operations (``operations``), the same grid of learning rates, and about as many
weights; the LSTM starts with open forget gates. Kaplan et al. 2020 (arXiv:2001.08361, figure 7) found in real text what
``own`` shows in small: with distance the LSTM falls behind. Left out: distances longer than those trained on.

Shapes: B sequences, T tokens: filler with the letter in it, and the question last.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from llmbook.core.measure.intervals import Interval, seed_interval
from llmbook.core.measure.records import Record
from llmbook.core.models.config import Config
from llmbook.core.models.transformer import Transformer
from llmbook.core.run.runtime import evaluating
from llmbook.core.train import training
from llmbook.core.train.optim import Recipe
from llmbook.history import operations
from llmbook.history.ladder import one_thread
from llmbook.history.recurrent import RecurrentLM
from llmbook.history.rungs import RATES
from llmbook.history.starts import help_start

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes

TASKS = ("own", "marked")
DISTANCES = (4, 8, 16, 32, 64, 128)
LETTERS = 32  # of the filler, and as many that can be planted
MARK, ASK = 2 * LETTERS, 2 * LETTERS + 1
VOCABULARY, LENGTH, BATCH = 2 * LETTERS + 2, max(DISTANCES) + 2, 32
IGNORED = -100  # no target: only the answer counts


@dataclass(frozen=True)
class Recall:
    """The share of right answers of one trained network at one distance, 0 to 1, and what its training cost.

    ``seconds`` of one processor; ``flops`` operations, two a multiply-add. ``split`` "valid": a run that served to
    choose the rate. Guessing is right in one of 32.
    """

    task: str
    name: str
    seed: int
    distance: int
    accuracy: float
    lr: float
    flops: float
    tokens: int
    seconds: float
    split: str = "test"


def planted(task: str, distances: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sequences (B, T) in which a letter stands ``distances`` (B,) tokens before the question, and targets (B, T).

    Targets are -100 but for the last, which is the letter. Raises ``ValueError`` for an unknown task or a distance that
    is not from 2 to 128.

    >>> ids, targets = planted("own", torch.tensor([5]), torch.Generator().manual_seed(0))
    >>> bool(ids[0, -6] == targets[0, -1]), int((targets != -100).sum())
    (True, 1)
    """
    if task not in TASKS:
        raise ValueError(f"task is {task!r}; allowed: {', '.join(TASKS)}")
    n, rows = len(distances), torch.arange(len(distances))
    if n and not 2 <= int(distances.min()) <= int(distances.max()) <= LENGTH - 2:
        raise ValueError(f"distances run from {distances.min()} to {distances.max()}; give 2 to {LENGTH - 2}")
    ids = torch.randint(LETTERS, (n, LENGTH), generator=generator)
    at = LENGTH - 1 - distances
    if task == "own":
        ids[rows, at] += LETTERS
    else:
        ids[rows, at - 1] = MARK
    ids[:, -1] = ASK
    targets = torch.full_like(ids, IGNORED)
    targets[:, -1] = ids[rows, at]
    return ids, targets


def draw(task: str) -> Callable[[torch.Generator], tuple[Tensor, Tensor]]:
    """What training draws: batches of all distances from 4 to 128, each doubling as often as the next."""
    near, far = math.log(min(DISTANCES)), math.log(max(DISTANCES))

    def batch(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        distances = torch.exp(near + (far - near) * torch.rand(BATCH, generator=generator)).round().long()
        return planted(task, distances, generator)

    return batch


def _lstm() -> nn.Module:
    return help_start(RecurrentLM("lstm", VOCABULARY, n_embd=64, n_hidden=128, block_size=LENGTH))


def _transformer() -> nn.Module:
    return Transformer(
        Config(VOCABULARY, LENGTH, n_layer=2, n_head=4, n_embd=64, norm="rms", position="rope", activation="relu2",
               bias=False, qk_norm=True, tied=False, zero_init=True)
    )  # fmt: skip


NETWORKS: dict[str, Callable[[], nn.Module]] = {"LSTM": _lstm, "Transformer": _transformer}


def recall(task: str, name: str, lr: float, flops: float, seed: int = 0, split: str = "test", *, n_test: int = 512,
           amp: bool = False) -> list[Recall]:  # fmt: skip
    """Train one network on one task with a number of operations; its accuracy at each distance, on new sequences.

    Raises ``ValueError`` for an unknown network, or for fewer operations than ten steps take.
    """
    if name not in NETWORKS:
        raise ValueError(f"name is {name!r}; the networks are {', '.join(NETWORKS)}")
    torch.manual_seed(seed)
    model = NETWORKS[name]()
    step = 2 * operations.training_step(model, "muon", BATCH, LENGTH)
    if not flops >= 10 * step:
        raise ValueError(
            f"flops is {flops:.3g}; ten steps of this {name} take {10 * step:.3g}: give as many or more"
        )
    how = Recipe(lr=lr, steps=int(flops / step), batch_size=BATCH, block_size=LENGTH, weight_decay=0.0, schedule="wsd",
                 cooldown=0.5, warmup=0.02, final_lr=0.02, optimizer="muon", amp=amp)  # fmt: skip
    start = time.process_time()
    steps = int(training.train(model, draw(task), how, seed=seed, progress=False).last["step"])
    seconds = time.process_time() - start
    generator = torch.Generator().manual_seed(10_000 + seed + 1_000 * (split == "valid"))
    right = {d: accuracy(model, *planted(task, torch.full((n_test,), d), generator)) for d in DISTANCES}
    return [
        Recall(task, name, seed, d, share, lr, float(steps * step), steps * BATCH * LENGTH, seconds, split)
        for d, share in right.items()
    ]


def accuracy(model: nn.Module, ids: Tensor, targets: Tensor) -> float:
    """The share of sequences (B, T) whose last token is answered by the letter in ``targets`` (B, T)."""
    with evaluating(model):
        answers = model(ids)[:, -1].argmax(dim=-1)  # (B,)
    return (answers == targets[:, -1]).double().mean().item()


def measure(flops: Mapping[str, float], seeds: int, bfloat16: bool) -> Iterator[Recall]:
    """For each task and network: the best of three rates by validation (seed 0), then every seed with it.

    ``flops``: the operations of each task, the same for both networks.
    """
    with one_thread():
        for task in TASKS:
            for name in NETWORKS:
                trials = [recall(task, name, lr, flops[task], 0, "valid", amp=bfloat16) for lr in RATES]
                yield from (row for trial in trials for row in trial)
                best = max(trials, key=lambda trial: float(np.mean([row.accuracy for row in trial])))
                for seed in range(seeds):
                    yield from recall(task, name, best[0].lr, flops[task], seed, amp=bfloat16)


RECORD = Record(  # rows of Recall
    "recall",
    measure,
    {"flops": {"own": 5e11, "marked": 8e11}, "seeds": 3, "bfloat16": True},
    seconds=270,
    path=Path(__file__).parent / "data" / "recall.json",
)
ARTEFACTS = (RECORD,)


def by_distance(rows: Sequence[Recall], task: str) -> dict[str, dict[int, Interval]]:
    """For each network: mean accuracy and 95 % interval over seeds at each distance.

    Raises ``ValueError`` when the task was not measured.
    """
    mine = [r for r in rows if r.task == task and r.split == "test"]
    if not mine:
        raise ValueError(f"no result for task {task!r} among {len(rows)} rows; tasks are {', '.join(TASKS)}")
    return {
        name: {
            d: seed_interval([r.accuracy for r in mine if (r.name, r.distance) == (name, d)])
            for d in sorted({r.distance for r in mine})
        }
        for name in dict.fromkeys(r.name for r in mine)
    }


def draw_recall(ax: Axes, rows: Sequence[Recall], task: str) -> Axes:
    """Accuracy against distance: a thin line per seed and a thick one for the mean of each network; chance is dotted.

    The legend stands below the axes. Raises ``ValueError`` when the task was not measured.
    """
    from llmbook.core.show.plotting import INK, MARKERS, PALETTE

    for i, (name, found) in enumerate(by_distance(rows, task).items()):
        mine = [r for r in rows if (r.task, r.name, r.split) == (task, name, "test")]
        for seed in sorted({r.seed for r in mine}):
            each = {r.distance: r.accuracy for r in mine if r.seed == seed}
            ax.plot(list(found), [each[d] for d in found], color=PALETTE[i], linewidth=0.9)
        means = [interval.mean for interval in found.values()]
        ax.plot(list(found), means, marker=MARKERS[i], color=PALETTE[i], linewidth=3, label=name)
    ax.axhline(1 / LETTERS, color=INK, linewidth=1.4, linestyle=":", label="chance")
    ax.set_xscale("log", base=2)
    ax.set_xticks(list(DISTANCES), [str(d) for d in DISTANCES])
    ax.set_ylim(-0.03, 1.03)
    handles = ax.get_legend_handles_labels()
    ax.figure.legend(*handles, loc="outside lower center", ncols=3, handlelength=1.4, columnspacing=1.0)
    return ax
