"""One ladder: every kind of language model since 1948 on the same plays, with the same tokens and one metric.

What is trained is in ``core``: ``ngram`` (Shannon 1948; Chen & Goodman 1999), ``recurrent`` (Bengio et al. 2003,
Mikolov et al. 2010, Hochreiter & Schmidhuber 1997), ``transformer`` (Vaswani et al. 2017), ``eliza`` (Weizenbaum
1966). Here they are given equal time and scored in bits per byte on plays that none of them has seen.

Left out on purpose: anything pre-trained, and tuning beyond one learning rate per model (``benchmarks/ladder.py``
holds the longer runs that the page shows, and how the learning rates were chosen).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn

from llmbook.core import data, evaluation, recurrent, training
from llmbook.core.generation import generate
from llmbook.core.ngram import ModifiedKneserNey, NGram, Smoothing
from llmbook.core.optim import Recipe
from llmbook.core.runtime import atomic_path, hardware, versions
from llmbook.core.tables import Html, table
from llmbook.core.timeline import Milestone
from llmbook.core.transformer import Config, Transformer

if TYPE_CHECKING:
    from llmbook.core.plotting import Axes

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
        return evaluation.bits_per_byte(nats_per_token * (len(self.unseen) - 1), self.unseen_bytes)


@lru_cache(maxsize=2)
def text(vocab_size: int = 1024, unseen_chars: int = 100_000) -> Text:
    """All training plays, and the beginning of each unseen one, in the same byte-level BPE tokens.

    The tokenizer (its own page explains it) is trained on the training plays only.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    plays = data.plays_text("train")
    tokenizer.train_from_iterator(
        [plays], trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
    )
    unseen = "\n".join(play.text[:unseen_chars] for play in data.plays("valid"))
    ids = [torch.tensor(tokenizer.encode(t).ids) for t in (plays, unseen)]
    first = len(tokenizer.decode(ids[1][:1].tolist()).encode())  # the first token is context only
    return Text(tokenizer, ids[0], ids[1], len(unseen.encode()) - first)


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


# ------------------------------------------------------------------------------------------ the ladder


@dataclass(frozen=True)
class Rung:
    """A neural model of the ladder: how to build it for a vocabulary, and its learning rate."""

    name: str
    year: int
    make: Callable[[int], nn.Module]
    lr: float
    optimizer: str = "muon"


def _transformer(vocab_size: int) -> nn.Module:
    return Transformer(Config(vocab_size, BLOCK, n_layer=4, n_head=4, n_embd=128, norm="rms", position="rope",
                              activation="relu2", bias=False, qk_norm=True, tied=False))  # fmt: skip


RUNGS = (  # learning rates: see benchmarks/ladder.py
    Rung(
        "feed-forward",
        2003,
        lambda v: recurrent.FeedForwardLM(v, 64, 256, context=6, block_size=BLOCK),
        1e-2,
        "adamw",
    ),
    Rung("RNN", 2010, lambda v: recurrent.RecurrentLM("rnn", v, 128, 256, block_size=BLOCK), 1e-2),
    Rung("LSTM", 1997, lambda v: recurrent.RecurrentLM("lstm", v, 128, 256, block_size=BLOCK), 2e-2),
    Rung("Transformer", 2017, _transformer, 1e-2),
)


@dataclass
class Climb:
    """One trained model: its score in bits per byte, what it cost, and the score on the way."""

    name: str
    seed: int
    bits_per_byte: float
    parameters: int
    seconds: float
    flops: float
    tokens: int
    curve: list[tuple[float, float]] = field(default_factory=list)  # (seconds, bits per byte)


