"""The checks of stored pages, each shown to fail; nbval too, and what its sanitising lets pass."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import tiny_book

from llmbook import cli
from llmbook.build import check, pages
from llmbook.build.execute import Request, execute

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    root = tiny_book.make(tmp_path_factory.mktemp("book"))
    assert not any(result.error for result in execute(root, Request(), lambda line: None))
    return root


@pytest.fixture
def book(executed, tmp_path):
    """A copy of the executed tiny book that a test may spoil."""
    return shutil.copytree(executed, tmp_path / "book")


def messages(root):
    return [str(problem) for problem in check.check_book(root)]


def spoil(root, change, name="alpha"):
    """Apply `change` to a page's notebook and return what the checks then say."""
    notebook = tiny_book.load(root, name)
    change(notebook)
    tiny_book.save(root, name, notebook)
    return messages(root)


def has(found, *parts):
    return any(all(part in message for part in parts) for message in found)


def output(notebook, place):
    return pages.code_cells(notebook)[place].outputs[0]


def test_an_executed_book_has_no_problems(book, capsys):
    assert messages(book) == []
    assert cli.main(["--root", str(book), "check"]) == 0
    assert "3 pages are fresh" in capsys.readouterr().out


def test_an_altered_output_is_found(book, capsys):
    found = spoil(book, lambda notebook: output(notebook, 2).update(text="answer 43\n"))
    assert has(found, "alpha", "not those of its last execution")
    assert cli.main(["--root", str(book), "check"]) == 1
    assert "alpha" in capsys.readouterr().out


def test_an_altered_picture_is_found(book):
    found = spoil(book, lambda notebook: output(notebook, 3).data.update({"image/png": "AAAA"}))
    assert has(found, "alpha", "not those of its last execution")


def test_an_emptied_output_is_found(book):
    found = spoil(book, lambda notebook: pages.code_cells(notebook)[2].update(outputs=[]))
    assert has(found, "alpha", "not those of its last execution")


def test_a_page_stored_without_outputs_is_found(book):
    def clear(notebook):
        for cell in pages.code_cells(notebook):
            cell.update(outputs=[], execution_count=None)

    found = spoil(book, clear)
    assert has(found, "alpha: stale: never executed")
    assert has(found, "alpha, cell 2: execution count None, expected 1")


def test_cells_run_out_of_order_are_found(book):
    found = spoil(book, lambda notebook: pages.code_cells(notebook)[2].update(execution_count=9))
    assert has(found, "alpha, cell 5: execution count 9, expected 3")


def test_code_wider_than_the_column_is_found(book):
    found = spoil(book, lambda notebook: pages.code_cells(notebook)[2].update(source="x = 1  # " + 80 * "y"))
    assert has(found, "alpha, cell 5: a line of 89 characters; 88 fit into the column")
    found = spoil(book, lambda notebook: pages.code_cells(notebook)[2].update(source="x = 1  # " + 79 * "y"))
    assert not has(found, "fit into the column")


@pytest.mark.parametrize("tag", ["hide-input", "remove-input"])
def test_a_folded_cell_may_hold_longer_lines_but_not_any(book, tag):
    def fold(n):
        return lambda notebook: pages.code_cells(notebook)[2].update(
            source="x = 1  # " + n * "y", metadata={"tags": [tag]}
        )

    assert not has(spoil(book, fold(111)), "fit into the column")
    assert has(spoil(book, fold(112)), "alpha, cell 5: a line of 121 characters; 120 fit into the column")


def test_a_changed_helper_is_found(book):
    (book / "src/llmbook/core/shared.py").write_text("def double(x):\n    return 3 * x\n")
    assert messages(book) == ["alpha: stale: llmbook.core.shared:double changed"]


def test_a_changed_data_file_that_an_f_string_names_is_found(book):
    code = "VALUE = open(f'{__file__[:-7]}data/table_{1}.toml').read()\n"
    (book / "src/llmbook/data").mkdir()
    (book / "src/llmbook/data/table_1.toml").write_text("x = 1\n")
    (book / "src/llmbook/beta.py").write_text(code)
    assert not any(result.error for result in execute(book, Request(), lambda line: None))
    assert messages(book) == []
    (book / "src/llmbook/data/table_1.toml").write_text("x = 2\n")
    assert messages(book) == ["beta: stale: src/llmbook/data/table_1.toml changed"]


