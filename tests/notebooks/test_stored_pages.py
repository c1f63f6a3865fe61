"""The pages of this book, as they are stored (that the checks can fail is shown in `test_build_check.py`)."""

from pathlib import Path

import pytest

from llmbook.build import check, pages

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", pages.book_pages(ROOT), ids=lambda path: path.stem)
def test_the_page_is_fresh_and_stored_as_it_must_be(path):
    assert [str(problem) for problem in check.check_page(path, ROOT)] == []


def test_the_contents_and_the_pages_agree():
    assert [str(problem) for problem in check.check_toc(ROOT)] == []


def test_every_system_has_its_section_and_its_test():
    assert [str(problem) for problem in check.check_systems(ROOT)] == []


def test_most_cells_are_compared_by_nbval():
    counts = [check.compared(pages.read(path)) for path in pages.book_pages(ROOT)]
    assert sum(count for count, _ in counts) >= 0.8 * sum(count for _, count in counts)
