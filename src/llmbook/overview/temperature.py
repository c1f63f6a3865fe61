"""What temperature does to a distribution: the same few tokens at many temperatures.

At temperature T every logit is divided by T before the softmax (Ackley, Hinton & Sejnowski 1985,
doi:10.1207/s15516709cog0901_7).

Left out on purpose: drawing texts (``llmbook.core.models.generation``), and cutting off the unlikely (an exercise).

Shapes: V vocabulary.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from llmbook.core.models.lm import LanguageModel

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes

TEMPERATURES = (0.1, 0.3, 0.5, 0.8, 1.0, 1.3, 2.0, 4.0)


@dataclass(frozen=True)
class Heated:
    """A next-token distribution at one temperature.

    ``top`` holds the probabilities of a few tokens, the same ones at every temperature, likeliest first.
    """

    temperature: float
    top: Mapping[str, float]

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


def at_temperatures(
    lm: LanguageModel, text: str, temperatures: Sequence[float] = TEMPERATURES, *, k: int = 12
) -> dict[float, Heated]:
    """What comes after ``text`` at each temperature (0.1 -> ...), from one run of the model.

    Raises ``ValueError`` for no temperature, or one that is not positive, and for ``k`` tokens of fewer.
    """
    if not len(temperatures):
        raise ValueError("give at least one temperature")
    if not 1 <= k <= lm.model.vocab_size:
        raise ValueError(f"k is {k}; give 1 to {lm.model.vocab_size}, the size of the vocabulary")
    p = lm.next_probabilities(text)
    likeliest = p.topk(k).indices
    names = _names(lm, likeliest.tolist())
    return {
        t: Heated(t, dict(zip(names, reheat(p, t)[likeliest].tolist(), strict=True))) for t in temperatures
    }


def _names(lm: LanguageModel, ids: Sequence[int]) -> list[str]:
    """Each token as text; with its number where another has the same, as parts of a character have: all are U+FFFD."""
    spelled = [repr(lm.tokenizer.decode([i])) for i in ids]
    return [s if spelled.count(s) == 1 else f"{s} #{i}" for s, i in zip(spelled, ids, strict=True)]


def draw_heated(ax: Axes, heated: Heated, sample: str = "") -> Axes:
    """The tokens' probabilities at one temperature, and all the others' as the last bar; the axis is always 0 to 1.

    ``sample``, a text drawn at this temperature, stands above the bars in two lines at most.
    """
    from llmbook.core.show.plotting import bars, label

    bars(ax, {**heated.top, "all others": heated.rest}, highlight="all others", show="{:.1%}")
    ax.set_xlim(0, 1.15)
    printable = "".join(c if c.isprintable() else " " for c in sample)
    lines = textwrap.wrap(printable, 58)[:2]
    ax.set_title("\n".join(lines), loc="left", fontweight="normal", fontsize=10)
    return label(ax, "probability of being drawn")
