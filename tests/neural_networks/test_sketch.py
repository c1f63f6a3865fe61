"""A network as circles and as matrices (`llmbook.neural_networks.sketch`)."""

from __future__ import annotations

import numpy as np
import pytest

from llmbook.core.show import plotting as plot
from llmbook.neural_networks import MLP, draw_matrices, draw_network
from llmbook.neural_networks.sketch import weight_name

NAMES = [["x[0]", "x[1]"], ["h[0]", "h[1]", "h[2]"], ["z[0]", "z[1]"]]


@pytest.fixture(autouse=True)
def no_figure_stays_open():
    yield
    plot.plt.close("all")


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_there_is_a_line_for_each_weight_and_a_circle_for_each_name():
    ax = draw_network(NAMES)
    assert len(ax.lines) == sum(w.value.size for w in MLP((2, 3, 2)).weights)
    assert {name for row in NAMES for name in row} <= set(texts(ax)) and {
        "2 inputs",
        "3 hidden",
        "2 outputs",
    } <= set(texts(ax))


@pytest.mark.parametrize(
    "neuron, weights", [((1, 2), ["W1[0, 2]", "W1[1, 2]"]), ((2, 1), [f"W2[{i}, 1]" for i in range(3)])]
)
def test_only_the_weights_into_the_chosen_neuron_are_named_and_orange(neuron, weights):
    ax = draw_network(NAMES, neuron)
    assert [t for t in texts(ax) if t.startswith("W")] == weights
    orange = [line for line in ax.lines if line.get_color() == plot.ORANGE]
    assert len(orange) == len(weights)
    circle = next(t for t in ax.texts if t.get_text() == NAMES[neuron[0]][neuron[1]])
    for line in orange:  # each ends at the circle's rim
        assert np.hypot(*(line.get_xydata()[1] - circle.get_position())) == pytest.approx(0.62)


def test_names_are_those_with_which_numpy_finds_the_weights():
    model = MLP((2, 3, 2), seed=1)
    W1, W2 = (w.value for w in model.weights)
    assert eval(weight_name(2, 1, 0), {"W2": W2}) == W2[1, 0]
    assert eval(weight_name(1, 1, 2), {"W1": W1}) == W1[1, 2]


def test_the_matrices_name_every_number_of_the_network_once_and_mark_one_column():
    ax = draw_matrices((2, 3, 2), neuron=(1, 1))
    cells = [t for t in texts(ax) if "[" in t]
    assert len(cells) == len(set(cells)) == sum(p.value.size for p in MLP((2, 3, 2)).parameters()) == 17
    marked = [
        np.allclose(p.get_edgecolor()[:3], plot.to_rgb(plot.ORANGE)) for p in ax.patches if p.get_linewidth()
    ]
    assert [name for name, is_marked in zip(cells, marked, strict=True) if is_marked] == [
        "W1[0, 1]", "W1[1, 1]", "b1[1]",
    ]  # fmt: skip


def test_no_text_of_the_matrices_leaves_the_sheet():
    ax = draw_matrices((2, 3, 2))
    low, high = ax.get_ylim()
    assert all(low < t.get_position()[1] <= high for t in ax.texts)


@pytest.mark.parametrize("names", [[["x"]], [["x"], []], [["x"] * 7, ["y"]]])
def test_networks_that_cannot_be_drawn_are_refused(names):
    with pytest.raises(ValueError, match="give two or more, of 1 to 6"):
        draw_network(names)
    with pytest.raises(ValueError, match="at least an input and an output"):
        draw_matrices((3,))


@pytest.mark.parametrize("neuron", [(0, 0), (3, 0), (1, 3), (1, -1)])
def test_a_neuron_without_weights_is_refused(neuron):
    with pytest.raises(ValueError, match="a layer from 1 to 2"):
        draw_network(NAMES, neuron)