def test_other_versions_than_the_locks_are_told_and_are_no_problem(book, capsys):
    (book / "requirements.lock").write_text("torch==0.1\n")
    assert messages(book) == [] and cli.main(["--root", str(book), "check"]) == 0
    assert "for information: alpha ran with torch 2" in capsys.readouterr().out


def test_a_missing_alt_text_is_found(book):
    found = spoil(book, lambda notebook: pages.code_cells(notebook)[3].metadata.pop("mystnb"))
    assert has(found, "alpha, cell 6: a figure without alt text")


def test_a_blank_alt_text_is_found(book):
    found = spoil(book, lambda notebook: pages.code_cells(notebook)[3].metadata.mystnb.image.update(alt=" "))
    assert has(found, "alpha, cell 6: a figure without alt text")


def test_a_picture_in_prose_without_alt_text_is_found(book):
    found = spoil(book, lambda notebook: notebook.cells[0].update(source="# A\n\n![](_static/x.png)"))
    assert has(found, "alpha, cell 1: an image without alt text")


def test_a_stored_error_is_found(book):
    error = nbformat.v4.new_output("error", ename="KeyError", evalue="x", traceback=[])
    found = spoil(book, lambda notebook: pages.code_cells(notebook)[2].outputs.append(error))
    assert has(found, "alpha, cell 5: it stores an error: KeyError")


def test_a_cell_that_should_raise_and_does_not_is_found(book):
    found = spoil(
        book, lambda notebook: pages.code_cells(notebook)[2].metadata.update(tags=["raises-exception"])
    )
    assert has(found, "alpha, cell 5: tagged raises-exception, but it raised nothing")


def test_stored_stderr_is_found(book):
    stream = nbformat.v4.new_output("stream", name="stderr", text="careful")
    found = spoil(book, lambda notebook: pages.code_cells(notebook)[2].outputs.append(stream))
    assert has(found, "alpha, cell 5: it stores stderr")


def test_a_folder_of_the_machine_in_an_output_is_found(book):
    found = spoil(book, lambda notebook: output(notebook, 2).update(text="/home/me/book/x.py:3"))
    assert has(found, "alpha, cell 5: its output names a folder of the machine")


def test_a_widget_is_found(book):
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}}
    found = spoil(book, lambda notebook: output(notebook, 4).data.update(widget))
    assert has(found, "alpha, cell 7: a widget")


def test_a_page_too_large_for_github_is_found(book):
    found = spoil(book, lambda notebook: output(notebook, 2).update(text="x" * 1_000_001))
    assert has(found, "alpha", "1,000,000 are allowed")


def test_a_book_whose_cells_nbval_mostly_leaves_out_is_found(book):
    def leave_out(notebook):
        for cell in pages.code_cells(notebook)[2:]:
            cell.metadata.tags = ["nbval-ignore-output"]

    found = [message for name in ("alpha", "beta", "gamma") for message in spoil(book, leave_out, name)]
    assert has(found, "book: nbval compares 0 of", "too few")


def test_missing_tags_and_a_foreign_kernel_are_found(book):
    def change(notebook):
        notebook.cells[1].metadata.tags = []
        notebook.metadata.kernelspec.name = "my-env"

    found = spoil(book, change)
    assert has(found, "alpha: code cell 1 is not tagged 'launch'")
    assert has(found, "alpha: its kernelspec is not python3")


def test_injected_parameters_are_found(book):
    cell = tiny_book.code("seed = 5", "injected-parameters")
    assert has(spoil(book, lambda notebook: notebook.cells.append(cell)), "injected parameters")


def test_a_page_that_the_contents_forget_and_one_they_invent_are_found(book):
    (book / "_toc.yml").write_text(
        "format: jb-book\nroot: book/alpha\nchapters:\n- file: book/beta\n- file: book/x\n"
    )
    assert messages(book) == ["_toc.yml: book/x does not exist", "gamma: it is not listed in _toc.yml"]


