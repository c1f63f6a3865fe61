"""Reading the ladder's record: what was chosen, who came out ahead, by how much, and the picture of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from llmbook.core.measure import intervals
from llmbook.history.ladder import Climb
from llmbook.history.rungs import NAMES, Rung, rung

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes


def results(climbs: Sequence[Climb]) -> list[Climb]:
    """The rows that count: scored on the test plays. The others served to choose."""
    return [c for c in climbs if c.split == "test"]


def trials(climbs: Sequence[Climb], name: str) -> list[Climb]:
    """All that was tried for one network, scored on the validation plays; smallest budget first, best first."""
    mine = [c for c in climbs if c.split == "valid" and c.name == name]
    return sorted(mine, key=lambda c: (c.budget, c.bits_per_byte))


def chosen(climbs: Sequence[Climb], budget: float | None = None) -> dict[str, Rung]:
    """For each network the rung to run with ``budget`` operations (None: the smallest that was tried), by the trials.

    It is the best on the validation plays at the tried budget that is nearest by ratio; a run that is longer than that
    gets a rate smaller by the square root of the ratio, as in the measurement. Raises ``ValueError`` for a network
    without trials, or a budget that is not positive.
    """
    if budget is not None and not budget > 0:
        raise ValueError(f"budget is {budget}; give a positive number of operations")
    found = {}
    for name in NAMES:
        mine = trials(climbs, name)
        if not mine:
            raise ValueError(f"no trial of {name!r} among {len(climbs)} rows; give the rows of the record")
        want = budget or mine[0].budget
        near = min((c.budget for c in mine), key=lambda tried: abs(math.log(tried / want)))
        best = next(c for c in mine if c.budget == near)
        found[name] = rung(name, best.size, best.optimizer, best.lr * min(1.0, (near / want) ** 0.5))
    return found


def by_budget(climbs: Sequence[Climb], name: str) -> dict[float, list[Climb]]:
    """The results of one rung, grouped by the operations they were given, fewest first, in the order of seeds."""
    mine = sorted((c for c in results(climbs) if c.name == name), key=lambda c: c.seed)
    return {budget: [c for c in mine if c.budget == budget] for budget in sorted({c.budget for c in mine})}


def scores(climbs: Sequence[Climb], budget: float) -> dict[str, intervals.Interval]:
    """Mean and 95 % interval over seeds of each network that was given ``budget`` operations, best first.

    Raises ``ValueError`` when there is no such run.
    """
    names = dict.fromkeys(c.name for c in results(climbs) if c.budget == budget)
    if not names:
        there = ", ".join(f"{b:.2g}" for b in sorted({c.budget for c in climbs if c.budget}))
        raise ValueError(f"no run had {budget:.2g} operations; there are {there}")
    found = {n: intervals.seed_interval(_bits(climbs, n, budget)) for n in names}
    return dict(sorted(found.items(), key=lambda item: item[1].mean))


def lead(climbs: Sequence[Climb], name: str, over: str, budget: float) -> intervals.Interval:
    """By how many bits per byte ``name`` is better than ``over`` with the same operations, in pairs of the same seed.

    The 95 % interval says what other seeds could change, not what other plays could. Raises ``ValueError`` unless both
    ran with the same seeds at that budget.
    """
    groups = [by_budget(climbs, n).get(budget, []) for n in (name, over)]
    seeds = [[c.seed for c in group] for group in groups]
    if seeds[0] != seeds[1] or len(seeds[0]) < 2:
        raise ValueError(
            f"{name} ran with seeds {seeds[0]}, {over} with {seeds[1]}; pairs need the same two or more"
        )
    return intervals.paired_difference(_bits(climbs, over, budget), _bits(climbs, name, budget))


def _bits(climbs: Sequence[Climb], name: str, budget: float) -> list[float]:
    return [c.bits_per_byte for c in by_budget(climbs, name)[budget]]


def draw_ladder(ax: Axes, climbs: Sequence[Climb], what: str) -> Axes:
    """Bits per byte against ``what`` (flops, seconds, tokens, parameters): a line per network over its budgets.

    Points are means over seeds, bars 95 % intervals. Trials are not drawn.
    """
    from llmbook.core.show.plotting import INK, MARKERS, PALETTE, tag, whiskers

    for i, name in enumerate(dict.fromkeys(c.name for c in results(climbs))):
        color, points = (INK if name.endswith("gram") else PALETTE[i % len(PALETTE)]), []
        for group in by_budget(climbs, name).values():
            bits, x = [c.bits_per_byte for c in group], float(np.mean([getattr(c, what) for c in group]))
            points.append((x, float(np.mean(bits))))
            if len(bits) > 1:
                interval = intervals.seed_interval(bits)
                whiskers(ax, x, interval.low, interval.high, color)
        counted = name.endswith("gram")
        marker = MARKERS[i % len(MARKERS)]
        ax.plot(
            *zip(*points, strict=True),
            marker=marker,
            color=color,
            markersize=7,
            label="" if counted else name,
        )
        if counted:
            tag(ax, name, points[-1], (0, -12), "center")
    ax.legend()
    ax.set_xscale("log")
    ax.margins(x=0.3, y=0.1)
    return ax