def matrix_parameters(model: nn.Module) -> int:
    """Weights that are multiplied once per token: all matrices but the embeddings, which are looked up."""
    embeddings = {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    heads = {id(m.weight) for m in model.modules() if isinstance(m, nn.Linear)}
    return sum(
        p.numel() for p in model.parameters() if p.dim() == 2 and (id(p) not in embeddings or id(p) in heads)
    )


def climb(rung: Rung, corpus: Text, seconds: float, seed: int = 0, device: str | torch.device = "cpu",
          n_eval: int = 0) -> tuple[Climb, nn.Module]:  # fmt: skip
    """Train one neural model for a number of seconds and score it on the unseen plays.

    ``n_eval`` scores on the way (with the learning rate as it is then, so they understate a shorter run).
    Compute is 6 operations per matrix weight and token (Kaplan et al. 2020, arXiv:2001.08361, section 2.1).
    """
    torch.manual_seed(seed)
    model = rung.make(corpus.vocab_size)
    recipe = Recipe(lr=rung.lr, seconds=seconds, batch_size=32, block_size=BLOCK, weight_decay=0.0, schedule="wsd",
                    cooldown=0.5, warmup=0.02, final_lr=0.02, optimizer=rung.optimizer, log_every=10,
                    eval_every=20 if n_eval else None)  # fmt: skip
    history = training.train(model, corpus.train, recipe, valid_ids=corpus.unseen if n_eval else None, seed=seed,
                             device=device, progress=False)  # fmt: skip
    nats = evaluation.loss(model, corpus.unseen, block_size=BLOCK, batch_size=64)
    tokens = history.last["step"] * recipe.batch_size * BLOCK
    curve = [
        (row["seconds"], corpus.bits_per_byte(row["valid_loss"]))
        for row in history.rows
        if row.get("valid_loss")
    ]
    n = sum(p.numel() for p in model.parameters())
    flops = 6.0 * matrix_parameters(model) * tokens
    return Climb(
        rung.name, seed, corpus.bits_per_byte(nats), n, history.last["seconds"], flops, tokens, curve
    ), model


def count_ngrams(corpus: Text, order: int, smoothing: Smoothing | None = None) -> tuple[Climb, NGram]:
    """The n-gram rung: its "training" is counting, its parameters are the stored counts."""
    start = time.perf_counter()
    model = NGram(order, corpus.vocab_size, smoothing or ModifiedKneserNey()).fit(corpus.train)
    seconds = time.perf_counter() - start
    score = corpus.bits_per_byte(-model.log_probs(corpus.unseen)[1:].mean())
    flops = float(order * len(corpus.train))  # one addition per n-gram counted
    return Climb(f"{order}-gram", 0, score, model.n_parameters, seconds, flops, len(corpus.train)), model


def save(climbs: Sequence[Climb], path: str | Path, **about: object) -> None:
    """Write results with what they were measured on, whole or not at all."""
    record = {
        "about": {**about, "hardware": hardware(), "versions": versions()},
        "climbs": [asdict(c) for c in climbs],
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n")


def load(path: str | Path) -> tuple[list[Climb], dict]:
    """Results that ``save`` wrote, and what they were measured on."""
    record = json.loads(Path(path).read_text())
    return [Climb(**{**c, "curve": [tuple(p) for p in c["curve"]]}) for c in record["climbs"]], record[
        "about"
    ]


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


# ------------------------------------------------------------------------------------- figures and table

RESULTS = Path(__file__).parent / "data" / "ladder.json"  # written by benchmarks/ladder.py
NAMES_SHOWN = (
    "seq2seq", "GPT", "BERT-large", "GPT-2", "T5", "GPT-3", "Switch Transformer", "Gopher", "Chinchilla", "PaLM",
    "LLaMA-65B", "Mistral 7B", "Llama 3.1 405B", "DeepSeek-V3", "SmolLM2-135M", "gpt-oss-120b",
)  # fmt: skip


def draw_ladder(ax: Axes, climbs: Sequence[Climb], what: str) -> Axes:
    """Bits per byte against ``what`` (seconds, flops, parameters): mean and 95 % interval over seeds."""
    from llmbook.core.plotting import INK, MARKERS, PALETTE

    names = list(dict.fromkeys(c.name for c in climbs))
    for i, name in enumerate(names):
        group = [c for c in climbs if c.name == name]
        bits, x = [c.bits_per_byte for c in group], float(np.mean([getattr(c, what) for c in group]))
        if len(bits) > 1:
            interval = evaluation.seed_interval(bits)
            ax.plot([x, x], [interval.low, interval.high], color=INK, linewidth=1.2)
        ax.plot(
            [x], [np.mean(bits)], MARKERS[i % len(MARKERS)], color=PALETTE[i % len(PALETTE)], markersize=8
        )
        ax.annotate(name, (x, float(np.mean(bits))), xytext=(6, 5), textcoords="offset points", fontsize=8)
    ax.set_xscale("log")
    ax.margins(x=0.35, y=0.1)
    return ax


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
