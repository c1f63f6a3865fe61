"""One look for every figure: `llmbook.core.show.plotting`."""

import re
import sys
from itertools import combinations

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from llmbook.core.show import plotting
from llmbook.core.show.plotting import BLACK, BLUE, INK, MARKERS, ORANGE, PALETTE, PAPER, luminance, svg

matplotlib.use("Agg")

MATRIX = np.array([[0.0, 0.25], [0.5, 1.0]])


@pytest.fixture
def ax():
    with matplotlib.rc_context():
        fig, (ax,) = plotting.figure()
        yield ax
        plt.close(fig)


def texts(ax):
    return [t.get_text() for t in ax.texts]


POINTS = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
HELPERS = {
    "label": lambda ax: plotting.label(ax, "step", "loss, nats", "It falls"),
    "lines": lambda ax: plotting.lines(ax, {"a": ([0, 1], [1, 2]), "b": ([0, 1], [2, 1])}),
    "band": lambda ax: plotting.band(ax, [0, 1], [0, 1], [1, 2]),
    "whiskers": lambda ax: plotting.whiskers(ax, [0, 1], [0, 1], [1, 2], BLUE),
    "tag": lambda ax: plotting.tag(ax, "LSTM", (0.5, 0.5)),
    "bars": lambda ax: plotting.bars(ax, {"a": 1.0, "b": 2.0}),
    "heatmap": lambda ax: plotting.heatmap(ax, MATRIX, rows="xy", columns=["abc", "b"], values="{:.2f}"),
    "boundary": lambda ax: plotting.boundary(ax, lambda p: p[:, 0], POINTS, np.array([0, 1, 0, 1])),
}  # fmt: skip


@pytest.mark.parametrize("name", HELPERS)
def test_each_helper_draws_on_the_ax_it_is_given_and_returns_it(name, ax):
    before = len(svg(ax.figure))
    open_figures = plt.get_fignums()
    assert HELPERS[name](ax) is ax
    assert plt.get_fignums() == open_figures
    assert len(svg(ax.figure)) != before


@pytest.mark.parametrize("name", HELPERS)
def test_a_figure_is_a_small_svg_on_white_paper_and_fits_a_phone_legibly(name, ax):
    HELPERS[name](ax)
    picture = svg(ax.figure)
    assert (
        len(picture) < 60_000
        and f'class="paper" width="403.2" height="230.4" style="fill:{PAPER}"' in picture
    )
    assert min(map(float, re.findall(r"font-size:([\d.]+)px", picture))) * 358 / 403.2 >= 9
    assert "<image" not in picture


def test_figure_gives_a_flat_list_of_axes_at_100_dots_an_inch():
    with matplotlib.rc_context():
        fig, axes = plotting.figure(2, 3, width=6.0, height=4.0)
        assert len(axes) == 6 and fig.dpi == 100 and fig.get_size_inches().tolist() == [6.0, 4.0]
        assert [ax.get_subplotspec().colspan.start for ax in axes[:2]] == [0, 1]  # row by row
        plt.close(fig)


def test_panels_are_figures_of_their_own_with_one_scale_when_asked():
    with matplotlib.rc_context():
        before = plt.get_fignums()
        axes = plotting.panels(3, 2.4, 2.0, sharey=True)
        assert len({ax.figure for ax in axes}) == 3 and len(plt.get_fignums()) == len(before) + 3
        assert all(ax.figure.get_size_inches().tolist() == [2.4, 2.0] for ax in axes)
        axes[0].plot([0, 1], [0, 5])
        axes[2].plot([0, 1], [-9, 1])
        assert axes[0].get_ylim() == axes[1].get_ylim() == axes[2].get_ylim() and axes[0].get_ylim()[0] < -9
        assert plotting.panels(2)[1].get_ylim() == (0, 1)
        for number in set(plt.get_fignums()) - set(before):
            plt.close(number)
    with pytest.raises(ValueError, match="one or more"):
        plotting.panels(0)


def test_a_notebook_stores_the_svg_and_no_other_picture(monkeypatch):
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.core.pylabtools import select_figure_formats

    shell = InteractiveShell()
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: shell)
    select_figure_formats(shell, {"png"})
    with matplotlib.rc_context():
        fig, _ = plotting.figure()
        shell.display_formatter.active_types = list(shell.display_formatter.formatters)
        data, _ = shell.display_formatter.format(fig)
        assert {kind for kind in data if kind != "text/plain"} == {"image/svg+xml"}
        assert data["image/svg+xml"] == svg(fig)
        plt.close(fig)


# Machado, Oliveira & Fernandes 2009 (doi:10.1109/TVCG.2009.113), severity 1: what is left of a colour.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "deuteranopia": [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
}  # fmt: skip


@pytest.mark.parametrize("kind", BLINDNESS)
def test_the_first_four_colours_stay_apart_for_the_colour_blind(kind):
    seen = [np.asarray(BLINDNESS[kind]) @ to_rgb(color) for color in PALETTE[:4]]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 0.15


def test_the_palette_has_no_colour_twice_and_lines_can_be_told_by_marker():
    assert len(set(PALETTE)) == len(PALETTE) == len(set(MARKERS))
    contrast = (1.05 / (luminance(INK) + 0.05), 1.05 / (luminance(BLUE) + 0.05))
    assert contrast[0] > 7 and contrast[1] > 4.5  # WCAG: ink as text, blue as text and lines


