"""What holds a deep stack together: residual connections, LayerNorm before or after, and the feed-forward networks.

Each is taken out of the same Transformer, and the stack is measured as it is initialised: how large the vectors are in
each layer, how alike those of different tokens, and how much gradient arrives. Pre-norm and post-norm as in Xiong et
al. 2020 (arXiv:2002.04745), with their initialisation (Glorot & Bengio 2010); that tokens become alike without
residual connections is Dong et al. 2021 (arXiv:2103.03404). What a norm is needed for depends on how the weights start,
so there is a second start, GPT-2's, whose matrices are small and shrink with depth where they join the stream. Left out
on purpose: initialisations made for post-norm (DeepNet, Admin), and norms in both places.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llmbook.core.measure.intervals import Interval, paired_difference, seed_interval
from llmbook.core.measure.records import Record
from llmbook.core.models.config import Config
from llmbook.core.models.transformer import Block, Sublayer, Transformer, initialise
from llmbook.core.run.runtime import pick_device
from llmbook.core.text import corpora, tokens
from llmbook.core.train import training
from llmbook.core.train.optim import Recipe

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes

KINDS = ("pre-norm", "post-norm", "no norm", "no residual", "no feed-forward", "no attention")
STARTS = ("glorot", "gpt2")
STARTED_TWICE = ("pre-norm", "post-norm", "no norm", "no residual")  # measured from both starts


class Nothing(nn.Module):
    """A part that has been taken out: it adds zeros to the stream."""

    def forward(self, x: Tensor, **options: object) -> Tensor:
        """(B, T, C) -> zeros (B, T, C)."""
        return torch.zeros_like(x)


def alone(x: Tensor, norm: nn.Module, f: Sublayer, last_only: bool = False) -> Tensor:
    """A pre-norm sublayer without its residual connection: what it computes takes the place of what it read."""
    return f(norm(x))


def stack_of(
    kind: str, n_layer: int, start: str = "glorot", *, n_embd: int = 64, block_size: int = 64, seed: int = 0
) -> Transformer:
    """A byte model of ``n_layer`` blocks, pre-norm unless ``kind`` says otherwise, with one part taken out.

    All kinds start from the same weights: Glorot's uniform ones in every matrix of a block, or GPT-2's
    (``initialise``); embeddings of variance one. Raises ``ValueError`` for an unknown kind or start.

    >>> len(stack_of("post-norm", 3).stack.blocks)
    3
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; choose one of {', '.join(KINDS)}")
    if start not in STARTS:
        raise ValueError(f"start is {start!r}; choose one of {', '.join(STARTS)}")
    torch.manual_seed(seed)
    first = kind != "post-norm"
    config = Config(
        256, block_size, n_layer, n_head=4, n_embd=n_embd, activation="relu", norm_first=first, tied=False
    )
    model = Transformer(config)
    initialise(model, n_layer)
    nn.init.normal_(model.embed.weight)
    for p in model.stack.blocks.parameters() if start == "glorot" else ():
        if p.dim() == 2:
            nn.init.xavier_uniform_(p)
    take_out(model, kind)
    return model


def take_out(model: Transformer, kind: str) -> None:
    """Remove from every block what ``kind`` names, in place."""
    for block in model.stack.blocks:
        assert isinstance(block, Block)
        if kind == "no norm":
            block.norm1, block.norm2 = nn.Identity(), nn.Identity()
        elif kind == "no residual":
            setattr(block, "residual", alone)  # noqa: B010  (a method of this one block)
        elif kind == "no feed-forward":
            block.ff = Nothing()  # type: ignore[assignment]
        elif kind == "no attention":
            block.attn = Nothing()  # type: ignore[assignment]
    if kind == "no norm":
        model.stack.norm = nn.Identity()


@dataclass(frozen=True)
class Layer:
    """One layer of a stack that has just been initialised.

    ``signal``: the root mean square of the numbers that leave it. ``alike``: the mean cosine between the vectors of two
    tokens of a text, 1 when all are the same. ``gradient``: the norm of the loss's gradient in its output.
    ``weight_gradient``: the norm of the gradient in all its weights together.
    """

    layer: int
    signal: float
    alike: float
    gradient: float
    weight_gradient: float


