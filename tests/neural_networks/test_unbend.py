"""Two hidden neurons learn exclusive or, and the plane they make of it (`llmbook.neural_networks.unbend`)."""

from __future__ import annotations

import numpy as np
import pytest

from llmbook.core.show import plotting as plot
from llmbook.neural_networks import MLP, XOR, draw_unbend, fit, line_within, snapshot_of, unbending


@pytest.fixture(scope="module")
def way():
    return unbending()


def test_at_the_end_the_line_separates_the_classes_and_at_the_start_it_does_not(way):
    right = []
    for snapshot in way:
        a, c = snapshot.line
        right.append(bool(((snapshot.hidden @ a + c > 0) == XOR[1].astype(bool)).all()))
    assert right[-1] and not right[0] and way[-1].loss < 0.1 < way[0].loss


def test_hidden_points_are_the_models_own_hidden_outputs_and_the_line_is_where_its_classes_tie(way):
    for snapshot in way:
        w, b = snapshot.model.weights[0].value, snapshot.model.biases[0].value
        np.testing.assert_allclose(snapshot.hidden, np.tanh(XOR[0] @ w + b))
        logits, (a, c) = snapshot.model(XOR[0]).value, snapshot.line
        np.testing.assert_allclose(snapshot.hidden @ a + c, logits[:, 1] - logits[:, 0])


def test_snapshots_are_copies_of_one_way_and_fall(way):
    assert [s.step for s in way] == [0, 30, 60, 100, 200, 1000] and len({s.seed for s in way}) == 1
    losses = [s.loss for s in way]
    assert losses == sorted(losses, reverse=True) and len({id(s.model) for s in way}) == 6
    weights = {snapshot.model.weights[0].value.tobytes() for snapshot in way}
    assert len(weights) == 6


def test_a_start_that_gets_stuck_is_passed_over_and_hopeless_training_is_said_so(monkeypatch):
    steps = (0, 300)
    assert unbending(2, steps)[0].seed > 2  # seed 2 is stuck at 0.35
    monkeypatch.setattr("llmbook.neural_networks.unbend.MOST_SEEDS", 2)
    with pytest.raises(ValueError, match="none of the seeds 7 to 8 solves it in 1 steps"):
        unbending(7, (0, 1))


@pytest.mark.parametrize("steps", [(), (5, 5), (10, 3), (-1, 2)])
def test_steps_that_do_not_rise_are_refused(steps):
    with pytest.raises(ValueError, match="each larger than the one before"):
        unbending(0, steps)


def test_a_line_ends_at_the_edges_of_the_plane_or_is_not_there():
    assert line_within(np.array([1.0, 0.0]), -0.5, 1.0).tolist() == [[0.5, -1.0], [0.5, 1.0]]
    assert line_within(np.array([1.0, 1.0]), 0.0, 1.0).tolist() == [[-1.0, 1.0], [1.0, -1.0]]
    assert line_within(np.array([1.0, 0.0]), 5.0, 1.0) is None
    assert line_within(np.array([0.0, 0.0]), 1.0, 1.0) is None


def test_the_picture_holds_the_hidden_points_and_the_line(way):
    _, axes = plot.figure(2, height=2.8)
    left, right = draw_unbend(*axes, way[-1])
    (line,) = right.lines
    a, c = way[-1].line
    np.testing.assert_allclose(line.get_xydata() @ a + c, 0, atol=1e-9)
    drawn = np.concatenate([s.get_offsets() for s in right.collections if s.get_label().startswith("class")])
    np.testing.assert_allclose(sorted(drawn.tolist()), sorted(way[-1].hidden.tolist()))
    assert [t.get_text() for t in left.figure.legends[0].get_texts()] == ["class 0", "class 1"]
    assert left.get_xlabel() == "first input" and right.get_xlim() == (-1.25, 1.25)
    plot.plt.close("all")


def test_the_picture_shows_the_chance_of_class_one_over_the_inputs(way, monkeypatch):
    said = []
    monkeypatch.setattr(plot, "boundary", lambda ax, score, points, labels: said.append(score(points)))
    _, axes = plot.figure(2, height=2.8)
    draw_unbend(*axes, way[-1])
    assert ((said[0] > 0.5) == (XOR[1] == 1)).all()
    plot.plt.close("all")


def test_a_snapshot_of_one_seed_is_plain_training_stuck_or_not():
    model = MLP((2, 2, 2), "tanh", 2)
    fit(model, *XOR, lr=0.5, steps=300)
    snapshot = snapshot_of(2, n_step=300)
    assert (snapshot.seed, snapshot.step) == (2, 300) and snapshot.loss > 0.3
    np.testing.assert_array_equal(snapshot.model(XOR[0]).value, model(XOR[0]).value)


def test_the_hidden_plane_is_blue_where_class_0_is_expected_and_yellow_on_the_other_side(way):
    _, axes = plot.figure(2, height=2.8)
    _, right = draw_unbend(*axes, way[-1])
    shades = right.collections[0]
    a, c = way[-1].line
    for point, value in zip(way[-1].hidden, XOR[1], strict=True):
        band = np.searchsorted(shades.levels, point @ a + c) - 1
        red, _, blue = shades.get_facecolor()[band][:3]
        assert (red > blue) == bool(value)
    plot.plt.close("all")
