"""Recall against distance: what is planted, asked and scored, and that both networks are treated alike."""

from __future__ import annotations

import pytest
import torch

from llmbook.core.measure import records
from llmbook.core.show.plotting import figure, label
from llmbook.history import operations, recall, rungs

PAID = 5e10


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("task", recall.TASKS)
def test_the_answer_stands_as_far_before_the_question_as_was_asked_and_nowhere_else_is_a_target(task):
    distances = torch.tensor([*recall.DISTANCES, 2, 5, 100])
    ids, targets = recall.planted(task, distances, generator())
    rows = torch.arange(len(distances))
    assert ids.shape == targets.shape == (9, recall.LENGTH) and (ids[:, -1] == recall.ASK).all()
    assert (targets[:, :-1] == recall.IGNORED).all()
    assert torch.equal(ids[rows, recall.LENGTH - 1 - distances], targets[:, -1])
    if task == "own":  # one letter of its own alphabet in each text, and no mark
        own = (ids >= recall.LETTERS) & (ids < recall.MARK)
        assert (own.sum(1) == 1).all() and not (ids == recall.MARK).any()
    else:  # one mark, right before it, and no letter of the other alphabet
        at = (ids == recall.MARK).nonzero()[:, 1]
        assert torch.equal(at, recall.LENGTH - 2 - distances) and (targets[:, -1] < recall.LETTERS).all()
        assert not ((ids >= recall.LETTERS) & (ids < recall.MARK)).any()


@pytest.mark.parametrize("task", recall.TASKS)
def test_training_draws_all_distances_and_never_twice_the_same(task):
    g = generator()
    batches = [recall.draw(task)(g) for _ in range(40)]
    texts = torch.cat([ids for ids, _ in batches])
    assert len(torch.unique(texts, dim=0)) == len(texts) == 40 * recall.BATCH
    if task == "own":
        found = recall.LENGTH - 1 - ((texts >= recall.LETTERS) & (texts < recall.MARK)).nonzero()[:, 1]
        assert (found.min(), found.max()) == (4, 128)
        shares = [((found >= d) & (found < 2 * d)).float().mean().item() for d in (4, 8, 16, 32, 64)]
        assert all(0.15 < share < 0.25 for share in shares)  # each doubling as often


def test_the_filler_tells_nothing_about_the_answer():
    """A text without its planted letter leaves one in 32: nothing else depends on the letter."""
    ids, targets = recall.planted("own", torch.full((20_000,), 64), generator())
    rest = ids.clone()
    rest[:, recall.LENGTH - 1 - 64] = 0
    for place in (0, 10, recall.LENGTH - 2):
        agree = (rest[:, place] == targets[:, -1] - recall.LETTERS).float().mean().item()
        assert agree == pytest.approx(1 / 32, abs=0.006)


def test_accuracy_counts_the_last_answer_alone():
    ids, targets = recall.planted("own", torch.full((8,), 4), generator())

    class Knows(torch.nn.Module):
        def forward(self, x):
            logits = torch.zeros(*x.shape, recall.VOCABULARY)
            logits[torch.arange(8), -1, targets[:, -1]] = 1
            logits[:2, -1] = 0
            return logits

    assert recall.accuracy(Knows(), ids, targets) == 0.75


def test_both_networks_get_the_same_operations_and_about_as_many_weights():
    a, b = (recall.recall("own", name, 1e-2, PAID, n_test=4)[0] for name in recall.NETWORKS)
    sizes = [operations.matrix_parameters(make()) for make in recall.NETWORKS.values()]
    assert max(sizes) < 1.1 * min(sizes)
    for row in (a, b):
        assert 0.85 * PAID < row.flops <= PAID and row.seconds > 0
        assert row.tokens % (recall.BATCH * recall.LENGTH) == 0
    assert a.tokens != b.tokens  # equal operations are not equal tokens


def test_it_is_trained_on_random_texts_and_scored_on_others(monkeypatch):
    read: list[tuple[bool, torch.Tensor]] = []
    real = recall.NETWORKS["LSTM"]

    def watched():
        model = real()
        model.register_forward_pre_hook(lambda m, args: read.append((m.training, args[0].clone())))
        return model

    monkeypatch.setitem(recall.NETWORKS, "LSTM", watched)
    recall.recall("own", "LSTM", 1e-2, PAID, n_test=16)
    tested, validated = [], []
    for split, found in (("test", tested), ("valid", validated)):
        read_before = len(read)
        recall.recall("own", "LSTM", 1e-2, PAID, split=split, n_test=16)
        found += [row.tolist() for training, ids in read[read_before:] if not training for row in ids]
    trained = {tuple(row.tolist()) for training, ids in read if training for row in ids}
    assert len(tested) == len(validated) == 16 * len(recall.DISTANCES)
    assert trained.isdisjoint(map(tuple, tested)) and not {*map(tuple, tested)} & {*map(tuple, validated)}


@pytest.mark.parametrize("name", recall.NETWORKS)
def test_both_are_trained_by_muon_at_the_rate_that_is_given_without_weight_decay(name, updates):
    row = recall.recall("own", name, 7e-3, PAID, n_test=1)[0]
    assert row.lr == 7e-3 and updates.optimizers() == {"AdamW", "Muon"} and updates.weight_decay() == {0.0}
    for optimizer in updates.optimizers():
        rates = updates.lr(optimizer)
        steps = len(rates)
        assert steps * recall.BATCH * recall.LENGTH == row.tokens
        expected = [min(1, 0.02 + 0.98 * (1 - (step + 1) / steps) / 0.5) for step in range(1, steps)]
        assert rates[1:] == pytest.approx([7e-3 * share for share in expected], rel=1e-6)


