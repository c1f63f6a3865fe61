"""The fast loop finds the merges of the plain one."""

import random

import pytest

from llmbook.core.text import corpora
from llmbook.tokenization import by_likelihood, count_and_merge, count_words, learn_merges
from llmbook.tokenization.naive import count_pairs
from llmbook.tokenization.wordpiece import join


def coded(words):
    letters = sorted(set("".join(words)))
    return {"".join(chr(letters.index(c)) for c in word): n for word, n in words.items()}, letters


@pytest.mark.parametrize("seed", range(30))
def test_on_random_words_of_few_letters_the_fast_loop_equals_the_plain_one(seed):
    rng = random.Random(seed)
    letters = "ab" if seed % 2 else "abc"
    words = {
        "".join(rng.choice(letters) for _ in range(rng.randrange(1, 12))): rng.randrange(1, 5)
        for _ in range(15)
    }
    words, tokens = coded(words)
    for vocab_size in (0, 4, 20, 1000):
        fast = learn_merges(words, tokens, vocab_size)
        assert fast == count_and_merge(words, tokens, vocab_size)
        assert fast == learn_merges(words, tokens, vocab_size, min_count=0)


def test_on_a_play_the_fast_loop_equals_the_plain_one():
    words, tokens = coded(count_words(corpora.plays("test")[0].text))
    assert learn_merges(words, tokens, 150) == count_and_merge(words, tokens, 150)


def test_all_merges_of_a_word_end_in_one_piece():
    words, tokens = coded({"abcabcabd": 2})
    merges = learn_merges(words, tokens, 1000)
    assert merges[-1].left + merges[-1].right == "abcabcabd"


def test_no_pair_that_is_rarer_than_asked_is_merged():
    words, tokens = coded({"ab": 5, "cd": 2, "ef": 1})
    assert [m.times for m in learn_merges(words, tokens, 99, min_count=2)] == [5, 2]
    assert learn_merges(words, tokens, 99, min_count=6) == []


def test_a_tie_goes_to_the_older_pieces():
    words, tokens = coded({"cd": 3, "ab": 3, "bc": 3})
    assert [m[:2] for m in learn_merges(words, tokens, 99)] == [("a", "b"), ("b", "c"), ("c", "d")]


def test_no_piece_is_made_in_two_ways():
    for seed in range(300):
        rng = random.Random(seed)
        words, tokens = coded(
            {"".join(rng.choices("ab", k=rng.randrange(2, 14))): rng.randrange(1, 40) for _ in range(6)}
        )
        made = [merge.left + merge.right for merge in learn_merges(words, tokens, 1000)]
        assert len(made) == len(set(made))


def test_likelihood_prefers_what_is_rare_elsewhere_and_counting_does_not():
    words, tokens = coded({"ea": 50, "et": 50, "qu": 10})
    assert count_and_merge(words, tokens, 6, by_likelihood)[0][:2] == ("q", "u")
    assert count_and_merge(words, tokens, 6)[0][:2] == ("e", "a")


def test_the_score_of_likelihood_worked_by_hand():
    words = {"ab": 6, "ac": 2, "b": 2}  # a 8 times, b 8, c 2
    assert by_likelihood(count_pairs(words), words) == {"ab": 6 / 64, "ac": 2 / 16}


def test_the_piece_that_two_become_is_up_to_the_tokenizer():
    words = {chr(0) + chr(1): 3}
    assert learn_merges(words, ["a", "##b"], 3, join=join)[0] == ("a", "##b", 3)
    assert count_and_merge(words, ["a", "##b"], 3, join=join) == learn_merges(
        words, ["a", "##b"], 3, join=join
    )
