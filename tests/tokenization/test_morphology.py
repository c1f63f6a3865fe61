"""Morphemes: English and Turkish affixes, and the mistakes of rules without a lexicon."""

import pytest

from llmbook.tokenization import ENGLISH, TURKISH, articles, morphemes
from llmbook.tokenization.morphology import Affixes


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("unhelpfulness", "un help ful ness"),
        ("Unhappily", "Un happi ly"),
        ("overthrowing", "over throw ing"),
        ("walks", "walk s"),
        ("red", "red"),
        ("sing", "sing"),
        ("is", "is"),
        ("hmmms", "hmmms"),
        ("", ""),
    ],
)
def test_english_words_are_taken_apart(word, parts):
    assert morphemes(word, ENGLISH) == (parts.split() or [""])


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("evlerimizden", "ev ler imiz den"),  # from our houses
        ("evler", "ev ler"),
        ("gözlükçüler", "gözlükçü ler"),
        ("kitaplarda", "kitap lar da"),
        ("ev", "ev"),
    ],
)
def test_turkish_words_are_taken_apart(word, parts):
    assert morphemes(word, TURKISH) == parts.split()


@pytest.mark.parametrize(("code", "affixes"), [("en", ENGLISH), ("tr", TURKISH)])
def test_nothing_is_lost_and_a_stem_with_a_vowel_is_left(code, affixes):
    text = next(article.text for article in articles() if article.code == code)
    for word in text.replace(".", "").replace(",", "").split():
        parts = morphemes(word, affixes)
        assert "".join(parts) == word
        known = {*affixes.prefixes, *(s for place in affixes.suffixes for s in place)}
        stems = [part for part in parts if part.lower() not in known]
        assert len(stems) <= 1 or len(parts) == 1


def test_a_turkish_word_has_more_morphemes_than_an_english_one():
    def mean(code, affixes):
        words = next(a.text for a in articles() if a.code == code).replace(".", "").replace(",", "").split()
        return sum(len(morphemes(word, affixes)) for word in words) / len(words)

    assert mean("tr", TURKISH) > mean("en", ENGLISH) + 0.25


def test_a_stem_is_left_as_long_as_asked():
    assert morphemes("aab", Affixes((), (("b",), ("a",)), 1, "a")) == ["a", "a", "b"]
    assert morphemes("aab", Affixes((), (("b",), ("a",)), 2, "a")) == ["aa", "b"]