def profile(model: Transformer, ids: Tensor) -> list[Layer]:
    """Forward and backward once over ids (B, T + 1), layer by layer.

    Raises ``ValueError`` for fewer than two tokens.
    """
    if ids.ndim != 2 or ids.shape[1] < 3:
        raise ValueError(
            f"ids have shape {tuple(ids.shape)}; give (B, T + 1), at least two tokens and their next"
        )
    outputs: list[Tensor] = []

    def keep(module: nn.Module, args: object, out: Tensor) -> None:
        out.retain_grad()
        outputs.append(out)

    hooks = [block.register_forward_hook(keep) for block in model.stack.blocks]
    model.zero_grad(set_to_none=True)
    logits = model(ids[:, :-1])
    F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).backward()
    for hook in hooks:
        hook.remove()
    found = []
    for i, (out, block) in enumerate(zip(outputs, model.stack.blocks, strict=True)):
        assert out.grad is not None
        grads = [p.grad for p in block.parameters() if p.grad is not None]
        found.append(
            Layer(
                i,
                float(out.detach().square().mean().sqrt()),
                cosine_between_tokens(out.detach()),
                float(out.grad.norm()),
                float(nn.utils.get_total_norm(grads)),
            )
        )
    return found


def cosine_between_tokens(x: Tensor) -> float:
    """Mean cosine of two different tokens of the same text: (B, T, C) -> from -1 to 1.

    >>> cosine_between_tokens(torch.tensor([[[1.0, 0.0], [0.0, 2.0]]]))
    0.0
    """
    unit = F.normalize(x, dim=-1)
    cosines = unit @ unit.mT  # (B, T, T)
    n = x.shape[1]
    return float((cosines.sum((1, 2)) - cosines.diagonal(dim1=1, dim2=2).sum(1)).mean() / (n * (n - 1)))


def profiles(
    kinds: Sequence[str], depths: Sequence[int], seeds: int = 3, n_row: int = 4, start: str = "glorot"
) -> dict[tuple[str, int], list[list[Layer]]]:
    """(kind, depth) -> the layers of each seed's stack, on ``n_row`` texts of 64 bytes from the training plays."""
    text = tokens.encode_bytes(corpora.plays_text("train")).long()
    found = {}
    for kind, depth in product(kinds, depths):
        runs = []
        for seed in range(seeds):
            at = torch.randint(len(text) - 65, (n_row,), generator=torch.Generator().manual_seed(seed))
            runs.append(
                profile(stack_of(kind, depth, start, seed=seed), torch.stack([text[i : i + 65] for i in at]))
            )
        found[kind, depth] = runs
    return found


@dataclass(frozen=True)
class NormRun:
    """One short training: bits per byte on the validation plays at its end; None where it broke off with nan or inf.

    ``warmup``: the share of the run in which the learning rate rises from 0 to ``lr``.
    """

    kind: str
    start: str
    n_layer: int
    lr: float
    warmup: float
    seed: int
    bits: float | None


def norm_run(
    kind: str,
    lr: float,
    warmup: float,
    seed: int,
    start: str = "glorot",
    *,
    n_layer: int = 12,
    steps: int = 120,
    device: str | torch.device = "cpu",
) -> NormRun:
    """Train one kind of stack on the plays, by AdamW at a constant rate after a warm-up, without clipping gradients.

    8 windows of 64 bytes a step; the same ones for every kind at the same seed. Raises ``ValueError`` for an unknown
    kind or start.
    """
    model = stack_of(kind, n_layer, start, seed=seed)
    train, valid = (tokens.encode_bytes(corpora.plays_text(split)) for split in ("train", "valid"))
    recipe = Recipe(
        lr=lr, steps=steps, batch_size=8, block_size=64, schedule="constant", warmup=warmup, weight_decay=0.0,
        grad_clip=0,
    )  # fmt: skip
    try:
        history = training.train(
            model, train, recipe, valid_ids=valid, seed=seed, device=device, progress=False
        )
    except FloatingPointError:
        return NormRun(kind, start, n_layer, lr, warmup, seed, None)
    return NormRun(kind, start, n_layer, lr, warmup, seed, history.last["valid_loss"] / math.log(2))


