"""How sure are we? Intervals around a mean, over many values or over a few seeds.

Left out on purpose: tests of significance; an interval says what they say, and how large the difference is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import torch
from torch import Tensor


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


def unpaired_difference(
    a: Sequence[float] | Tensor, b: Sequence[float] | Tensor, level: float = 0.95
) -> Interval:
    """Welch's interval for mean(a) − mean(b) of two samples that have no pairs; `n` is the size of the smaller.

    Source: Welch (1947), "The generalization of Student's problem when several different population variances are
    involved". Its degrees of freedom are rounded down, which makes the interval a little wider.
    For 1, 2, 3 and 2, 3, 4: −1 ± 2.776 · √(1/3 + 1/3), with 4 degrees of freedom.

    >>> print(unpaired_difference([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]))
    -1.000 (95 % interval -3.267 to 1.267, n = 3)
    """
    x, y = _checked(a, level), _checked(b, level)
    u, v = x.var().item() / len(x), y.var().item() / len(y)
    mean, half = x.mean().item() - y.mean().item(), 0.0
    if u + v > 0:
        df = (u + v) ** 2 / (u**2 / (len(x) - 1) + v**2 / (len(y) - 1))
        half = t_quantile((1 + level) / 2, max(1, math.floor(df + 1e-9))) * math.sqrt(u + v)
    return Interval(mean, mean - half, mean + half, min(len(x), len(y)), level)


def wilson_interval(n_right: int, n: int, level: float = 0.95) -> Interval:
    """A share, `n_right` of `n`, with an interval that stays within 0 and 1 and has a width even at 0 of n.

    Source: Wilson (1927), "Probable inference, the law of succession, and statistical inference".

    >>> print(wilson_interval(13, 20))
    0.650 (95 % interval 0.433 to 0.819, n = 20)

    Raises ValueError unless 0 <= n_right <= n and n is at least 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; give a number between 0 and 1, such as 0.95")
    if n < 1 or not 0 <= n_right <= n:
        raise ValueError(
            f"{n_right} right of {n}; give at least one answer, and no more right ones than answers"
        )
    z, p = NormalDist().inv_cdf((1 + level) / 2), n_right / n
    middle, half = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low = (middle - half) / (1 + z**2 / n) if n_right else 0.0
    high = (middle + half) / (1 + z**2 / n) if n_right < n else 1.0
    return Interval(p, low, high, n, level)


def sign_test(differences: Sequence[float] | Tensor) -> float:
    """The chance of signs at least as uneven as these if each were a fair coin's; differences of zero do not count.

    Two-sided (Arbuthnot 1710). Of ten, nine positive: 2 · (10 + 1) / 2¹⁰.

    >>> round(sign_test([1.0] * 9 + [-1.0]), 4)
    0.0215
    """
    signs = [d for d in map(float, differences) if d != 0]
    n, fewer = len(signs), min(sum(d > 0 for d in signs), sum(d < 0 for d in signs))
    return min(1.0, 2 * sum(math.comb(n, k) for k in range(fewer + 1)) / 2**n)


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
