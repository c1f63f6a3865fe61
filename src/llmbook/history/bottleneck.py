"""Does a larger state or longer training do what attention does? Reversal, over sizes, steps and seeds.

The models and the task are those of `reversal` (Sutskever et al. 2014, arXiv:1409.3215; Luong et al. 2015,
arXiv:1508.04025), with one recipe and one learning rate for all: nothing is tuned for a size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from llmbook.core.measure.records import Record
from llmbook.history.ladder import one_thread
from llmbook.history.reversal import reversed_right, train_to_reverse

LENGTHS = (2, 4, 6, 8, 10, 12, 14, 16)
LONGEST = 12  # that is trained on


@dataclass(frozen=True)
class Reversed:
    """The share of 200 whole sequences of one length that one model reverses: ``right``, from 0 to 1."""

    attention: bool
    n_hidden: int
    steps: int
    seed: int
    length: int
    right: float


def measure(sizes: Sequence[int], steps: Sequence[int], seeds: int) -> Iterator[Reversed]:
    """Every size with and without attention, for each number of steps and each seed, in one thread."""
    with one_thread():
        for n in steps:
            for size in sizes:
                for attention in (False, True):
                    for seed in range(seeds):
                        model = train_to_reverse(attention, steps=n, seed=seed, n_hidden=size)
                        right = reversed_right(model, LENGTHS, seed=seed)
                        yield from (Reversed(attention, size, n, seed, at, right[at]) for at in LENGTHS)


RECORD = Record(  # rows of Reversed
    "bottleneck",
    measure,
    {"sizes": [16, 64], "steps": [250], "seeds": 3},
    seconds=80,
    path=Path(__file__).parent / "data" / "bottleneck.json",
)
ARTEFACTS = (RECORD,)


def share_right(
    rows: Sequence[Reversed], attention: bool, n_hidden: int, steps: int
) -> dict[int, list[float]]:
    """Length -> the share right of each seed. Raises ``ValueError`` for what was not measured.

    >>> share_right([Reversed(True, 16, 250, s, 2, s / 2) for s in (1, 0)], True, 16, 250)
    {2: [0.0, 0.5]}
    """
    mine = [r for r in rows if (r.attention, r.n_hidden, r.steps) == (attention, n_hidden, steps)]
    if not mine:
        there = sorted({(r.n_hidden, r.steps) for r in rows if r.attention is attention})
        raise ValueError(
            f"no model of {n_hidden} units after {steps} steps with attention={attention}; (units, steps): {there}"
        )
    mine.sort(key=lambda r: (r.length, r.seed))
    return {at: [r.right for r in mine if r.length == at] for at in dict.fromkeys(r.length for r in mine)}
