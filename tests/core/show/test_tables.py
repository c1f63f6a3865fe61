"""Tables in HTML: folded away, and sorted by the reader."""

from __future__ import annotations

import pytest

from llmbook.build.screenshot import CHROMIUM_FLAGS, HOW_TO_GET, find_chromium
from llmbook.core.show.tables import collapsed, short, sortable, table

ROWS = [("b", '<data value="20">20</data>'), ("a", "–"), ("c", '<data value="3">3K</data> (computed)')]


def test_a_row_of_another_width_is_refused():
    with pytest.raises(ValueError, match=r"a row has 1 cells, expected 2 \(x, y\)"):
        table("T", ["x", "y"], [("a",)])


def test_what_is_folded_away_is_whole_and_its_summary_is_text():
    html = collapsed("a < b", table("T", ["x", "y"], ROWS))
    assert html.startswith("<details><summary>a &lt; b</summary>") and html.count("<tr>") == 4
    assert html.endswith("</details>")


def test_a_table_that_can_be_sorted_reads_as_before_without_its_script():
    plain = table("T", ["x", "y"], ROWS)
    html = sortable(plain)
    without = html[: html.index("<script>")].rstrip()
    assert (
        without.replace(" data-sortable", "") == plain and html.count("data-sortable") == 2
    )  # and in the script


@pytest.fixture(scope="module")
def page():
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if (program := find_chromium()) is None:
        pytest.skip(HOW_TO_GET)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(CHROMIUM_FLAGS))
        page = browser.new_page()
        both = sortable(table("T", ["letter", "n"], ROWS)) + sortable(table("U", ["letter", "n"], ROWS))
        page.set_content(both)  # two tables, two scripts: each table is made ready once
        yield page
        browser.close()


def test_a_heading_sorts_up_then_down_by_numbers_with_gaps_last(page):
    def column(n):
        return [
            cell.inner_text()
            for cell in page.query_selector_all(f"table >> nth=0 >> tbody tr > :nth-child({n})")
        ]

    def press(heading):
        page.locator("table").first.get_by_role("button", name=heading).press("Enter")

    assert page.locator("table").first.get_by_role("button").count() == 2
    press("n")
    assert column(1) == ["c", "b", "a"]  # 3 before 20, the dash last
    press("n")
    assert column(1) == ["b", "c", "a"]
    assert page.locator("th[aria-sort]").all_inner_texts() == ["n"]
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    press("letter")
    assert column(1) == ["a", "b", "c"] and page.locator("th[aria-sort]").all_inner_texts() == ["letter"]
    second = page.locator("table").nth(1).locator("tbody th").all_inner_texts()
    assert second == ["b", "a", "c"]  # the other table stays as it was


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0"), (999, "999"), (1000, "1k"), (13_994_528, "14M"), (999_499, "999k"), (999_500, "1M"), (1.5e9, "1.5B"),
     (2_780_000_000_000, "2.78T"), (1.5e14, "150T")],
)  # fmt: skip
def test_numbers_are_said_in_three_digits(n, text):
    assert short(n) == text


def test_a_negative_number_has_no_name():
    with pytest.raises(ValueError, match="n is -1; give 0 or more"):
        short(-1)
