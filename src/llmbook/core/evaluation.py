"""How good is a model, and how sure are we? Loss on unseen text, and intervals around a mean.

Shapes: ``B`` windows in a batch, ``T`` tokens in a window, ``N`` tokens of text, ``V`` vocabulary.

A model is any callable ids (B, T) -> logits (B, T, V). Left out on purpose: task scores such as BLEU and chrF
(sacrebleu has those).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

LanguageModel = Callable[[Tensor], Tensor]  # ids (B, T) -> logits (B, T, V)


# ---- Loss on unseen text ----


def check_ids(ids: Tensor, block_size: int, name: str = "ids") -> Tensor:
    """Return `ids` (N,) as int64; raise ValueError unless they hold one whole context and its next token."""
    if not isinstance(ids, Tensor) or ids.dim() != 1 or ids.is_floating_point() or ids.is_complex():
        what = f"shape {tuple(ids.shape)}, {ids.dtype}" if isinstance(ids, Tensor) else type(ids).__name__
        raise ValueError(f"{name} is {what}; give a 1-D tensor of integer token ids")
    if len(ids) < block_size + 1:
        raise ValueError(
            f"{name} holds {len(ids)} tokens, but block_size={block_size} needs at least {block_size + 1}; "
            f"use a longer text or a smaller block_size"
        )
    return ids.long()


def token_losses(
    model: LanguageModel,
    ids: Tensor,
    *,
    block_size: int | None = None,
    batch_size: int = 16,
    stride: int | None = None,
) -> Tensor:
    """The model's surprise at each token of a text, in nats.

    Windows of `block_size` tokens cover the text. Each moves on by `stride` tokens, and only what it newly
    covers is scored, so every token counts once. `stride=block_size` (the default) is fastest; with a smaller
    stride tokens see more context, and their loss is usually lower. The last window ends where the text ends;
    a text shorter than one window is a window of its own.

    Args:
        model: ids (B, T) -> logits (B, T, V); a torch module runs in eval mode and without gradients.
        ids: (N,) token ids. The first has nothing before it, so it is context only.
        block_size: T, by default `model.block_size`.

    Returns:
        (N - 1,) float32 on the CPU: entry i is -ln p(ids[i + 1] | the tokens before it in its window).

    Raises:
        ValueError: ids too short or not 1-D integers; block_size, batch_size or stride out of range.

    >>> uniform = lambda ids: torch.zeros(*ids.shape, 4)  # four equally likely tokens: ln 4 = 1.3863 nats
    >>> token_losses(uniform, torch.tensor([0, 1, 2, 3, 0]), block_size=3)
    tensor([1.3863, 1.3863, 1.3863, 1.3863])
    """
    ids = check_ids(ids, 1).to(_device(model))
    block_size = min(_block_size(model, block_size), len(ids) - 1)
    starts, new = _windows(len(ids) - 1, block_size, block_size if stride is None else stride)
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; give at least 1")
    offsets = torch.arange(block_size)
    losses = []
    with evaluating(model):
        for b in range(0, len(starts), batch_size):
            at = (starts[b : b + batch_size, None] + offsets).to(ids.device)  # (B, T)
            logits = model(ids[at])  # (B, T, V)
            nats = F.cross_entropy(logits.flatten(0, 1).float(), ids[at + 1].flatten(), reduction="none")
            is_new = offsets >= block_size - new[b : b + batch_size, None]  # (B, T): the last `new` of each
            losses.append(nats.view_as(at).cpu()[is_new])
    return torch.cat(losses)  # (N - 1,)


def loss(
    model: LanguageModel,
    ids: Tensor,
    *,
    block_size: int | None = None,
    batch_size: int = 16,
    stride: int | None = None,
) -> float:
    """Mean of `token_losses`: nats per token, every token but the first counted exactly once.

    >>> uniform = lambda ids: torch.zeros(*ids.shape, 256)
    >>> round(loss(uniform, torch.arange(100), block_size=32), 4) == round(math.log(256), 4)
    True
    """
    nats = token_losses(model, ids, block_size=block_size, batch_size=batch_size, stride=stride)
    return nats.double().mean().item()


def bits_per_byte(nats_total: float, n_bytes: int) -> float:
    """Bits the model needs per byte of text: comparable between tokenizers, as nats per token are not.

    `nats_total` is the sum over tokens (loss × tokens), `n_bytes` the UTF-8 length of their text.
    Raises ValueError unless n_bytes is positive.

    >>> bits_per_byte(math.log(256) * 10, 10)  # uniform over bytes: eight bits each
    8.0
    """
    if n_bytes < 1:
        raise ValueError(f"n_bytes is {n_bytes}; give the UTF-8 length of the text, at least 1")
    return nats_total / math.log(2) / n_bytes


def perplexity(nats_per_token: float) -> float:
    """exp(loss): the number of equally likely tokens that would be as hard to guess between.

    >>> round(perplexity(math.log(4)), 6)
    4.0
    """
    return math.exp(nats_per_token)


def accuracy(predicted: Tensor, target: Tensor) -> float:
    """Share of equal entries of two tensors of one shape, from 0 to 1.

    Raises ValueError for different shapes or empty tensors.

    >>> accuracy(torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2, 0, 4]))
    0.75
    """
    if predicted.shape != target.shape or target.numel() == 0:
        raise ValueError(
            f"predicted has shape {tuple(predicted.shape)}, target {tuple(target.shape)}; "
            f"give two tensors of one shape that are not empty"
        )
    return (predicted == target).double().mean().item()


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """No gradients and no dropout inside the block; afterwards the model is in the mode it was in."""
    training = isinstance(model, torch.nn.Module) and model.training
    if training:
        model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        if training:
            model.train()


def _windows(n_targets: int, block_size: int, stride: int) -> tuple[Tensor, Tensor]:
    """Where each window starts, and how many targets (its last ones) it is the first to cover."""
    if not 1 <= stride <= block_size:
        raise ValueError(
            f"stride is {stride}; give 1 to {block_size}, the block_size, or tokens are left out"
        )
    ends = [*range(block_size, n_targets, stride), n_targets]
    new = [end - before for before, end in zip([0, *ends], ends, strict=False)]
    return torch.tensor(ends) - block_size, torch.tensor(new)


def _block_size(model: Any, given: int | None) -> int:
    longest = getattr(model, "block_size", None)
    chosen = longest if given is None else given
    if chosen is None:
        raise ValueError("block_size is None and the model has none of its own; give block_size")
    if chosen < 1 or (longest is not None and chosen > longest):
        raise ValueError(f"block_size is {chosen}; give 1 to {longest or 'the longest context of the model'}")
    return int(chosen)


def _device(model: Any) -> torch.device:
    """Where the model's weights are; the CPU for one without weights."""
    weights = model.parameters() if isinstance(model, torch.nn.Module) else iter(())
    return next((p.device for p in weights), torch.device("cpu"))


