"""SmolLM2's tokenizer in our code: the numbers of the library's."""

import pytest
from tokenizers import Tokenizer

from llmbook.core.text import corpora
from llmbook.tokenization import BPE, SMOLLM2, articles, for_browser, smollm2, smollm2_file
from llmbook.tokenization.published import pair


@pytest.fixture(scope="module")
def reference():
    return Tokenizer.from_file(str(smollm2_file()))


@pytest.mark.parametrize("name", ["plays", "news", "manual"])
def test_every_number_is_that_of_the_library(reference, name, record_property):
    text = corpora.corpus(name, "test")[:200_000]
    assert smollm2().encode(text) == reference.encode(text, add_special_tokens=False).ids
    record_property("parity", f"SmolLM2's tokenizer on {name} = 🤗 tokenizers'")


def test_in_every_language_too(reference):
    for article in articles():
        ids = smollm2().encode(article.text)
        assert ids == reference.encode(article.text).ids and smollm2().decode(ids) == article.text


def test_special_tokens_are_those_of_the_library(reference):
    text = "<|im_start|>user\nHi 123!<|im_end|>"
    assert smollm2().encode(text, special=True) == reference.encode(text).ids
    assert smollm2().encode(text)[0] != reference.encode(text).ids[0]


def test_bytes_that_the_library_drops_are_kept_behind_its_numbers(reference):
    assert reference.get_vocab_size() == 49_152 and smollm2().vocab_size == 49_152 + 21
    assert reference.decode(reference.encode("a\x04b").ids) == "ab"
    assert (
        smollm2().decode(smollm2().encode("a\x04b")) == "a\x04b" and max(smollm2().encode("a\x04b")) >= 49_152
    )


def test_merges_are_read_from_both_ways_of_writing_them():
    assert pair("Ġ t") == pair(["Ġ", "t"]) == ("Ġ", "t")


def test_the_browser_gets_all_it_needs():
    bpe = BPE.train("low lower lowest", 262)
    options = for_browser(bpe, "ours")
    assert options["tokens"] == bpe.tokens and len(options["merges"]) == 6 and not options["digits"]
    assert all(merge.replace(" ", "") in options["tokens"] for merge in options["merges"])
    assert for_browser(BPE([], split=SMOLLM2), "s")["digits"]
