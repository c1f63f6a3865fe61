"""Right or wrong: the share of equal labels, and which whole answers equal their reference.

Left out on purpose: scores of partly right texts (BLEU, chrF, ROUGE), which stand where they are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def accuracy(predicted: ArrayLike, target: ArrayLike) -> float:
    """Share of equal entries of two arrays (or CPU tensors) of one shape, from 0 to 1.

    Raises ValueError for different shapes or empty arrays.

    >>> accuracy([1, 2, 3, 4], [1, 2, 0, 4])
    0.75
    """
    a, b = np.asarray(predicted), np.asarray(target)
    if a.shape != b.shape or a.size == 0:
        raise ValueError(
            f"predicted has shape {a.shape}, target {b.shape}; give two arrays of one shape that are not empty"
        )
    return float((a == b).mean())


def exact_match(predicted: Sequence[Any], references: Sequence[Any]) -> list[float]:
    """1.0 for each answer (a string, a list of ids) that equals its reference from end to end, else 0.0.

    Raises ValueError for a bare string, and unless there is one reference for each answer.

    >>> exact_match(["le chat", "un chien"], ["le chat", "le chien"])
    [1.0, 0.0]
    """
    if isinstance(predicted, str) or isinstance(references, str):
        raise ValueError(
            "a bare string would be compared letter by letter; give lists of answers and references"
        )
    if len(predicted) != len(references):
        raise ValueError(f"{len(predicted)} answers and {len(references)} references; give as many of each")
    return [float(a == b) for a, b in zip(predicted, references, strict=True)]
