"""Words out of vocabulary, and pieces that spell them."""

import pytest

from llmbook.core.text import corpora
from llmbook.tokenization import BPE, WordPiece, articles, growth, of_pieces, of_words, unseen


@pytest.fixture(scope="module")
def texts():
    return corpora.plays_text("train")[:300_000], corpora.plays_text("test")[:100_000]


def test_the_plays_that_are_scored_are_not_those_that_were_learnt_from(texts):
    lines = {line for line in texts[0].splitlines() if len(line) > 40}
    assert not [line for line in texts[1].splitlines() if line in lines]


def test_counts_by_hand():
    assert of_words("a a b", "a b c c", 1) == (0.75, 1)
    assert of_words("a a b", "a b c c", 2) == (0.5, 1)
    assert unseen("a a b", "a b c c d") == ["c", "d"] and unseen("a a b", "c d", longest=1) == ["c"]
    assert growth(["a b", "b c", "d d"]) == [(2, 2), (4, 3), (6, 4)]


def test_a_larger_dictionary_misses_less_but_never_nothing(texts):
    unknown = [of_words(*texts, size).unknown for size in (100, 1000, 10_000, 1_000_000)]
    assert unknown == sorted(unknown, reverse=True) and unknown[0] > 0.3 and unknown[-1] > 0.01


def test_pieces_miss_nothing_that_is_made_of_known_characters_and_bytes_nothing_at_all(texts):
    wordpiece, bpe = WordPiece.train(texts[0], 1000), BPE.train(texts[0], 1000)
    assert of_pieces(wordpiece, texts[1]).unknown < 0.005 and of_pieces(bpe, texts[1]).unknown == 0
    turkish = next(article.text for article in articles() if article.code == "tr")
    assert of_pieces(wordpiece, turkish).unknown > 0.3 and of_pieces(bpe, turkish).unknown == 0
    assert of_pieces(bpe, turkish).tokens_per_word > 2 * of_pieces(bpe, texts[1]).tokens_per_word > 2


def test_a_dictionary_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least 1 word"):
        of_words("a", "a", 0)
