"""A page is stale when, and only when, something that its outputs depend on has changed."""

import nbformat
import pytest
import tiny_book

from llmbook.build import freshness, pages


@pytest.fixture
def book(tmp_path):
    """The tiny book, marked as if it had been executed."""
    root = tiny_book.make(tmp_path)
    for name in ("alpha", "beta", "gamma"):
        mark_executed(root, name)
    return root


def mark_executed(root, name):
    notebook = tiny_book.load(root, name)
    for count, cell in enumerate(pages.code_cells(notebook), 1):
        cell.execution_count = count
    path = root / "book" / f"{name}.ipynb"
    parts = freshness.page_parts(path, root, notebook)
    record = pages.record(notebook) | {"parts": parts, "hash": freshness.digest(parts)}
    notebook.metadata.llmbook = nbformat.from_dict(record)
    tiny_book.save(root, name, notebook)


def stale(root):
    return {found.page: found.reasons for found in freshness.stale_pages(root)}


def write(root, name, text):
    path = root / "src" / "llmbook" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def edit(root, page, cell, source):
    notebook = tiny_book.load(root, page)
    notebook.cells[cell].source = source
    tiny_book.save(root, page, notebook)


def test_a_book_just_executed_is_fresh(book):
    assert stale(book) == {}


def test_a_page_that_was_never_executed_is_stale(tmp_path):
    assert stale(tiny_book.make(tmp_path))["alpha"] == ("never executed",)


def test_a_prose_edit_leaves_every_page_fresh(book):
    edit(book, "alpha", 0, "# Another title\n\nOther prose.")
    assert stale(book) == {}


def test_an_added_prose_cell_leaves_every_page_fresh(book):
    notebook = tiny_book.load(book, "alpha")
    notebook.cells.insert(3, nbformat.v4.new_markdown_cell("More."))
    tiny_book.save(book, "alpha", notebook)
    assert stale(book) == {}


def test_white_space_at_line_ends_leaves_the_page_fresh(book):
    edit(book, "beta", 3, "import llmbook.beta   \nllmbook.beta.VALUE, seed\n")
    assert stale(book) == {}


def test_the_launch_cell_does_not_count(book):
    edit(book, "alpha", 1, "import os")
    assert stale(book) == {}


def test_a_changed_code_cell_makes_its_page_stale_and_no_other(book):
    edit(book, "beta", 3, "8")
    assert set(stale(book)) == {"beta"}


def test_a_changed_parameter_makes_its_page_stale(book):
    edit(book, "beta", 2, "seed = 1\nscale = 'laptop'")
    assert stale(book) == {"beta": ("code cells changed",)}


def test_a_changed_helper_makes_stale_just_the_pages_that_import_it_through_others(book):
    write(book, "core/shared.py", "def double(x):\n    return x + x\n")
    assert stale(book) == {"alpha": ("llmbook.core.shared changed",)}


def test_a_changed_module_makes_its_own_page_stale(book):
    write(book, "beta.py", "VALUE = 8\n")
    assert stale(book) == {"beta": ("llmbook.beta changed",)}


def test_the_package_itself_is_a_dependency_of_every_page_that_imports_from_it(book):
    write(book, "__init__.py", "SETTING = 1\n")
    assert set(stale(book)) == {"alpha", "beta"}


def test_a_module_that_nothing_imports_changes_nothing(book):
    write(book, "core/unused.py", "import llmbook.core.shared\n")
    assert stale(book) == {}


def test_a_new_import_in_a_helper_is_followed(book):
    write(book, "core/deeper.py", "X = 1\n")
    write(book, "core/shared.py", "from . import deeper\n\n\ndef double(x):\n    return 2 * x\n")
    mark_executed(book, "alpha")
    write(book, "core/deeper.py", "X = 2\n")
    mark_executed(book, "gamma")
    assert stale(book) == {"alpha": ("llmbook.core.deeper changed",)}


def test_a_data_file_that_a_module_names_is_a_dependency(book):
    write(book, "data/table.toml", "x = 1\n")
    write(book, "beta.py", 'FILE = "data/table.toml"\nVALUE = 7\n')
    mark_executed(book, "beta")
    mark_executed(book, "gamma")
    write(book, "data/table.toml", "x = 2\n")
    write(book, "data/other.toml", "x = 2\n")
    assert stale(book) == {"beta": ("src/llmbook/data/table.toml changed",)}


def test_a_new_record_of_one_page_makes_the_page_that_shows_records_stale(book):
    notebook = tiny_book.load(book, "beta")
    notebook.metadata.llmbook["seconds"] = 3.0
    tiny_book.save(book, "beta", notebook)
    assert stale(book) == {"gamma": ("book/beta.ipynb changed",)}


def test_an_input_that_matches_no_file_is_reported(book):
    notebook = tiny_book.load(book, "gamma")
    notebook.metadata.llmbook["inputs"] = ["book/nothing.yml"]
    tiny_book.save(book, "gamma", notebook)
    assert "book/nothing.yml" in stale(book)["gamma"][0]


def test_a_page_that_is_half_a_file_is_reported_and_does_not_stop_the_others(book):
    path = book / "book" / "beta.ipynb"
    path.write_text(path.read_text()[:200])
    assert "not a whole notebook" in stale(book)["beta"][0]


def test_a_cell_that_is_not_python_is_named(book):
    edit(book, "beta", 3, "not Python at all")
    assert "cell 4 is not Python" in stale(book)["beta"][0]


@pytest.mark.parametrize(
    "source",
    [
        "import llmbook.core.shared",
        "from llmbook.core import shared",
        "from llmbook.core.shared import double",
        "import llmbook.core.shared as s",
        "def later():\n    from llmbook.core import shared",
        "%matplotlib inline\nfrom llmbook.core import shared",
        "from llmbook.core import shared\nshared.double?",
        "import importlib\nimportlib.import_module('llmbook.core.shared')",
    ],
)
def test_every_way_to_import_a_module_is_seen(book, source):
    notebook = nbformat.v4.new_notebook(cells=[tiny_book.code(source)])
    assert freshness.page_modules(notebook, book) == {"llmbook", "llmbook.core", "llmbook.core.shared"}


def test_packages_that_are_not_the_books_are_left_alone(book):
    notebook = nbformat.v4.new_notebook(
        cells=[tiny_book.code("import json, numpy as np\nfrom os import path")]
    )
    assert freshness.page_modules(notebook, book) == set()


def test_line_endings_of_another_system_leave_the_page_fresh(book):
    path = book / "src" / "llmbook" / "core" / "shared.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert stale(book) == {}
