"""What a definition depends on: what must change its fingerprint, and what must not."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

from llmbook.core.run import closure as made_of
from llmbook.core.run.closure import closure, fingerprint, of_code

PACKAGE = Path(made_of.__file__).parents[2]


@pytest.fixture
def write(tmp_path):
    """Write modules and files of the package `toy`: write(module="source"); a name with `__` lies in a folder."""

    def write(**modules):
        for name, source in modules.items():
            path = tmp_path / "toy" / (name.replace("__", "/").replace("init", "__init__") + ".py")
            store(path, dedent(source))
            for folder in path.relative_to(tmp_path).parents[:-1]:
                if not (tmp_path / folder / "__init__.py").exists():
                    store(tmp_path / folder / "__init__.py", "")
        return tmp_path / "toy"

    return write


def store(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def reached(folder, *names):
    """Names of what `names` depend on, without the package's."""
    return {
        name.removeprefix("toy.").removeprefix("toy/")
        for name in closure([f"toy.{n}" for n in names], folder)
    }


def changed(folder, name, change):
    """The names whose digests differ after `change()`."""
    before = closure([f"toy.{name}"], folder)
    change()
    after = closure([f"toy.{name}"], folder)
    return {
        name.removeprefix("toy.")
        for name in before.keys() | after.keys()
        if before.get(name) != after.get(name)
    }


