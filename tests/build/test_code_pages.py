"""Links to source files open a highlighted view."""

import html
import re

import pytest
import small_book

pytest.importorskip("jupyter_book", reason="pip install -e '.[book]'")

from llmbook.build import code_pages
from llmbook.build.site import build, site_dir

CODE = 'def f(x: str) -> str:\n    """A <b>.\n\n    More."""\n\n    return x + "&"\n'


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    root = small_book.make(tmp_path_factory.mktemp("book") / "root")
    (root / "src" / "llmbook").mkdir(parents=True)
    (root / "src" / "llmbook" / "f.py").write_text(CODE)
    (root / "book" / "data.csv").write_text("a,b\n")
    small_book.write_page(
        root, "two", "# Two\n\n## A part\n\nSee [`f.py`](../src/llmbook/f.py) and [data](data.csv)."
    )
    build(root)
    return site_dir(root)


def read(site, name):
    return (site / f"{name}.html").read_text(encoding="utf-8")


def test_the_link_leads_to_the_page_of_the_file_and_other_files_are_still_downloads(site):
    page = read(site, "book/two")
    assert 'href="../code/src/llmbook/f.html"' in page
    assert not re.search(r'_downloads/[^"]*\.py"', page) and re.search(r'_downloads/[^"]*data\.csv"', page)


def test_the_page_has_every_line_with_its_number_and_leads_to_the_file_and_the_repository(site):
    page = read(site, "code/src/llmbook/f")
    boxes = re.findall(r'<span class="ln" id="L(\d+)"[^>]*>(.*?\n)</span>', page, re.DOTALL)
    assert [int(number) for number, _ in boxes] == [1, 2, 3, 4, 5, 6]
    assert html.unescape(re.sub("<[^>]*>", "", "".join(line for _, line in boxes))) == CODE
    raw = re.search(r'href="((?:\.\./)+_downloads/[^"]*/f\.py)"', page)[1]
    assert (site / "code/src/llmbook" / raw).read_text() == CODE
    assert 'blob/main/src/llmbook/f.py"' in page


def test_a_file_that_no_page_links_has_no_page(site):
    assert [path.name for path in site.glob("code/**/*.html")] == ["f.html"]


def test_a_build_of_one_other_page_keeps_it(site):
    root = site.parents[1]
    small_book.write_page(root, "three", "# Three\n\nOther text.")
    (site / "code/src/llmbook/f.html").unlink()
    (site / "code/gone.html").write_text("of a file that was linked once")
    build(root)
    assert "L6" in read(site, "code/src/llmbook/f") and not (site / "code/gone.html").exists()


def test_blank_lines_at_both_ends_keep_their_numbers():
    assert code_pages.lines("\n\nx = 1\n\n").count('class="ln"') == 4
