"""One ladder: language models of every kind on the same plays, with the same tokens, time and metric.

The models are in ``ngram`` (Shannon 1948; Chen & Goodman 1999), ``recurrent`` (Bengio et al. 2003,
Mikolov et al. 2010, Hochreiter & Schmidhuber 1997) and ``core.models.transformer`` (Vaswani et al. 2017). Here they get
equal time and are scored in bits per byte on plays that none of them has seen.

Left out on purpose: anything pre-trained, and tuning beyond a few sizes and one learning rate per model
(``benchmarks/ladder.py`` says which were tried, and makes the longer runs that the history page shows).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn

from llmbook.core.measure import intervals, losses
from llmbook.core.measure.records import Record
from llmbook.core.models.config import Config
from llmbook.core.models.generation import generate
from llmbook.core.models.transformer import Transformer, n_parameters
from llmbook.core.run.machine import bfloat16_is_faster
from llmbook.core.run.runtime import pick_device
from llmbook.core.text import corpora
from llmbook.core.train import training
from llmbook.core.train.optim import Recipe
from llmbook.history import recurrent
from llmbook.history.ngram import ModifiedKneserNey, NGram, Smoothing

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes

BLOCK = 64  # tokens that a neural model reads at a time while it trains


@dataclass(frozen=True)
class Text:
    """The plays as tokens: ids (N,) to train on, ids (M,) of unseen plays, and how many bytes the latter spell."""

    tokenizer: Tokenizer
    train: Tensor
    unseen: Tensor
    unseen_bytes: int

    @property
    def vocab_size(self) -> int:
        return self.tokenizer.get_vocab_size()

    def decode(self, ids: Iterable[int]) -> str:
        return self.tokenizer.decode(list(ids))

    def bits_per_byte(self, nats_per_token: float) -> float:
        """From a mean loss per token to bits per byte of the unseen plays."""
        return losses.bits_per_byte(nats_per_token * (len(self.unseen) - 1), self.unseen_bytes)


@lru_cache(maxsize=4)
def text(vocab_size: int = 1024, unseen_chars: int = 100_000, split: str = "test") -> Text:
    """All training plays, and the beginning of each play of ``split``, in the same byte-level BPE tokens.

    The tokenizer (its own page explains it) is trained on the training plays only. Sizes and learning rates of the
    ladder were chosen on ``split="valid"``; what the page shows is scored on ``"test"``.
    Raises ``ValueError`` for ``split="train"``, which the models have seen, an unknown split, fewer tokens than there
    are bytes, or no character to score.
    """
    if split == "train":
        raise ValueError("split is 'train', which the models learn from; score them on 'valid' or 'test'")
    if vocab_size < 256 or unseen_chars < 1:
        raise ValueError(
            f"vocab_size is {vocab_size}, unseen_chars {unseen_chars}; give at least 256, one token a byte, and 1"
        )
    unseen = "\n".join(play.text[:unseen_chars] for play in corpora.plays(split))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    plays = corpora.plays_text("train")
    tokenizer.train_from_iterator(
        [plays], trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
    )
    ids = [torch.tensor(tokenizer.encode(t).ids) for t in (plays, unseen)]
    first = len(tokenizer.decode(ids[1][:1].tolist()).encode())  # the first token is context only
    return Text(tokenizer, ids[0], ids[1], len(unseen.encode()) - first)


@dataclass(frozen=True)
class Rung:
    """A neural model of the ladder: how to build it for a vocabulary, and its learning rate for ten seconds."""

    name: str
    year: int
    make: Callable[[int], nn.Module]
    lr: float
    optimizer: str = "muon"

    def lr_for(self, seconds: float) -> float:
        """The learning rate for a run of ``seconds``: four times as long, half as large.

        Of the rates tried (``benchmarks/ladder.py``) the best fell about like this with the length of the run.

        Raises ``ValueError`` unless ``seconds`` is positive.

        >>> [RUNGS[0].lr_for(s) / RUNGS[0].lr for s in (4, 10, 40)]
        [1.0, 1.0, 0.5]
        """
        if not seconds > 0:
            raise ValueError(f"seconds is {seconds}; a run takes a positive number of them")
        return self.lr * min(1.0, (10 / seconds) ** 0.5)


def _feed_forward(vocab_size: int) -> nn.Module:
    return recurrent.FeedForwardLM(vocab_size, n_embd=64, n_hidden=512, context=4, block_size=BLOCK)


def _recurrent(kind: str) -> Callable[[int], nn.Module]:
    return lambda v: recurrent.RecurrentLM(kind, v, n_embd=128, n_hidden=256, block_size=BLOCK)


def _transformer(vocab_size: int) -> nn.Module:
    return Transformer(Config(vocab_size, BLOCK, n_layer=2, n_head=4, n_embd=128, norm="rms", position="rope",
                              activation="relu2", bias=False, qk_norm=True, tied=False, zero_init=True))  # fmt: skip


RUNGS = (  # sizes and learning rates: see benchmarks/ladder.py
    Rung("feed-forward", 2003, _feed_forward, 1e-2, "adamw"),
    Rung("RNN", 2010, _recurrent("rnn"), 1e-2),
    Rung("LSTM", 1997, _recurrent("lstm"), 1.5e-2),
    Rung("Transformer", 2017, _transformer, 1.5e-2),
)


@dataclass(frozen=True)
class Climb:
    """One trained model: its score in bits per byte, and what it cost."""

    name: str
    seed: int
    bits_per_byte: float
    parameters: int
    seconds: float
    flops: float
    tokens: int
    budget: float = 0.0  # the seconds that it was given; 0 for counting, which takes what it takes


def matrix_parameters(model: nn.Module) -> int:
    """Weights that are multiplied once per token: all matrices but the embeddings, which are looked up."""
    embeddings = {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    heads = {id(m.weight) for m in model.modules() if isinstance(m, nn.Linear)}
    return sum(
        p.numel() for p in model.parameters() if p.dim() == 2 and (id(p) not in embeddings or id(p) in heads)
    )


def climb(
    rung: Rung, corpus: Text, seconds: float, seed: int = 0, device: str | torch.device = "cpu"
) -> tuple[Climb, nn.Module]:
    """Train one neural model for a number of seconds and score it on the unseen plays.

    Every rung computes in bfloat16 where that is faster on this machine, so that each runs as fast as it can.
    Compute is 6 operations per matrix weight and token (Kaplan et al. 2020, arXiv:2001.08361, section 2.1).
    """
    torch.manual_seed(seed)
    model = rung.make(corpus.vocab_size)
    recipe = Recipe(lr=rung.lr_for(seconds), seconds=seconds, batch_size=32, block_size=BLOCK, weight_decay=0.0,
                    schedule="wsd", cooldown=0.5, warmup=0.02, final_lr=0.02, optimizer=rung.optimizer,
                    amp=bfloat16_is_faster(device))  # fmt: skip
    history = training.train(model, corpus.train, recipe, seed=seed, device=device, progress=False)
    bits = corpus.bits_per_byte(losses.loss(model, corpus.unseen, block_size=BLOCK, batch_size=64))
    tokens, n = history.last["step"] * recipe.batch_size * BLOCK, n_parameters(model)
    flops = 6.0 * matrix_parameters(model) * tokens
    return Climb(rung.name, seed, bits, n, history.last["seconds"], flops, tokens, seconds), model


def count_ngrams(corpus: Text, order: int, smoothing: Smoothing | None = None) -> tuple[Climb, NGram]:
    """The n-gram rung: its "training" is counting, its parameters are the stored counts."""
    start = time.perf_counter()
    model = NGram(order, corpus.vocab_size, smoothing or ModifiedKneserNey()).fit(corpus.train)
    seconds = time.perf_counter() - start
    score = corpus.bits_per_byte(-model.log_probs(corpus.unseen)[1:].mean())
    flops = float(order * len(corpus.train))  # one addition per n-gram counted
    return Climb(f"{order}-gram", 0, score, model.n_parameters, seconds, flops, len(corpus.train)), model


def measure(seconds: Sequence[float], seeds: int, device: str = "auto") -> Iterator[Climb]:
    """Every rung, longer than a page has time for: each network for each of ``seconds``, over ``seeds`` seeds.

    Run it on a quiet machine: the budget is wall-clock time. ``benchmarks/ladder.py`` says how the models were chosen.
    """
    corpus, where = text(), pick_device(device)
    for order in (2, 3, 5):
        yield count_ngrams(corpus, order)[0]
    for budget, seed, rung in product(seconds, range(seeds), RUNGS):
        yield climb(rung, corpus, budget, seed, where)[0]


RECORD = Record(  # rows of Climb
    "ladder",
    measure,
    {"seconds": [10.0, 30.0, 120.0], "seeds": 3, "device": "cpu"},
    seconds=2100,
    path=Path(__file__).parent / "data" / "ladder.json",
)
ARTEFACTS = (RECORD,)


def sample(model: nn.Module | NGram, corpus: Text, prompt: str, n: int, seed: int = 0) -> str:
    """``n`` tokens drawn after ``prompt`` from any model of the ladder."""
    ids, generator = corpus.tokenizer.encode(prompt).ids, torch.Generator().manual_seed(seed)
    if isinstance(model, NGram):
        return prompt + corpus.decode(model.sample(generator, n, ids).tolist())
    device = next(model.parameters()).device
    out = generate(
        model, torch.tensor([ids], device=device), n, temperature=0.8, generator=generator, use_cache=False
    )
    return corpus.decode(out[0].tolist())


def draw_ladder(ax: Axes, climbs: Sequence[Climb], what: str) -> Axes:
    """Bits per byte against ``what`` (seconds, flops, parameters): a line per network over its training times.

    Points are means over seeds, bars 95 % intervals.
    """
    from llmbook.core.show.plotting import INK, MARKERS, PALETTE, tag, whiskers

    for i, name in enumerate(dict.fromkeys(c.name for c in climbs)):
        color, points = (INK if name.endswith("gram") else PALETTE[i % len(PALETTE)]), []
        for group in by_budget(climbs, name).values():
            bits, x = [c.bits_per_byte for c in group], float(np.mean([getattr(c, what) for c in group]))
            points.append((x, float(np.mean(bits))))
            if len(bits) > 1:
                interval = intervals.seed_interval(bits)
                whiskers(ax, x, interval.low, interval.high, color)
        ax.plot(*zip(*points, strict=True), marker=MARKERS[i % len(MARKERS)], color=color, markersize=7)
        at = points[0] if what == "parameters" else points[-1]  # there every run of a model has the same x
        offset, side = ((0, -12), "center") if name.endswith("gram") else ((8, 0), "left")
        tag(ax, name, at, offset, side)
    ax.set_xscale("log")
    ax.margins(x=0.3, y=0.1)
    return ax


def by_budget(climbs: Sequence[Climb], name: str) -> dict[float, list[Climb]]:
    """The runs of one rung, grouped by the seconds they were given, shortest first."""
    mine = [c for c in climbs if c.name == name]
    return {budget: [c for c in mine if c.budget == budget] for budget in sorted({c.budget for c in mine})}


def scores(climbs: Sequence[Climb], budget: float) -> dict[str, intervals.Interval]:
    """Mean and 95 % interval over seeds of each network that was given ``budget`` seconds, best first.

    Raises ``ValueError`` when there is no such run.
    """
    names = dict.fromkeys(c.name for c in climbs if c.budget == budget)
    if not names:
        raise ValueError(f"no run had {budget} s; there are {sorted({c.budget for c in climbs if c.budget})}")
    found = {
        n: intervals.seed_interval([c.bits_per_byte for c in by_budget(climbs, n)[budget]]) for n in names
    }
    return dict(sorted(found.items(), key=lambda item: item[1].mean))
