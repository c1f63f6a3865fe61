"""The marked letter with more training: from how many operations on does the Transformer recall it?

The task ``marked`` of `recall`, both networks, with 4 and 8 times the operations of its record: the Transformer until
every seed has found the task, the LSTM beside it where ``times`` says so. Nothing is tuned anew: the rate is the one
that `recall` chose over the square root of the budget's ratio, the rule of the ladder. (Of the Transformer's three
rates none had learned anything when it was chosen, so that its choice was hardly one.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from llmbook.core.measure.records import Record, load
from llmbook.history import recall
from llmbook.history.ladder import one_thread
from llmbook.history.recall import Recall

TASK = "marked"
FOUND = 0.9  # the share recalled, over all distances alike, from which on a network has found the task


def chosen_rates(rows: Sequence[Recall]) -> dict[str, float]:
    """The rate of each network in the results (``split="test"``) of the task.

    Raises ``ValueError`` for a network without a result, or with results at several rates.
    """
    rates = {}
    for name in recall.NETWORKS:
        mine = {r.lr for r in rows if (r.task, r.name, r.split) == (TASK, name, "test")}
        if len(mine) != 1:
            raise ValueError(
                f"{name} has results at the rates {sorted(mine)}; give the rows of the record recall"
            )
        rates[name] = mine.pop()
    return rates


def measure(flops: float, times: Mapping[str, Sequence[int]], seeds: int, bfloat16: bool) -> Iterator[Recall]:
    """Each network with ``times[name]`` times ``flops`` operations, smallest first, every seed, in one thread.

    The Transformer's larger budgets are left out when with a smaller one every seed has found the task.
    """
    rates = chosen_rates(load(recall.RECORD, Recall)[0])
    with one_thread():
        for name in sorted(times, reverse=True):  # the Transformer first
            for k in sorted(times[name]):
                found = []
                for seed in range(seeds):
                    rows = recall.recall(TASK, name, rates[name] / k**0.5, k * flops, seed, amp=bfloat16)
                    found.append(has_found(rows))
                    yield from rows
                if all(found):
                    break


def has_found(rows: Sequence[Recall]) -> bool:
    """Whether one trained network recalls at least nine letters in ten, the mean over its distances."""
    return float(np.mean([r.accuracy for r in rows])) >= FOUND


RECORD = Record(  # rows of Recall
    "marked",
    measure,
    {"flops": 8e11, "times": {"LSTM": [4], "Transformer": [4, 8]}, "seeds": 3, "bfloat16": False},
    seconds=1800,
    path=Path(__file__).parent / "data" / "marked.json",
)
ARTEFACTS = (RECORD,)


def times_of(row: Recall) -> int:
    """How many times the operations of the record `recall` one row's training had: 1, 4 or 8."""
    return round(row.flops / RECORD.config["flops"])


def shares(rows: Sequence[Recall], name: str) -> dict[int, dict[int, dict[int, float]]]:
    """The share that one network recalls: times the operations -> seed -> distance -> share, 0 to 1.

    ``rows`` of this record and of `recall`; other tasks and trials are left out. Raises ``ValueError`` for a network
    that was not measured.

    >>> row = Recall("marked", "LSTM", 0, 4, 0.5, 1e-3, 3.19e12, 1, 1.0)
    >>> shares([row], "LSTM")
    {4: {0: {4: 0.5}}}
    """
    found: dict[int, dict[int, dict[int, float]]] = {}
    for r in sorted(_results(rows, name), key=lambda r: (r.flops, r.seed, r.distance)):
        found.setdefault(times_of(r), {}).setdefault(r.seed, {})[r.distance] = r.accuracy
    return found


def first_found(rows: Sequence[Recall], name: str) -> int | None:
    """From how many times the operations on every seed has found the task; None: with none that was tried."""
    mine = _results(rows, name)
    for k, seeds in shares(rows, name).items():
        if all(has_found([r for r in mine if (times_of(r), r.seed) == (k, seed)]) for seed in seeds):
            return k
    return None


def _results(rows: Sequence[Recall], name: str) -> list[Recall]:
    mine = [r for r in rows if (r.task, r.name, r.split) == (TASK, name, "test")]
    if not mine:
        raise ValueError(
            f"no result of {name!r} for the task {TASK!r} among {len(rows)} rows; give those of the record"
        )
    return mine
