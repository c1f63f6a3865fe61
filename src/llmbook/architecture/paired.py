"""Two ways compared seed by seed: what both owe to the same seed, text and order of batches drops out.

Pairs can tell apart what two separate intervals, which overlap, cannot; and ten pairs at 95 % are ten chances to be
wrong. Left out on purpose: a correction for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from llmbook.architecture.families import FamilyRun
from llmbook.architecture.length_extrapolation import TRAINED, WindowScore
from llmbook.core.measure.intervals import Interval, paired_difference

Differences = dict[tuple[str, str], Interval]


def all_pairs(measured: Iterable[tuple[str, int, float]]) -> Differences:
    """(name, seed, value) -> (first, second) -> mean of first − second and its 95 % interval over their seeds.

    Raises ``ValueError`` when two names do not have the same seeds, at least two, each once.

    >>> rows = [("a", 0, 1.0), ("b", 1, 4.0), ("a", 1, 2.0), ("b", 0, 3.5)]
    >>> all_pairs(rows)["a", "b"].mean
    -2.25
    """
    values: dict[str, dict[int, float]] = {}
    for name, seed, value in measured:
        if seed in values.setdefault(name, {}):
            raise ValueError(f"{name!r} has two values for seed {seed}; give one row a seed")
        values[name][seed] = value
    for name, by_seed in values.items():
        if by_seed.keys() != next(iter(values.values())).keys():
            raise ValueError(
                f"{name!r} has the seeds {sorted(by_seed)}, others have others; they make no pairs"
            )
    ordered = {name: [v for _, v in sorted(by_seed.items())] for name, by_seed in values.items()}
    return {(a, b): paired_difference(ordered[a], ordered[b]) for a, b in combinations(ordered, 2)}


def positions_pairs(scores: Sequence[WindowScore], length: int = TRAINED) -> Differences:
    """Rows of the record ``positions`` -> two kinds -> bits per byte of the first minus those of the second.

    ``length``: of the windows, in bytes; the trained 64 unless said otherwise. Learned positions end there.
    Raises ``ValueError`` for a length at which fewer than two kinds were scored.
    """
    rows = [(s.kind, s.seed, s.bits) for s in scores if s.length == length]
    if len({kind for kind, *_ in rows}) < 2:
        known = sorted({s.length for s in scores})
        raise ValueError(f"length is {length}; choose one of {', '.join(map(str, known))}")
    return all_pairs(rows)


def family_pairs(runs: Sequence[FamilyRun], steps: int) -> Differences:
    """Rows of the record ``families`` -> two families -> share of exact translations, first minus second.

    Raises ``ValueError`` for a number of training steps that is not among them.
    """
    rows = [(r.family, r.seed, r.exact) for r in runs if r.steps == steps]
    if not rows:
        raise ValueError(f"steps is {steps}; choose one of {sorted({r.steps for r in runs})}")
    return all_pairs(rows)
