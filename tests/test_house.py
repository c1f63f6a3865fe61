"""The rules of the tree: who may import whom, who uses what, how long things are, and what importing may cost."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from house import FEW_USERS, Tree, within

ROOT = Path(__file__).parents[1]
BOOK = Tree(ROOT, FEW_USERS)
RULES = [
    "pages_that_import_pages",
    "core_that_imports_pages_or_tools",
    "core_out_of_order",
    "core_modules_in_no_folder",
    "core_that_fewer_than_two_pages_reach",
    "notebooks_that_import_strangers",
    "others_that_import_matplotlib",
    "tests_of_core_that_import_pages",
    "tests_without_a_room",
    "modules_too_long",
    "functions_too_long",
]


@pytest.mark.parametrize("rule", RULES)
def test_nothing_in_the_book_breaks_the_rule(rule):
    assert getattr(BOOK, rule)() == []


def test_at_most_three_core_modules_are_excepted_each_with_a_reason_and_each_still_needed():
    assert len(FEW_USERS) <= 3 and all(reason.strip() for reason in FEW_USERS.values())
    without = Tree(ROOT).core_that_fewer_than_two_pages_reach()
    assert {line.split()[0] for line in without} == set(FEW_USERS)


# ---------------------------------------------------------------------------- and each of these rules can fail

GOOD = {
    "src/llmbook/__init__.py": "",
    "src/llmbook/core/__init__.py": "",
    "src/llmbook/core/run/__init__.py": "",
    "src/llmbook/core/run/files.py": "X = 1\n",
    "src/llmbook/core/models/__init__.py": "",
    "src/llmbook/core/models/small.py": "from llmbook.core.run.files import X\n",
    "src/llmbook/core/show/__init__.py": "",
    "src/llmbook/core/show/plots.py": "import matplotlib.pyplot as plt\n",
    "src/llmbook/build/__init__.py": "",
    "src/llmbook/one/__init__.py": "from llmbook.one.idea import Y\n",
    "src/llmbook/one/idea.py": "from llmbook.core.models import small\nfrom llmbook.core.show import plots\nY = 1\n",
    "src/llmbook/two/__init__.py": "from llmbook.core.models import small\nfrom llmbook.core.show import plots\n",
    "tests/core/run/test_files.py": "from llmbook.core.run import files\n",
    "tests/one/test_idea.py": "from llmbook.one import idea\n",
}
LONG = "def f():\n" + "    x = 1\n" * 41
MANY = "".join(f"def f{i}():\n    return {i}\n" for i in range(151))
BROKEN = {
    "pages_that_import_pages": {"src/llmbook/two/idea.py": "from llmbook.one.idea import Y\n"},
    "pages_that_import_pages, lazily": {"src/llmbook/two/idea.py": "def f():\n    from .. import one\n"},
    "pages_that_import_pages, tools": {"src/llmbook/two/idea.py": "from llmbook.build import check\n"},
    "core_that_imports_pages_or_tools": {"src/llmbook/core/run/bad.py": "import llmbook.one\n"},
    "core_out_of_order": {"src/llmbook/core/run/bad.py": "from llmbook.core.models.small import X\n"},
    "core_out_of_order, into show": {
        "src/llmbook/core/models/bad.py": "from llmbook.core.show import plots\n"
    },
    "core_out_of_order, out of show": {
        "src/llmbook/core/show/bad.py": "from llmbook.core.run import files\n"
    },
    "core_modules_in_no_folder": {"src/llmbook/core/stray.py": ""},
    "core_that_fewer_than_two_pages_reach": {
        "src/llmbook/core/run/lonely.py": "",
        "src/llmbook/one/more.py": "from llmbook.core.run import lonely\n",
    },
    "core_that_fewer_than_two_pages_reach, none": {"src/llmbook/core/run/lonely.py": ""},
    "others_that_import_matplotlib": {"src/llmbook/one/idea.py": "def f():\n    import matplotlib.pyplot\n"},
    "tests_of_core_that_import_pages": {"tests/core/run/test_files.py": "from llmbook.one import idea\n"},
    "tests_without_a_room": {"tests/three/test_idea.py": ""},
    "modules_too_long": {"src/llmbook/one/idea.py": MANY},
    "functions_too_long": {"src/llmbook/one/idea.py": LONG},
}


def make_tree(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Tree(folder)


def test_a_tree_that_keeps_the_rules_passes_all_of_them(tmp_path):
    tree = make_tree(tmp_path, GOOD)
    assert {rule: getattr(tree, rule)() for rule in RULES} == {rule: [] for rule in RULES}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_tree_that_breaks_the_rule_is_found_out(broken, tmp_path):
    tree = make_tree(tmp_path, GOOD | BROKEN[broken])
    assert getattr(tree, broken.split(",")[0])() != []


@pytest.mark.parametrize("line", ["from llmbook.two import x", "from llmbook.build import check"])
def test_a_notebook_that_imports_another_page_or_a_tool_is_found_out(tmp_path, line):
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    tree = make_tree(tmp_path, GOOD)
    (tmp_path / "book").mkdir()
    for source, strangers in (("from llmbook import one", 0), (line, 1)):
        nbformat.write(new_notebook(cells=[new_code_cell(source)]), tmp_path / "book" / "one.ipynb")
        assert len(tree.notebooks_that_import_strangers()) == strangers


# ------------------------------------------------------------------------------------------ safety and cost


def test_nothing_unpickles_and_nothing_runs_remote_code():
    forbidden = ("pickle", "dill", "cloudpickle", "joblib")
    assert [(n, o) for n in BOOK.modules for o in BOOK.imports[n] if within(o, *forbidden)] == []
    for name, path in BOOK.modules.items():
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
                assert getattr(node.value, "value", True) is False, name


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
    """Whether a module imports matplotlib, itself or through others."""
    return any(within(other, "matplotlib") for one in BOOK.reached([name]) for other in BOOK.imports[one])


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
    names = [name for name in BOOK.modules if chosen(name) and name not in tools]
    script = IMPORT_ALL.format(names=names, heavy=heavy)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT / "src")
    assert run.returncode == 0, run.stderr
