"""BPE by hand: the ten words, and the same algorithm as the fast one."""

import random

import pytest

from llmbook.tokenization import TEN_WORDS, learn_by_hand, learn_merges
from llmbook.tokenization.by_hand import merge_pair


def test_the_ten_words_worked_with_a_pencil():
    assert len(TEN_WORDS.split()) == 10
    first, second, third = learn_by_hand(n_merges=3)
    # low 4 times, lower twice: l-o and o-w six times each; newest 3 times and widest: e-s and s-t four times each
    assert (first.pair, first.times, first.tokens) == (("l", "o"), 6, 40)
    assert list(first.counts.items())[:2] == [(("l", "o"), 6), (("o", "w"), 6)]
    assert (second.pair, second.times, second.tokens) == (("lo", "w"), 6, 34)
    assert third.pair == ("e", "s") and third.words["newest"] == ("n", "e", "w", "es", "t")
    assert third.vocabulary[-3:] == ("lo", "low", "es")


def test_each_step_saves_as_many_tokens_as_the_pair_had_and_counts_what_the_step_before_left():
    steps = learn_by_hand()
    tokens = sum(map(len, TEN_WORDS.split()))
    for step in steps:
        assert step.times == max(step.counts.values()) == step.counts[step.pair] >= 2
        assert tokens - step.tokens == step.times
        tokens = step.tokens
        assert all("".join(pieces) == word for word, pieces in step.words.items())
    assert len({step.vocabulary[-1] for step in steps}) == len(steps)


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_algorithm_of_the_fast_loop(seed):
    rng = random.Random(seed)
    text = " ".join("".join(rng.choice("abcd") for _ in range(rng.randrange(1, 7))) for _ in range(20))
    letters = sorted(set(text) - {" "})
    words = {}
    for word in text.split():
        key = "".join(chr(letters.index(c)) for c in word)
        words[key] = words.get(key, 0) + 1
    steps = learn_by_hand(text, n_merges=12)
    fast = learn_merges(words, letters, len(steps[-1].vocabulary))
    assert [(*step.pair, step.times) for step in steps][: len(fast)] == fast


def test_merging_goes_from_the_left_and_leaves_others_alone():
    assert merge_pair(tuple("aaaa"), ("a", "a")) == ("aa", "aa")
    assert merge_pair(tuple("abab"), ("a", "b")) == ("ab", "ab")
    assert merge_pair(tuple("ba"), ("a", "b")) == ("b", "a") and merge_pair((), ("a", "b")) == ()


def test_it_ends_when_nothing_is_left_to_merge_and_refuses_no_text():
    assert [step.pair for step in learn_by_hand("ab", n_merges=9)] == [("a", "b")]
    assert learn_by_hand("ab cd") == [] and learn_by_hand(n_merges=0) == []
    with pytest.raises(ValueError, match="no word"):
        learn_by_hand("  ")
