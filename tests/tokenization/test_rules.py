"""Spaces and rules: on English, and where there are no spaces."""

import pytest

from llmbook.core.text import corpora
from llmbook.tokenization import articles, at_spaces, by_rules


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("I can't.", ["I", "ca", "n't", "."]),
        ("I can’t.", ["I", "ca", "n’t", "."]),
        ("don' n’t", ["don", "'", "n’t"]),
        ("He’d say 'tis", ["He", "’d", "say", "'", "tis"]),
        ("3.14 or 1,000,000?", ["3.14", "or", "1,000,000", "?"]),
        ("The U.S. economy", ["The", "U.S.", "economy"]),
        ("wait -- no...", ["wait", "--", "no", "..."]),
        ("mother-in-law's", ["mother-in-law", "'s"]),
        ("Ćevapi straße naïve", ["Ćevapi", "straße", "naïve"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_rules_set_apart_what_they_say(text, tokens):
    assert by_rules(text) == tokens


def test_rules_lose_nothing_but_spaces():
    text = corpora.plays_text("valid")[:50_000] + corpora.manual_text()[:50_000]
    assert "".join(by_rules(text)) == "".join(text.split()) == "".join(at_spaces(text))


def test_a_text_without_spaces_stays_nearly_whole():
    for article in articles():
        if not article.spaces and article.code != "th":
            assert len(at_spaces(article.text)) == 1
        if article.code == "zh":
            assert len(by_rules(article.text)) == 8  # four stretches and the marks behind them
