"""SentencePiece's prefix space, with the real library."""

import pytest

from llmbook.core.text import corpora
from llmbook.tokenization import quirk, train_sentencepiece


@pytest.fixture(scope="module")
def processors():
    text = corpora.plays_text("valid")
    return {prefix: train_sentencepiece(text, 1000, prefix) for prefix in (True, False)}


def test_with_the_prefix_a_word_has_the_same_piece_at_the_start_and_within(processors):
    pieces = {prefix: p.encode("the king and the king", out_type=str) for prefix, p in processors.items()}
    assert pieces[True] == ["▁the", "▁king", "▁and", "▁the", "▁king"]
    assert pieces[False][0] != "▁the" and pieces[False][-2:] == ["▁the", "▁king"]


@pytest.mark.parametrize("at", [3, 4, 8])
def test_with_the_prefix_two_halves_are_not_the_whole_and_without_it_they_are_at_a_word_end(processors, at):
    found = {prefix: quirk(p, "the king is dead", at) for prefix, p in processors.items()}
    assert not found[True].splits_alike
    assert found[False].splits_alike == (at in (3, 8))


def test_decoding_piece_by_piece_loses_the_spaces_and_decoding_all_does_not(processors):
    text = "the king is dead"
    assert quirk(processors[True], text, 3).decoded == "thekingisdead"
    assert quirk(processors[False], text, 3).decodes_alike
    for processor in processors.values():
        assert processor.decode(processor.encode(text)) == text


def test_the_prefix_cannot_be_told_from_a_space_that_was_there(processors):
    assert processors[True].encode("king", out_type=str) == ["▁king"]
    assert processors[True].decode(processors[True].encode(" king")) == " king"
    assert processors[True].encode(" king") != processors[True].encode("king")
    assert processors[False].encode(" king", out_type=str) == ["▁king"]


def test_characters_that_training_did_not_have_become_bytes(processors):
    assert processors[True].encode("東", out_type=str) == ["▁", "<0xE6>", "<0x9D>", "<0xB1>"]


@pytest.mark.parametrize("texts", ["", " \n ", []])
def test_an_empty_corpus_is_refused(texts):
    with pytest.raises(ValueError, match="the corpus is empty"):
        train_sentencepiece(texts)


@pytest.mark.parametrize("vocab_size", [10, 10_000_000])
def test_a_vocabulary_that_does_not_fit_the_text_is_refused(vocab_size):
    with pytest.raises(ValueError, match="sentencepiece refuses vocab_size"):
        train_sentencepiece("to be or not to be", vocab_size)
