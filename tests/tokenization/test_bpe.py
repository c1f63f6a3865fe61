"""Byte-level BPE: the merges, the numbers and the encoding of 🤗 tokenizers, on the whole of the plays."""

import json
from itertools import pairwise

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from llmbook.core.text import corpora
from llmbook.tokenization import BPE, count_words, learn_counted
from llmbook.tokenization.byte_level import ALPHABET

SPECIAL = ["<|endoftext|>", "<|im_start|>"]


def theirs(texts, vocab_size, special=(), min_count=0):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_count,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([texts] if isinstance(texts, str) else texts, trainer)
    return tokenizer


def model(tokenizer):
    return json.loads(tokenizer.to_str())["model"]


@pytest.fixture(scope="module")
def plays():
    return [corpora.plays_text(split) for split in corpora.SPLITS]


@pytest.mark.parametrize("vocab_size", [1000, 8000])
def test_on_the_whole_of_the_plays_every_merge_and_number_is_that_of_tokenizers(
    plays, vocab_size, record_property
):
    ours, reference = BPE.train(plays, vocab_size), theirs(plays, vocab_size)
    assert ours.merges == [tuple(merge) for merge in model(reference)["merges"]]
    assert ours.ids == model(reference)["vocab"] and len(ours.merges) == vocab_size - 256
    record_property("parity", f"{len(ours.merges)} merges of BPE = 🤗 tokenizers'")
    for word in count_words(plays):
        assert ours.encode(word) == reference.encode(word).ids, word


def test_among_the_merges_there_are_ties_so_their_order_was_tested(plays):
    times = [merge.times for merge in learn_counted(plays, 4000)]
    assert times == sorted(times, reverse=True)
    assert sum(a == b for a, b in pairwise(times)) > 1000


@pytest.mark.parametrize(
    "text",
    [
        "aaaa aaa aa a " * 3 + "aaaaaaaaaa",
        "abab ababab bababa abcabc " * 5,
        "naïve café 東京 東京都 🙂🙂 e\u0301 \x00\x7f",
        "x",
        "don't can't won't we'll they're I've\n\n\n  two  spaces\t\ttabs\n",
        "ab abc bc abc a bc ab c abcabc " * 4,
    ],
)
def test_small_texts_with_repeats_and_other_scripts_learn_the_same(text):
    ours, reference = BPE.train(text, 320, special_tokens=SPECIAL), theirs(text, 320, SPECIAL)
    assert ours.merges == [tuple(merge) for merge in model(reference)["merges"]]
    assert ours.ids == model(reference)["vocab"]
    assert ours.encode(text) == reference.encode(text).ids and ours.decode(ours.encode(text)) == text


@pytest.mark.parametrize("min_count", [2, 5, 1000])
def test_rare_pairs_are_not_merged(min_count):
    text = corpora.plays_text("valid")[:20_000]
    ours, reference = BPE.train(text, 5000, min_count=min_count), theirs(text, 5000, min_count=min_count)
    assert ours.merges == [tuple(merge) for merge in model(reference)["merges"]] and ours.vocab_size < 5000


def test_special_tokens_have_the_first_numbers_and_count_only_when_asked():
    text = "to be<|endoftext|>or not<|im_start|>"
    ours, reference = (
        BPE.train("to be or not to be", 270, special_tokens=SPECIAL),
        theirs("to be or not to be", 270, SPECIAL),
    )
    assert [ours.ids[token] for token in SPECIAL] == [0, 1]
    assert ours.encode(text, special=True) == reference.encode(text).ids
    assert not {0, 1} & set(ours.encode(text))
    assert ours.decode(ours.encode(text)) == text == ours.decode(ours.encode(text, special=True))


def test_of_two_special_tokens_the_longer_is_found():
    ours = BPE.train("a b", 300, special_tokens=["<|a|>", "<|a|><|b|>"])
    assert ours.encode("<|a|><|b|>", special=True) == [1]
    assert ours.encode("<|a|>x<|a|>", special=True)[::2] == [0, 0]


def test_the_steps_of_a_word_end_in_its_encoding_and_each_joins_what_was_learnt_first():
    ours = BPE.train(corpora.plays_text("valid"), 600)
    steps = ours.steps(" another")
    assert [ord(piece) for piece in steps[-1]] == ours.encode(" another")
    assert len(steps[0]) == len(" another") and [len(a) > len(b) for a, b in pairwise(steps)]
    joined = [next(p for p in b if p not in a) for a, b in pairwise(steps)]
    assert len(joined) == len(steps) - 1


def test_a_smaller_vocabulary_is_the_beginning_of_a_larger_one():
    text = corpora.plays_text("valid")
    assert BPE.train(text, 400).merges == BPE.train(text, 600).merges[:144]


def test_bytes_that_an_alphabet_leaves_out_come_last_and_are_still_encoded():
    some = [sign for sign in ALPHABET if sign != "z"]
    ours = BPE([("a", "b")], ["<|x|>"], alphabet=some)
    assert ours.tokens[0] == "<|x|>" and ours.tokens[-2:] == ["ab", "z"] and ours.vocab_size == 258
    assert ours.decode(ours.encode("abz")) == "abz"


@pytest.mark.parametrize(
    ("merges", "complaint"),
    [
        ([("a", "bc")], "makes 'bc'"),
        ([("a", "b"), ("ab", "cd")], "merge 1 is of"),
        ([("<|x|>", "a")], "no merge before"),
    ],
)
def test_a_merge_of_pieces_that_do_not_exist_is_refused(merges, complaint):
    with pytest.raises(ValueError, match=complaint):
        BPE(merges, special_tokens=["<|x|>"])
