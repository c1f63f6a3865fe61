"""Boxes, circles and arrows: `llmbook.core.show.drawing`."""

import re

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from llmbook.core.show import drawing
from llmbook.core.show import plotting as plot

matplotlib.use("Agg")


@pytest.fixture
def ax():
    with matplotlib.rc_context():
        ax = drawing.canvas(5, 2)
        yield ax
        plt.close(ax.figure)


def test_a_sheet_has_one_unit_in_both_directions_and_no_axes(ax):
    assert ax.get_xlim() == (0, 10) and ax.get_ylim() == (0, 4) and ax.get_aspect() == 1 and not ax.axison
    assert drawing.canvas(4, 2, across=2).get_ylim() == (0, 1)


@pytest.mark.parametrize("sizes", [(0, 1, 1), (1, -1, 1), (1, 1, 0)])
def test_a_sheet_without_size_is_refused(sizes):
    with pytest.raises(ValueError, match="positive"):
        drawing.canvas(*sizes)


def test_parts_stand_where_they_are_put_with_their_names_in_the_middle(ax):
    part = drawing.box(ax, 3, 2, "tanh", width=2, height=1)
    ring = drawing.circle(ax, 8, 1, "+", radius=0.5)
    boxed, round_one = (
        patch.get_path().get_extents(patch.get_patch_transform()) for patch in ax.patches[1::2]
    )
    np.testing.assert_allclose(boxed.bounds, (2, 1.5, 2, 1), atol=1e-6)
    np.testing.assert_allclose(round_one.bounds, (7.5, 0.5, 1, 1), atol=1e-6)
    assert [(t.get_text(), t.get_position()) for t in ax.texts] == [("tanh", (3, 2)), ("+", (8, 1))]
    assert (part.width, part.height, part.round, ring.round) == (2, 1, False, True)


@pytest.mark.parametrize("angle", np.linspace(0, 2 * np.pi, 9))
def test_an_edge_lies_on_the_outline_on_the_straight_line_to_the_other(angle):
    toward = (3 + 5 * np.cos(angle), 2 + 5 * np.sin(angle))
    for part in (drawing.Part(3, 2, 2, 1), drawing.Part(3, 2, 1, 1, round=True)):
        x, y = np.subtract(part.edge(toward), (3, 2))
        assert np.isclose(np.arctan2(y, x) % (2 * np.pi), angle % (2 * np.pi)) or np.isclose(angle, 2 * np.pi)
        on = np.hypot(x, y) / 0.5 if part.round else max(abs(x) / 1.0, abs(y) / 0.5)
        assert np.isclose(on, 1)


def test_what_lies_under_a_part_does_not_shine_through(ax):
    drawing.circle(ax, 8, 1, "+")
    below, above = ax.patches
    assert below.get_facecolor() == (1, 1, 1, 1) and above.get_facecolor()[3] < 1
    assert below.get_zorder() <= above.get_zorder()


def test_an_arrow_is_as_thick_as_it_is_told(ax):
    drawing.arrow(ax, (1, 1), (1, 3), width=5)
    assert ax.patches[-1].get_linewidth() == 5


def test_an_arrow_runs_from_outline_to_outline_and_between_points(ax):
    a, b = drawing.box(ax, 2, 2, "a", width=2), drawing.circle(ax, 8, 2, "b", radius=0.5)
    assert drawing.arrow(ax, a, b) is ax
    assert ax.patches[-1]._posA_posB == [(3.0, 2.0), (7.5, 2.0)]
    drawing.arrow(ax, (1, 1), (1, 3))
    assert ax.patches[-1]._posA_posB == [(1, 1), (1, 3)]


@pytest.mark.parametrize(
    ("end", "text_at", "under_at"),
    [((9, 2), (5, 2.12), (5, 1.88)), ((1, 4), (0.88, 3), (1.12, 3)), ((1, 0), (1.12, 1), (0.88, 1))],
)
def test_a_text_stands_left_of_the_way_and_the_other_right_of_it_in_another_colour(
    ax, end, text_at, under_at
):
    drawing.arrow(ax, (1, 2), end, "0.5", under="−1")
    text, under = ax.texts
    np.testing.assert_allclose(text.get_position(), text_at)
    np.testing.assert_allclose(under.get_position(), under_at)
    assert text.get_color() == plot.INK and under.get_color() == plot.ORANGE


def test_a_bend_swings_to_the_right_and_takes_its_text_along(ax):
    drawing.arrow(ax, (1, 3), (9, 3), "there", bend=0.5)
    assert ax.texts[0].get_position()[1] < 1.2
    assert ax.patches[-1].get_path().vertices[:, 1].min() < 1


def test_in_the_svg_words_are_on_pale_areas_and_have_halos_on_arrows(ax):
    drawing.arrow(ax, drawing.box(ax, 2, 2, "norm"), drawing.box(ax, 8, 2, "sum", color=plot.GREEN), "shape")
    picture = plot.svg(ax.figure)
    assert (
        "fill:#0072b2;opacity:0.15" in picture.replace("fill-opacity", "opacity") or "opacity:0.15" in picture
    )
    assert "stroke:#009e73" in picture
    assert "paint-order:stroke" in re.search(r"<text[^>]*>shape", picture)[0]
