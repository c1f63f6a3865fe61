"""The rules of the tree: who may import whom, and what importing may cost."""

import ast
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from llmbook.build import freshness

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "llmbook"
WANTED_LINES, MAX_LINES = (
    350,
    500,
)  # in functions and classes: docstrings, comments and tables of data are free
NOT_PAGES = {"__init__", "cli"}


def name_of(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
PAGES = {f"llmbook.{path.stem}" for path in PACKAGE.glob("*.py") if path.stem not in NOT_PAGES}


def imports(name):
    """Every dotted name that a module imports, local or not."""
    path = MODULES[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return set(freshness.imported(ast.parse(path.read_bytes()), package))


def breaks(importers, forbidden):
    return [
        f"{name} imports {other}" for name in importers for other in imports(name) if forbidden(name, other)
    ]


def within(name, *packages):
    return any(name == package or name.startswith(package + ".") for package in packages)


def test_no_page_module_imports_another():
    assert breaks(PAGES, lambda name, other: other in PAGES - {name}) == []


def test_core_imports_no_page_and_no_tool():
    core = [name for name in MODULES if within(name, "llmbook.core")]
    assert (
        breaks(core, lambda _, other: other in PAGES or within(other, "llmbook.build", "llmbook.cli")) == []
    )


def test_pages_import_no_tool_of_the_book():
    assert breaks(PAGES, lambda _, other: within(other, "llmbook.build", "llmbook.cli")) == []


def test_only_plotting_imports_matplotlib():
    others = [name for name in MODULES if name != "llmbook.core.show.plotting"]
    assert breaks(others, lambda _, other: within(other, "matplotlib")) == []


def test_nothing_unpickles_and_nothing_runs_remote_code():
    assert breaks(MODULES, lambda _, other: within(other, "pickle", "dill", "cloudpickle", "joblib")) == []
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
                assert getattr(node.value, "value", True) is False, name


def test_each_notebook_imports_its_own_page_module_and_core_alone():
    from llmbook.build import pages

    for path in pages.book_pages(ROOT):
        cells = [cell for cell in pages.code_cells(pages.read(path)) if "launch" not in pages.tags(cell)]
        names = {
            name
            for cell in cells
            for name in freshness.imported(ast.parse(freshness.plain_python(cell.source)))
            if within(name, "llmbook") and freshness.module_path(name, ROOT)
        }
        strangers = {name for name in names if name in PAGES or within(name, "llmbook.build", "llmbook.cli")}
        assert strangers <= {f"llmbook.{path.stem}"}, path.stem


def code_lines(path):
    """Numbers of the lines in functions and classes that are neither blank, comment nor docstring."""
    lines = path.read_text(encoding="utf-8").splitlines()
    tree, count = ast.parse("\n".join(lines)), set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            count |= set(range(node.lineno, node.end_lineno + 1))
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            count -= set(range(node.lineno, node.end_lineno + 1))
    return {number for number in count if lines[number - 1].split("#")[0].strip()}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_modules_are_short_enough_to_be_read(name):
    lines = len(code_lines(MODULES[name]))
    if lines > WANTED_LINES:
        warnings.warn(f"{name} has {lines} lines of code: split it by idea", stacklevel=1)
    assert lines <= MAX_LINES, f"{name} has {lines} lines of code: split it by idea"


IMPORT_ALL = """\
import importlib, socket, sys
def refuse(*args, **kwargs):
    raise OSError("importing asked for a network")
socket.socket.connect = refuse
for name in {names!r}:
    importlib.import_module(name)
    for heavy in {heavy!r}:
        assert heavy not in sys.modules, f"importing {{name}} imports {{heavy}}"
import torch
assert not torch.cuda.is_initialized()
"""


def plots(name):
    """Whether a module imports `core.plotting`, itself or through others."""
    return "llmbook.core.show.plotting" in freshness.closure([name], ROOT)


@pytest.mark.parametrize(
    ("chosen", "heavy"),
    [
        (lambda name: not plots(name), ("transformers", "bertviz", "matplotlib")),
        (plots, ("transformers", "bertviz")),
    ],
    ids=["modules that do not plot", "modules that plot"],
)
def test_importing_any_module_needs_no_network_no_gpu_and_no_heavy_library(chosen, heavy):
    tools = ("llmbook.build.nbval_plugin", "llmbook.build.sphinx_ext")
    names = [name for name in MODULES if chosen(name) and name not in tools]
    script = IMPORT_ALL.format(names=names, heavy=heavy)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT / "src")
    assert run.returncode == 0, run.stderr
