"""Words as 🤗 tokenizers cuts them, for the splits of GPT-2, SmolLM2 and BERT."""

import random

import pytest
from tokenizers import pre_tokenizers

from llmbook.core.text import corpora
from llmbook.tokenization import BERT, GPT2, SMOLLM2, count_words
from llmbook.tokenization.byte_level import to_signs, word_bytes
from llmbook.tokenization.splitting import SPLITS, safe_chunks

BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False)
THEIRS = {
    "gpt2": BYTES,
    "smollm2": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), BYTES]),
    "bert": pre_tokenizers.BertPreTokenizer(),
}


def texts():
    rng = random.Random(0)
    pool = "aBé東ไ1٣½ \n\t\r\u00a0\u3000🙂.,!'’-_<|>[]$+^`~«sdmtlrve" + " " * 6
    yield from ("".join(rng.choice(pool) for _ in range(40)) for _ in range(500))
    yield corpora.plays_text("valid")[:50_000]
    yield corpora.manual_text()[:50_000]
    yield "don't  can't\n\n 12  3 ' 's 'll we'RE"


@pytest.mark.parametrize("name", SPLITS)
def test_words_are_those_of_tokenizers(name):
    for text in texts():
        theirs = [word for word, _ in THEIRS[name].pre_tokenize_str(text)]
        ours = SPLITS[name].words(text)
        assert theirs == (ours if name == "bert" else [to_signs(word_bytes(word)) for word in ours]), text


@pytest.mark.parametrize("split", [GPT2, SMOLLM2])
def test_the_words_of_a_text_are_the_whole_text(split):
    assert all("".join(split.words(text)) == text for text in texts())


@pytest.mark.parametrize("split", SPLITS.values(), ids=str)
def test_where_a_split_says_that_a_text_may_be_cut_the_words_stay_the_same(split):
    for text in texts():
        text = text[:200]
        places = {split.last_cut(text, limit) for limit in range(len(text) + 2)} - {0}
        for place in places:
            assert split.words(text[:place]) + split.words(text[place:]) == split.words(text), (text, place)
        assert " " not in text.strip() or places


def test_counts_of_several_texts_add_up():
    assert count_words(["to be ", "to be"], GPT2) == {"to": 2, " be": 2, " ": 1}
    assert count_words("To be, to be!", BERT) == {"To": 1, "be": 2, ",": 1, "to": 1, "!": 1}


def test_chunks_are_the_text_and_as_long_as_they_may_be():
    assert list(safe_chunks([], GPT2)) == list(safe_chunks(["", ""], GPT2)) == []
    assert list(safe_chunks(["to be", " or"], GPT2)) == ["to", " be", " or"]
    assert list(safe_chunks(["aaaa", "aaaa"], GPT2)) == ["aaaaaaaa"]
    assert "".join(safe_chunks(["a <|x", "|> b"], GPT2, ["<|x|>"])) == "a <|x|> b"
