"""Naive Bayes and logistic regression: against hand and PyTorch, and the recipe of the comparison."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from llmbook import neural_networks as nets
from llmbook.core.measure import records
from llmbook.core.measure.intervals import seed_interval
from llmbook.neural_networks import baselines
from llmbook.neural_networks.baselines import NaiveBayes, Score, best, split_interval


def test_naive_bayes_is_bayes_rule_worked_by_hand():
    """Class 0 saw "goal" 3 times and "bank" once, class 1 the bank 4 times in two articles; smoothing 1."""
    model = NaiveBayes(2).fit(np.array([[3, 1], [0, 1], [0, 3]]), np.array([0, 1, 1]))
    np.testing.assert_allclose(np.exp(model.log_word), [[4 / 6, 1 / 6], [2 / 6, 5 / 6]])
    np.testing.assert_allclose(np.exp(model.log_class), [1 / 3, 2 / 3])
    # one goal: 1/3 · 4/6 against 2/3 · 1/6; nothing at all: the more frequent class
    assert model.predict(np.array([[1, 0], [0, 1], [0, 0]])).tolist() == [0, 1, 1]


def test_naive_bayes_equals_the_multinomial_distribution_of_pytorch():
    rng = np.random.default_rng(0)
    counts, labels = rng.integers(0, 5, (40, 7)), rng.integers(0, 3, 40)
    model = NaiveBayes(3, smoothing=0.5).fit(counts, labels)
    new = rng.integers(0, 4, (20, 7)) + np.eye(7, dtype=int)[rng.integers(0, 7, 20)]
    scores = []
    for k in range(3):
        share = torch.tensor(counts[labels == k].sum(0) + 0.5)
        log_p = [
            torch.distributions.Multinomial(int(row.sum()), probs=share).log_prob(
                torch.tensor(row, dtype=torch.double)
            )
            for row in new
        ]
        scores.append(torch.stack(log_p).numpy() + math.log((labels == k).mean()))
    np.testing.assert_array_equal(model.predict(new), np.argmax(scores, axis=0))


@pytest.mark.parametrize("smoothing", [0, -1, float("nan")])
def test_smoothing_that_is_none_is_refused(smoothing):
    with pytest.raises(ValueError, match="smoothing is"):
        NaiveBayes(2, smoothing)


@pytest.mark.parametrize("labels", [[0, 0], [0, 2]])
def test_a_class_without_an_example_is_refused(labels):
    with pytest.raises(ValueError, match="examples of 2 classes"):
        NaiveBayes(2).fit(np.ones((2, 3)), np.array(labels))


def test_the_choice_falls_on_the_best_validation_score_whatever_the_test_says():
    def score(valid, test):
        return Score("x", f"{valid}", 0, 400, valid, test)

    assert best([score(0.90, 0.99), score(0.95, 0.10), score(0.95, 0.90)]) == score(0.95, 0.10)


@pytest.fixture
def small(monkeypatch):
    """Few settings, and everything that a reader is fitted on or asked about."""
    seen = {"fitted": [], "asked": [], "words": [], "starts": [], "smoothing": []}
    for name, value in (("SIZES", (200,)), ("SMOOTHING", (1.0,)), ("RATES", (0.2, 0.4)), ("STEPS", (5, 20))):
        monkeypatch.setattr(baselines, name, value)
    real_fit, real_bayes, real_words = baselines.fit, NaiveBayes.fit, baselines.frequent_words

    def fit(model, x, labels, **options):
        seen["fitted"].append((x, labels, options))
        seen["starts"].append(model.weights[0].value.copy())
        return real_fit(model, x, labels, **options)

    def bayes(self, counts, labels):
        seen["fitted"].append((counts, labels, {}))
        seen["smoothing"].append(self.smoothing)
        return real_bayes(self, counts, labels)

    def words(texts, size):
        seen["words"].append(texts)
        return real_words(texts, size)

    monkeypatch.setattr(baselines, "fit", fit)
    monkeypatch.setattr(NaiveBayes, "fit", bayes)
    monkeypatch.setattr(baselines, "frequent_words", words)
    return seen


def test_readers_learn_from_the_training_articles_only_their_vocabulary_included(small):
    scores = list(baselines.compare_readers(2))
    assert [(s.seed, s.reader) for s in scores] == [(k, r) for k in (0, 1) for r in baselines.READERS]
    sizes = [len(x) for x, _, _ in small["fitted"]]
    for seed in (0, 1):
        parts = nets.split_news(seed)
        assert parts.train.texts in small["words"]
        mine = [labels for _, labels, _ in small["fitted"]][seed * 9 : seed * 9 + 9]
        assert all(np.array_equal(labels, parts.train.labels) for labels in mine)
    assert set(sizes) == {len(parts.train)} and all(len(t) == len(parts.train) for t in small["words"])
    assert all(0.2 < s.test <= 1 and s.n_test == len(parts.test) for s in scores)


def test_networks_try_every_rate_for_all_steps_in_turns_and_both_kinds_get_the_same(small):
    parts = nets.split_news(0)
    for hidden in ((), (32,)):
        small["fitted"].clear()
        baselines.network(parts, 0, hidden)
        tried = [(o["lr"], o["steps"], o["batch_size"]) for _, _, o in small["fitted"]]
        assert tried == [(lr, n, 64) for lr in (0.2, 0.4) for n in (5, 15)]


def test_each_turn_draws_new_batches_and_each_seed_its_own_start(small):
    parts, drawn, starts = nets.split_news(0), {}, {}
    for seed in (0, 1):
        for kind in ((), (32,)):
            small["fitted"].clear(), small["starts"].clear()
            baselines.network(parts, seed, kind)
            drawn[seed, kind] = [o["seed"] for _, _, o in small["fitted"]]
            starts[seed, kind] = small["starts"][0::2]  # of the first turn at each rate
    for seed in (0, 1):
        first, second, *again = drawn[seed, ()]
        assert [first, second] == again and first != second and drawn[seed, (32,)] == drawn[seed, ()]
        np.testing.assert_array_equal(*starts[seed, ()])
    assert not set(drawn[0, ()]) & set(drawn[1, ()])
    assert not np.array_equal(starts[0, ()][0], starts[1, ()][0])


def test_naive_bayes_tries_every_smoothing_and_is_chosen_on_the_validation_articles(small, monkeypatch):
    parts = nets.split_news(0)
    monkeypatch.setattr(baselines, "SMOOTHING", (0.01, 0.5, 1.0))

    def predict(self, counts):
        """0.5 is right about all validation articles and no test article, 0.01 the other way round."""
        part = parts.valid if len(counts) == len(parts.valid) else parts.test
        right = self.smoothing == (0.5 if part is parts.valid else 0.01)
        return part.labels if right else (part.labels + 1) % len(parts.topics)

    monkeypatch.setattr(NaiveBayes, "predict", predict)
    found = baselines.naive_bayes(parts, 0)
    assert small["smoothing"] == [0.01, 0.5, 1.0]
    assert (found.settings, found.valid, found.test) == ("200 words, smoothing 0.5", 1.0, 0.0)


def test_scores_are_accuracies_on_the_parts_they_are_called_after(small, monkeypatch):
    parts = nets.split_news(0)
    monkeypatch.setattr(
        nets.MLP,
        "predict",
        lambda self, x: parts.valid.labels if len(x) == len(parts.valid) else 0 * parts.test.labels,
    )
    found = baselines.network(parts, 0)
    assert found.valid == 1.0 and found.test == pytest.approx((parts.test.labels == 0).mean())
    assert found.settings == "200 words, lr 0.2, 5 steps"  # the first of equals


def test_an_interval_over_overlapping_splits_is_wider_than_students():
    values = [0.95, 0.96, 0.97, 0.955]
    wide, plain = split_interval(values), seed_interval(values)
    assert wide.mean == plain.mean
    assert (wide.high - wide.low) / (plain.high - plain.low) == pytest.approx(math.sqrt(1 + 4 * 2 / 7))
    assert split_interval(values, test_share=0) == plain


def test_the_stored_scores_are_of_as_many_articles_and_readers_as_they_say():
    rows, about = records.load(baselines.READING, Score)
    assert len(rows) == 3 * about["seeds"] and {r.reader for r in rows} == set(baselines.READERS)
    assert all(r.n_test == len(nets.split_news(r.seed).test) for r in rows[:3])
    assert all(abs(r.test * r.n_test - round(r.test * r.n_test)) < 1e-6 for r in rows)