def test_another_seed_is_another_network_and_other_texts(monkeypatch):
    made, read = [], []
    real = recall.NETWORKS["LSTM"]

    def watched():
        made.append(real())
        start = torch.cat([p.detach().flatten() for p in made[-1].parameters()])
        read.append([start])
        made[-1].register_forward_pre_hook(lambda m, args: read[-1].append(args[0].clone()))
        return made[-1]

    monkeypatch.setitem(recall.NETWORKS, "LSTM", watched)
    for seed in (1, 1, 2):
        recall.recall("own", "LSTM", 1e-2, PAID, seed, n_test=4)
    one, again, other = read
    assert all(map(torch.equal, one, again))
    assert not any(map(torch.equal, one, other))  # start, batches, tests


def test_a_transformer_finds_a_letter_of_its_own_alphabet_at_any_distance():
    rows = recall.recall("own", "Transformer", 1e-2, 2.5e11, n_test=64)
    assert [r.distance for r in rows] == list(recall.DISTANCES)
    assert min(r.accuracy for r in rows) > 0.8


def test_the_rate_is_chosen_on_validation_alike_for_both(monkeypatch):
    def pretended(task, name, lr, flops, seed=0, split="test", amp=False):
        good = {"LSTM": 1e-2, "Transformer": 4e-3}[name] == lr
        share = (0.9 if good else 0.1) if split == "valid" else (0.1 if good else 0.9)
        return [recall.Recall(task, name, seed, d, share, lr, flops, 1, 1.0, split) for d in recall.DISTANCES]

    monkeypatch.setattr(recall, "recall", pretended)
    rows = list(recall.measure({"own": 1e9, "marked": 2e9}, 3, True))
    for task in recall.TASKS:
        for name, lr in (("LSTM", 1e-2), ("Transformer", 4e-3)):
            mine = [r for r in rows if (r.task, r.name) == (task, name)]
            tried = [r.lr for r in mine if r.split == "valid" and r.distance == 4]
            assert tried == list(rungs.RATES)
            final = [(r.seed, r.lr) for r in mine if r.split == "test" and r.distance == 4]
            assert final == [(s, lr) for s in range(3)]
            assert {r.flops for r in mine} == {1e9 if task == "own" else 2e9}


def test_means_and_intervals_are_of_the_results_alone():
    def row(seed, distance, share, task="own", split="test"):
        return recall.Recall(task, "LSTM", seed, distance, share, 1.0, 1.0, 1, 1.0, split)

    rows = [row(s, d, (0.5 + 0.1 * s) / (1 + (d > 8))) for s in range(3) for d in (8, 16)]
    rows += [row(0, 8, 0.0, split="valid"), row(0, 8, 0.0, task="marked")]
    found = recall.by_distance(rows, "own")
    assert found["LSTM"][8].mean == pytest.approx(0.6) and found["LSTM"][16].mean == pytest.approx(0.3)
    with pytest.raises(ValueError, match="no result for task 'both'"):
        recall.by_distance(rows, "both")


def test_the_figure_has_a_thin_line_for_each_seed_a_thick_one_for_the_mean_and_names_chance():
    rows = [
        recall.Recall("own", name, s, d, share / (1 + (d > 8)), 1.0, 1.0, 1, 1.0, split)
        for name, shares in (("LSTM", (0.5, 0.6, 0.7)), ("Transformer", (0.9, 0.9, 0.9)))
        for s, share in enumerate(shares)
        for d in (16, 8)
        for split in ("test", "valid")
        if split == "test" or s == 0
    ]
    fig, (ax,) = figure(width=3.5, height=3.0)
    label(recall.draw_recall(ax, rows, "own"), "distance (tokens)", "share recalled", "a title")
    *drawn, chance = ax.lines
    assert [list(line.get_xdata()) for line in drawn] == [[8, 16]] * 8
    for line, share in zip(drawn, (0.5, 0.6, 0.7, 0.6, 0.9, 0.9, 0.9, 0.9), strict=True):
        assert list(line.get_ydata()) == pytest.approx([share, share / 2])
    thick = [line.get_linewidth() > 2 for line in drawn]
    assert thick == [False, False, False, True] * 2
    assert set(chance.get_ydata()) == {1 / 32} and chance.get_linestyle() == ":"
    assert not ax.collections  # no bars of intervals
    fig.canvas.draw()
    (legend,) = fig.legends
    assert [t.get_text() for t in legend.get_texts()] == ["LSTM", "Transformer", "chance"]
    box = legend.get_window_extent()
    assert box.y1 <= ax.xaxis.label.get_window_extent().y0 and box.x0 >= 0 and box.x1 <= fig.bbox.x1


def test_the_stored_record_has_every_distance_of_every_network_three_times():
    rows, about = records.load(recall.RECORD, recall.Recall)
    for task in recall.TASKS:
        found = recall.by_distance(rows, task)
        assert list(found) == list(recall.NETWORKS)
        assert all(
            list(f) == list(recall.DISTANCES) and all(i.n == 3 for i in f.values()) for f in found.values()
        )
    assert all(0.9 * about["flops"][r.task] < r.flops <= about["flops"][r.task] for r in rows)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: recall.planted("none", torch.tensor([4]), generator()),
            "task is 'none'; allowed: own, marked",
        ),
        (lambda: recall.planted("own", torch.tensor([1]), generator()), "give 2 to 128"),
        (lambda: recall.planted("own", torch.tensor([129]), generator()), "give 2 to 128"),
        (
            lambda: recall.recall("own", "GRU", 1e-2, PAID),
            "name is 'GRU'; the networks are LSTM, Transformer",
        ),
        (lambda: recall.recall("own", "LSTM", 1e-2, 1e6), "ten steps of this LSTM take"),
    ],
)
def test_what_cannot_be_planted_or_trained_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
