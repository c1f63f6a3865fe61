"""One look for every figure of the book.

Figures are drawn on a light card (``PAPER``), so they read the same on a light and on a dark page. Colours
are Okabe and Ito's palette (https://jfly.uni-koeln.de/color/), which stays apart under every common colour
blindness; lines also differ in marker or dash. Helpers take data and an ``ax``, draw, and return the ``ax``.

This is the only module that imports matplotlib.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.dates import date2num
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike

__all__ = [
    "BLUE",
    "BLUES",
    "FAINT",
    "GREEN",
    "INK",
    "MARKERS",
    "ORANGE",
    "PALETTE",
    "PAPER",
    "PURPLE",
    "RED",
    "SKY",
    "STYLE",
    "YELLOW",
    "Axes",
    "band",
    "bars",
    "boundary",
    "date2num",
    "figure",
    "heatmap",
    "label",
    "lines",
    "tag",
    "whiskers",
    "write_values",
]

INK, FAINT, PAPER = "#222222", "#d9d9d6", "#ffffff"
BLUE, ORANGE, GREEN, PURPLE, RED, SKY, YELLOW = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#882255", "#56B4E9", "#E69F00",
)  # fmt: skip
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, YELLOW, SKY, RED)
MARKERS = "osD^vPX"
BLUES = LinearSegmentedColormap.from_list("paper-blue", [PAPER, SKY, BLUE, "#00304d"])
STYLE: dict[Any, Any] = {
    "figure.dpi": 100, "savefig.dpi": 100, "figure.facecolor": PAPER, "savefig.facecolor": PAPER,
    "savefig.bbox": "tight", "axes.facecolor": PAPER, "axes.edgecolor": INK, "axes.labelcolor": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": FAINT,
    "grid.linewidth": 0.6, "axes.axisbelow": True, "axes.titlesize": 11, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "font.size": 10, "text.color": INK, "xtick.color": INK, "ytick.color": INK,
    "legend.frameon": False, "lines.linewidth": 2, "lines.markersize": 5, "image.cmap": "paper-blue",
    "axes.prop_cycle": plt.cycler(color=PALETTE),
}  # fmt: skip


def figure(
    n_col: int = 1, n_row: int = 1, *, width: float = 7.2, height: float = 3.2, **options: Any
) -> tuple[Figure, list[Axes]]:
    """A figure and the flat list of its axes, in the book's style. Sizes in inches, at 100 dots each.

    >>> _, axes = figure(2)
    >>> len(axes)
    2
    """
    if "paper-blue" not in plt.colormaps():
        plt.colormaps.register(BLUES, name="paper-blue")
    plt.rcParams.update(STYLE)
    fig, axes = plt.subplots(
        n_row, n_col, figsize=(width, height), squeeze=False, layout="constrained", **options
    )
    return fig, list(axes.flat)


def label(ax: Axes, x: str = "", y: str = "", title: str = "") -> Axes:
    """Name both axes (with units) and say in the title what the figure shows."""
    ax.set(xlabel=x, ylabel=y)
    if title:
        ax.set_title(title)
    return ax


def lines(
    ax: Axes, series: Mapping[str, tuple[ArrayLike, ArrayLike]], *, markers: bool = True, direct: bool = False
) -> Axes:
    """One line per name in ``series``: name -> (x, y); ``direct``: named at its end, not in a legend."""
    for i, (name, (x, y)) in enumerate(series.items()):
        style: dict[str, Any] = {}
        if markers:
            style = {"marker": MARKERS[i % len(MARKERS)], "markevery": max(1, len(np.asarray(x)) // 8)}
        (line,) = ax.plot(x, y, label=name, **style)
        if direct:
            ax.annotate(
                name,
                (np.asarray(x)[-1], np.asarray(y)[-1]),
                xytext=(6, 0),
                textcoords="offset points",
                color=line.get_color(),
                va="center",
                fontweight="bold",
                annotation_clip=False,
            )
    if len(series) > 1 and not direct:
        ax.legend()
    return ax


def whiskers(ax: Axes, x: ArrayLike, low: ArrayLike, high: ArrayLike, color: str = INK) -> Axes:
    """An upright bar at each ``x`` from ``low`` to ``high``: the interval around a point."""
    ax.vlines(np.asarray(x), np.asarray(low), np.asarray(high), color=color, linewidth=1.6, alpha=0.75)
    return ax


def tag(
    ax: Axes, text: str, at: tuple[float, float], offset: tuple[int, int] = (8, 0), side: str = "left"
) -> Axes:
    """A small name beside the point ``at``, ``offset`` in typographic points; readable across lines."""
    halo = [withStroke(linewidth=2.5, foreground=PAPER)]
    ax.annotate(text, at, xytext=offset, textcoords="offset points", fontsize=8, ha=side, va="center",
                path_effects=halo)  # fmt: skip
    return ax


def band(ax: Axes, x: ArrayLike, low: ArrayLike, high: ArrayLike, color: str = BLUE) -> Axes:
    """The shaded region between two lines: an interval."""
    ax.fill_between(np.asarray(x), np.asarray(low), np.asarray(high), color=color, alpha=0.2, linewidth=0)
    return ax


def bars(
    ax: Axes,
    values: Mapping[str, float],
    *,
    intervals: Mapping[str, tuple[float, float]] | None = None,
    show: str = "{:.2f}",
    highlight: str | None = None,
) -> Axes:
    """Horizontal bars, first on top; ``intervals`` name -> (low, high); ``highlight`` colours one of them."""
    names = list(values)
    colors = [ORANGE if name == highlight else BLUE for name in names]
    ax.barh(names, list(values.values()), color=colors)
    for i, (name, value) in enumerate(values.items()):
        end = value
        if intervals:
            low, high = intervals[name]
            ax.plot([low, high], [i, i], color=INK, linewidth=1.5)
            end = max(high, value)
        ax.annotate(show.format(value), (end, i), xytext=(4, 0), textcoords="offset points", va="center")
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.margins(x=0.12)
    return ax


def heatmap(
    ax: Axes,
    matrix: ArrayLike,
    *,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    values: str | None = None,
    vmin: float | None = 0.0,
    vmax: float | None = None,
    cmap: str = "paper-blue",
) -> Axes:
    """A matrix as a picture, labelled by ``rows`` and ``columns``; ``values`` ("{:.1f}") writes it in."""
    matrix = np.asarray(matrix)
    image = ax.imshow(matrix, cmap=cmap, vmin=vmin, vmax=vmax, aspect="auto")
    ax.grid(False)
    ax.spines[:].set_visible(False)
    if rows is not None:
        ax.set_yticks(range(len(rows)), rows)
    if columns is not None:
        ax.set_xticks(
            range(len(columns)),
            columns,
            rotation=45 if max(map(len, columns)) > 2 else 0,
            ha="right" if max(map(len, columns)) > 2 else "center",
            rotation_mode="anchor",
        )
    if values is not None:
        write_values(ax, matrix, values, image.norm)
    return ax


def write_values(ax: Axes, matrix: np.ndarray, form: str, norm: Callable[[Any], Any]) -> None:
    """Numbers into the cells of a heat map, light on dark cells."""
    for (i, j), x in np.ndenumerate(matrix):
        ax.text(
            j, i, form.format(x), ha="center", va="center", fontsize=8, color=PAPER if norm(x) > 0.55 else INK
        )


def boundary(
    ax: Axes,
    score: Callable[[np.ndarray], ArrayLike],
    points: np.ndarray,
    labels: np.ndarray,
    *,
    reach: float = 0.5,
) -> Axes:
    """What a classifier of two classes says over the plane: ``score(points (N, 2)) -> (N,)`` in 0..1."""
    low, high = points.min(0) - reach, points.max(0) + reach
    xx, yy = np.meshgrid(np.linspace(low[0], high[0], 120), np.linspace(low[1], high[1], 120))
    zz = np.asarray(score(np.column_stack((xx.ravel(), yy.ravel())))).reshape(xx.shape)
    colors = LinearSegmentedColormap.from_list("two", [SKY, PAPER, YELLOW])
    ax.contourf(xx, yy, zz, levels=np.linspace(0, 1, 21), cmap=colors)
    if np.ptp(zz) > 0.1:  # where the answer is the same everywhere there is no boundary to draw
        ax.contour(xx, yy, zz, levels=[0.5], colors=INK, linewidths=1.5)
    for value, (marker, color) in enumerate((("o", BLUE), ("s", ORANGE))):
        chosen = labels == value
        ax.scatter(
            points[chosen, 0],
            points[chosen, 1],
            marker=marker,
            color=color,
            edgecolor=PAPER,
            s=45,
            label=f"class {value}",
            zorder=3,
        )
    ax.grid(False)
    return ax
