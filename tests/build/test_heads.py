"""The line under a page's title."""

import json

import pytest
import small_book
from small_book import printing

pytest.importorskip("jupyter_book", reason="pip install -e '.[book]'")

from llmbook.build import seeds
from llmbook.build.heads import head
from llmbook.build.site import build, site_dir

RECORD = {"hash": "abc", "seconds": 58.0}


@pytest.fixture
def book(tmp_path):
    root = small_book.make(tmp_path / "root")
    claims = printing("check()", "✓ one\n✓ two\n")
    small_book.write_page(root, "two", "# Two\n\n## A part\n\nText.", claims, record=RECORD)
    return root


def hold(root, **record):
    path = root / seeds.FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"two": {"fingerprint": "abc", "held": [0, 1, 2], "failed": {}, **record}}))


def line(root, name="two"):
    return head(root / "book" / f"{name}.ipynb", root)


def test_it_says_what_was_checked_for_which_seeds_and_what_it_costs(book):
    assert line(book) == "2 claims checked when this page ran · runs in about 60 s · 1 minute to read"
    hold(book)
    assert "this page ran · held for seeds 0–2 · runs" in line(book)


def test_seeds_of_other_code_and_of_a_page_that_failed_are_not_shown(book):
    hold(book, fingerprint="old")
    assert "held" not in line(book)
    hold(book, failed={"3": "AssertionError"})
    assert "held" not in line(book)


def test_a_page_that_was_never_run_holds_for_nothing(book):
    small_book.write_page(book, "two", "# Two\n\n## A part")
    hold(book)
    assert line(book) == "1 minute to read"


def test_one_is_told_in_the_singular_and_what_is_not_known_is_left_out(book):
    small_book.write_page(book, "two", "# Two\n\n## A part", printing("check()", "✓ one"), record=RECORD)
    hold(book, held=[5])
    assert line(book).startswith("1 claim checked when this page ran · held for seed 5 ·")
    assert line(book, "one") == "1 minute to read"


def test_it_stands_under_the_title_and_follows_its_record(book):
    build(book)
    page = site_dir(book) / "book" / "two.html"
    before = page.read_text(encoding="utf-8")
    assert before.index("</h1>") < before.index('<p class="llmbook-head">2 claims') < before.rindex("<h2>")
    hold(book)
    build(book)
    hold(book, held=[0, 1, 2, 3])
    build(book)
    assert "held for seeds 0–3" in page.read_text(encoding="utf-8")
