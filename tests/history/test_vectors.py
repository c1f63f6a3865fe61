"""Vectors of words that behave alike: which words, what is ranked, and which controls."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from llmbook import history
from llmbook.core.measure import records
from llmbook.history import ladder, vectors
from llmbook.history.vectors import Near

WORDS = sorted({word for pair in vectors.PAIRS for word in pair})


@pytest.fixture(scope="module")
def corpus():
    return history.text()


def test_every_word_is_one_frequent_token_and_no_pair_comes_twice(corpus):
    counts = torch.bincount(corpus.train, minlength=corpus.vocab_size)
    assert all(counts[vectors.token(corpus, word)] >= vectors.SEEN for word in (*WORDS, *vectors.SHOWN))
    assert len({frozenset(pair) for pair in vectors.PAIRS}) == len(vectors.PAIRS)
    with pytest.raises(ValueError, match="' woman' is 2 tokens"):
        vectors.token(corpus, " woman")


def test_a_match_is_in_no_pair_begins_a_word_and_is_about_as_frequent(corpus):
    counts = torch.bincount(corpus.train, minlength=corpus.vocab_size)
    found = vectors.matches(corpus)
    assert set(found) == set(WORDS) and not set(found.values()) & set(WORDS)
    assert all(word.startswith(" ") and word[1:].isalpha() for word in found.values())
    ratio = torch.tensor(
        [
            float(counts[vectors.token(corpus, match)] / counts[vectors.token(corpus, word)])
            for word, match in found.items()
        ]
    )
    assert (ratio.log().abs() < 0.7).all() and ratio.log().abs().median() < 0.05


def test_ranks_are_those_of_sorting_cosines_by_hand():
    made = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    ranked = torch.tensor([True] * 7 + [False] * 2)
    found = vectors.ranking(made, ranked)
    for a in range(9):
        others = [b for b in range(7) if b != a]
        cosines = {b: torch.cosine_similarity(made[a], made[b], dim=0).item() for b in others}
        assert [found.cosine[a, b].item() for b in others] == pytest.approx(list(cosines.values()), abs=1e-6)
        by_hand = sorted(others, key=lambda b: -cosines[b])
        assert [int(found.rank[a, b]) for b in by_hand] == list(range(1, len(others) + 1))
        assert found.rank[a, a] == found.rank[a, 7 if a != 7 else 8] == 0


def test_tokens_are_ranked_that_the_training_plays_hold_fifty_times(corpus, monkeypatch):
    asked = []
    real = vectors.ranking
    monkeypatch.setattr(vectors, "ranking", lambda made, ranked: asked.append(ranked) or real(made, ranked))
    fewer = dataclasses.replace(corpus, train=corpus.train[:200_000])
    made = torch.randn(corpus.vocab_size, 2, generator=torch.Generator().manual_seed(0))
    list(vectors.near(fewer, made, 0, True))
    counts = torch.bincount(fewer.train, minlength=corpus.vocab_size)
    assert torch.equal(asked[0], counts >= 50) and ((counts > 40) & (counts < 60)).sum() > 10


def test_a_vector_put_beside_another_is_its_nearest(corpus):
    made = torch.randn(corpus.vocab_size, 16, generator=torch.Generator().manual_seed(0))
    made[vectors.token(corpus, " she")] = 3 * made[vectors.token(corpus, " he")]
    rows = list(vectors.near(corpus, made, 5, True))
    partner = {(r.word, r.other): r for r in rows if r.what == "partner"}
    assert len(partner) == 2 * len(vectors.PAIRS) and {(r.seed, r.trained) for r in rows} == {(5, True)}
    assert partner[" she", " he"].rank == partner[" he", " she"].rank == 1
    assert partner[" she", " he"].cosine == pytest.approx(1.0)
    like = vectors.matches(corpus)
    pairs = [r for r in rows if r.what != "nearest"]
    for partner_row, match in zip(pairs[::2], pairs[1::2], strict=True):
        assert (match.what, match.word, match.other) == ("match", partner_row.word, like[partner_row.other])
    first = vectors.nearest(rows, " she", seed=5)
    assert (
        len(first) == 5
        and next(iter(first)) == " he"
        and list(first.values()) == sorted(first.values())[::-1]
    )
    with pytest.raises(ValueError, match="no neighbours of ' we' with seed 5"):
        vectors.nearest(rows, " we", seed=5)


def test_untrained_vectors_are_those_that_training_starts_from(monkeypatch):
    seen, trained_at = [], []

    def climb(rung, corpus, flops, seed, amp):
        torch.manual_seed(seed)
        seen.append((rung.name, flops, seed, amp))
        trained_at.append(rung.lr)
        return None, rung.make(corpus.vocab_size)

    monkeypatch.setattr(ladder, "climb", climb)
    rows = list(vectors.measure(1.4e12, 2, False))
    assert seen == [("feed-forward", 1.4e12, s, False) for s in range(2)]
    rates = [
        history.chosen(records.load(history.RECORD, ladder.Climb)[0], b)["feed-forward"].lr
        for b in (1.4e12, None)
    ]
    assert rates[0] != rates[1] and set(trained_at) == {rates[0]}  # as on the ladder, with its middle budget
    untrained, trained = ([(r.seed, r.what, r.word, r.other, r.cosine, r.rank) for r in rows if r.trained is t]
                          for t in (False, True))  # fmt: skip
    assert untrained == trained and {r.seed for r in rows} == {0, 1}


def test_the_median_is_over_pairs_and_the_interval_over_seeds():
    rows = [
        Near(s, True, "partner", "a", str(i), 0.0, rank + s)
        for s in range(3)
        for i, rank in enumerate((1, 2, 90))
    ]
    rows += [Near(0, False, "partner", "a", "b", 0.0, 500), Near(0, True, "match", "a", "c", 0.0, 400)]
    found = vectors.median_ranks(rows)
    assert found.mean == 3.0 and found.n == 3
    with pytest.raises(ValueError, match="no row of 'match'"):
        vectors.median_ranks(rows, "match", trained=False)


def test_the_stored_record_is_whole(corpus):
    rows, about = records.load(vectors.RECORD, Near)
    ranked = int((torch.bincount(corpus.train, minlength=corpus.vocab_size) >= vectors.SEEN).sum())
    for trained in (False, True):
        for what, n in (
            ("partner", 2 * len(vectors.PAIRS)),
            ("match", 2 * len(vectors.PAIRS)),
            ("nearest", 5 * len(vectors.SHOWN)),
        ):
            mine = [r for r in rows if (r.what, r.trained) == (what, trained)]
            assert [sum(r.seed == s for r in mine) for s in range(about["seeds"])] == [n] * 3
            assert all(1 <= r.rank < ranked and -1 <= r.cosine <= 1 for r in mine)
        for seed in range(3):
            assert all(len(vectors.nearest(rows, word, seed, trained)) == 5 for word in vectors.SHOWN)
