"""News without copies: shingles, near-copies and the three parts (`llmbook.neural_networks.articles`)."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from llmbook import neural_networks as nets
from llmbook.core.text import corpora
from llmbook.neural_networks import articles
from llmbook.neural_networks.articles import THRESHOLD, jaccard, near_copies, shingles, without_copies

TEXTS = [
    "Shares fell on Monday as the bank cut its profit forecast for the year.",
    "Shares fell on Monday, as the bank cut its profit forecast for the YEAR again.",
    "The striker scored twice in the cup final.",
    "",
    "The striker scored twice in the cup semi-final.",
    "123",
]


@pytest.fixture(scope="module")
def kept():
    return articles.distinct_articles()


def test_near_copies_are_all_pairs_that_a_comparison_of_each_with_each_finds():
    runs = [shingles(text) for text in TEXTS]
    for threshold in (0.01, 0.3, 0.6, 1.0):
        slow = {
            (i, j): jaccard(runs[i], runs[j])
            for i, j in combinations(range(len(TEXTS)), 2)
            if jaccard(runs[i], runs[j]) >= threshold
        }
        assert near_copies(TEXTS, threshold) == pytest.approx(slow)
    assert set(near_copies(TEXTS, 0.3)) == {(0, 1), (2, 4)}


def test_an_article_printed_twice_is_a_copy_however_it_is_written():
    assert near_copies(["To be, or not to be!", "to be OR not 2 to be"]) == {(0, 1): 1.0}
    assert shingles("one two") == {"one two"} and shingles("123") == set()


def test_no_article_of_one_part_is_a_near_copy_of_one_of_another(kept):
    """The leak test: with shingles of other code than the one that removed the copies."""
    texts = [a.text for a in kept[0]]
    place: dict[tuple, list[int]] = {}
    runs = []
    for i, text in enumerate(texts):
        w = articles.words(text)
        runs.append({tuple(w[k : k + 5]) for k in range(max(1, len(w) - 4))})
        for run in runs[-1]:
            place.setdefault(run, []).append(i)
    pairs = {pair for where in place.values() for pair in combinations(where, 2)}
    worst = max(len(runs[i] & runs[j]) / len(runs[i] | runs[j]) for i, j in pairs)
    assert 0.15 < worst < THRESHOLD


def test_every_article_kept_stands_in_exactly_one_part_with_its_own_topic(kept):
    topic_of = {a.text: a.topic for a in kept[0]}
    for seed in range(2):
        news = nets.split_news(seed)
        parts = (news.train, news.valid, news.test)
        together = [text for part in parts for text in part.texts]
        assert len(together) == len(set(together)) == len(topic_of) and set(together) == set(topic_of)
        for part in parts:
            assert [news.topics[k] for k in part.labels] == [topic_of[text] for text in part.texts]
        shares = [len(part) / len(together) for part in parts]
        assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.002)


def test_the_counts_add_up_and_most_of_what_is_left_out_was_an_exact_or_a_near_copy(kept):
    news = nets.split_news()
    assert news.n_published == len(corpora.news()) == 2225
    n_kept = len(news.train) + len(news.valid) + len(news.test)
    assert n_kept + news.n_exact + news.n_near == news.n_published and n_kept == len(kept[0])
    assert news.n_exact > 90 and news.n_near > 50


def test_the_threshold_lies_where_versions_of_an_article_end_and_other_articles_begin(kept):
    """Between 0.2 and 0.6 lie few pairs, below 0.2 most; no copy stands under two topics."""
    once = list({" ".join(articles.words(a.text)): a for a in corpora.news()}.values())
    pairs = near_copies([a.text for a in once], 0.05)
    index = np.array(list(pairs.values()))
    assert (index < THRESHOLD).sum() > 2 * ((index >= THRESHOLD) & (index < 0.6)).sum()
    assert all(once[i].topic == once[j].topic for (i, j), v in pairs.items() if v >= THRESHOLD)


def test_the_same_seed_gives_the_same_split_and_another_another():
    one, again, other = (nets.split_news(s) for s in (1, 1, 2))
    assert one.test.texts == again.test.texts != other.test.texts


def test_of_a_group_of_copies_the_first_stays_and_no_pair_is_left_whole():
    assert without_copies(5, [(1, 3), (3, 4), (0, 4)]) == [0, 1, 2]
    assert without_copies(5, [(3, 1), (4, 3)]) == [0, 1, 2, 4]
    assert without_copies(0, []) == [] and without_copies(3, []) == [0, 1, 2]
    rng = np.random.default_rng(0)
    copies = [tuple(sorted(map(int, rng.choice(30, 2, replace=False)))) for _ in range(25)]
    stay = set(without_copies(30, copies))
    assert not any(i in stay and j in stay for i, j in copies)
    assert all(k in stay or any(k in pair for pair in copies) for k in range(30))


@pytest.mark.parametrize("threshold", [0, -1, 1.5, float("nan")])
def test_a_threshold_out_of_range_is_refused(threshold):
    with pytest.raises(ValueError, match=r"threshold is .* above 0, at most 1"):
        near_copies(["a"], threshold)


def test_a_bare_string_and_runs_of_no_word_are_refused():
    with pytest.raises(ValueError, match="texts is the string 'to be'"):
        near_copies("to be")
    with pytest.raises(ValueError, match="size is 0"):
        shingles("to be", 0)
    assert near_copies([]) == {} and near_copies([TEXTS[0]]) == {}
