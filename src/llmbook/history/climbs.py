"""Reading the ladder's record: what was chosen, who came out ahead, by how much, and the picture of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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


def _looks(climbs: Sequence[Climb]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each rung, the same in every picture of the ladder; what only counts is dark."""
    from llmbook.core.show.plotting import INK, MARKERS, PALETTE

    names = dict.fromkeys(c.name for c in results(climbs))
    return {
        name: (INK if name.endswith("gram") else PALETTE[i % len(PALETTE)], MARKERS[i % len(MARKERS)])
        for i, name in enumerate(names)
    }


def _draw_line(
    ax: Axes, name: str, look: tuple[str, str], x: Sequence[float], bits: Sequence[Sequence[float]]
) -> list[float]:
    """A line through the means of ``bits``, a list over seeds for each place ``x``, with bars at 95 %; the means."""
    from llmbook.core.show.plotting import whiskers

    color, marker = look
    for at, values in zip(x, bits, strict=True):
        if len(values) > 1:
            interval = intervals.seed_interval(values)
            whiskers(ax, at, interval.low, interval.high, color)
    means = [float(np.mean(values)) for values in bits]
    ax.plot(x, means, marker=marker, color=color, markersize=7, label=name)
    return means


def draw_ladder(ax: Axes, climbs: Sequence[Climb], base: str = "5-gram") -> Axes:
    """Bits per byte against operations: a mark for what only counts, a line per network over its budgets.

    Points are means over seeds, bars 95 % intervals; trials are not drawn. A dashed line lies at the height of
    ``base``, a rung that only counts. Names stand beside the marks, or right of the axes at the ends of the lines.
    Raises ``ValueError`` when there is no such rung, or it was trained with a budget.
    """
    from llmbook.core.show.plotting import INK, tag

    level, ends = _counted(climbs, base), {}
    for name, look in _looks(climbs).items():
        groups = list(by_budget(climbs, name).values())
        x = [float(np.mean([c.flops for c in group])) for group in groups]
        means = _draw_line(ax, name, look, x, [[c.bits_per_byte for c in group] for group in groups])
        if name.endswith("gram"):
            place = (
                ((0, -12), "center") if name == base else ((8, 0), "left")
            )  # below the line that starts there
            tag(ax, name, (x[-1], means[-1]), *place)
        else:
            ends[name] = means[-1], look[0]
    ax.axhline(level, color=INK, linewidth=1.2, linestyle="--", zorder=1)
    ax.set_xscale("log")
    ax.minorticks_off()
    ax.margins(x=0.06, y=0.04)
    low, high = ax.get_ylim()
    ax.set_ylim(0.2 * np.floor(low / 0.2), 0.2 * np.ceil(high / 0.2))  # the axis ends at a tick
    return name_ends(ax, ends)


def draw_against(ax: Axes, climbs: Sequence[Climb], base: str = "5-gram") -> Axes:
    """Bits per byte minus those of ``base`` against operations: a line per network over its budgets.

    Points are means over seeds, bars 95 % intervals. Below zero is better than ``base``, a rung that only counts. Names
    stand right of the axes, at the ends of the lines.
    Raises ``ValueError`` when there is no such rung, or it was trained with a budget.
    """
    from llmbook.core.show.plotting import INK

    level = _counted(climbs, base)
    ends = {base: (0.0, INK)}
    for name, look in _looks(climbs).items():
        groups = {budget: group for budget, group in by_budget(climbs, name).items() if budget}
        if not groups:
            continue
        bits = [[c.bits_per_byte - level for c in group] for group in groups.values()]
        ends[name] = _draw_line(ax, name, look, list(groups), bits)[-1], look[0]
    ax.axhline(0.0, color=INK, linewidth=1.4, linestyle="--")
    ax.set_xscale("log")
    ax.margins(x=0.06, y=0.06)
    return name_ends(ax, ends)


def draw_scaling(ax: Axes, climbs: Sequence[Climb], straight: str = "Transformer") -> Axes:
    """Bits per byte against operations, both axes logarithmic: a line per network over its budgets.

    There a power law is a straight line (Kaplan et al. 2020, arXiv:2001.08361). Dotted: ``straight`` if every budget
    bought what the second did, in per cent for the same factor. Points are means over seeds, bars 95 % intervals.
    Raises ``ValueError`` when ``straight`` had fewer than two budgets.
    """
    from llmbook.core.show.plotting import INK

    slope, ends, budgets = fall(climbs, straight)[0], {}, []
    for name, look in _looks(climbs).items():
        budgets = [budget for budget in by_budget(climbs, name) if budget]
        if budgets:
            means = _draw_line(ax, name, look, budgets, [_bits(climbs, name, budget) for budget in budgets])
            ends[name] = means[-1], look[0]
        if name == straight:
            line = means[0] * (np.array(budgets) / budgets[0]) ** slope
            ax.plot(budgets, line, color=INK, linewidth=1.4, linestyle=":", zorder=1)
            ends["straight on"] = float(line[-1]), INK
    _log_axes(ax, sorted({c.budget for c in results(climbs) if c.budget}))
    return name_ends(ax, ends)


