"""The rules of the tree, as functions that list what breaks them; `test_house.py` holds the book to them.

A tree is a folder with `src/llmbook`, and perhaps `tests` and `book`, such as the repository or a small one made for
a test.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from llmbook.core.run import names as code_names

PACKAGE = "llmbook"
FOLDERS = ("run", "text", "models", "measure", "train")  # each may import those before it
APART = "show"  # imports no other folder, and alone imports matplotlib
NOT_ROOMS = ("core", "build")
MAX_LINES, MAX_FUNCTION = (
    300,
    40,
)  # of code: docstrings, comments, blank lines and (of functions) signatures are free

# Core modules that fewer than two pages reach, with the reason why they stand there all the same: three at the most.
FEW_USERS: dict[str, str] = {
    "llmbook.core.show.source": "neural_networks prints code with it, the next pages are about to",
}


def within(name: str, *packages: str) -> bool:
    """Whether a dotted name is one of `packages` or lies in one."""
    return any(name == package or name.startswith(package + ".") for package in packages)


def imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Dotted names that `tree` may import; relative imports start from `package`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from code_names.imported(node, package)[1]


@dataclass(frozen=True)
class Tree:
    """A tree and what its modules import."""

    root: Path
    few_users: dict[str, str] = field(default_factory=dict)

    @cached_property
    def modules(self) -> dict[str, Path]:
        """Dotted name -> file."""
        source = self.root / "src"
        found = {}
        for path in sorted((source / PACKAGE).rglob("*.py")):
            parts = path.relative_to(source).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        return found

    @cached_property
    def rooms(self) -> list[str]:
        """The packages of the pages: `llmbook.history`, ..."""
        return [
            name
            for name, path in self.modules.items()
            if name.count(".") == 1 and path.name == "__init__.py" and name.split(".")[1] not in NOT_ROOMS
        ]

    @cached_property
    def imports(self) -> dict[str, set[str]]:
        """Module -> every dotted name that it imports, local or not."""
        found = {}
        for name, path in self.modules.items():
            package = name if path.name == "__init__.py" else name.rpartition(".")[0]
            found[name] = set(imported(ast.parse(path.read_bytes()), package))
        return found

    def room_of(self, name: str) -> str | None:
        return next((room for room in self.rooms if within(name, room)), None)

    def reached(self, names: Iterable[str]) -> set[str]:
        """Local modules among `names` and all that they import, directly or not."""
        waiting, seen = [name for name in names if name in self.modules], set()
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += [other for other in self.imports[name] if other in self.modules]
        return seen

    # ---- the rules ----

    def pages_that_import_pages(self) -> list[str]:
        return [
            f"{name} imports {other}"
            for name in self.modules
            if (room := self.room_of(name))
            for other in self.imports[name]
            if self.room_of(other) not in (None, room) or within(other, f"{PACKAGE}.build", f"{PACKAGE}.cli")
        ]

    def core_that_imports_pages_or_tools(self) -> list[str]:
        return [
            f"{name} imports {other}"
            for name in self.modules
            if within(name, f"{PACKAGE}.core")
            for other in self.imports[name]
            if self.room_of(other) or within(other, f"{PACKAGE}.build", f"{PACKAGE}.cli")
        ]

    def core_out_of_order(self) -> list[str]:
        """Imports inside core that run from an earlier folder to a later one, or into or out of `show`."""

        def folder(name: str) -> str | None:
            parts = name.split(".")
            return parts[2] if within(name, f"{PACKAGE}.core") and len(parts) > 2 else None

        found = []
        for name in self.modules:
            mine = folder(name)
            for other in self.imports[name] if mine else ():
                theirs = folder(other)
                if theirs in (None, mine):
                    continue
                if APART in (mine, theirs) or FOLDERS.index(theirs) > FOLDERS.index(mine or ""):
                    found.append(f"{name} imports {other}")
        return found

    def core_modules_in_no_folder(self) -> list[str]:
        core = [
            name.split(".")[2]
            for name in self.modules
            if within(name, f"{PACKAGE}.core") and name.count(".") > 1
        ]
        return sorted({folder for folder in core if folder not in (*FOLDERS, APART)})

    def core_that_fewer_than_two_pages_reach(self) -> list[str]:
        by_page = {room: self.reached(self.page_imports(room)) for room in self.rooms}
        found = []
        for name, path in self.modules.items():
            if within(name, f"{PACKAGE}.core") and path.name != "__init__.py":
                users = [room for room, reached in by_page.items() if name in reached]
                if len(users) < 2 and name not in self.few_users:
                    found.append(f"{name} is used by {', '.join(users) or 'no page'}")
        return found

    def page_imports(self, room: str) -> set[str]:
        """What the modules of a page's room and the cells of its notebook import."""
        names = {name for name in self.modules if within(name, room)}
        return names | self.notebook_imports().get(room.split(".")[1], set())

    def notebook_imports(self) -> dict[str, set[str]]:
        """Page -> local modules that its cells import, the launch cell excepted."""
        import nbformat

        from llmbook.build.freshness import plain_python

        found = {}
        for path in sorted((self.root / "book").glob("*.ipynb")):
            cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
            sources = [cell.source for cell in cells if "launch" not in cell.metadata.get("tags", [])]
            names = {name for source in sources for name in imported(ast.parse(plain_python(source)), "")}
            found[path.stem] = {name for name in names if name in self.modules}
        return found

    def notebooks_that_import_strangers(self) -> list[str]:
        """A notebook imports its own room and core, nothing else of the book."""
        return [
            f"{page} imports {name}"
            for page, names in self.notebook_imports().items()
            for name in names
            if not within(name, f"{PACKAGE}.{page}", f"{PACKAGE}.core") and name != PACKAGE
        ]

    def others_that_import_matplotlib(self) -> list[str]:
        return [
            f"{name} imports matplotlib"
            for name in self.modules
            if not within(name, f"{PACKAGE}.core.{APART}")
            and any(within(other, "matplotlib") for other in self.imports[name])
        ]

    def tests_of_core_that_import_pages(self) -> list[str]:
        found = []
        for path in sorted((self.root / "tests" / "core").rglob("*.py")):
            names = set(imported(ast.parse(path.read_bytes()), ""))
            found += [f"{path.relative_to(self.root)} imports {name}" for name in names if self.room_of(name)]
        return found

    def tests_without_a_room(self) -> list[str]:
        """Folders below tests/ mirror those below src/llmbook; tests/site and tests/notebooks look at the book."""
        tests, found = self.root / "tests", []
        for path in sorted(tests.rglob("test_*.py")):
            parts = path.relative_to(tests).parts[:-1]
            there = (self.root / "src" / PACKAGE).joinpath(*parts).is_dir()
            if parts and parts[0] not in ("site", "notebooks") and not there:
                found.append(str(path.relative_to(self.root)))
        return found

    def modules_too_long(self) -> list[str]:
        counts = {name: len(code_lines(path)) for name, path in self.modules.items()}
        return [
            f"{name} has {n} lines of code: split it by idea" for name, n in counts.items() if n > MAX_LINES
        ]

    def functions_too_long(self) -> list[str]:
        found = []
        for name, path in self.modules.items():
            lines = code_lines(path)
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    own = sum(
                        number in lines for number in range(node.body[0].lineno, (node.end_lineno or 0) + 1)
                    )
                    if own > MAX_FUNCTION:
                        found.append(f"{name}.{node.name} has {own} lines: split it")
        return found


def code_lines(path: Path) -> set[int]:
    """Numbers of the lines in functions and classes that are neither blank, comment nor docstring."""
    lines = path.read_text(encoding="utf-8").splitlines()
    tree, count = ast.parse("\n".join(lines)), set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            count |= set(range(node.lineno, (node.end_lineno or 0) + 1))
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            count -= set(range(node.lineno, (node.end_lineno or 0) + 1))
    return {number for number in count if lines[number - 1].split("#")[0].strip()}
