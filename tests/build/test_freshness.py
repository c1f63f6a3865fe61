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
    record = pages.record(notebook) | freshness.facts(path, root, notebook)
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


def test_a_changed_helper_makes_stale_just_the_pages_that_use_it_through_others(book):
    write(book, "core/shared.py", "def double(x):\n    return x + x\n")
    assert stale(book) == {"alpha": ("llmbook.core.shared:double changed",)}


def test_a_changed_module_makes_its_own_page_stale(book):
    write(book, "beta.py", "VALUE = 8\n")
    assert stale(book) == {"beta": ("llmbook.beta:VALUE changed",)}


def test_of_a_module_only_what_the_page_reaches_counts(book):
    write(
        book, "core/shared.py", "# new\ndef double(x):\n    'Documented.'\n    return 2 * x\n\n\nCOLOUR = 3\n"
    )
    write(book, "beta.py", "def unused():\n    return 1\n\n\nVALUE = 7\n")
    assert stale(book) == {}


def test_what_importing_the_package_does_is_a_dependency_of_every_page_that_imports_from_it(book):
    write(book, "__init__.py", "SETTING = 1\n")
    assert stale(book) == {}
    write(book, "__init__.py", "import warnings\n\nwarnings.simplefilter('error')\n")
    assert stale(book) == {page: ("llmbook added",) for page in ("alpha", "beta")}


def test_of_several_changes_in_a_module_each_definition_is_named(book):
    write(book, "beta.py", "A = 1\nB = 2\nC = 3\nVALUE = [A, B, C]\n")
    mark_executed(book, "beta")
    mark_executed(book, "gamma")
    write(book, "beta.py", "A = 2\nB = 2\nD = 3\nVALUE = [A, B, D]\n")
    reasons = stale(book)["beta"]
    assert set(reasons) == {"llmbook.beta:A changed", "llmbook.beta:VALUE changed", "llmbook.beta:D added"}


def test_a_definition_that_is_no_longer_used_makes_the_page_stale(book):
    write(book, "core/shared.py", "def double(x):\n    return half(x)\n\n\ndef half(x):\n    return x\n")
    mark_executed(book, "alpha")
    mark_executed(book, "gamma")
    write(book, "core/shared.py", "def double(x):\n    return x\n")
    assert stale(book) == {"alpha": ("llmbook.core.shared:double changed",)}


def test_code_that_the_page_prints_counts_as_text(book):
    edit(
        book,
        "beta",
        3,
        "import inspect\nfrom llmbook.core import shared\nprint(inspect.getsource(shared.double))",
    )
    mark_executed(book, "beta")
    mark_executed(book, "gamma")
    write(book, "core/shared.py", "def double(x):\n    return 2 * x  # twice\n")
    assert stale(book) == {"beta": ("the text of llmbook.core.shared:double changed",)}


def test_of_what_the_book_s_own_helper_shows_the_text_counts_and_of_nothing_else(book):
    write(book, "core/show/source.py", "def source(*things): return [find(thing) for thing in things]\n")
    write(book, "core/shared.py", "def double(x):\n    return 2 * x\n\n\ndef half(x):\n    return x / 2\n")
    code = "from llmbook.core import shared\nfrom llmbook.core.show.source import source\nshared.half(2)\n"
    edit(book, "beta", 3, code + "source(shared.double)")
    mark_executed(book, "beta")
    mark_executed(book, "gamma")
    more = "def double(x):\n    return 2 * x\n\n\ndef half(x):\n    return x / 2  # not shown\n"
    write(book, "core/shared.py", more)
    assert stale(book) == {}
    write(book, "core/shared.py", more.replace("2 * x", "2 * x  # shown"))
    assert stale(book) == {"beta": ("the text of llmbook.core.shared:double changed",)}


def test_a_data_file_that_is_named_by_an_f_string_is_a_dependency(book):
    write(book, "data/table_en.toml", "x = 1\n")
    write(book, "data/other.toml", "x = 1\n")
    write(
        book,
        "beta.py",
        "VALUE = load('en')\n\n\ndef load(name):\n    return open(f'data/table_{name}.toml')\n",
    )
    mark_executed(book, "beta")
    mark_executed(book, "gamma")
    write(book, "data/other.toml", "x = 2\n")
    assert stale(book) == {}
    write(book, "data/table_en.toml", "x = 2\n")
    assert stale(book) == {"beta": ("src/llmbook/data/table_en.toml changed",)}


def test_a_page_is_stale_when_the_code_that_makes_its_artefact_changes(book):
    write(book, "beta.py", "def convert(folder):\n    digits()\n\n\ndef digits():\n    return 1\n\n\n"
                           "WEIGHTS = dict(make=convert, source='hash')\nVALUE = 7\n")  # fmt: skip
    edit(book, "beta", 3, "from llmbook.beta import WEIGHTS\nWEIGHTS")
    mark_executed(book, "beta")
    mark_executed(book, "gamma")
    write(book, "beta.py", (book / "src/llmbook/beta.py").read_text().replace("return 1", "return 2"))
    assert stale(book) == {"beta": ("llmbook.beta:digits changed",)}


