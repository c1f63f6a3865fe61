"""One look for every figure of the book.

Figures are SVG (svg.py): on white paper in a notebook, in the page's own colours and font in the book. Colours
are Okabe and Ito's palette (https://jfly.uni-koeln.de/color/), which stays apart under every common colour
blindness; lines also differ in marker or dash. Helpers take data and an ``ax``, draw, and return the ``ax``.

A phone's column is 358 CSS pixels wide. What is at most 5.6 inches wide fits it with every text legible; a wider figure
has to be scrolled there. Panels that belong together (``panels``) stand side by side or, on a phone, stack.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.dates import date2num
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from numpy.typing import ArrayLike

from llmbook.core.show.svg import svg

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
    "panels",
    "svg",
    "tag",
    "whiskers",
    "write_values",
]

INK, FAINT, PAPER, BLACK = "#222222", "#d9d9d6", "#ffffff", "#000000"
BLUE, ORANGE, GREEN, PURPLE, RED, SKY, YELLOW = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#882255", "#56B4E9", "#E69F00",
)  # fmt: skip
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, YELLOW, SKY, RED)
MARKERS = "osD^vPX"
BLUES = LinearSegmentedColormap.from_list("paper-blue", [PAPER, SKY, BLUE, "#00304d"])
STYLE: dict[Any, Any] = {
    "figure.dpi": 100, "savefig.dpi": 100, "figure.facecolor": PAPER, "savefig.facecolor": PAPER,
    "axes.facecolor": PAPER, "axes.edgecolor": INK, "axes.labelcolor": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": FAINT,
    "grid.linewidth": 0.6, "axes.axisbelow": True, "axes.titlesize": 11.5, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "font.size": 10.5, "text.color": INK, "xtick.color": INK, "ytick.color": INK,
    "legend.frameon": False, "lines.linewidth": 2, "lines.markersize": 5, "image.cmap": "paper-blue",
    "axes.prop_cycle": plt.cycler(color=PALETTE),
}  # fmt: skip


MOST_CELLS = 600  # of a heat map drawn as shapes; above, it is a picture
MESH = 50  # points a side of a shaded plane: each more makes the curves in the page longer, and no smoother


def figure(
    n_col: int = 1, n_row: int = 1, *, width: float = 5.6, height: float = 3.2, **options: Any
) -> tuple[Figure, list[Axes]]:
    """One picture and the flat list of its axes, in the book's style. Sizes in inches.

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
    _show_as_svg()
    return fig, list(axes.flat)


def panels(n: int, width: float = 3.6, height: float = 3.0, *, sharey: bool = False) -> list[Axes]:
    """``n`` pictures of one figure, each of this size in inches: side by side where there is room, else stacked.

    They are figures of their own, so that each keeps its size on a phone; the last ends the cell's output. With
    ``sharey`` they have one scale.

    >>> left, right = panels(2, sharey=True)
    >>> _ = right.set_ylim(0, 7)
    >>> tuple(map(float, left.get_ylim()))
    (0.0, 7.0)
    """
    if n < 1:
        raise ValueError(f"{n} panels: give one or more")
    axes = [figure(width=width, height=height)[1][0] for _ in range(n)]
    for ax in axes[1:] if sharey else ():
        ax.sharey(axes[0])
    return axes


def _show_as_svg() -> None:
    """Let a notebook store figures as :func:`svg` writes them, and no other picture of them."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        formatters = shell.display_formatter.formatters
        formatters["image/svg+xml"].for_type(Figure, svg)
        for kind in ("image/png", "image/jpeg", "application/pdf"):
            formatters[kind].pop(Figure, None)


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
    ax.annotate(text, at, xytext=offset, textcoords="offset points", ha=side, va="center", gid="halo")
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
    matrix = np.asarray(matrix, dtype=float)
    norm, colors = Normalize(vmin, vmax), plt.get_cmap(cmap)
    norm.autoscale_None(matrix[np.isfinite(matrix)])
    if matrix.size > MOST_CELLS:
        ax.imshow(matrix, cmap=colors, norm=norm, aspect="auto")
    else:
        _cells(ax, matrix, norm, colors)
    ax.grid(False)
    ax.tick_params(length=0)
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
        write_values(ax, matrix, values, lambda x: colors(norm(x)))
    return ax


def _cells(ax: Axes, matrix: np.ndarray, norm: Normalize, colors: Colormap, shades: int = 32) -> None:
    """The matrix as squares, so that their colours can follow the page: one path for all of one shade."""
    shade = np.round(norm(matrix).filled(0).clip(0, 1) * (shades - 1))
    square = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5)])
    for level in range(shades):
        rows, columns = np.nonzero((shade == level) & np.isfinite(matrix))
        if len(rows):
            corners = (np.stack([columns, rows], axis=1)[:, None] + square).reshape(-1, 2)
            codes = [Path.MOVETO, *[Path.LINETO] * 3, Path.CLOSEPOLY] * len(rows)
            color = colors(level / (shades - 1))
            ax.add_patch(PathPatch(Path(corners, codes), facecolor=color, linewidth=0, snap=False))
    ax.set(xlim=(-0.5, matrix.shape[1] - 0.5), ylim=(matrix.shape[0] - 0.5, -0.5))


def write_values(ax: Axes, matrix: np.ndarray, form: str, color_of: Callable[[Any], Any]) -> None:
    """Numbers into the cells of a heat map: white on a dark cell, black on a light one."""
    for (i, j), x in np.ndenumerate(matrix):
        light = luminance(color_of(x)) > 0.18  # where black and white contrast alike
        ax.text(j, i, form.format(x), ha="center", va="center", color=BLACK if light else PAPER)


def luminance(color: Any) -> float:
    """How bright a colour is, from 0 to 1, as the web's contrast is reckoned (WCAG 2.2).

    >>> luminance("#ffffff"), luminance("black"), round(luminance(BLUE), 2)
    (1.0, 0.0, 0.15)
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return float(np.dot((0.2126, 0.7152, 0.0722), linear))


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
    xx, yy = np.meshgrid(*(np.linspace(a, b, MESH) for a, b in zip(low, high, strict=True)))
    zz = np.asarray(score(np.column_stack((xx.ravel(), yy.ravel())))).reshape(xx.shape)
    colors = LinearSegmentedColormap.from_list("two", [SKY, PAPER, YELLOW])
    ax.contourf(xx, yy, zz, levels=np.linspace(0, 1, 11), cmap=colors)
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
