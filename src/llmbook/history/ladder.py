"""One ladder: language models of every kind on the same plays, with the same tokens, operations and metric.

The protocol, the same for every network:

1. *Tuned alike.* From one grid (``rungs.grid``: two sizes, two optimizers, three learning rates), each trained for the
   smallest budget, the best on two plays of ``split="valid"``. Longer runs want smaller rates: for the second budget
   the rate is chosen again, on the same plays, from two; beyond, it falls with the square root of the budget.
2. *Budgets in operations*, counted by formula (``operations``), not in seconds, which measure how busy the machine is.
   Seconds of one processor, tokens and parameters are recorded beside them.
3. *The same text*: a seed fixes the random start and the order of the batches, so runs of different networks that
   share a seed are a pair.
4. *Scored alike*, in bits per byte of two plays of ``split="test"``, by ``scoring.surprises``: every token with the
   same context for each model, n-gram models included.

The n-gram models (``ngram``; Shannon 1948; Chen & Goodman 1999) have no budget: they count the text once.
Left out on purpose: anything pre-trained, dropout, more than one pass of tuning.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from llmbook.core.measure.records import Record
from llmbook.core.models.generation import generate
from llmbook.core.models.transformer import n_parameters
from llmbook.core.run.machine import bfloat16_is_faster
from llmbook.core.run.runtime import set_threads
from llmbook.core.train import training
from llmbook.core.train.optim import Recipe
from llmbook.history import operations
from llmbook.history.ngram import ModifiedKneserNey, NGram, Smoothing
from llmbook.history.plays import Text, text
from llmbook.history.rungs import NAMES, Rung, grid
from llmbook.history.scoring import BLOCK, surprises

BATCH = 16  # sequences in a step; with 32 the LSTM, which needs many steps, does worse at equal operations


@dataclass(frozen=True)
class Climb:
    """One trained model: its score in bits per byte, what it cost, and how it was made.

    ``seconds`` are of the processor, all threads together; ``flops`` floating-point operations of training, two a
    multiply-add; ``budget`` the operations it was given, 0 for counting, which takes what it takes. ``split`` says
    which plays it was scored on: "valid" for a run that served to choose, "test" for a result.
    """

    name: str
    seed: int
    bits_per_byte: float
    parameters: int
    seconds: float
    flops: float
    tokens: int
    budget: float = 0.0
    size: str = ""
    optimizer: str = ""
    lr: float = 0.0
    split: str = "test"


def score(model: nn.Module | NGram, corpus: Text) -> float:
    """Bits per byte of the unseen plays: the one way in which every rung is scored."""
    return corpus.bits_per_byte(surprises(model, corpus.unseen).double().mean().item())


def recipe(rung: Rung, model: nn.Module, flops: float, amp: bool = False) -> Recipe:
    """How a rung is trained with ``flops`` operations: as many whole steps as they pay for.

    Raises ``ValueError`` when they do not pay for ten steps.

    >>> from llmbook.history.rungs import RUNGS
    >>> recipe(RUNGS[0], RUNGS[0].make(300), flops=1e11).steps
    54
    """
    step = 2 * operations.training_step(model, rung.optimizer, BATCH, BLOCK)
    if not flops >= 10 * step:
        raise ValueError(
            f"flops is {flops:.3g}; ten steps of this {rung.name} take {10 * step:.3g}: give as many or more"
        )
    steps = int(flops / step)
    return Recipe(lr=rung.lr, steps=steps, batch_size=BATCH, block_size=BLOCK, weight_decay=0.0, schedule="wsd",
                  cooldown=0.5, warmup=0.02, final_lr=0.02, optimizer=rung.optimizer, amp=amp)  # fmt: skip


def climb(
    rung: Rung,
    corpus: Text,
    flops: float,
    seed: int = 0,
    device: str | torch.device = "cpu",
    amp: bool | None = None,
) -> tuple[Climb, nn.Module]:
    """Train one network with a number of operations and score it on the unseen plays.

    ``amp``: compute in bfloat16; None: where that is faster on this machine, for every rung alike.
    """
    torch.manual_seed(seed)
    model = rung.make(corpus.vocab_size)
    how = recipe(rung, model, flops, bfloat16_is_faster(device) if amp is None else amp)
    start = time.process_time()
    history = training.train(model, corpus.train, how, seed=seed, device=device, progress=False)
    seconds = time.process_time() - start
    steps = int(history.last["step"])
    spent = 2.0 * steps * operations.training_step(model, rung.optimizer, BATCH, BLOCK)
    return Climb(rung.name, seed, score(model, corpus), n_parameters(model), seconds, spent, steps * BATCH * BLOCK,
                 flops, rung.size, rung.optimizer, rung.lr, corpus.split), model  # fmt: skip


def count_ngrams(corpus: Text, order: int, smoothing: Smoothing | None = None) -> tuple[Climb, NGram]:
    """The n-gram rung: its "training" is counting, one addition per n-gram; its parameters are the stored counts."""
    start = time.process_time()
    model = NGram(order, corpus.vocab_size, smoothing or ModifiedKneserNey()).fit(corpus.train)
    seconds = time.process_time() - start
    additions = float(order * len(corpus.train))
    return Climb(f"{order}-gram", 0, score(model, corpus), model.n_parameters, seconds, additions, len(corpus.train),
                 split=corpus.split), model  # fmt: skip


def sample(model: nn.Module | NGram, corpus: Text, prompt: str, n: int, seed: int = 0) -> str:
    """``n`` tokens drawn after ``prompt`` from any model of the ladder, with the probabilities that it gives them."""
    ids, generator = corpus.tokenizer.encode(prompt).ids, torch.Generator().manual_seed(seed)
    if isinstance(model, NGram):
        return prompt + corpus.decode(model.sample(generator, n, ids).tolist())
    start = torch.tensor([ids], device=next(model.parameters()).device)
    out: Tensor = generate(model, start, n, temperature=1.0, generator=generator, use_cache=False)
    return corpus.decode(out[0].tolist())


# ---------------------------------------------------------------- the measurement


def measure(budgets: Sequence[float], seeds: int, bfloat16: bool) -> Iterator[Climb]:
    """Tune every network alike, then run the winners with each of ``budgets`` operations, over ``seeds`` seeds.

    The rows come in this order: counting, all trials (``split="valid"``), all results (``split="test"``). Everything
    runs in one thread, so that seconds of the processor do not depend on how many cores are free.
    """
    with one_thread():
        yield from (count_ngrams(text(), order)[0] for order in (2, 3, 5))
        chosen: dict[tuple[str, float], Rung] = {}
        for name in NAMES:
            for budget, rung, trials in tune(name, budgets, bfloat16):
                chosen[name, budget] = rung
                yield from trials
        for budget in budgets:
            for seed in range(seeds):
                yield from (
                    climb(chosen[name, budget], text(), budget, seed, amp=bfloat16)[0] for name in NAMES
                )


def tune(name: str, budgets: Sequence[float], bfloat16: bool) -> Iterator[tuple[float, Rung, list[Climb]]]:
    """For each budget, smallest first: the rung to run, chosen on the validation plays, and all that was tried for it.

    The first budget decides size and optimizer. At the second, k times as large, the rates tried are the best one over
    the square root of k, and twice that; beyond it nothing is tried, the rate goes on falling by the same rule.
    """
    valid = text(unseen_chars=40_000, split="valid")
    candidates = list(grid(name))
    for at, budget in enumerate(budgets):
        trials = [climb(rung, valid, budget, amp=bfloat16)[0] for rung in candidates] if at < 2 else []
        best = (
            min(zip(candidates, trials, strict=True), key=lambda pair: pair[1].bits_per_byte)[0]
            if trials
            else candidates[0]
        )
        yield budget, best, trials
        if at + 1 < len(budgets):
            rate = best.lr * (budget / budgets[at + 1]) ** 0.5
            candidates = [replace(best, lr=rate), replace(best, lr=2 * rate)]


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch's CPU work in one thread inside the block."""
    before = torch.get_num_threads()
    set_threads(1)
    try:
        yield
    finally:
        set_threads(before)


RECORD = Record(  # rows of Climb
    "ladder",
    measure,
    {"budgets": [3.5e11, 1.4e12, 5.6e12], "seeds": 3, "bfloat16": True},
    seconds=1600,
    path=Path(__file__).parent / "data" / "ladder.json",
)
ARTEFACTS = (RECORD,)
