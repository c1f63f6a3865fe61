"""Reading the news as an experiment: which articles are learned from, which are scored, and how it is trained."""

from __future__ import annotations

import numpy as np
import pytest

from llmbook import neural_networks as nets
from llmbook.core.text import corpora
from llmbook.neural_networks import MLP, reading

SIZES = (30, 200)


def rows(x: np.ndarray) -> set[bytes]:
    return set(map(bytes, x))


@pytest.fixture
def watched(monkeypatch):
    """Articles that each network learns from and is asked about, in order, and the size of its every step."""
    seen: dict[str, list] = {"learned": [], "asked": [], "lr": [], "batch": [], "start": [], "places": []}
    real_fit, real_step, real_layers = reading.fit, MLP.step, MLP.layers

    def fit(model, x, labels, **options):
        seen["start"].append(model.weights[0].value.copy())
        seen["places"].append([])
        seen["learned"].append((x, labels))
        seen["fitting"] = True
        losses = real_fit(model, x, labels, **options)
        seen["fitting"] = False
        return losses

    def layers(self, x):
        if seen.get("fitting"):
            seen["batch"].append(np.asarray(x))
            place = {bytes(row): i for i, row in enumerate(seen["learned"][-1][0])}
            seen["places"][-1].append([place[bytes(row)] for row in seen["batch"][-1]])
        return real_layers(self, x)

    def predict(self, x):
        seen["asked"].append(x)
        return real_predict(self, x)

    def step(self, lr):
        seen["lr"].append(lr)
        real_step(self, lr)

    real_predict = MLP.predict
    monkeypatch.setattr(reading, "fit", fit)
    for name, spy in (("layers", layers), ("predict", predict), ("step", step)):
        monkeypatch.setattr(MLP, name, spy)
    return seen


def known_articles(seed):
    parts = nets.split_news(seed)
    return parts.train.texts + parts.valid.texts, parts.test.texts


