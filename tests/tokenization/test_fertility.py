"""What a sentence costs in 14 languages."""

import pytest

from llmbook.core.text import corpora
from llmbook.tokenization import BPE, articles, fertility, smollm2
from llmbook.tokenization.fertility import Article


def test_the_articles_are_there_once_each_in_clean_text():
    codes = [article.code for article in articles()]
    assert len(codes) == len(set(codes)) == 14 and codes[0] == "en"
    assert articles()[0].text.startswith("All human beings are born free and equal in dignity and rights.")
    for article in articles():
        assert article.text == article.text.strip() and "\n" not in article.text and "  " not in article.text
        assert article.spaces == (article.code not in ("zh", "ja", "th")) and len(article.text) > 30


def test_counts_by_hand():
    texts = [Article("A", "a", "Latin", True, "ab c"), Article("B", "b", "Han", False, "東京")]
    first, second = fertility(lambda text: text.encode()[::2], texts)
    assert (first.tokens, first.bytes, first.characters, first.words, first.premium) == (2, 4, 4, 2, 1)
    assert (first.per_word, first.per_character, first.per_byte) == (1, 0.5, 0.5)
    assert (second.tokens, second.bytes, second.characters, second.words) == (3, 6, 2, None)
    assert second.per_word is None and second.per_character == 1.5 and second.premium == 1.5


def test_a_tokenizer_learnt_on_english_is_dearer_everywhere_else():
    ours = fertility(BPE.train(corpora.plays_text("valid"), 2000).encode)
    assert all(one.premium > 1 for one in ours[1:])
    published = {one.language: one.premium for one in fertility(smollm2().encode)}
    assert published["English"] == 1 and min(sorted(published.values())[1:]) > 1.2
    assert published["Thai"] > 4 > published["German"]


def test_nothing_to_measure_by_is_refused():
    for texts in ([], [Article("A", "a", "Latin", True, "")]):
        with pytest.raises(ValueError, match="no article"):
            fertility(str.encode, texts)