def _log_axes(ax: Axes, budgets: Sequence[float]) -> None:
    """Both axes logarithmic, with the budgets as ticks of the one and every fifth of a bit of the other."""
    from llmbook.core.show.svg import plain

    ax.set(xscale="log", yscale="log")
    powers = [f"{budget:.1e}".split("e") for budget in budgets]
    ax.set_xticks(budgets, [plain(rf"$\mathdefault{{{m}\times10^{{{int(e)}}}}}$") for m, e in powers])
    ax.minorticks_off()
    ax.margins(x=0.06, y=0.04)
    low, high = ax.get_ylim()
    ticks = np.arange(np.floor(low / 0.2), np.ceil(high / 0.2) + 1) * 0.2
    ax.set_yticks(ticks, [f"{tick:.1f}" for tick in ticks])
    ax.set_ylim(ticks[0], ticks[-1])


def fall(climbs: Sequence[Climb], name: str) -> list[float]:
    """From each budget to the next, the slope of bits per byte against operations on logarithmic axes.

    A power law would have one slope everywhere: at -0.1, twice the operations bring bits down to 2 ** -0.1 of what they
    were, 7 % less. Raises ``ValueError`` for a network that had fewer than two budgets.

    >>> runs = [Climb("LSTM", 0, bits, 1, 1.0, flops, 1, flops) for flops, bits in ((1.0, 4.0), (4.0, 2.0))]
    >>> fall(runs, "LSTM")
    [-0.5]
    """
    budgets = [budget for budget in by_budget(climbs, name) if budget]
    if len(budgets) < 2:
        raise ValueError(f"{name} had {len(budgets)} budgets; a slope needs two or more")
    bits = [float(np.mean(_bits(climbs, name, budget))) for budget in budgets]
    return (np.diff(np.log(bits)) / np.diff(np.log(budgets))).tolist()


def _counted(climbs: Sequence[Climb], name: str) -> float:
    """Bits per byte of a rung that only counts."""
    found = [c for c in results(climbs) if c.name == name and not c.budget]
    if len(found) != 1:
        there = ", ".join(c.name for c in results(climbs) if not c.budget)
        raise ValueError(
            f"base is {name!r}; give a rung that counts, without a budget: {there or 'there is none'}"
        )
    return found[0].bits_per_byte


def name_ends(ax: Axes, ends: Mapping[str, tuple[float, str]], gap: float = 15.0) -> Axes:
    """Names right of the axes, each at the height (data, colour) where its line ends, at least ``gap`` points apart."""
    ax.set_ylim(ax.get_ylim())
    scale = ax.yaxis.get_transform().transform  # what a logarithmic axis makes of a number
    low, high = scale(np.array(ax.get_ylim()))
    grid = ax.get_gridspec()
    inches = ax.figure.bbox.height / ax.figure.dpi / (grid.nrows if grid else 1)
    points = 0.7 * 72 * inches / (high - low)  # a unit, at least
    order = sorted(ends, key=lambda name: ends[name][0])
    wanted = (scale(np.array([ends[name][0] for name in order])) - low) * points
    for name, at, place in zip(order, wanted, spread(wanted, gap), strict=True):
        y, color = ends[name]
        ax.annotate(name, (1.0, y), xytext=(8, place - at), xycoords=ax.get_yaxis_transform(), color=color,
                    textcoords="offset points", va="center", fontweight="bold", annotation_clip=False)  # fmt: skip
    return ax


def spread(wanted: Sequence[float] | np.ndarray, gap: float) -> np.ndarray:
    """Places at least ``gap`` apart, in the order of ``wanted`` (ascending), with the least sum of squared moves.

    >>> spread([0.0, 1.0, 30.0], 10.0).tolist()
    [-4.5, 5.5, 30.0]
    """
    steps = gap * np.arange(len(wanted))
    groups: list[list[float]] = []  # what has to move together: non-decreasing means of wanted - steps
    for value in np.asarray(wanted, dtype=float) - steps:
        groups.append([float(value)])
        while len(groups) > 1 and np.mean(groups[-2]) > np.mean(groups[-1]):
            groups[-2:] = [groups[-2] + groups[-1]]
    return steps + np.array([float(np.mean(group)) for group in groups for _ in group])
