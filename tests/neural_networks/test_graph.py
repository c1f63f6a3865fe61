"""Where the nodes of a computation stand, and its picture after each step (`llmbook.neural_networks.graph`)."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from expressions import EXPRESSIONS, neuron, page, shared

from llmbook.core.show import plotting as plot
from llmbook.core.show.svg import themed
from llmbook.neural_networks import Array, draw_graph, graph, trace
from llmbook.neural_networks.graph import CONSTANT, show


def crossings(graph):
    def side(p, q, r):
        return np.sign((q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x))

    found = 0
    for (a, b), (c, d) in combinations(graph.edges, 2):
        if len({a, b, c, d}) == 4:
            p, q, r, s = (graph.nodes[n] for n in (a, b, c, d))
            found += side(p, q, r) * side(p, q, s) < 0 and side(r, s, p) * side(r, s, q) < 0
    return found


def test_a_tree_is_laid_out_without_a_crossing_and_without_overlap():
    x = [Array(float(i)) for i in range(8)]
    names = {f"x{i}": a for i, a in enumerate(x)}
    layer = (x[0] * x[1] + x[2]) * (x[3] + x[4] * x[5]).tanh() + (x[6] * x[7]).exp()
    lopsided = (x[0] + x[1]) * 2.0 + x[2] ** 2
    for made in (trace(*neuron()), trace(*page()), trace(layer, names), trace(lopsided, names)):
        assert crossings(made) == 0
        places = [(n.x, n.y) for n in made.nodes.values()]
        assert all(abs(p[0] - q[0]) + abs(p[1] - q[1]) >= 0.99 for p, q in combinations(places, 2))
    places = [(n.x, n.y) for n in trace(*shared()).nodes.values()]
    assert all(abs(p[0] - q[0]) + abs(p[1] - q[1]) >= 0.74 for p, q in combinations(places, 2))


def test_a_constant_takes_no_row_of_its_own_where_there_is_room_and_moves_nothing():
    nodes = trace(*page()).nodes
    assert nodes["s"].y == nodes["s − t"].y == nodes["e"].y
    assert max(n.y for n in nodes.values()) - min(n.y for n in nodes.values()) == 3


@pytest.mark.parametrize("make", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_every_edge_runs_to_the_right(make):
    made = trace(*make())
    assert all(made.nodes[a].x + 1 <= made.nodes[b].x for a, b in made.edges)
    assert min(n.x for n in made.nodes.values()) == 0


@pytest.mark.parametrize("make", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_numbers_known_at_the_end_are_all_values_and_whole_gradients(make):
    made = trace(*make())
    values, gradients = made.numbers(len(made.steps) - 1)
    live = [n for n in made.nodes.values() if n.op != CONSTANT]
    assert set(values) == set(gradients) == {n.name for n in live}
    for n in live:
        np.testing.assert_allclose(gradients[n.name], n.gradient)


# ---------------------------------------------------------------------------------------------- the picture


@pytest.fixture
def drawn():
    """Draws a graph as the page does, and returns its figure, laid out, with its axes."""

    def draw(made, step=None):
        fig, (ax,) = plot.figure(width=5.6, height=2.7)
        draw_graph(ax, made, step)
        fig.canvas.draw()
        return fig, ax

    yield draw
    plot.plt.close("all")


def written(ax):
    return [(t.get_text(), t.get_color()) for t in ax.texts]


def test_a_step_shows_what_is_known_then_and_nothing_that_comes_later(drawn):
    made = trace(*neuron())
    n_forward = sum(s.phase == "forward" for s in made.steps)
    first = written(drawn(made, 0)[1])
    assert [t for t, color in first if color == plot.BLUE] == ["2", "0.5", "−1", "1.5", "0.25"]
    assert not any(color == plot.ORANGE for _, color in first)
    middle = written(drawn(made, n_forward - 1)[1])
    assert ("1.55", plot.BLUE) in middle and not any(color == plot.ORANGE for _, color in middle)
    assert [t for t, color in written(drawn(made, n_forward)[1]) if color == plot.ORANGE] == ["1"]
    last = written(drawn(made, len(made.steps) - 1)[1])
    assert [t for t, color in last if color == plot.ORANGE].count("−2.34") == 5
    assert last == written(drawn(made)[1])


def boxes(ax):
    """By node: the extent of its box, and of its numbers."""
    found = {}
    for t in ax.texts:
        if t.get_bbox_patch() is not None:
            found[t.get_text().split("\n")[0]] = t.get_bbox_patch().get_window_extent()
    numbers = [(t.get_gid().removeprefix("number "), t.get_color(), t.get_window_extent()) for t in ax.texts
               if t.get_gid()]  # fmt: skip
    return found, numbers


def gap(a, b):
    """Pixels between two boxes; 0 when they touch or overlap."""
    across = max(a.x0 - b.x1, b.x0 - a.x1, 0.0)
    return float(np.hypot(across, max(a.y0 - b.y1, b.y0 - a.y1, 0.0)))


def test_each_number_stands_clear_of_all_others_and_nearest_to_its_own_node(drawn):
    _, ax = drawn(trace(*page()))
    found, numbers = boxes(ax)
    assert len(numbers) == 18
    for owner, _, number in numbers:
        mine = gap(number, found[owner])
        assert all(gap(number, box) > 2 * mine for name, box in found.items() if name != owner)
    for (one, _, a), (other, _, b) in combinations(numbers, 2):
        assert gap(a, b) > (0 if one == other else 6)


def test_values_stand_above_their_wire_and_gradients_below_and_no_wire_runs_through_a_number(drawn):
    made = trace(*page())
    _, ax = drawn(made)
    _, numbers = boxes(ax)
    lines = [line.get_transform().transform(line.get_xydata()) for line in ax.lines]
    starts = dict(zip([a for a, _ in made.edges] + [made.output.name], lines, strict=True))
    for owner, color, number in numbers:
        y = starts[owner][0][1]
        assert number.y0 > y if color == plot.BLUE else number.y1 < y
        assert starts[owner][1][0] > number.x1  # the wire bends behind it
        for line in lines:
            (x0, y0), (x1, y1) = line[-2:]
            xs = np.linspace(x0, x1, 200)
            ys = np.interp(xs, [x0, x1], [y0, y1])
            inside = (xs > number.x0) & (xs < number.x1) & (ys > number.y0) & (ys < number.y1)
            assert not inside.any()


def test_the_pages_example_fits_its_figure_and_is_legible_on_a_phone(drawn):
    fig, ax = drawn(trace(*page()))
    found, numbers = boxes(ax)
    wide, high = fig.get_size_inches() * fig.dpi
    for box in [*found.values(), *(n for _, _, n in numbers)]:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= wide and box.y1 <= high
    narrowest = float(themed(plot.svg(fig)).split("min-width:")[1].split("px")[0])
    assert narrowest <= 342


def test_the_width_of_a_number_is_guessed_to_a_tenth(drawn):
    fig, ax = drawn(trace(*page()))
    for text in ("−0.123", "2.25", "w1", "s − t", "[0.5, −2]"):
        real = ax.text(0, 0, text, fontsize=graph.SIZE).get_window_extent().width * 72 / fig.dpi
        assert graph._width(text) == pytest.approx(real, rel=0.1)


def test_the_nodes_that_act_are_marked_in_the_colour_of_the_phase(drawn):
    from matplotlib.colors import to_hex

    def marked(step):
        patches = {t.get_text().split("\n")[0]: t.get_bbox_patch() for t in drawn(made, step)[1].texts}
        return {
            name: to_hex(p.get_edgecolor()).upper()
            for name, p in patches.items()
            if p and p.get_linewidth() > 2
        }

    made = trace(*page())
    assert marked(0) == dict.fromkeys(("w1", "x1", "w2", "x2"), plot.BLUE.upper())
    assert marked(1) == {"p": plot.BLUE.upper()} and marked(7) == {"e": plot.ORANGE.upper()}
    assert marked(None) == {}


def test_a_step_that_there_is_not_is_refused(drawn):
    made = trace(*neuron())
    for step in (-1, len(made.steps)):
        with pytest.raises(ValueError, match=r"steps 0 to \d+"):
            drawn(made, step)


@pytest.mark.parametrize(
    ("value", "text"), [(-0.0, "0"), (1e-9, "1e−09"), ([1, -2.5], "[1, −2.5]"), (np.ones(7), "7 numbers")]
)
def test_numbers_are_shown_to_three_digits(value, text):
    assert show(value) == text