# ---- Intervals ----


@dataclass(frozen=True)
class Interval:
    """A mean of `n` values and the interval from `low` to `high` around it, at confidence `level`.

    >>> print(Interval(mean=1.5, low=1.25, high=1.75, n=3, level=0.95))
    1.500 (95 % interval 1.250 to 1.750, n = 3)
    """

    mean: float
    low: float
    high: float
    n: int
    level: float = 0.95

    def __str__(self) -> str:
        span = f"{100 * self.level:g} % interval {self.low:.3f} to {self.high:.3f}"
        return f"{self.mean:.3f} ({span}, n = {self.n})"

    def __contains__(self, value: float) -> bool:
        """`0 in interval`: is this value still plausible?"""
        return self.low <= value <= self.high


def bootstrap_interval(
    values: Sequence[float] | Tensor, level: float = 0.95, *, n_resamples: int = 2000, seed: int = 0
) -> Interval:
    """Percentile bootstrap for a mean: redraw n of the n values with replacement, often; see how it moves.

    For many values of unknown distribution (a loss per sentence, an exact match per question). For a handful
    of seeds it is too narrow; use `seed_interval`. Source: Efron (1979), "Bootstrap methods: another look at
    the jackknife".

    Raises ValueError for fewer than two values, values that are not finite, or level outside (0, 1).

    >>> 0.5 in bootstrap_interval([0.0, 1.0] * 50)
    True
    """
    x = _checked(values, level)
    if n_resamples < 1:
        raise ValueError(f"n_resamples is {n_resamples}; give at least 1")
    generator = torch.Generator().manual_seed(seed)
    means = torch.empty(n_resamples, dtype=torch.float64)
    at_once = max(1, 1_000_000 // len(x))  # resamples drawn together: bounds the memory to about 16 MB
    for i in range(0, n_resamples, at_once):
        size = (min(at_once, n_resamples - i), len(x))
        means[i : i + at_once] = x[torch.randint(len(x), size, generator=generator)].mean(dim=1)
    tail = (1 - level) / 2
    low, high = means.quantile(torch.tensor([tail, 1 - tail], dtype=torch.float64)).tolist()
    return Interval(x.mean().item(), low, high, len(x), level)


def seed_interval(values: Sequence[float] | Tensor, level: float = 0.95) -> Interval:
    """Student's t interval for the mean over a few seeds: mean ± t · s / √n with n − 1 degrees of freedom.

    Source: Student (1908), "The probable error of a mean". For seeds 1, 2, 3: mean 2, s = 1, t = 4.303, so
    2 ± 4.303 / √3 = 2 ± 2.484. One seed says nothing about spread: ValueError.

    >>> print(seed_interval([1.0, 2.0, 3.0]))
    2.000 (95 % interval -0.484 to 4.484, n = 3)
    """
    x = _checked(values, level)
    half = t_quantile((1 + level) / 2, len(x) - 1) * x.std().item() / math.sqrt(len(x))
    return Interval(x.mean().item(), x.mean().item() - half, x.mean().item() + half, len(x), level)


def paired_difference(
    a: Sequence[float] | Tensor, b: Sequence[float] | Tensor, level: float = 0.95
) -> Interval:
    """`seed_interval` of a − b, where a[i] and b[i] share a seed (or a question). Differs if 0 is outside it.

    Pairing removes what the two have in common, so it sees smaller differences than two separate intervals.
    Raises ValueError unless both hold the same number of values, at least two.

    >>> a, b = [1.1, 2.1, 3.1, 4.2], [1.0, 2.0, 3.0, 4.0]  # each a little larger, all spread widely
    >>> 0 in paired_difference(a, b), seed_interval(b).mean in seed_interval(a)
    (False, True)
    """
    if len(a) != len(b):
        raise ValueError(f"a has {len(a)} values, b has {len(b)}; pairs need as many of each")
    return seed_interval(_checked(a, level) - _checked(b, level), level)


def t_quantile(p: float, df: int) -> float:
    """The t with P(T ≤ t) = p for Student's distribution with `df` degrees of freedom, by bisection.

    >>> round(t_quantile(0.975, df=2), 3)
    4.303
    """
    if not 0 < p < 1 or df < 1:
        raise ValueError(f"p is {p}, df is {df}; give 0 < p < 1 and df of at least 1")
    if p < 0.5:
        return -t_quantile(1 - p, df)
    low, high = 0.0, math.pi / 2  # the angle with tan(angle) = t / √df: finite, however large t is
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if (1 + _t_inside(middle, df)) / 2 < p else (low, middle)
    return math.sqrt(df) * math.tan((low + high) / 2)


def _t_inside(angle: float, df: int) -> float:
    """P(|T| ≤ √df · tan(angle)): Abramowitz & Stegun (1964), 26.7.3 for odd and 26.7.4 for even df."""
    odd = df % 2
    term = total = math.cos(angle) if odd else 1.0
    for k in range(2 + odd, df, 2):  # each term is the last times (k - 1) / k · cos²
        term *= (k - 1) / k * math.cos(angle) ** 2
        total += term
    if odd:
        return 2 / math.pi * (angle + (math.sin(angle) * total if df > 1 else 0.0))
    return math.sin(angle) * total


def _checked(values: Sequence[float] | Tensor, level: float) -> Tensor:
    """Values as float64 (n,), after the checks that all intervals share."""
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; give a number between 0 and 1, such as 0.95")
    x = torch.as_tensor(values, dtype=torch.float64).detach().cpu()
    if x.dim() != 1 or len(x) < 2:
        raise ValueError(f"values have shape {tuple(x.shape)}; an interval needs at least 2 numbers")
    if not x.isfinite().all():
        raise ValueError("values hold nan or inf; leave diverged runs out, and say so, before averaging")
    return x
