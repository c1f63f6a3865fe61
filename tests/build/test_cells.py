"""What the site makes of a notebook's cells: folds, ticks, lines that wrap."""

import re
from html import unescape

import pytest
import small_book
from small_book import printing

pytest.importorskip("jupyter_book", reason="pip install -e '.[book]'")

from llmbook.build import cells
from llmbook.build.site import build, site_dir

COLUMNS = "name    loss\nLSTM    2.25\nGPT     2.10\n"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    root = small_book.make(tmp_path_factory.mktemp("book") / "root")
    shown = [
        printing("seed = 0", "", "parameters", "hide-input"),
        printing("import torch", "", "hide-input"),
        printing("draw()", "drawn\n", "drawing", "hide-input"),
        printing("prove()", "✓ a < b\n✓ b is c\n", "check", "hide-input"),
        printing("both()", COLUMNS + "✓ first\nbetween\n✓ last"),
        printing("open_cell()", "text ✓ in a line\n✓\n ✓ further in\n", "parameters"),
    ]
    small_book.write_page(root, "two", "# Two\n\n## A part\n\nText.", *shown)
    build(root)
    return (site_dir(root) / "book" / "two.html").read_text(encoding="utf-8")


def part(page: str, code: str) -> str:
    """The HTML of the cell whose code is ``code()``."""
    start = page.index(f">{code}<")
    before, after = page.rindex('<div class="cell ', 0, start), page.find('<div class="cell ', start)
    return page[before:after]


def test_a_folded_cell_says_what_is_inside_and_its_words_are_its_name(page):
    words = re.findall(r'<details class="llmbook-fold"><summary>([^<]*)</summary>', page)
    assert words == ["Parameters", "Code", "Code of this figure", "How this was checked"]
    assert "Toggle hidden content" not in page and "Show code cell" not in page


def test_what_a_figure_and_a_check_show_comes_before_their_code(page):
    drawing, check = part(page, "draw"), part(page, "prove")
    assert drawing.index("drawn") < drawing.index("<details")
    assert check.index("b is c") < check.index("<details")


def test_an_open_cell_stays_open_whatever_its_other_tags(page):
    assert "<details" not in part(page, "open_cell")


def test_lines_with_a_tick_are_a_list_and_the_text_around_them_stays_text(page):
    check = part(page, "prove")
    assert re.findall(r"<li><p>(.*?)</p></li>", check) == ["a &lt; b", "b is c"]
    assert "<pre" not in check.partition("<details")[0]
    both = part(page, "both")
    assert (
        re.findall(r"<li><p>(.*?)</p></li>", both) == ["first", "last"] and both.count("llmbook-checks") == 2
    )
    assert both.index("LSTM") < both.index("first") < both.index("between") < both.index("last")


def test_a_tick_alone_or_within_a_line_is_no_check(page):
    assert "llmbook-checks" not in part(page, "open_cell")


def test_a_printed_table_says_how_wide_it_is_and_other_text_does_not(page):
    assert '<pre style="--columns:12">' in part(page, "both")
    assert page.count("--columns") == 1


# ---------------------------------------------------------------- lines that wrap

CODE = (
    '<div class="highlight"><pre><span></span><span class="k">if</span> a:\n\n        b &lt; c\n</pre></div>'
)


def test_hanging_keeps_the_text_to_the_letter():
    assert text(cells.hang(CODE)) == text(CODE).rstrip("\n")


def text(page: str) -> str:
    return unescape(re.sub("<[^>]*>", "", page))


def test_hanging_is_done_once_and_knows_where_each_line_began():
    page = cells.hang(CODE)
    assert cells.hang(page) == page
    assert page.count('class="ln"') == 3 and page.count("--in:8") == 1 and page.count("--in") == 1


def test_code_and_html_are_no_printed_tables():
    for box in ("cell_input highlight", "output text_html"):
        assert "--columns" not in cells.hang(
            f'<div class="{box}"><div class="highlight"><pre>{COLUMNS}</pre></div>'
        )
    assert "--columns" in cells.hang(
        f'<div class="output stream"><div class="highlight"><pre>{COLUMNS}</pre></div>'
    )


@pytest.mark.parametrize(("length", "wide"), [(cells.PHONE, False), (cells.PHONE + 1, True)])
def test_a_table_too_wide_for_a_phone_is_marked(length, wide):
    rows = "\n".join(["a  b" + "x" * (length - 4)] * 2)
    page = cells.hang(f'<div class="output stream"><div class="highlight"><pre>{rows}</pre></div>')
    assert ('class="wide"' in page) is wide and f"--columns:{length}" in page


@pytest.mark.parametrize(
    ("lines", "width"),
    [
        ([], 0),
        (["a  b"], 0),
        (["a  b", "cc  dd"], 6),
        (["    indented", "    text"], 0),
        (["one. Two", "three"], 0),
    ],
)
def test_a_table_has_two_rows_with_a_gap_in_each(lines, width):
    assert cells.columns(lines) == width


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ([], "Code"),
        (["hide-input", "check"], "How this was checked"),
        (["drawing", "nbval-ignore-output"], "Code of this figure"),
        (["parameters"], "Parameters"),
    ],
)
def test_the_words_follow_the_tags(tags, words):
    assert cells.words(tags) == words
