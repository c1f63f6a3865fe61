"""What one guess can ask for: two prompts that differ in one thing, and the right next word of each.

The next word may hang on grammar, on a fact, on a sum, or on what a text has just said. Prompts come in pairs, and what
is right after the one is wrong after the other (Winograd's schema: Levesque et al. 2012; prompts about keys: Linzen et
al. 2016, arXiv:1611.01368). So whoever always prefers one of the two words,
whatever stands before it, is right once in every pair, and never twice.

Every answer is one token of SmolLM2; of another model's the first token counts.

Left out on purpose: enough pairs for a benchmark (BLiMP has 67,000: Warstadt et al. 2020, arXiv:1912.00582), and
prompts tuned until a model succeeds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from llmbook.core.measure.intervals import Interval, wilson_interval
from llmbook.core.models.lm import LanguageModel
from llmbook.core.models.prompts import left_pad

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes

Half = tuple[str, str]  # a prompt, and how it goes on


def _agreement(one: str, many: str) -> tuple[Half, Half]:
    """The verb agrees with the first noun, and not with the second, which stands next to it."""
    return (one, " is"), (many, " are")


def _sums(a: int, b: int, c: int) -> tuple[Half, Half]:
    return (f"{a} + {b} = ", str(a + b)), (f"{a} + {c} = ", str(a + c))


def _swapped(text: str) -> tuple[Half, Half]:
    """A text about A and B that goes on with A: once A is Tom and B is Anna, once the other way round."""

    def named(a: str, b: str) -> Half:
        return re.sub(r"\b[AB]\b", lambda letter: a if letter[0] == "A" else b, text), f" {a}"

    return named("Tom", "Anna"), named("Anna", "Tom")


PAIRS: dict[str, tuple[tuple[Half, Half], ...]] = {
    "grammar": (
        _agreement("The key to the cabinets", "The keys to the cabinet"),
        _agreement("The report on the tables", "The reports on the table"),
        _agreement("The picture of the museums", "The pictures of the museum"),
        _agreement("The road to the villages", "The roads to the village"),
        _agreement("The friend of my brothers", "The friends of my brother"),
        _agreement("The label on the bottles", "The labels on the bottle"),
        _agreement("The answer to the questions", "The answers to the question"),
        _agreement("The window of the houses", "The windows of the house"),
    ),
    "facts": (
        (("The chemical symbol for gold is", " Au"), ("The chemical symbol for silver is", " Ag")),
        (("The currency of Germany is the", " euro"), ("The currency of Britain is the", " pound")),
        (("The opposite of hot is", " cold"), ("The opposite of tall is", " short")),
        (("The largest planet is", " Jupiter"), ("The planet closest to the sun is", " Mercury")),
        (("In Brazil people speak", " Portuguese"), ("In Argentina people speak", " Spanish")),
        (("Hamlet was written by", " William"), ("Oliver Twist was written by", " Charles")),
        (("Honey comes from", " bees"), ("Milk comes from", " cows")),
        (("The number of legs of an insect is", " six"), ("The number of legs of a spider is", " eight")),
    ),
    "sums": (
        _sums(2, 3, 4), _sums(3, 4, 5), _sums(1, 6, 7), _sums(4, 2, 5),
        _sums(5, 3, 1), _sums(6, 2, 3), _sums(3, 3, 6), _sums(7, 1, 2),
    ),
    "who did what": (  # in the first of two the right name stands last, in the second it does not
        _swapped("B gave the ball to A. Now the ball belongs to"),
        _swapped("A got the ball from B. Now the ball belongs to"),
        _swapped("B sold the car to A. The new owner of the car is"),
        _swapped("A bought the car from B. The new owner of the car is"),
        _swapped("B is in the kitchen and A is in the garden. In the garden is"),
        _swapped("A is in the garden and B is in the kitchen. In the garden is"),
        _swapped("B lost the match and A won it. The winner was"),
        _swapped("A won the match and B lost it. The winner was"),
    ),
}  # fmt: skip
# To put in front: three solved sums (none of PAIRS, nor one turned round), and the same three with wrong answers.
SOLVED_SUMS = "1 + 1 = 2\n2 + 5 = 7\n4 + 4 = 8\n"
WRONG_SUMS = "1 + 1 = 7\n2 + 5 = 4\n4 + 4 = 2\n"


@dataclass(frozen=True)
class Choice:
    """One prompt, the right next word and the wrong one (right in the other half), and p of each after the prompt."""

    prompt: str
    right: str
    wrong: str
    p_right: float
    p_wrong: float

    @property
    def bits(self) -> float:
        """By how many bits the right word is cheaper than the wrong one: log2 of p_right / p_wrong.

        >>> Choice("2 + 2 =", " 4", " 5", 0.4, 0.1).bits
        2.0
        """
        return math.log2(self.p_right / self.p_wrong)

    @property
    def takes_last(self) -> bool:
        """Whether it prefers that word of the two which stands later in the prompt.

        >>> Choice("Ann met Bob. Met was", " Bob", " Ann", 0.4, 0.1).takes_last
        True
        """
        right_is_last = self.prompt.rfind(self.right.strip()) > self.prompt.rfind(self.wrong.strip())
        return right_is_last == (self.bits > 0)


Solved = Sequence[tuple[Choice, Choice]]


def choose(lm: LanguageModel, kind: str, before: str = "") -> list[tuple[Choice, Choice]]:
    """The model's choice in both halves of each pair of a kind; ``before``: a text in front of every prompt.

    Raises ``ValueError`` for a kind that is not in ``PAIRS``.
    """
    if kind not in PAIRS:
        raise ValueError(f"kind is {kind!r}; choose one of {', '.join(PAIRS)}")
    halves = [half for pair in PAIRS[kind] for half in pair]
    right = [_id(lm, answer) for _, answer in halves]
    choices = []
    for i, p in enumerate(_next(lm, [before + prompt for prompt, _ in halves])):
        (prompt, answer), (_, wrong) = halves[i], halves[i ^ 1]
        choices.append(Choice(prompt, answer, wrong, float(p[right[i]]), float(p[right[i ^ 1]])))
    return list(zip(choices[::2], choices[1::2], strict=True))


def _id(lm: LanguageModel, word: str) -> int:
    """The number of the word's first token."""
    return int(lm.encode(word, start=False)[0, 0])