ENTRY = "- {{id: {id}, name: n, page: 'alpha#{anchor}', test: '{test}', shows: s}}\n"
GOOD = {"id": "A1", "anchor": "self-attention-in-five-steps", "test": "tests/test_x.py::Group::test_it"}


@pytest.fixture
def with_systems(book):
    (book / "tests").mkdir()
    (book / "tests/test_x.py").write_text(
        "class Group:\n    def test_it(self):\n        pass\n\ndef helper(): ...\n"
    )

    def say(*entries):
        text = "".join(ENTRY.format(**(GOOD | entry)) for entry in entries)
        (book / "book/systems.yml").write_text(text)
        return messages(book)

    return say


def test_systems_whose_anchor_and_test_exist_pass(with_systems):
    assert with_systems({}, {"id": "A2", "test": "tests/test_x.py::Group::test_it[small-1]"}) == []


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"anchor": "Self-attention-in-five-steps"}, "no headings with the anchor"),
        ({"anchor": "nowhere"}, "no headings with the anchor #nowhere"),
        ({"test": "tests/test_y.py::test_it"}, "tests/test_y.py does not exist"),
        ({"test": "tests/test_x.py::test_it"}, "tests/test_x.py defines no test_it"),
        ({"test": "tests/test_x.py::Group::test_that"}, "defines no Group::test_that"),
        ({"test": "tests/test_x.py::helper"}, "is not a pytest node id"),
        ({"id": "''"}, "id is ''"),
    ],
)
def test_systems_whose_anchor_or_test_is_missing_are_found(with_systems, entry, says):
    assert has(with_systems(entry), "systems.yml", says)


def test_an_anchor_that_two_headings_share_is_found(with_systems, book):
    double = nbformat.v4.new_markdown_cell("## Self-attention in five steps")
    notebook = tiny_book.load(book, "alpha")
    notebook.cells.append(double)
    tiny_book.save(book, "alpha", notebook)
    assert has(with_systems({}), "alpha has 2 headings with the anchor")


def test_anchors_are_those_that_docutils_makes():
    lines = [
        "# 3.2 The √d: `softmax` & $x^2$",
        "Setext",
        "---",
        "```",
        "# not a heading",
        "```",
        '<a id="raw"></a>',
    ]
    found = check.anchors(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("\n".join(lines))]))
    assert set(found) == {"the-d-softmax-x-2", "setext", "raw"}


# ---------------------------------------------------------------- nbval