def test_the_record_of_an_execution_stays_small(book):
    found = freshness.facts(book / "book" / "alpha.ipynb", book)
    assert set(found) == {"parts", "hash", "units"}
    assert set(found["units"]) == {"llmbook.alpha", "llmbook.core.shared"}
    assert all(len(marks) == 8 for marks in found["units"].values())  # one definition of each


def test_a_record_from_before_definitions_were_told_apart_names_the_module(book):
    notebook = tiny_book.load(book, "alpha")
    del notebook.metadata.llmbook["units"]
    tiny_book.save(book, "alpha", notebook)
    mark_executed(book, "gamma")
    write(book, "core/shared.py", "def double(x):\n    return x + x\n")
    assert stale(book) == {"alpha": ("llmbook.core.shared changed",)}


def test_a_module_that_nothing_imports_changes_nothing(book):
    write(book, "core/unused.py", "import llmbook.core.shared\n")
    assert stale(book) == {}


def test_a_new_import_in_a_helper_is_followed(book):
    write(book, "core/deeper.py", "X = 1\n")
    write(book, "core/shared.py", "from . import deeper\n\n\ndef double(x):\n    return deeper.X * x\n")
    mark_executed(book, "alpha")
    write(book, "core/deeper.py", "X = 2\n")
    mark_executed(book, "gamma")
    assert stale(book) == {"alpha": ("llmbook.core.deeper:X changed",)}


def test_a_data_file_that_a_module_names_is_a_dependency(book):
    write(book, "data/table.toml", "x = 1\n")
    write(book, "beta.py", 'FILE = "data/table.toml"\nVALUE = (7, FILE)\n')
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
        "import llmbook.core.shared\nllmbook.core.shared.double(1)",
        "from llmbook.core import shared\nshared.double(1)",
        "from llmbook.core.shared import double\ndouble(1)",
        "import llmbook.core.shared as s\ns.double(1)",
        "def later():\n    from llmbook.core import shared\n    return shared.double(1)",
        "%matplotlib inline\nfrom llmbook.core import shared\n!ls\nshared.double(1)",
        "from llmbook.core import shared\nshared.double?\nshared.double(1)",
        "from llmbook.core import shared\n%timeit -n 3 shared.double(1)",
        "import importlib\nimportlib.import_module('llmbook.core.shared')",
    ],
)
def test_every_way_to_import_a_module_is_seen(book, source):
    notebook = nbformat.v4.new_notebook(cells=[tiny_book.code(source)])
    assert set(freshness.facts(book / "x.ipynb", book, notebook)["units"]) == {"llmbook.core.shared"}


def test_a_definition_that_one_cell_imports_and_another_uses_is_seen(book):
    cells = [tiny_book.code("from llmbook.core import shared"), tiny_book.code("shared.double(1)")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    assert set(freshness.facts(book / "x.ipynb", book, notebook)["units"]) == {"llmbook.core.shared"}


def test_packages_that_are_not_the_books_are_left_alone(book):
    notebook = nbformat.v4.new_notebook(
        cells=[tiny_book.code("import json, numpy as np\nfrom os import path\npath.join(np.pi, json)")]
    )
    assert set(freshness.facts(book / "x.ipynb", book, notebook)["parts"]) == {"code cells"}


def test_line_endings_of_another_system_leave_the_page_fresh(book):
    path = book / "src" / "llmbook" / "core" / "shared.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert stale(book) == {}


# ---------------------------------------------------------------- order and versions


def test_a_page_needs_those_whose_record_it_shows_and_those_whose_room_it_uses(book):
    edit(book, "beta", 3, "from llmbook import alpha\nalpha.answer()")
    needs = {path.stem: {other.stem for other in others} for path, others in freshness.needs(book).items()}
    assert needs == {"alpha": set(), "beta": {"alpha"}, "gamma": {"alpha", "beta"}}


def test_a_page_that_cannot_be_read_needs_nothing_and_does_not_stop_the_others(book):
    edit(book, "beta", 3, "not Python at all")
    needs = {path.stem: {other.stem for other in others} for path, others in freshness.needs(book).items()}
    assert needs == {"alpha": set(), "beta": set(), "gamma": {"alpha", "beta"}}


def ran_with(book, page, **versions):
    notebook = tiny_book.load(book, page)
    notebook.metadata.llmbook["versions"] = versions
    tiny_book.save(book, page, notebook)
    for other in ("alpha", "beta", "gamma"):
        mark_executed(book, other)


def test_other_versions_than_the_locks_are_told_and_make_no_page_stale(book):
    (book / "requirements.lock").write_text("# made\ntorch==2.13.0 ; python_version > '3'\nnumpy==2.4.6\n")
    ran_with(book, "alpha", torch="2.13.0+cpu", numpy="2.4.6", python="3.9")
    ran_with(book, "beta", torch="2.12.0", numpy="2.4.5")
    assert freshness.other_versions(book) == [
        "beta ran with numpy 2.4.5, the lock has 2.4.6; torch 2.12.0, the lock has 2.13.0"
    ]
    assert stale(book) == {}


def test_without_a_lock_nothing_is_said_about_versions(book):
    ran_with(book, "beta", torch="2.12.0")
    assert freshness.other_versions(book) == []
