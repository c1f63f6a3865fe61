"""Maximum matching: on Chinese, on English without its spaces, and where greed goes wrong."""

import random

import pytest

from llmbook.core.text import corpora
from llmbook.tokenization import CHINESE, backward, both_ways, count_words, forward, without_spaces
from llmbook.tokenization.splitting import BERT

WAYS = [forward, backward, both_ways]


def test_the_two_ends_disagree_on_the_classic_example_and_the_shorter_rest_wins():
    assert forward("研究生命起源", CHINESE) == ["研究生", "命", "起源"]
    assert backward("研究生命起源", CHINESE) == ["研究", "生命", "起源"] == both_ways("研究生命起源", CHINESE)


@pytest.mark.parametrize("way", WAYS)
def test_every_word_is_in_the_dictionary_or_a_single_character_and_nothing_is_lost(way):
    rng = random.Random(0)
    for _ in range(300):
        text = "".join(rng.choice("abcdxyz") for _ in range(rng.randrange(30)))
        words = {"ab", "abc", "cd", "bcd", "a", "dab"}
        found = way(text, words)
        assert "".join(found) == text and all(word in words or len(word) == 1 for word in found)


def test_one_is_the_other_read_backwards():
    rng = random.Random(1)
    words = {"ab", "abc", "cd", "bcd", "a", "dab"}
    mirrored = {word[::-1] for word in words}
    for _ in range(300):
        text = "".join(rng.choice("abcd") for _ in range(20))
        assert backward(text, words) == [word[::-1] for word in forward(text[::-1], mirrored)[::-1]]


def test_fewer_words_win_then_fewer_single_characters():
    assert both_ways("abcd", {"abc", "ab", "cd"}) == ["ab", "cd"]
    assert both_ways("abcd", {"ab", "cd", "bcd"}) == ["ab", "cd"]  # backward: a bcd
    assert both_ways("abcde", {"ab", "cde", "abc", "de"}) == [
        "ab",
        "cde",
    ]  # forward: abc de; the backward one wins
    assert both_ways("abcd", {"abcd", "bcd"}) == ["abcd"]


def test_english_without_spaces_is_cut_right_for_the_most_part_but_not_throughout():
    known = {word for word in count_words(corpora.plays_text("train"), BERT) if word.isalpha()}
    text = "the king has no power here and the night is dark"
    found = both_ways(without_spaces(text), known)
    assert "".join(found) == without_spaces(text) and len(set(found) & set(text.split())) >= 6


@pytest.mark.parametrize("way", WAYS)
def test_an_empty_dictionary_is_refused_and_an_empty_text_is_not(way):
    assert way("", {"a"}) == []
    with pytest.raises(ValueError, match="dictionary is empty"):
        way("abc", set())