@pytest.fixture
def mark(tmp_path, monkeypatch):
    """The fingerprint of a definition of `toy` as it is now: mark("module:name")."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def mark(name):
        for module in [m for m in sys.modules if m.split(".")[0] == "toy"]:
            del sys.modules[module]
        importlib.invalidate_caches()
        module, _, definition = name.partition(":")
        return fingerprint(getattr(importlib.import_module(f"toy.{module}"), definition))

    yield mark
    for module in [m for m in sys.modules if m.split(".")[0] == "toy"]:
        del sys.modules[module]


# ---------------------------------------------------------------- definitions of one module


def test_a_definition_reaches_what_it_uses_and_what_that_uses_and_nothing_else(write):
    folder = write(
        a="""
        def f(): return g()
        def g(): return LIMIT
        def h(): return f()
        LIMIT = 3
    """
    )
    assert reached(folder, "a:f") == {"a:f", "a:g", "a:LIMIT"}
    assert reached(folder, "a:LIMIT") == {"a:LIMIT"}


def test_a_class_counts_whole_with_its_bases_and_all_its_methods_use(write):
    folder = write(
        a="""
        def helper(): pass
        class Base: pass
        class C(Base):
            def method(self): return helper()
        def f(): return C.other
    """
    )
    assert reached(folder, "a:f") == {"a:f", "a:C", "a:Base", "a:helper"}


def test_an_attribute_of_a_class_is_not_the_name_of_its_module(write):
    folder = write(
        a="""
        NAMES = 1
        LATER = 2
        class C:
            NAMES = ("x",)
        class D:
            LATER += 1
        """
    )
    assert reached(folder, "a:C") == {"a:C"}
    assert reached(folder, "a:D") == {"a:D", "a:LATER"}


def test_names_assigned_together_are_one_unit(write):
    folder = write(
        a="""
        x, (y, *z) = 1, (2, 3)
        f = lambda: y
    """
    )
    assert reached(folder, "a:f") == {"a:f", "a:x, y, z"}


def test_a_name_that_is_defined_twice_counts_with_both_definitions(write):
    folder = write(a="def f(): return 1\ndef f(): return 2\n")
    assert changed(folder, "a:f", lambda: write(a="def f(): return 0\ndef f(): return 2\n")) == {"a:f"}
    folder = write(a="x = [1]\nx += [2]\ndef f(): return x\n")
    assert changed(folder, "a:f", lambda: write(a="x = [1]\nx += [3]\ndef f(): return x\n")) == {"a:x"}


def test_names_of_a_function_hide_those_of_its_module(write):
    folder = write(
        a="""
        x = y = 1
        p = q = r = s = t = u = v = 1
        def f(p, *q, r=0, **s):
            t = p
            for u in q: pass
            with open(t) as v: pass
            return [x for x in q]
    """
    )
    assert reached(folder, "a:f") == {"a:f"}


@pytest.mark.parametrize(
    "body",
    [
        "def f():\n    def inner(x): return x\n    return x",
        "def f(): return [x for x in x]",
        "def f(): return [x for x in ()], x",
        "def f(y=x): pass",
        "def f(y: x): pass",
        "@x\ndef f(): pass",
        "def f():\n    global x\n    x = 2",
        "def f(): return lambda x: x, x",
        "class f:\n    x = 1\n    def g(self): return x",
        "class f(x): pass",
        "def f(y):\n    match y:\n        case 3: return x",
    ],
)
def test_a_name_is_followed_wherever_the_modules_own_is_meant(write, body):
    folder = write(a="x = 1\n" + body)
    assert "a:x" in reached(folder, "a:f")


# ---------------------------------------------------------------- other modules


@pytest.mark.parametrize(
    "source",
    [
        "from toy.b import g\ndef f(): return g()",
        "from .b import g as renamed\ndef f(): return renamed()",
        "from toy import b\ndef f(): return b.g()",
        "import toy.b\ndef f(): return toy.b.g()",
        "import toy.b as m\ndef f(): return m.g.attribute",
        "def f():\n    from toy.b import g\n    return g()",
        "def f():\n    import toy.b\n    return toy.b.g()",
        "class f:\n    from toy.b import g\n    value = g()",
        "try:\n    from toy.b import g\nexcept ImportError:\n    g = None\ndef f(): return g",
        "if True:\n    import toy.b as b\ndef f(): return b.g",
        "from toy.through import g\ndef f(): return g()",
        "from toy import through\ndef f(): return through.g()",
        "from toy.rooms import b2 as b\ndef f(): return b.g()",
        "def f(): return run(['-c', 'from toy.b import g; g()'])",
    ],
)
def test_every_way_to_use_a_definition_of_another_module_leads_to_it_alone(write, source):
    folder = write(
        a=source,
        b="def g(): return 1\ndef other(): return 2\n",
        through="from toy.rooms import g",
        rooms__init="from toy.b import g\nfrom toy import b as b2\n",
    )
    assert {"b:g"} <= reached(folder, "a:f") - {"a:f"} <= {"b:g", "a:effects"}


@pytest.mark.parametrize(
    "source",
    [
        "from toy import b\ndef f(): return getattr(b, NAME)\nNAME = 'g'",
        "from toy import b\ndef f(): return print(b)",
        "from toy import b\nALIAS = b\ndef f(): return ALIAS.g()",
        "from toy.b import *\ndef f(): return g()",
        "def f():\n    from toy import b\n    return vars(b)",
        "from toy import b\ndef f(): return b.made_at_run_time",
        "import importlib\ndef f(): return importlib.import_module('toy.b')",
        "import importlib\ndef f(name): return importlib.import_module(f'toy.{name}')",
        "import importlib\ndef f(name): return importlib.import_module(name)",
        "def f(): return run(['python', '-m', 'toy.b'])",
        "def f(): return run(['-c', 'import toy.b'])",
        "import toy\ndef f(): return use(toy)",
    ],
)
def test_a_module_that_is_not_just_looked_into_counts_whole(write, source):
    folder = write(
        a=source, b="from toy.c import h\ndef g(): return 1\nOTHER = 2\n", c="def h(): pass\ndef i(): pass"
    )
    found = reached(folder, "a:f")
    assert {"b:g", "b:OTHER", "c:h"} <= found
    assert "c:i" not in found or "toy" in source.split("def")[1] or "(name)" in source


def test_eval_and_globals_may_reach_any_name_of_their_module(write):
    for call in ("globals()[name]", "eval(name)"):
        assert "a:g" in reached(write(a=f"def f(name): return {call}\ndef g(): pass\n"), "a:f")


def test_imports_for_type_checkers_lead_nowhere(write):
    folder = write(
        a="""
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from toy.b import Axes
        else:
            LIMIT = 1
        def f(ax: Axes) -> Axes: return LIMIT
    """,
        b="print('imported')\nclass Axes: pass\n",
    )
    assert reached(folder, "a:f") == {"a:f", "a:LIMIT"}


def test_modules_that_import_each_other_and_definitions_that_call_each_other_end(write):
    folder = write(a="from toy import b\ndef f(): return b.g()", b="from toy import a\ndef g(): return a.f()")
    assert reached(folder, "a:f") == {"a:f", "b:g"}
    folder = write(a="from toy.b import f", b="from toy.a import f")
    assert reached(folder, "a:f") == set()


# ---------------------------------------------------------------- what importing does


def test_reaching_a_module_adds_what_importing_it_does(write):
    folder = write(
        a="from toy.b import g\ndef f(): return g()\n",
        b="import toy.c\nsetup()\ndef g(): pass\ndef setup(): return DEPTH\nDEPTH = 1\ndef unused(): pass\n",
        c="import toy.d\nTABLE = {}\nTABLE['x'] = 1\ndef unused(): pass\n",
        d="if True:\n    print(1)\n",
    )
    expected = {"a:f", "b:g", "b:effects", "b:setup", "b:DEPTH", "c:effects", "c:TABLE", "d:effects"}
    assert reached(folder, "a:f") == expected


def test_packages_are_run_before_the_modules_in_them(write):
    folder = write(init="print(1)", room__init="print(2)", room__a="def f(): pass")
    assert reached(folder, "room.a:f") == {"room.a:f", "toy:effects", "room:effects"}


def test_a_definition_that_a_decorator_of_the_package_may_register_is_an_effect(write):
    folder = write(
        a="from toy.b import register\nimport functools\ndef f(): pass\n@register\ndef g(): pass\n"
        "@functools.cache\ndef h(): pass\n@register.here('x')\nclass C: pass\n",
        b="def register(f): return f\n",
    )
    assert reached(folder, "a:f") == {"a:f", "a:effects", "a:g", "a:C", "b:register"}


def test_a_name_that_a_block_defines_leads_to_the_block(write):
    folder = write(a="for i in range(3):\n    last = g(i)\ndef g(x): return x\ndef f(): return last\n")
    assert reached(folder, "a:f") == {"a:f", "a:effects", "a:g"}


def test_what_only_a_script_runs_does_not_count(write):
    folder = write(a="def f(): pass\ndef main(): pass\nif __name__ == '__main__':\n    main()\n")
    assert reached(folder, "a:f") == {"a:f"}


def test_importing_a_module_for_its_effects_alone_reaches_them(write):
    folder = write(a="def f():\n    import toy.b\n", b="print(1)\ndef g(): pass\n")
    assert reached(folder, "a:f") == {"a:f", "b:effects"}


# ---------------------------------------------------------------- digests

SAME = {
    "comments": "# new\ndef f(x, y):  # new\n    return x + y * 2\n",
    "a docstring": 'def f(x, y):\n    """Say what it does."""\n    return x + y * 2\n',
    "formatting": "def f(\n    x,\n    y,\n):\n    return (x + (y * 2))\n",
    "other definitions": '"""M."""\nA = 1\ndef f(x, y):\n    return x + y * 2\ndef g(): pass\n',
}
OTHER = {
    "an operator": "def f(x, y):\n    return x - y * 2\n",
    "a constant": "def f(x, y):\n    return x + y * 3\n",
    "the kind of a constant": "def f(x, y):\n    return x + y * 2.0\n",
    "a default": "def f(x, y=1):\n    return x + y * 2\n",
    "a name": "def f(x, y):\n    return x + y * x\n",
    "a decorator": "import functools\n@functools.cache\ndef f(x, y):\n    return x + y * 2\n",
    "the order": "def f(y, x):\n    return x + y * 2\n",
}


@pytest.mark.parametrize("source", SAME.values(), ids=SAME)
def test_what_does_not_change_code_leaves_the_fingerprint(write, mark, source):
    write(a="def f(x, y):\n    return x + y * 2\n")
    before = mark("a:f")
    write(a=source)
    assert mark("a:f") == before


@pytest.mark.parametrize("source", OTHER.values(), ids=OTHER)
def test_what_changes_code_changes_the_fingerprint(write, mark, source):
    write(a="def f(x, y):\n    return x + y * 2\n")
    before = mark("a:f")
    write(a=source)
    assert mark("a:f") != before


def test_a_change_deep_in_another_module_changes_the_fingerprint_and_an_unused_one_does_not(write, mark):
    sources = {
        "a": "from toy import b\ndef f(): return b.g()",
        "b": "from toy.c import LIMIT\ndef g(): return LIMIT",
    }
    write(**sources, c="LIMIT = 1\ndef unused(): return 1\n")
    before = mark("a:f")
    write(c="LIMIT = 1\ndef unused(): return 2\n")
    assert mark("a:f") == before
    write(c="LIMIT = 2\ndef unused(): return 2\n")
    assert mark("a:f") != before


def test_code_that_is_moved_to_another_module_keeps_its_fingerprint(write, mark):
    write(a="from toy.b import g\ndef f():\n    from toy.b import h\n    return g() + h()\n",
          b="def g(): return LIMIT\ndef h(): return 2\nLIMIT = 1\n")  # fmt: skip
    before = mark("a:f")
    write(a="from toy.core.c import g\ndef f():\n    from toy.core.c import h\n    return g() + h()\n",
          core__c="def g(): return LIMIT\ndef h(): return 2\nLIMIT = 1\n")  # fmt: skip
    assert mark("a:f") == before


def test_importing_a_name_from_elsewhere_changes_the_fingerprint_even_when_nothing_else_does(write, mark):
    both = "def g(): return b.x + c.x\nfrom toy import b, c\n"
    write(a=both + "from toy.b import x\ndef f(): return x, g()\n", b="x = 1", c="x = 2")
    before = mark("a:f")
    write(a=both + "from toy.c import x\ndef f(): return x, g()\n")
    assert mark("a:f") != before


def test_a_name_of_another_package_counts_as_what_it_stands_for(write, mark):
    write(a="from math import floor as cut\ndef f(x): return cut(x)\n")
    before = mark("a:f")
    write(a="from math import ceil as cut\ndef f(x): return cut(x)\n")
    assert mark("a:f") != before


def test_the_text_of_a_definition_changes_with_its_comments_and_its_code_does_not(write):
    folder = write(b="def g():\n    return 1\n")
    page = "import inspect\nfrom toy import b\nprint(inspect.getsource(b.g))"
    before = of_code(page, folder)
    write(b="def g():\n    # one\n    return 1\n")
    after = of_code(page, folder)
    assert before.digests() == after.digests() and before.shown != after.shown


def test_of_a_class_only_the_method_that_is_shown_counts_as_text(write):
    folder = write(b="class C:\n    def g(self):\n        return 1\n    def h(self):\n        return 2\n")
    page = "import inspect\nfrom toy.b import C\nprint(inspect.getsource(C.h))"
    shown = of_code(page, folder).shown
    assert set(shown) == {"toy.b:C.h"}
    write(b="class C:\n    def g(self):  # new\n        return 1\n    def h(self):\n        return 2\n")
    assert of_code(page, folder).shown == shown


def test_decorators_and_comments_above_them_are_told_apart(write):
    folder = write(b="import functools\n@functools.cache\ndef g():\n    return 1\n")
    page = "import inspect\nfrom toy import b\nprint(inspect.getsource(b.g))"
    shown = of_code(page, folder).shown
    write(b="import functools\n# not shown\n@functools.cache\ndef g():\n    return 1\n")
    assert of_code(page, folder).shown == shown
    write(b="import functools\n@functools.cache  # shown\ndef g():\n    return 1\n")
    assert of_code(page, folder).shown != shown


@pytest.mark.parametrize(
    "page",
    [
        "from inspect import getsource as source\nfrom toy import b\nfor f in (b.g,):\n    print(source(f))",
        "import inspect\nfrom toy import b\nfor f in (b.g,):\n    print(inspect.getsource(f))",
        "from toy import b\nshow = b.show\nshow(b.g)",
        "from toy import b\nprint(b.g.__doc__)",
        "from toy import b\nhelp(b.g)",
    ],
)
def test_definitions_that_a_page_may_show_in_any_way_count_as_text(write, page):
    folder = write(b="import inspect\ndef g(): pass\ndef show(what): print(inspect.getsource(what))\n")
    assert "toy.b:g" in of_code(page, folder).shown


# ---------------------------------------------------------------- data files


def files(folder, *names):
    return {name for name in reached(folder, *names) if ":" not in name}


@pytest.fixture
def data(write, tmp_path):
    """Write modules beside two files in the folder `data` of a room, two of the package, and one of another room."""

    def data(source, where="room__a"):
        for name in ("room/data/one.json", "room/data/two.json", "room/data/three.toml", "data/far.json",
                     "other/data/one.json", "other/data/four.json"):  # fmt: skip
            store(tmp_path / "toy" / name, name)
        return write(**{where: source})

    return data


def test_a_file_that_is_named_belongs_to_the_code_that_names_it(data):
    folder = data("""
        from pathlib import Path
        RECORD = Path(__file__).parent / "data" / "two.json"
        OTHER = "data/three.toml"
        def f(): return RECORD
        def g(): return OTHER
        def h():
            "Not two.json."
    """)
    assert files(folder, "room.a:f") == {"room/data/two.json"}
    assert files(folder, "room.a:g") == {"room/data/three.toml"}
    assert files(folder, "room.a:h") == set()


def test_a_changed_file_changes_the_fingerprint_of_what_names_it_only(data, mark, tmp_path):
    data("def f(): return 'data/two.json'\ndef g(): return 1\n")
    before = mark("room.a:f"), mark("room.a:g")
    store(tmp_path / "toy/room/data/two.json", "changed")
    assert (mark("room.a:f") == before[0], mark("room.a:g") == before[1]) == (False, True)


BUILT = {
    'folder / f"{name}.json"': {"one.json", "two.json"},
    'folder / f"t{name}.json"': {"two.json"},
    'folder / (name + ".json")': {"one.json", "two.json"},
    'folder / ("tw" + "o.json")': {"two.json"},
    'folder / "{}.json".format(name)': {"one.json", "two.json"},
    'folder / ("%s.json" % name)': {"one.json", "two.json"},
    '(folder / name).with_suffix(".toml")': {"three.toml"},
    'folder.joinpath(name + ".toml")': {"three.toml"},
    'sorted(folder.glob("*.json"))': {"one.json", "two.json"},
    'sorted(folder.rglob("t*"))': {"two.json", "three.toml"},
    "sorted(folder.glob(name))": {"one.json", "two.json", "three.toml"},
    "sorted(folder.iterdir())": {"one.json", "two.json", "three.toml"},
    'open(f"data/{name}")': {"one.json", "two.json", "three.toml"},
    'os.path.join(folder, name + ".toml")': {"three.toml"},
    'f"{name:.3f} bits of {folder}"': set(),
    'print(f"/{name}")': set(),
    "folder / name": set(),  # a quotient of numbers, or a path whose beginning is named elsewhere
    'print(f"{name}.{folder}")': set(),
}


@pytest.mark.parametrize(("expression", "expected"), BUILT.items(), ids=BUILT)
def test_a_name_that_is_built_means_every_file_of_its_room_that_fits(data, expression, expected):
    folder = data(f"import os\ndef f(folder, name): return {expression}\n")
    assert files(folder, "room.a:f") == {f"room/data/{name}" for name in expected}


ANCHORED = {
    'Path(__file__).parent / "data" / name': {
        "room/data/one.json",
        "room/data/two.json",
        "room/data/three.toml",
    },
    'Path(__file__).parent / "data"': {"room/data/one.json", "room/data/two.json", "room/data/three.toml"},
    'Path(__file__).with_name("data") / f"{name}.toml"': {"room/data/three.toml"},
    'Path(__file__).resolve().parents[1] / "data" / f"{name}.json"': {"data/far.json"},
    'Path(__file__).parents[1] / name / "data" / "one.json"': {"room/data/one.json", "other/data/one.json"},
    'Path(__file__).parents[1] / name / "data" / f"f{name}.json"': {"other/data/four.json"},
    'Path(__file__).parent / ".." / "other" / "data" / f"{name}.json"': {
        "other/data/one.json",
        "other/data/four.json",
    },
    'os.path.join(os.path.dirname(__file__), "data", f"{name}.toml")': {"room/data/three.toml"},
    'resources.files("toy") / "data" / name': {"data/far.json"},
    '__file__[:-4] + "data/" + name': {"room/data/one.json", "room/data/two.json", "room/data/three.toml"},
    'resources.files("toy.other").joinpath("data", name)': {"other/data/one.json", "other/data/four.json"},
    'resources.files(__package__) / "data" / f"{name}.toml"': {"room/data/three.toml"},
    'resources.files(f"toy.{name}") / "data" / "four.json"': {"other/data/four.json"},
    'resources.files(name) / "data" / f"fa{name}.json"': {"data/far.json"},
    'resources.files("elsewhere") / "data" / name': set(),
    'Path(__file__).parents[2] / "data" / name': set(),
    "str(Path(__file__).parents[2])": set(),
    'Path(toy.other.__file__).parent / "data" / f"f{name}.json"': {
        "other/data/one.json",
        "other/data/four.json",
    },
}


@pytest.mark.parametrize(("expression", "expected"), ANCHORED.items(), ids=ANCHORED)
def test_a_path_that_begins_in_the_package_means_whatever_its_constant_parts_leave_possible(
    data, expression, expected
):
    folder = data(f"""
        import os
        from importlib import resources
        from pathlib import Path
        import toy.other
        def f(name): return {expression}
    """)
    store(folder / "other" / "__init__.py", "")
    assert files(folder, "room.a:f") == expected


def test_a_folder_that_is_handed_on_belongs_to_whoever_hands_it_on(data, write):
    folder = data("""
        from pathlib import Path
        from toy.core.b import load
        DATA = Path(__file__).parent / "data"
        def f(name): return load(DATA, name)
        def g(folder, name): return load(folder, name)
    """)
    write(core__b="def load(folder, name): return (folder / name).read_text()")
    assert files(folder, "room.a:f") == {"room/data/one.json", "room/data/two.json", "room/data/three.toml"}
    assert files(folder, "room.a:g") == set()


def test_a_new_file_that_a_pattern_matches_is_noticed(data, mark, tmp_path):
    data('def f(folder): return sorted(folder.glob("*.json"))')
    before = mark("room.a:f")
    store(tmp_path / "toy/room/data/new.json", "")
    assert mark("room.a:f") != before


def test_line_endings_of_another_system_change_nothing(data, mark, tmp_path):
    store(tmp_path / "toy/room/data/two.json", "a\nb\n")
    data("def f():\n    return 'data/two.json'\n")
    store(tmp_path / "toy/room/data/two.json", "a\nb\n")
    before = mark("room.a:f")
    for name in ("data/two.json", "a.py"):
        path = tmp_path / "toy/room" / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert mark("room.a:f") == before


# ---------------------------------------------------------------- what cannot be answered


def test_a_lambda_a_method_and_a_nested_function_have_no_fingerprint():
    def nested():
        pass

    for what in (lambda: None, nested, Path.exists, len, "name", made_of._Walk.start, made_of):
        with pytest.raises(ValueError, match="defined at the top of a module"):
            fingerprint(what)


def test_a_wrapped_function_has_the_fingerprint_of_its_own_code(write, mark):
    write(a="import functools\n@functools.cache\ndef f(): return 1\n")
    before = mark("a:f")
    write(a="import functools\n@functools.cache\ndef f(): return 2\n")
    assert mark("a:f") != before


def test_a_definition_in_a_block_has_no_fingerprint(write, mark):
    write(a="try:\n    def f():\n        return 1\nexcept ImportError:\n    pass")
    with pytest.raises(ValueError, match="define it once"):
        mark("a:f")


def test_an_argument_of_anything_that_is_called_files_is_followed(write):
    folder = write(a="def make():\n    return 1\n\n\ndef f(box):\n    return box.files(make())")
    assert reached(folder, "a:f") == {"a:f", "a:make"}


@pytest.mark.parametrize("name", ["toy.nothing:f", "toy.a:nothing", "toy.a:C.method", "json:load", ""])
def test_an_unknown_name_is_refused(write, name):
    folder = write(a="class C:\n    def method(self): pass\n")
    with pytest.raises(ValueError, match=r"there is no module|defines no"):
        closure([name], folder)


def test_a_module_that_is_not_python_is_named(write):
    with pytest.raises(ValueError, match=r"toy/a\.py is not Python"):
        closure(["toy.a"], write(a="def f(:\n"))


def test_an_edit_is_seen_by_the_same_process(write):
    folder = write(a="def f(): return 1\n")
    time.sleep(0.02)  # longer than the clock tick of a file's time stamp
    assert changed(folder, "a:f", lambda: write(a="def f(): return 2\n")) == {"a:f"}


# ---------------------------------------------------------------- the real package


def test_every_module_of_the_package_can_be_read_and_a_page_takes_well_under_a_second():
    assert len(closure(["llmbook"], PACKAGE)) > 300
    start = time.perf_counter()
    closure(["llmbook"], PACKAGE)
    assert (
        time.perf_counter() - start < 5
    )  # a tenth of a second: this is no measurement, only a guard against loops


def test_code_that_names_no_data_file_reaches_none():
    assert [
        name for name in closure(["llmbook.core.models.pretrained:load"], PACKAGE) if ":" not in name
    ] == []


def test_fingerprints_need_no_repository_no_torch_and_are_the_same_in_every_process():
    code = "import sys; from llmbook.core.run.closure import fingerprint as f; print(f(f), 'torch' in sys.modules)"
    for seed in ("1", "2"):
        env = {"PYTHONPATH": str(PACKAGE.parent), "PYTHONHASHSEED": seed}
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/", env=env)
        assert run.stdout == f"{fingerprint(fingerprint)} False\n", run.stderr