def test_lines_follow_the_palette_and_the_legend_appears_when_there_is_a_choice(ax):
    plotting.lines(ax, {"only": ([0, 1], [0, 1])})
    assert ax.get_legend() is None
    plotting.lines(ax, {"second": ([0, 1], [1, 1]), "third": ([0, 1], [2, 1])})
    assert [to_hex(line.get_color()).upper() for line in ax.lines] == [c.upper() for c in PALETTE[:3]]
    assert len({line.get_marker() for line in ax.lines[1:]}) == 2
    assert {t.get_text() for t in ax.get_legend().get_texts()} >= {"second", "third"}


def test_direct_labels_replace_the_legend_and_sit_at_the_lines_ends(ax):
    plotting.lines(ax, {"a": ([0, 3], [1, 2]), "b": ([0, 3], [2, 5])}, direct=True)
    assert ax.get_legend() is None and texts(ax) == ["a", "b"]
    assert [t.xy for t in ax.texts] == [(3, 2), (3, 5)]


def test_label_names_both_axes_and_the_message(ax):
    plotting.label(ax, "tokens", "loss (nats)", "Longer is better")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("tokens", "loss (nats)")
    assert ax.get_title(loc="left") == "Longer is better"


def test_bars_show_values_intervals_and_one_highlight(ax):
    plotting.bars(
        ax, {"a": 1.0, "b": 2.5}, intervals={"a": (0.8, 1.3), "b": (2.0, 3.0)}, show="{:.1f}", highlight="b"
    )
    assert [p.get_width() for p in ax.patches] == [1.0, 2.5] and texts(ax) == ["1.0", "2.5"]
    assert [line.get_xdata().tolist() if hasattr(line.get_xdata(), "tolist") else list(line.get_xdata())
            for line in ax.lines] == [[0.8, 1.3], [2.0, 3.0]]  # fmt: skip
    assert [to_hex(p.get_facecolor()).upper() for p in ax.patches] == [BLUE, ORANGE]
    assert [t.xy for t in ax.texts] == [(1.3, 0), (3.0, 1)]  # numbers stand beyond the interval
    assert ax.yaxis_inverted()  # the first is on top
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b"]


def test_a_heatmap_writes_its_values_light_on_dark(ax):
    plotting.heatmap(ax, MATRIX, rows=["r0", "r1"], columns=["c0", "c1"], values="{:.2f}", vmax=1.0)
    assert texts(ax) == ["0.00", "0.25", "0.50", "1.00"]
    assert [t.get_position() for t in ax.texts] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert [t.get_color() for t in ax.texts] == [BLACK, BLACK, BLACK, PAPER]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["r0", "r1"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["c0", "c1"]


def cells(ax):
    """Cells of a heat map -> how bright they are."""
    found = {}
    for patch in ax.patches:
        for corner in patch.get_path().vertices[::5] + 0.5:
            found[tuple(corner.astype(int)[::-1].tolist())] = luminance(patch.get_facecolor())
    return found


def test_a_heatmap_shows_every_cell_in_its_place_darker_the_larger(ax):
    matrix = np.arange(12.0).reshape(3, 4)
    plotting.heatmap(ax, matrix)
    shown = cells(ax)
    assert sorted(shown) == list(np.ndindex(3, 4)) and not ax.images
    assert sorted(shown, key=shown.get, reverse=True) == list(np.ndindex(3, 4))
    assert ax.get_xlim() == (-0.5, 3.5) and ax.get_ylim() == (2.5, -0.5)  # the first row on top


def test_a_heatmap_keeps_the_scale_it_is_given_and_leaves_out_what_is_no_number(ax):
    plotting.heatmap(ax, [[0.5, np.nan], [1.0, 2.0]], vmax=1.0)
    shown = cells(ax)
    assert set(shown) == {(0, 0), (1, 0), (1, 1)} and shown[1, 0] == shown[1, 1] < shown[0, 0]


def test_a_large_heatmap_is_one_picture(ax):
    plotting.heatmap(ax, np.zeros((64, 64)))
    assert len(ax.images) == 1 and not ax.patches


def test_a_heatmap_keeps_quiet_unless_asked(ax):
    plotting.heatmap(ax, MATRIX)
    assert texts(ax) == []


def test_numbers_on_a_heatmap_can_be_read_on_every_shade(ax):
    levels = np.linspace(0, 1, 101)
    plotting.heatmap(ax, levels[None], values="{:.2f}", vmax=1.0)
    for level, text in zip(levels, ax.texts, strict=True):
        high, low = sorted((luminance(text.get_color()), luminance(plotting.BLUES(level))), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, level


def test_a_boundary_is_drawn_only_where_there_is_one(ax):
    labels = np.array([0, 1, 0, 1])
    plotting.boundary(ax, lambda p: np.full(len(p), 0.5), POINTS, labels)
    flat = len(ax.collections)
    with matplotlib.rc_context():
        fig, (other,) = plotting.figure()
        plotting.boundary(other, lambda p: p[:, 0].clip(0, 1), POINTS, labels)
        assert len(other.collections) == flat + 1
        plt.close(fig)


def test_a_band_reaches_from_low_to_high(ax):
    plotting.band(ax, [0, 1, 2], [0, 1, 0], [2, 3, 4])
    extents = ax.collections[0].get_paths()[0].get_extents()
    assert (extents.ymin, extents.ymax) == (0, 4)
