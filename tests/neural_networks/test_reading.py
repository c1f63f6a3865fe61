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
    seen: dict[str, list] = {"learned": [], "asked": [], "lr": [], "batch": [], "start": []}
    real_fit, real_step, real_layers = reading.fit, MLP.step, MLP.layers

    def fit(model, x, labels, **options):
        seen["start"].append(model.weights[0].value.copy())
        seen["learned"].append((x, labels))
        seen["fitting"] = True
        losses = real_fit(model, x, labels, **options)
        seen["fitting"] = False
        return losses

    def layers(self, x):
        if seen.get("fitting"):
            seen["batch"].append(np.asarray(x))
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


def test_the_articles_held_out_are_learned_by_no_network(watched):
    nets.overfitting(SIZES, range(2), lr=0.2, steps=3)
    assert len(watched["learned"]) == 4 and len(watched["asked"]) == 8
    for i, (x, _) in enumerate(watched["learned"]):
        seen, held_out = watched["asked"][2 * i : 2 * i + 2]
        train, _, rest, _, _ = nets.news(seed=i // 2)
        assert len(x) == SIZES[i % 2] and rows(x) == rows(seen) <= rows(train)
        assert rows(held_out) == rows(rest)
        assert rows(train).isdisjoint(rows(rest)) and len(rows(train)) == len(train)
    learned = rows(np.concatenate([x for x, _ in watched["learned"][:2]]))
    assert learned.isdisjoint(rows(watched["asked"][1])) and learned.isdisjoint(rows(watched["asked"][3]))


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


def test_the_curves_are_the_accuracies_on_what_was_learned_and_on_what_was_not(monkeypatch):
    """A network that knows exactly the articles that it may learn from."""
    train, labels, rest, unknown, _ = nets.news(seed=0)
    answers = {bytes(x): y for x, y in zip(train, labels, strict=True)}
    answers |= {
        bytes(x): y if i % 4 else (y + 1) % 5 for i, (x, y) in enumerate(zip(rest, unknown, strict=True))
    }
    monkeypatch.setattr(MLP, "predict", lambda self, x: np.array([answers[bytes(row)] for row in x]))
    curve = nets.overfitting((30, 60), [0], lr=0.1, steps=1)
    assert curve["seen"].tolist() == [[1.0], [1.0]]
    right = 1 - len(range(0, len(rest), 4)) / len(rest)
    assert curve["held out"][:, 0] == pytest.approx([right, right])


def test_no_article_that_was_printed_twice_stands_on_both_sides():
    """The collection repeats about a hundred; however it is printed, the same words are the same article."""
    texts = [" ".join(article.text.lower().split()) for article in corpora.news()]
    assert len(texts) - len(set(texts)) > 90
    for seed in range(3):
        train, _, rest, _, _ = nets.news(seed=seed)
        together = np.concatenate([train, rest])
        assert len(rows(together)) == len(together) <= len(set(texts))


def test_a_network_of_the_news_is_right_about_most_articles_and_not_about_all():
    x, y, x_held_out, y_held_out, topics = nets.news(seed=2)
    model = MLP((x.shape[1], 32, len(topics)), seed=2)
    nets.fit(model, x, y, lr=0.2, steps=150, batch_size=64, seed=2)
    right = nets.accuracy(model.predict(x_held_out), y_held_out)
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
    with pytest.raises(ValueError, match="n_feature is 0"):
        nets.collisions(["to be"], n_feature=0)
    for call in (nets.collisions, nets.frequent_words):
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


def test_collisions_are_those_that_counting_finds():
    texts = corpora.news()[0].text, corpora.news()[900].text
    columns: dict[int, set[str]] = {}
    for text in texts:
        for word in reading.words(text):
            columns.setdefault(int(np.flatnonzero(reading.word_counts([word], 512)[0])[0]), set()).add(word)
    found = nets.collisions(texts, 512)
    assert found.n_word == len({w for ws in columns.values() for w in ws}) and found.n_column == 512
    assert found.n_sharing == sum(len(ws) for ws in columns.values() if len(ws) > 1)
    assert found.fullest == max(map(len, columns.values()))
    assert 0 < found.drowned < 1 and found.n_sharing < found.n_word


def test_in_1024_columns_every_word_of_the_news_shares_and_in_a_vocabulary_of_1024_none():
    train = nets.split_news().train.texts
    found = nets.collisions(train)
    assert found.n_sharing == found.n_word > 20_000 and found.fullest > 20
    counts = reading.word_counts(train[:50], vocabulary=nets.frequent_words(train))
    assert counts.shape == (50, 1024)
