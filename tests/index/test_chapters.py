"""The map of the book: `llmbook.index.chapters`."""

import json
import re
from pathlib import Path

import pytest

from llmbook.index import chapter_map, load, progress

ROOT = Path(__file__).resolve().parents[2]
ROWS = """\
- {number: 1, title: One & all, line: "The first <line>.", pages: [first, second, third]}
- {number: 2, title: Two, line: The second line., pages: [later, fourth]}
"""


@pytest.fixture
def book(tmp_path):
    (tmp_path / "chapters.yml").write_text(ROWS)
    for name in ("first", "second"):
        cell = {"cell_type": "markdown", "metadata": {}, "source": f"# The {name} <page>"}
        notebook = {"cells": [cell], "metadata": {"llmbook": {"seconds": 20.0}}}
        (tmp_path / f"{name}.ipynb").write_text(json.dumps(notebook))
    return tmp_path


def test_the_book_has_fifteen_chapters_and_each_page_of_it_stands_in_one_of_them():
    chapters = load(ROOT / "book" / "chapters.yml")
    assert [chapter.number for chapter in chapters] == list(range(1, 16))
    listed = {page for chapter in chapters for page in chapter.pages}
    assert {path.stem for path in (ROOT / "book").glob("*.ipynb")} - {"index"} <= listed


def test_the_map_links_what_is_there_and_nothing_else(book):
    page = chapter_map(load(book / "chapters.yml"), book)
    assert re.findall(r'href="([^"]*)"', page) == ["first.html", "second.html"]
    assert page.count("planned") == 3 and "third" in page and "fourth" in page
    assert page.count("<li") == 2 and 'value="2"' in page
    assert "1 minute to read · runs in about 20 s" in page


def test_what_stands_in_the_files_is_text_and_no_markup(book):
    page = chapter_map(load(book / "chapters.yml"), book)
    assert "One &amp; all" in page and "&lt;line&gt;" in page and "The second &lt;page&gt;" in page


def test_a_page_that_appears_becomes_a_link(book):
    before = progress(load(book / "chapters.yml"), book)
    (book / "later.ipynb").write_text((book / "first.ipynb").read_text())
    assert 'href="later.html"' in chapter_map(load(book / "chapters.yml"), book)
    assert before == "2 pages in 1 of 2 chapters are written."
    assert progress(load(book / "chapters.yml"), book) == "3 pages in 2 of 2 chapters are written."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "numbered from 1"),
        (ROWS.replace("number: 2", "number: 3"), "numbered from 1"),
        (ROWS.replace("later", "second"), "second stands in two places"),
        (ROWS.replace("title: Two", "title: ''"), "title is ''"),
        (ROWS.replace("[later, fourth]", "[]"), "has no pages"),
        (ROWS.replace("line: The second line., ", ""), "no chapter: give number"),
        ("- 3", "no chapter"),
    ],
)
def test_a_map_with_a_mistake_is_refused(tmp_path, text, message):
    (tmp_path / "chapters.yml").write_text(text)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "chapters.yml")


def test_a_missing_map_says_what_it_needs(tmp_path):
    with pytest.raises(ValueError, match="needs a clone"):
        load(tmp_path / "chapters.yml")