def nbval(root, *pages_to_run, tmp=None):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "llmbook.build.nbval_plugin",
        "-p",
        "no:cacheprovider",
    ]
    command += [
        "--nbval",
        "--nbval-sanitize-with",
        str(ROOT / "tests/notebooks/sanitize.cfg"),
        "-c",
        os.devnull,
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src")])}
    environment.pop("PYTEST_ADDOPTS", None)
    paths = [str(root / "book" / f"{name}.ipynb") for name in pages_to_run]
    return subprocess.run(
        [*command, f"--rootdir={root}", *paths], env=environment, capture_output=True, text=True
    )


def stored(root, name, *cells):
    """Store an executed-looking page whose cells are pairs of source and stored output (None: no output)."""
    notebook = tiny_book.page(name)
    for source, text in cells:
        notebook.cells.append(tiny_book.code(source))
        if text is not None:
            notebook.cells[-1].outputs = [nbformat.v4.new_output("stream", name="stdout", text=text)]
    for count, cell in enumerate(pages.code_cells(notebook), 1):
        cell.execution_count = count
    tiny_book.save(root, name, notebook)


def test_nbval_is_red_for_wrong_and_emptied_outputs_and_green_for_what_only_time_and_place_change(tmp_path):
    root = tiny_book.make(tmp_path)
    stored(root, "wrong", ("print('answer', 6 * 7)", "answer 43\n"))
    stored(root, "emptied", ("print('answer', 6 * 7)", None))
    stored(
        root,
        "steady",
        ("print(object())", "<object object at 0x7f0000000000>\n"),
        ("import time\nprint(f'{time.perf_counter():.3f} s, 18.2 tokens/s')", "0.123 s, 40.5 tokens/s\n"),
        ("import sys\nprint('careful', file=sys.stderr)\nprint('done')", "done\n"),
        ("print('peak', 512, 'MB in', '/opt/a/b.py')", "peak 498 MB in /srv/c/d.py\n"),
        ("import os\nprint(os.environ['HF_HUB_OFFLINE'], 'MPLBACKEND' in os.environ)", "1 True\n"),
        ("6 * 7;", None),  # a trailing semicolon silences a value here as it does in Jupyter
    )
    run = nbval(root, "wrong", "emptied", "steady")
    assert run.returncode == 1, run.stdout + run.stderr
    assert "2 failed, 12 passed" in run.stdout, run.stdout
    assert "wrong.ipynb::Cell 2" in run.stdout and "emptied.ipynb::Cell 2" in run.stdout


def test_nbval_lets_a_figures_digits_differ_but_not_its_absence(tmp_path):
    root = tiny_book.make(tmp_path)
    draw = "from llmbook.core.show import plotting as plot\nplot.panels(2);"
    shown = {"image/svg+xml": "<svg>other digits</svg>", "text/plain": "<Figure size 360x300 with 1 Axes>"}
    for name, figures in (("both", 2), ("one", 1), ("bare", 0)):
        stored(root, name, (draw, None))
        notebook = pages.read(root / "book" / f"{name}.ipynb")
        notebook.cells[-1].outputs = [nbformat.v4.new_output("display_data", shown) for _ in range(figures)]
        tiny_book.save(root, name, notebook)
    run = nbval(root, "both", "one", "bare")
    assert "2 failed" in run.stdout, run.stdout + run.stderr
    assert "one.ipynb::Cell 2" in run.stdout and "bare.ipynb::Cell 2" in run.stdout


@pytest.mark.parametrize(
    "text", ["2,048 bytes", "loss 1.886", "5 steps", "and/or", "GPT-2", "36 kB", "https://a.org/b/c"]
)
def test_sanitising_leaves_alone_what_a_page_computes(text):
    from nbval.plugin import get_sanitize_patterns

    assert _sanitised(text, get_sanitize_patterns) == text


@pytest.mark.parametrize(
    "text",
    [
        "0x7f12ab34",
        "12.5 ms",
        "3 minutes",
        "1,024 tokens/s",
        "1.2 GB",
        "/usr/lib/x.py",
        "2026-11-21 12:46:34",
    ],
)
def test_sanitising_replaces_what_differs_from_run_to_run(text):
    from nbval.plugin import get_sanitize_patterns

    assert not set(_sanitised(text, get_sanitize_patterns)) & set("0123456789/")


def _sanitised(text, read):
    import re

    for pattern, replacement in read((ROOT / "tests/notebooks/sanitize.cfg").read_text()):
        text = re.sub(pattern, replacement, text)
    return text


# ---------------------------------------------------------------------------- chapters

MAP = """\
- {number: 1, title: A, line: A., pages: [alpha, planned]}
- {number: 2, title: B, line: B., pages: [beta, gamma]}
"""


@pytest.mark.parametrize(
    ("text", "page", "says"),
    [
        (MAP.replace("beta, gamma", "gamma, beta"), "_toc.yml", "the order is alpha, gamma, beta"),
        (MAP.replace(", gamma", ""), "gamma", "in no chapter"),
        (MAP.replace("number: 2", "number: 3"), "chapters.yml", "numbered from 1"),
    ],
)
def test_contents_and_map_of_chapters_have_to_agree(book, text, page, says):
    (book / "book" / "chapters.yml").write_text(MAP)
    assert check.check_chapters(book) == []
    (book / "book" / "chapters.yml").write_text(text)
    (problem,) = check.check_chapters(book)
    assert problem.page == page and says in problem.message and problem in check.check_book(book)


def test_the_cover_stands_in_front_of_all_chapters(book):
    (book / "book" / "chapters.yml").write_text(MAP)
    toc = (book / "_toc.yml").read_text()
    (book / "_toc.yml").write_text(
        toc.replace("root: book/alpha\nchapters:", "root: book/index\nchapters:\n  - file: book/alpha")
    )
    assert check.check_chapters(book) == []


def test_a_book_without_a_map_has_nothing_to_agree_with(book):
    assert check.check_chapters(book) == []
