"""The ladder's fourth budget: the same networks with four times the operations, at the rates that its rule gives.

A record of its own, since it takes longer than the three budgets of `ladder` together. Nothing is tuned anew: size
and optimizer are those that the ladder chose, the rate goes on falling with the square root of the budget (`chosen`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from llmbook.core.measure.records import Record, load
from llmbook.core.run.runtime import pick_device
from llmbook.history import ladder
from llmbook.history.climbs import chosen
from llmbook.history.ladder import Climb
from llmbook.history.plays import text
from llmbook.history.rungs import NAMES


def measure(budget: float, seeds: int, bfloat16: bool, device: str) -> Iterator[Climb]:
    """Every network with ``budget`` operations, over ``seeds`` seeds; scored on the test plays.

    A GPU takes minutes for what takes one core an hour, and changes no score but by rounding; seconds of the processor
    then say nothing of the work.
    """
    stored, _ = load(ladder.RECORD, Climb)
    rungs, where = chosen(stored, budget), pick_device(device)
    with ladder.one_thread():
        for seed in range(seeds):
            yield from (ladder.climb(rungs[name], text(), budget, seed, where, bfloat16)[0] for name in NAMES)


RECORD = Record(  # rows of Climb
    "longer",
    measure,
    {"budget": 2.24e13, "seeds": 3, "bfloat16": True, "device": "auto"},
    seconds=3100,
    path=Path(__file__).parent / "data" / "longer.json",
)
ARTEFACTS = (RECORD,)
