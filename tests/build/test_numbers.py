"""Pages have the numbers of the map of chapters."""

import re

import pytest
import small_book

pytest.importorskip("jupyter_book", reason="pip install -e '.[book]'")

from llmbook.build.numbers import numbers
from llmbook.build.site import build, site_dir

MAP = """\
- {number: 1, title: A, line: A., pages: [one, later, two]}
- {number: 2, title: B, line: B., pages: [planned]}
- {number: 3, title: C, line: C., pages: [three]}
"""


@pytest.fixture
def book(tmp_path):
    root = small_book.make(tmp_path / "root")
    (root / "book" / "chapters.yml").write_text(MAP)
    return root


def headings(root, name):
    page = (site_dir(root) / "book" / f"{name}.html").read_text(encoding="utf-8")
    found = re.findall(r"<h[12]>(.*?)<a class=\"headerlink", page)
    return [re.sub("<[^>]*>", "", heading) for heading in found]


def menu(root, name):
    page = (site_dir(root) / "book" / f"{name}.html").read_text(encoding="utf-8")
    return re.findall(r'<a class="reference internal" href="(?:two|three)\.html">\s*(.*?)\s*</a>', page)


def test_a_page_has_the_number_of_its_place_in_the_map_whatever_else_is_written(book):
    assert numbers(book) == {"one": "1", "later": "1b", "two": "1c", "planned": "2", "three": "3"}
    build(book)
    assert headings(book, "one") == ["1. One"]
    assert headings(book, "two") == ["1c. Two", "A part"]
    assert headings(book, "three") == ["3. Three"]
    assert menu(book, "one")[:2] == ["1c. Two", "3. Three"]


def test_a_changed_map_reaches_every_page(book):
    build(book)
    (book / "book" / "chapters.yml").write_text(MAP.replace("later, ", ""))
    build(book)
    assert headings(book, "two")[0] == "1b. Two" and menu(book, "three")[0] == "1b. Two"


def test_a_book_without_a_map_has_no_numbers(tmp_path):
    root = small_book.make(tmp_path / "root")
    assert numbers(root) == {}
    build(root)
    assert headings(root, "three") == ["Three"]