@torch.no_grad()
def _next(lm: LanguageModel, prompts: Sequence[str], batch_size: int = 16) -> Iterator[Tensor]:
    """p of every token after each prompt, (V,), in batches."""
    for i in range(0, len(prompts), batch_size):
        rows = [lm.encode(prompt)[0].tolist() for prompt in prompts[i : i + batch_size]]
        ids, is_token = left_pad(rows, device=lm.device)  # (B, T)
        yield from lm.model(ids, is_token=is_token, last_only=True)[:, -1].float().softmax(-1).cpu()


def both_right(pairs: Solved) -> Interval:
    """The share of pairs in which the right word is the likelier one both times, with its 95 % interval (Wilson's).

    Two coins would do it in a quarter of them.
    """
    return wilson_interval(sum(one.bits > 0 and other.bits > 0 for one, other in pairs), len(pairs))


def draw_pairs(ax: Axes, results: Mapping[str, Solved]) -> Axes:
    """A line per pair between its two halves, by how many bits the right word is cheaper; a block of lines per kind."""
    from llmbook.core.show.plotting import BLUE, INK, ORANGE, PAPER, label

    at, names = 0.0, {}
    for kind, pairs in results.items():
        for place, (one, other) in enumerate(pairs):
            low, high = sorted((one.bits, other.bits))
            color, face = (BLUE, BLUE) if low > 0 else (ORANGE, PAPER)
            ax.plot([low, high], [at + place] * 2, color=color, linewidth=1)
            ax.scatter(
                [low, high], [at + place] * 2, s=20, edgecolor=color, facecolor=face, linewidth=1.2, zorder=3
            )
        n_right = sum(one.bits > 0 and other.bits > 0 for one, other in pairs)
        lines = [*kind.split("\n"), f"{n_right} of {len(pairs)}"]
        middle = at + (len(pairs) - 1) / 2
        for i, line in enumerate(lines):  # a tick each, so that every line ends at the axis in any font
            names[middle + 1.9 * (i - (len(lines) - 1) / 2)] = line
        at += len(pairs) + 2
        ax.axhline(at - 1.5, color=INK, linewidth=0.4)
    ax.axvline(0, color=INK, linewidth=1.4)
    ax.set_yticks(list(names), list(names.values()))
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(at - 1.5, -1.5)
    ax.grid(axis="y", visible=False)
    return label(ax, "bits by which the right word is cheaper")