def measure(
    n_layer: int,
    steps: int,
    rates: Sequence[float],
    warmups: Sequence[float],
    seeds: int,
    device: str = "auto",
) -> Iterator[NormRun]:
    """Pre-norm and post-norm at every rate, with and without warm-up; the other kinds at the middle rate, with it.

    From GPT-2's start only the kinds of ``STARTED_TWICE``, at the middle rate with a warm-up.
    """
    where = pick_device(device)
    for seed, kind in product(range(seeds), KINDS):
        both = kind in ("pre-norm", "post-norm")
        for lr, warmup in product(rates if both else rates[1:2], warmups if both else warmups[1:]):
            yield norm_run(kind, lr, warmup, seed, n_layer=n_layer, steps=steps, device=where)
    for seed, kind in product(range(seeds), STARTED_TWICE):
        yield norm_run(kind, rates[1], warmups[-1], seed, "gpt2", n_layer=n_layer, steps=steps, device=where)


NORMS = Record(  # rows of NormRun
    "norms",
    measure,
    {
        "n_layer": 12,
        "steps": 120,
        "rates": [3e-4, 1e-3, 3e-3],
        "warmups": [0.0, 0.3],
        "seeds": 3,
        "device": "cpu",
    },
    seconds=380,
    path=Path(__file__).parent / "data" / "norms.json",
)
ARTEFACTS = (NORMS,)


def bits_by_kind(
    runs: Sequence[NormRun], start: str = "glorot"
) -> dict[tuple[str, float, float], Interval | None]:
    """(kind, lr, warm-up) -> mean bits per byte and its 95 % interval over seeds; None where a run broke off."""
    found: dict[tuple[str, float, float], list[float | None]] = {}
    for r in (r for r in runs if r.start == start):
        found.setdefault((r.kind, r.lr, r.warmup), []).append(r.bits)
    whole = {key: [b for b in bits if b is not None] for key, bits in found.items()}
    return {
        key: seed_interval(whole[key]) if len(whole[key]) == len(bits) else None
        for key, bits in found.items()
    }


def warmup_gain(runs: Sequence[NormRun], kind: str, lr: float) -> Interval:
    """Bits per byte saved by a warm-up, paired by seed, and the 95 % interval.

    Raises ``ValueError`` when a run broke off, or the two do not have the same seeds.
    """
    rows = sorted((r for r in runs if (r.kind, r.lr, r.start) == (kind, lr, "glorot")), key=lambda r: r.seed)
    without, with_it = ([r for r in rows if (r.warmup > 0) == warm] for warm in (False, True))
    if any(r.bits is None for r in rows) or [r.seed for r in without] != [r.seed for r in with_it]:
        raise ValueError(
            f"{kind} at lr {lr} has no pairs: {rows}; give whole runs with and without, seed by seed"
        )
    before, after = ([r.bits for r in part if r.bits is not None] for part in (without, with_it))
    return paired_difference(before, after)


def letter_bits() -> float:
    """Bits per byte of the validation plays for who knows only how often each byte is: what every kind has to beat."""
    train, valid = (tokens.encode_bytes(corpora.plays_text(split)).long() for split in ("train", "valid"))
    share = (train.bincount(minlength=256) + 1).double() / (len(train) + 256)
    return float(-share.log2()[valid].mean())


def draw_by_layer(ax: Axes, runs: Mapping[str, Sequence[Sequence[Layer]]], what: str) -> Axes:
    """One field of ``Layer``, such as "signal", by layer: a line for each name, the mean over its seeds."""
    from llmbook.core.show.plotting import label, lines

    series = {}
    for name, seeds in runs.items():
        means = [sum(getattr(x, what) for x in at) / len(at) for at in zip(*seeds, strict=True)]
        series[name] = (list(range(1, len(means) + 1)), means)
    lines(ax, series)
    return label(
        ax, "layer", {"signal": "size of the vectors", "alike": "cosine between two tokens"}.get(what, what)
    )
