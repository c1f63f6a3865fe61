"""The live model is published with the site where a page has a place for it, and left out where the book says so."""

import os
import shutil

import pytest

pytest.importorskip("jupyter_book", reason="pip install -e '.[book]'")

from live_page import make_book
from sphinx.errors import ExtensionError

from llmbook.build import live, npm
from llmbook.build.site import build, site_dir
from llmbook.core.show import live as places
from llmbook.core.text.cards import SMOLLM2

FILES = {*live.PROGRAM, SMOLLM2.files, live.VOCABULARY, "model-LICENSE.txt"}


def names(folder):
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Stand-ins for the files that are published; returns the folder that they lie in."""
    folder = tmp_path / "sources"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_text(name)
    monkeypatch.setattr(live, "sources", lambda: {name: folder / name for name in FILES})
    return folder


def test_the_files_are_published_without_a_second_copy_of_the_weights(small, tmp_path):
    live.publish(tmp_path / "site")
    assert names(tmp_path / "site") == FILES
    assert os.path.samefile(small / SMOLLM2.files, tmp_path / "site" / SMOLLM2.files)


def test_on_another_file_system_they_are_copied(small, tmp_path, monkeypatch):
    def refuse(*paths):
        raise OSError("Invalid cross-device link")

    monkeypatch.setattr(live.os, "link", refuse)
    live.publish(tmp_path / "site")
    assert names(tmp_path / "site") == FILES
    assert (tmp_path / "site" / SMOLLM2.files).read_text() == SMOLLM2.files


def test_a_second_build_leaves_them_alone_and_a_changed_source_is_published_anew(small, tmp_path):
    live.publish(tmp_path / "site")
    before = (tmp_path / "site" / "wllama.js").stat()
    live.publish(tmp_path / "site")
    assert (tmp_path / "site" / "wllama.js").stat().st_ino == before.st_ino
    (small / "wllama.js").unlink()
    (small / "wllama.js").write_text("another version")
    live.publish(tmp_path / "site")
    assert (tmp_path / "site" / "wllama.js").read_text() == "another version"


def test_what_is_no_longer_wanted_is_taken_away_and_nothing_else(small, tmp_path):
    live.publish(tmp_path / "site")
    (tmp_path / "site" / "app.js").write_text("the book's own")
    live.publish(tmp_path / "site", wanted=False)
    assert names(tmp_path / "site") == {"app.js"}
    live.publish(tmp_path / "nowhere", wanted=False)


def test_the_real_files_are_all_there_and_the_sizes_on_the_button_are_theirs():
    found = live.sources()
    assert set(found) == FILES and all(path.is_file() for path in found.values())
    assert found[SMOLLM2.files].stat().st_size == SMOLLM2.size
    assert 2_000_000 < live.program_size() < 4_000_000
    assert SMOLLM2.sha256[:12] in live.version() and "3.13.0" in live.version()


def test_damaged_weights_are_not_published(monkeypatch):
    monkeypatch.setattr(live, "_digest", lambda path: "0" * 64)
    with pytest.raises(ExtensionError, match="damaged or of another version: run `llmbook fetch`"):
        live.sources()


def test_without_npm_the_message_names_the_switch(monkeypatch):
    def fail():
        raise npm.NpmError("no network")

    monkeypatch.setattr(live.npm, "install", fail)
    with pytest.raises(ExtensionError, match=r"(?s)no network.*llmbook_live: false"):
        live.sources()


def test_with_the_switch_off_only_what_is_stored_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(live.npm, "install", lambda: pytest.fail("npm is not needed"))
    root = make_book(tmp_path / "root")
    config = root / "_config.yml"
    text = config.read_text(encoding="utf-8")
    assert "llmbook_live: true" in text
    config.write_text(text.replace("llmbook_live: true", "llmbook_live: false"), encoding="utf-8")
    build(root)
    page = (site_dir(root) / "book" / "live.html").read_text(encoding="utf-8")
    assert "75.0 %" in page and places.NOTE not in page and "live.js" not in page
    assert names(site_dir(root) / "_static" / "live") & FILES == set()


def test_a_book_without_a_place_for_the_model_does_not_publish_it(tmp_path, monkeypatch):
    monkeypatch.setattr(live.npm, "install", lambda: pytest.fail("npm is not needed"))
    root = make_book(tmp_path / "root")
    shutil.copy(root / "book" / "plain.ipynb", root / "book" / "live.ipynb")
    build(root)
    assert names(site_dir(root) / "_static" / "live") & FILES == set()
