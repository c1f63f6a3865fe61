"""The list of systems: what it accepts, what it refuses, and the table it becomes."""

import pytest

from llmbook import systems
from llmbook.core.run import files
from llmbook.core.show import tables
from llmbook.systems import entries

GOOD = {
    "id": "AR2",
    "name": "self-attention",
    "page": "a#b",
    "test": "tests/t.py::test_x",
    "shows": "weights",
}


def write(tmp_path, text):
    path = tmp_path / "systems.yml"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_entry_is_read_with_its_five_fields(tmp_path):
    path = write(tmp_path, "- {id: AR2, name: n ≥ 1, page: 'a#b', test: 'tests/t.py::test_x', shows: é}\n")
    assert systems.load(path) == [systems.System("AR2", "n ≥ 1", "a#b", "tests/t.py::test_x", "é")]


def test_an_empty_list_is_a_list_of_no_systems(tmp_path):
    assert systems.load(write(tmp_path, "# nothing yet\n")) == []


@pytest.mark.parametrize("field", GOOD)
@pytest.mark.parametrize("value", ["", "  ", None, 3])
def test_a_field_without_text_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        systems.System(**(GOOD | {field: value}))


@pytest.mark.parametrize(
    ("field", "value"), [("page", "architecture"), ("page", "a#b#c"), ("test", "tests/t.py")]
)
def test_a_page_without_anchor_and_a_test_without_function_are_refused(field, value):
    with pytest.raises(ValueError, match="expected"):
        systems.System(**(GOOD | {field: value}))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id: AR2\n", "expected a list"),
        ("- just text\n", "expected a list"),
        ("- {id: AR2, name: n}\n", "page, shows, test"),
        ("- {id: A, name: n, page: 'a#b', test: 't::u', shows: s, extra: 1}\n", "extra"),
        ("- {id: A, name: n, page: 'a#b', test: 't::u', shows: s}\n" * 2, "A occurs more than once"),
        ("- [unclosed\n", "cannot read"),
    ],
)
def test_a_list_that_is_not_one_of_systems_is_refused(tmp_path, text, says):
    with pytest.raises(ValueError, match=says):
        systems.load(write(tmp_path, text))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="cannot read"):
        systems.load(tmp_path / "none.yml")


def test_the_table_links_to_the_section_and_escapes_text():
    odd = systems.System("X1", "a < b & c", "history#n-grams", "tests/t.py::test_x[<1>]", "shows <b>")
    html = systems.systems_table([odd], "Systems & tests")
    assert '<a href="history.html#n-grams">a &lt; b &amp; c</a>' in html
    assert "<caption>Systems &amp; tests</caption>" in html
    assert (
        "<code>tests/t.py::test_x[&lt;1&gt;]</code>" in html.replace("<wbr>", "")
        and "shows &lt;b&gt;" in html
    )


def test_every_column_and_every_row_of_a_table_has_a_heading():
    html = tables.table("Caption", ("a", "b"), [("1", "2"), ("3", "4")])
    assert html.count('<th scope="col">') == 2
    assert html.count('<th scope="row">') == 2
    assert 'tabindex="0"' in html and 'aria-label="Caption"' in html


def test_a_row_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match="1 cells, expected 2"):
        tables.table("Caption", ("a", "b"), [("1",)])


def test_the_list_is_found_from_the_folder_of_the_pages_and_from_folders_below_the_book(
    tmp_path, monkeypatch
):
    book = tmp_path / "book"
    (book / "deep").mkdir(parents=True)
    (book / "systems.yml").write_text("[]")
    (tmp_path / "_build" / "gpu").mkdir(parents=True)
    for folder in (tmp_path, book, book / "deep", tmp_path / "_build" / "gpu"):
        monkeypatch.chdir(folder)
        assert files.find_book("systems.yml") == book


def test_without_the_books_files_the_page_says_where_the_list_is(tmp_path, monkeypatch):
    monkeypatch.setattr(entries, "find_book", lambda holding: None)
    assert "systems.yml" in systems.show()
