"""SGD, momentum, Adam and AdamW on our own arrays, held to torch.optim (`llmbook.neural_networks.optimizers`)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from llmbook import neural_networks as nets
from llmbook.core.show import plotting as plot
from llmbook.neural_networks import MLP, Array, cross_entropy, optimizers
from llmbook.neural_networks.optimizers import OPTIMIZERS, SGD, Adam, AdamW, Momentum, descend, memory
from llmbook.neural_networks.torch_twin import descend_with_torch, torch_logits, torch_twin

TORCH = {
    "SGD": lambda p, lr, wd: torch.optim.SGD(p, lr=lr, weight_decay=wd),
    "momentum": lambda p, lr, wd: torch.optim.SGD(p, lr=lr, weight_decay=wd, momentum=0.9),
    "Adam": lambda p, lr, wd: torch.optim.Adam(p, lr=lr, weight_decay=wd),
    "AdamW": lambda p, lr, wd: torch.optim.AdamW(p, lr=lr, weight_decay=wd),
}


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fifty_steps_equal_those_of_torch_optim(name, weight_decay, parity_report):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 6)), rng.integers(3, size=40)
    model = MLP((6, 8, 3), "tanh", seed=1)
    twin = torch_twin(model)
    ours, theirs = (
        OPTIMIZERS[name](model.parameters(), 0.05, weight_decay),
        TORCH[name](twin, 0.05, weight_decay),
    )
    worst = 0.0
    for _ in range(50):
        cross_entropy(model(x), y).backward()
        ours.step()
        theirs.zero_grad()
        torch.nn.functional.cross_entropy(
            torch_logits(model, twin, torch.tensor(x)), torch.tensor(y)
        ).backward()
        theirs.step()
        pairs = zip(model.parameters(), twin, strict=True)
        worst = max(worst, *(float(np.abs(p.value - t.detach().numpy()).max()) for p, t in pairs))
    assert worst < 1e-10  # float64 on both sides
    parity_report(f"{name}, 50 steps, weight decay {weight_decay}: {worst:.0e} from torch.optim")


@pytest.mark.parametrize(
    "options", [{"beta": 0.5}, {"betas": (0.8, 0.95), "eps": 1e-3}], ids=["momentum", "Adam"]
)
def test_options_other_than_the_defaults_equal_torchs(options):
    start = np.array([3.0, -2.0])
    p, t = Array(start.copy()), torch.tensor(start, requires_grad=True)
    if "beta" in options:
        ours, theirs = Momentum([p], 0.1, **options), torch.optim.SGD([t], lr=0.1, momentum=0.5)
    else:
        ours, theirs = Adam([p], 0.1, **options), torch.optim.Adam([t], lr=0.1, **options)
    for _ in range(20):
        optimizers.ravine(p).backward()
        ours.step()
        theirs.zero_grad()
        (t * t * torch.tensor([0.5, 10.0])).sum().backward()
        theirs.step()
    np.testing.assert_allclose(p.value, t.detach().numpy(), atol=1e-12)


def test_sgd_is_the_step_that_the_page_writes_out():
    model, other = MLP((3, 4, 2), seed=0), MLP((3, 4, 2), seed=0)
    x, y = np.ones((2, 3)), np.array([0, 1])
    for m in (model, other):
        cross_entropy(m(x), y).backward()
    SGD(model.parameters(), 0.3).step()
    other.step(0.3)
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(p.value, q.value)
        assert not p.grad.any()


def test_adams_first_step_is_as_long_as_the_rate_and_momentum_grows_to_ten_times():
    for size in (1e-3, 1.0, 1e3):
        p = Array([0.0])
        (p * size).sum().backward()
        Adam([p], 0.1).step()
        assert p.value[0] == pytest.approx(-0.1, rel=1e-4)
    p = Array([0.0])
    ball = Momentum([p], 0.1)
    for _ in range(200):
        before = p.value.copy()
        p.sum().backward()
        ball.step()
    assert before[0] - p.value[0] == pytest.approx(1.0, rel=1e-6)


def test_weight_decay_shrinks_all_alike_in_adamw_and_hardly_anything_in_adam():
    def shrunk(kind, slope):
        """How far from where it would be without decay, after one step from 1."""
        ends = []
        for decay in (0.0, 0.1):
            p = Array([1.0])
            (p * slope).sum().backward()
            kind([p], 0.1, decay).step()
            ends.append(p.value[0])
        return ends[0] - ends[1]

    assert shrunk(AdamW, 0.01) == pytest.approx(0.01) and shrunk(AdamW, 100.0) == pytest.approx(0.01)
    assert abs(shrunk(Adam, 100.0)) < 1e-6


@pytest.mark.parametrize("kind", OPTIMIZERS.values())
def test_a_step_leaves_the_numbers_that_an_array_was_made_of_as_they_were(kind):
    start = np.array([3.0, -2.0])
    p = Array(start)
    optimizers.ravine(p).backward()
    kind([p], 0.1).step()
    assert start.tolist() == [3.0, -2.0] != p.value.tolist()


def test_memory_is_counted_in_numbers_per_parameter():
    for name, per_parameter in {"SGD": 0, "momentum": 1, "Adam": 2, "AdamW": 2}.items():
        held = memory(OPTIMIZERS[name](MLP((4, 3)).parameters(), 0.1))
        assert held == {"parameters": 15, "gradients": 15, "optimizer": 15 * per_parameter}


def test_momentum_and_adam_get_further_along_the_ravine_than_plain_descent():
    """Each at the best of many rates; the loss at the start is 18."""
    ends = {}
    for name in ("SGD", "momentum", "Adam"):
        ways = [descend(name, lr, 60) for lr in (0.01, 0.02, 0.05, 0.09, 0.2, 0.5)]
        ends[name] = min(float(optimizers.ravine(Array(w[-1])).value) for w in ways if np.isfinite(w).all())
    assert ends["SGD"] < 1e-3 and max(ends["momentum"], ends["Adam"]) < 18


def test_plain_descent_leaves_the_ravine_beyond_two_over_its_steepest_curvature():
    below, above = descend("SGD", 0.099, 50), descend("SGD", 0.101, 50)  # the edge is 2 / 20
    assert abs(below[-1, 1]) < 1 < abs(above[-1, 1])
    np.testing.assert_allclose(below[1], [-4 * (1 - 0.099), 1 - 20 * 0.099])


def test_the_way_begins_at_the_start_and_has_a_position_per_step():
    way = descend("Adam", 0.1, 7, start=(1, 2))
    assert way.shape == (8, 2) and way[0].tolist() == [1, 2]
    assert descend("SGD", 0.1, 0).shape == (1, 2)


# ------------------------------------------------------------------------------------------------ on the news


@pytest.fixture(scope="module")
def curves():
    return nets.rate_curves("SGD", (0.02, 0.2, 1000.0), steps=15)


def test_curves_of_all_rates_begin_alike_and_end_where_their_rate_takes_them(curves):
    assert list(curves) == [0.02, 0.2, 1000.0] and all(c.shape == (16,) for c in curves.values())
    assert len({c[0] for c in curves.values()}) == 1
    assert curves[0.2][-1] < curves[0.02][-1] < curves[0.02][0]
    assert curves[1000.0][-1] > 10 * curves[1000.0][0]
    assert not any(np.isnan(c).any() for c in curves.values())


def test_curves_are_the_same_each_time_and_change_with_the_seed(curves):
    (again,) = nets.rate_curves("SGD", [0.2], steps=15).values()
    (other,) = nets.rate_curves("SGD", [0.2], steps=15, seed=1).values()
    np.testing.assert_array_equal(again, curves[0.2])
    assert not np.array_equal(again, other)


def test_curves_look_at_validation_articles_and_learn_from_training_articles(monkeypatch):
    read, real = [], MLP.layers
    monkeypatch.setattr(MLP, "layers", lambda self, x: (read.append(np.asarray(x)), real(self, x))[1])
    nets.rate_curves("Adam", [0.01], steps=2, seed=3)
    parts = nets.split_news(3)
    own = nets.frequent_words(parts.train.texts, 1024)
    bags = [set(map(bytes, nets.bag_of_words(p.texts, vocabulary=own))) for p in (parts.train, parts.valid)]
    looked, learned = read[0::2], read[1::2]
    assert all(set(map(bytes, x)) <= bags[1] and len(x) == len(parts.valid) for x in looked)
    assert all(set(map(bytes, x)) <= bags[0] and len(x) == 64 for x in learned)


def test_all_rates_see_the_same_batches(monkeypatch):
    read, real = [], MLP.layers
    monkeypatch.setattr(MLP, "layers", lambda self, x: (read.append(np.asarray(x)), real(self, x))[1])
    nets.rate_curves("SGD", [0.01, 0.02], steps=2, seed=3)
    learned = [x for x in read if len(x) == 64]
    assert len(learned) == 6
    for one, other in zip(learned[:3], learned[3:], strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(learned[0], learned[1])


def test_steps_to_reach_are_counted_to_the_first_time():
    curve = np.array([2.0, 1.0, 0.5, 0.7, 0.4, np.inf])
    assert nets.steps_to_reach({1.0: curve}, 0.5) == {1.0: 2}
    assert nets.steps_to_reach({1.0: curve}, 0.1) == {1.0: None}
    assert nets.steps_to_reach({1.0: curve}, 9.0) == {1.0: 0}


# -------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("kind", OPTIMIZERS.values())
@pytest.mark.parametrize(
    "options", [{"lr": 0}, {"lr": -1}, {"lr": math.inf}, {"lr": 0.1, "weight_decay": -1}]
)
def test_rates_and_decays_that_make_no_sense_are_refused(kind, options):
    with pytest.raises(ValueError, match="give a positive rate"):
        kind([Array(1.0)], **options)


@pytest.mark.parametrize("parameters", [[], [np.ones(3)]])
def test_nothing_to_optimize_is_refused(parameters):
    with pytest.raises(ValueError, match=r"model.parameters\(\)"):
        Adam(parameters, 0.1)


def test_running_means_that_keep_everything_are_refused():
    for make in (
        lambda: Momentum([Array(1.0)], 0.1, beta=1.0),
        lambda: Adam([Array(1.0)], 0.1, betas=(0.9, 1.0)),
    ):
        with pytest.raises(ValueError, match="up to below 1"):
            make()


@pytest.mark.parametrize(
    "call", [lambda: descend("Adamax", 0.1, 1), lambda: nets.rate_curves("Adamax", [0.1])]
)
def test_an_unknown_optimizer_is_refused_with_the_choices(call):
    with pytest.raises(ValueError, match="'Adamax'; choose one of SGD, momentum, Adam, AdamW"):
        call()


def test_no_rate_no_point_and_negative_steps_are_refused():
    with pytest.raises(ValueError, match="at least one rate"):
        nets.rate_curves("SGD", [])
    with pytest.raises(ValueError, match="give a positive rate"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimizers, "_one_curve", lambda *_: pytest.fail("a curve was drawn before"))
        nets.rate_curves("SGD", [0.1, -0.1])
    with pytest.raises(ValueError, match="give two numbers"):
        descend("SGD", 0.1, 1, start=(1, 2, 3))
    with pytest.raises(ValueError, match="0 or more steps"):
        descend("SGD", 0.1, -1)


def test_a_walk_of_torchs_adamw_is_ours_in_the_same_valley():
    def valley(p):
        return (p * p * np.array([0.5, 25.0])).sum()

    ours = descend("AdamW", 0.02, steps=30, start=(-3.0, 2.0), loss=valley)
    theirs = descend_with_torch((1.0, 50.0), (-3.0, 2.0), lr=0.02, steps=30)
    assert theirs.shape == (30, 2)
    np.testing.assert_allclose(theirs, ours[1:], atol=1e-8)


def test_the_picture_of_a_walk_holds_all_of_it_its_first_part_thick_and_its_start_marked():
    walk = np.column_stack((np.linspace(-4, 0, 11), np.linspace(1, 0, 11)))
    _, (ax,) = plot.figure()
    nets.draw_walk(ax, walk, across=50, thick=4)
    rest, first, start, lowest = (line.get_xydata() for line in ax.lines)
    np.testing.assert_array_equal(first, walk[:5])
    np.testing.assert_array_equal(rest, walk[4:])
    assert ax.lines[1].get_linewidth() > ax.lines[0].get_linewidth()
    assert start.tolist() == [[-4, 1]] and lowest.tolist() == [[0, 0]]
    (levels,) = ax.collections
    for level, path in zip(levels.levels, levels.get_paths(), strict=True):
        x, y = path.vertices.T
        np.testing.assert_allclose((x**2 + 50 * y**2) / 2, level, rtol=0.2)
    plot.plt.close("all")
