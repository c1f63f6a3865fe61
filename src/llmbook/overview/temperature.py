"""What temperature and top-p do to a distribution: the same few tokens at many temperatures.

At temperature T every logit is divided by T before the softmax (Ackley, Hinton & Sejnowski 1985,
doi:10.1207/s15516709cog0901_7). Top-p keeps the likeliest tokens that together reach p (Holtzman et al. 2020,
arXiv:1904.09751).

Left out on purpose: drawing texts (``llmbook.core.models.generation``), other ways to cut.

Shapes: V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from llmbook.core.models.lm import LanguageModel

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes

TEMPERATURES = (0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0)


@dataclass(frozen=True)
class Heated:
    """A next-token distribution at one temperature.

    ``top`` holds the probabilities of a few tokens, the same ones at every temperature, likeliest first; ``n_nucleus``
    tokens, the likeliest of all, are enough for a mass of ``top_p``, and together they have ``mass``.
    """

    temperature: float
    top: Mapping[str, float]
    entropy: float
    top_p: float
    n_nucleus: int
    mass: float

    @property
    def rest(self) -> float:
        """The probability of all tokens that ``top`` does not list."""
        return max(0.0, 1.0 - sum(self.top.values()))


def reheat(p: Tensor, temperature: float) -> Tensor:
    """The distribution ``p`` (V,) at another temperature: each to the power 1/T, rescaled; in float64.

    >>> import torch
    >>> reheat(torch.tensor([0.8, 0.2]), 0.5).numpy().round(4).tolist()  # 0.64 : 0.04
    [0.9412, 0.0588]

    Raises ``ValueError`` for a temperature that is not positive.
    """
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature is {temperature}; it has to be positive and finite")
    return (p.double().log() / temperature).softmax(-1)


def entropy(p: Tensor) -> float:
    """The mean surprise of what is drawn from ``p`` (V,), in bits; 0 for a certainty, log2 V for a fair die.

    >>> import torch
    >>> entropy(torch.tensor([0.5, 0.25, 0.25]))
    1.5
    """
    return float(-(p.double() * p.double().clamp_min(1e-300).log2()).sum()) + 0.0


def nucleus(p: Tensor, top_p: float) -> tuple[int, float]:
    """How many of the likeliest tokens it takes to reach a mass of ``top_p``, and the mass that they have.

    >>> import torch
    >>> nucleus(torch.tensor([0.1, 0.5, 0.25, 0.15]), 0.7)
    (2, 0.75)

    Raises ``ValueError`` unless ``top_p`` is above 0 and at most 1.
    """
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p is {top_p}; give a share above 0, at most 1")
    reached = p.double().sort(descending=True).values.cumsum(0)
    n = min(int((reached < top_p - 1e-12).sum()) + 1, len(p))
    return n, float(reached[n - 1])


def at_temperatures(
    lm: LanguageModel,
    text: str,
    temperatures: Sequence[float] = TEMPERATURES,
    *,
    k: int = 10,
    top_p: float = 0.9,
) -> dict[str, Heated]:
    """What comes after ``text`` at each temperature ("0.2" -> ...), from one run of the model.

    Raises ``ValueError`` for no temperature, or one that is not positive, and for ``k`` tokens of fewer.
    """
    if not len(temperatures):
        raise ValueError("give at least one temperature")
    if not 1 <= k <= lm.model.vocab_size:
        raise ValueError(f"k is {k}; give 1 to {lm.model.vocab_size}, the size of the vocabulary")
    p, found = lm.next_probabilities(text), {}
    likeliest = p.topk(k).indices
    names = _names(lm, likeliest.tolist())
    for t in temperatures:
        hot = reheat(p, t)
        top = dict(zip(names, hot[likeliest].tolist(), strict=True))
        found[f"{t:g}"] = Heated(t, top, entropy(hot), top_p, *nucleus(hot, top_p))
    return found


def _names(lm: LanguageModel, ids: Sequence[int]) -> list[str]:
    """Each token as text; with its number where another has the same, as parts of a character have: all are U+FFFD."""
    spelled = [repr(lm.tokenizer.decode([i])) for i in ids]
    return [s if spelled.count(s) == 1 else f"{s} #{i}" for s, i in zip(spelled, ids, strict=True)]


def draw_heated(ax: Axes, heated: Heated) -> Axes:
    """The tokens' probabilities at one temperature, and all the others' as the last bar; the axis is always 0 to 1."""
    from llmbook.core.show.plotting import bars, label

    bars(ax, {**heated.top, "all others": heated.rest}, highlight="all others", show="{:.1%}")
    ax.set_xlim(0, 1.12)
    few = f"{heated.n_nucleus:,} token{'s' if heated.n_nucleus > 1 else ''} hold {heated.top_p:.0%}"
    return label(
        ax, "probability of being next", "", f"T = {heated.temperature:g}: {heated.entropy:.1f} bits; {few}"
    )