def test_the_articles_held_out_are_learned_by_no_network_and_give_it_no_word(watched):
    nets.overfitting(SIZES, range(2), lr=0.2, steps=3)
    assert len(watched["learned"]) == 4 and len(watched["asked"]) == 8
    for i, (x, _) in enumerate(watched["learned"]):
        seen, held_out = watched["asked"][2 * i : 2 * i + 2]
        texts, rest = known_articles(i // 2)
        own = nets.frequent_words(texts[: SIZES[i % 2]], 1024)
        np.testing.assert_array_equal(x, nets.bag_of_words(texts[: SIZES[i % 2]], vocabulary=own))
        np.testing.assert_array_equal(seen, x)
        np.testing.assert_array_equal(held_out, nets.bag_of_words(rest, vocabulary=own))
        assert set(texts).isdisjoint(rest)


def test_a_few_short_articles_give_all_their_words():
    x, other = nets.own_bags(["to be or not to be"], ["to err"])
    assert x.shape == other.shape == (1, 4) and (other > 0).sum() == 1
    assert nets.own_bags(["a a b b c"], n_word=2)[0].shape == (1, 2)


def test_every_step_is_on_64_of_the_articles_that_may_be_learned_at_the_rate_given(watched):
    nets.overfitting((30,), [3], lr=0.2, steps=5)
    assert watched["lr"] == [0.2] * 5
    assert [x.shape for x in watched["batch"]] == [(64, 1024)] * 5
    ((x, _),) = watched["learned"]
    assert rows(np.concatenate(watched["batch"])) <= rows(x)


def test_each_seed_draws_another_split_and_another_start(watched):
    nets.overfitting((30,), (0, 1, 0), lr=0.2, steps=1)
    (one, _), (other, _), (again, _) = watched["learned"]
    assert rows(one) == rows(again) != rows(other)
    assert np.array_equal(watched["start"][0], watched["start"][2])
    assert not np.array_equal(watched["start"][0], watched["start"][1])
    assert np.array_equal(watched["batch"][0], watched["batch"][2])
    first, second, third = watched["places"]  # in the list of articles, whichever they are
    assert first == third != second


def test_the_curves_are_the_accuracies_on_what_was_learned_and_on_what_was_not(monkeypatch):
    """A network that knows exactly the articles that it may learn from, and every fourth of the others not."""
    parts = nets.split_news(0)
    labels = np.concatenate([parts.train.labels, parts.valid.labels])
    answers = np.where(np.arange(len(parts.test)) % 4, parts.test.labels, (parts.test.labels + 1) % 5)
    monkeypatch.setattr(MLP, "predict", lambda self, x: labels[: len(x)] if len(x) <= 60 else answers)
    curve = nets.overfitting((30, 60), [0], lr=0.1, steps=1)
    assert curve["seen"].tolist() == [[1.0], [1.0]]
    right = 1 - len(range(0, len(parts.test), 4)) / len(parts.test)
    assert curve["held out"][:, 0] == pytest.approx([right, right])


def test_no_article_that_was_printed_twice_stands_on_both_sides():
    """The collection repeats about a hundred; however it is printed, the same words are the same article."""
    texts = [" ".join(article.text.lower().split()) for article in corpora.news()]
    assert len(texts) - len(set(texts)) > 90
    for seed in range(3):
        train, rest = known_articles(seed)
        together = [" ".join(reading.words(text)) for text in (*train, *rest)]
        assert len(set(together)) == len(together) <= len(set(texts))


def test_a_network_of_the_news_is_right_about_most_articles_and_not_about_all():
    parts = nets.split_news(2)
    x, x_held_out = nets.own_bags(parts.train.texts, parts.test.texts)
    model = MLP((x.shape[1], 32, len(parts.topics)), seed=2)
    nets.fit(model, x, parts.train.labels, lr=0.2, steps=150, batch_size=64, seed=2)
    right = nets.accuracy(model.predict(x_held_out), parts.test.labels)
    assert 0.9 < right < 0.999  # some articles could be filed under two topics


@pytest.mark.parametrize("sizes", [(0,), (30, 10_000), (-1,)])
def test_more_articles_than_there_are_and_none_are_refused(sizes, watched):
    with pytest.raises(ValueError, match=r"sizes are .* there are 1 to \d+ articles"):
        nets.overfitting(sizes, [0], lr=0.1, steps=1)
    assert not watched["learned"]


def test_a_bare_string_is_not_a_list_of_letters():
    with pytest.raises(ValueError, match="texts is the string 'to be'"):
        nets.bag_of_words("to be")
    with pytest.raises(ValueError, match="n_feature is 0"):
        nets.bag_of_words(["to be"], n_feature=0)
    for call in (nets.frequent_words, nets.own_bags):
        with pytest.raises(ValueError, match="texts is the string"):
            call("to be")


# ------------------------------------------------------------------------------ a column each, or a shared one


def test_in_a_vocabulary_each_word_has_its_own_column_and_others_none():
    words = ["cup", "shares"]
    counts = reading.word_counts(["the cup, the CUP", "shares", "bank"], vocabulary=words)
    assert counts.tolist() == [[2, 0], [0, 1], [0, 0]]
    assert reading.word_counts(["the cup", "a"], n_feature=1).tolist() == [[2], [1]]
    one, other = nets.bag_of_words(["cup bank", "cup bread"], vocabulary=words)
    np.testing.assert_array_equal(one, other)


def test_the_frequent_words_are_the_most_frequent_ties_in_alphabetical_order():
    assert nets.frequent_words(["b a a", "c a b d"], size=3) == ["a", "b", "c"]
    for size in (0, 9):
        with pytest.raises(ValueError, match="there are 2 different words"):
            nets.frequent_words(["b a"], size=size)


def test_known_words_are_those_of_the_sentence_in_its_order_that_the_vocabulary_has():
    assert nets.known_words("Shares FELL; the bank's shares", ["shares", "the"]) == [
        "shares",
        "the",
        "shares",
    ]
    assert nets.known_words("", ["a"]) == nets.known_words("word", []) == []
    row = nets.bag_of_words(["Shares fell"], vocabulary=["fell", "x"])
    assert (row > 0).sum() == len(nets.known_words("Shares fell", ["fell", "x"]))
    with pytest.raises(ValueError, match="texts is the string"):
        nets.known_words("to be", "to be")
