"""One module as units: its top-level definitions, what each of them refers to, and which files it names.

A unit is a function, a class (whole), an assignment to names, or ``effects``: all else that a module does when it is
imported, with the definitions that a decorator of this package may register. Read from the source alone: nothing is
imported or run. `llmbook.core.run.closure` follows the references from unit to unit.

Left out on purpose: values. Names are followed, not what a variable holds; an assignment is taken to do nothing but
assign, and a class to register itself only where a decorator stands above it.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from llmbook.core.run import paths
from llmbook.core.run.names import (
    DEFINITIONS,
    SHOWING,
    Names,
    Target,
    binds,
    chain,
    imported,
    is_local,
    same_scope,
)

EFFECTS, STAR = "effects", "*"
ASSIGNMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign, getattr(ast, "TypeAlias", ast.Assign))
UNSAID = {"ctx", "kind", "type_comment"}  # fields of syntax trees that say nothing about what code does


@dataclass(frozen=True)
class Unit:
    """A definition: digests of its text and of its code, and all that it refers to."""

    name: str  # such as llmbook.core.train.training:train
    text: str  # digest of the lines as they stand
    code: str  # digest of the syntax tree without documentation and positions
    members: dict[str, str]  # digests of the text of a class's methods
    targets: frozenset[Target]
    imports: frozenset[str]  # modules that it imports itself
    shown: frozenset[Target]  # what it names in inspect.getsource(...) and the like
    shows: bool  # whether it may show the source of something else
    defines: bool  # a function or class, which has a source to show; anything else may hold one
    strings: frozenset[str]
    patterns: frozenset[str]  # of the paths that it builds, see `paths`


@dataclass(frozen=True)
class Module:
    """A module: its units, what its names stand for, and what importing it imports."""

    name: str
    file: str  # seen from the folder that holds the package
    units: dict[str, Unit]  # by short name
    names: dict[
        str, frozenset[str | Target]
    ]  # name -> short names of units, or what was imported; STAR: all of it
    imports: frozenset[str]  # local modules


def read(name: str, path: Path, package_dir: Path) -> Module:
    """The module ``name`` in the file ``path``; parsed again only when the file has changed.

    Raises ``ValueError`` when it is not Python.
    """
    stat = path.stat()
    return _read(name, path, package_dir, (stat.st_mtime_ns, stat.st_size))


@lru_cache(maxsize=1024)
def _read(name: str, path: Path, package_dir: Path, stamp: tuple[int, int]) -> Module:
    here = path.relative_to(package_dir.parent).as_posix()
    return parse(path.read_text(encoding="utf-8"), name, here, package_dir.name)


def parse(source: str, name: str, file: str, package: str) -> Module:
    """Source code as the module ``name`` in ``file``, of which ``package`` is the package that counts as local.

    >>> module = parse("import math\\ndef f(x):\\n    return math.sqrt(g(x))\\ng = abs", "p.m", "p/m.py", "p")
    >>> sorted(module.units), sorted(module.units["f"].targets)
    (['f', 'g'], [('p.m', ('g',)), ('p.m', ('math', 'sqrt'))])
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise ValueError(f"{file} is not Python: {error}") from error
    for node in ast.walk(tree):
        _remove_documentation(node)
    return _Reader(name, file, package, source.splitlines()).module(tree)


def digest(data: bytes | str) -> str:
    """SHA-256 as 64 hex digits."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


# ---------------------------------------------------------------- from a module to its units


class _Reader:
    """Sorts the statements of a module into units and finds out what each refers to."""

    def __init__(self, name: str, file: str, package: str, lines: Sequence[str]) -> None:
        self.name, self.file, self.package, self.lines = name, file, package, lines
        self.folder = (
            name if file.endswith("__init__.py") else name.rpartition(".")[0]
        )  # relative imports start here
        self.names: dict[str, set[str | Target]] = {}
        self.imports: set[str] = set()

    def module(self, tree: ast.Module) -> Module:
        effects: list[ast.stmt] = []
        groups: list[tuple[list[str], list[ast.stmt]]] = []
        for statement in _at_import(tree.body):
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self._import(statement)
            elif names := _assigned(statement):
                _add(groups, names, statement)
            elif not isinstance(statement, ast.Pass):
                effects.append(statement)
                self._bind_nested(statement)
        for names, _ in groups:
            for name in names:
                self.names.setdefault(name, set()).add(", ".join(names))
        units = {", ".join(names): self._unit(", ".join(names), body) for names, body in groups}
        registered = [name for names, body in groups for name in names if self._registers(body)]
        if effects or registered:
            units[EFFECTS] = self._unit(EFFECTS, effects, registered)
        names_ = {name: frozenset(found) for name, found in self.names.items()}
        return Module(self.name, self.file, units, names_, frozenset(self.imports))

    def _import(self, statement: ast.Import | ast.ImportFrom) -> None:
        bound, modules = imported(statement, self.folder)
        for name, target in bound.items():
            self.names.setdefault(name, set()).add(target)
        self.imports |= {module for module in modules if is_local(module, self.package)}

    def _bind_nested(self, statement: ast.stmt) -> None:
        """Names that a block (``if``, ``try``, ``for`` ...) at the top of the module defines: they are its effect."""
        for node in same_scope([statement]):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._import(node)
            elif name := binds(node):
                self.names.setdefault(name, set()).add(EFFECTS)

    def _registers(self, body: Iterable[ast.stmt]) -> bool:
        """Whether a decorator of this package stands above a definition: it may put it on a list."""
        decorators = [d for s in body if isinstance(s, DEFINITIONS) for d in s.decorator_list]
        roots = [chain(d.func if isinstance(d, ast.Call) else d) for d in decorators]
        bound = [b for root in roots if root for b in self.names.get(root[0], ())]
        return any(isinstance(b, str) or is_local(b[0], self.package) for b in bound)

    def _unit(self, short: str, body: Sequence[ast.stmt], registered: Iterable[str] = ()) -> Unit:
        found = Names(self.name, self.folder, self.package)
        for statement in body:
            found.visit(statement)
        built = {p for statement in body for p in paths.patterns(statement, self.package, self.file)}
        whole = {
            p for p in built if paths.ANY not in p and not paths.is_anchored(p)
        }  # "a" + ".json" is a string as well
        roots = {names[0] for module, names in found.targets if module == self.name and names}
        outside = sorted(line for root in roots for line in self._outside(root))
        return Unit(
            name=f"{self.name}:{short}",
            text=digest("\n".join(self._text(statement) for statement in body)),
            code=digest(repr([_canonical(statement, self._is_local_import) for statement in body] + outside)),
            members={m.name: digest(self._text(m)) for s in body for m in _members(s)},
            targets=frozenset(self._known([*found.targets, *((self.name, (name,)) for name in registered)])),
            imports=frozenset(found.imports),
            shown=frozenset(self._known(found.shown)),
            shows=found.shows or any(self._is_renamed(root) for root in roots),
            defines=all(isinstance(statement, DEFINITIONS) for statement in body),
            strings=frozenset(found.strings | whole),
            patterns=frozenset(built - whole),
        )

    def _known(self, targets: Iterable[Target]) -> Iterator[Target]:
        """Targets without builtins; a name that nothing here defines comes from what is imported with a star."""
        for target in targets:
            if target[0] != self.name or not target[1] or target[1][0] in self.names:
                yield target
            elif not hasattr(builtins, target[1][0]):
                yield from (star for star in self.names.get(STAR, ()) if not isinstance(star, str))

    def _outside(self, name: str) -> Iterator[str]:
        """What an imported name stands for that is not of this package: part of the code that uses it."""
        for bound in self.names.get(name, ()):
            if not isinstance(bound, str) and not is_local(bound[0], self.package):
                yield f"{name} = {'.'.join((bound[0], *bound[1]))}"

    def _is_renamed(self, name: str) -> bool:
        """Whether a name stands for a function that shows code: ``from inspect import getsource as source``."""
        bound = [b for b in self.names.get(name, ()) if not isinstance(b, str)]
        return name not in SHOWING and any(inner[-1] in SHOWING for _, inner in bound if inner)

    def _is_local_import(self, node: object) -> bool:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            return False
        return all(is_local(target[0], self.package) for target in imported(node, self.folder)[0].values())

    def _text(self, node: ast.stmt) -> str:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        return "\n".join(self.lines[first - 1 : node.end_lineno])


def _at_import(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that importing a module runs: not what only type checkers or ``python -m`` see."""
    for statement in body:
        if isinstance(statement, ast.If) and re.fullmatch(
            r"(typing\.)?TYPE_CHECKING", ast.unparse(statement.test)
        ):
            yield from statement.orelse
        elif not (isinstance(statement, ast.If) and ast.unparse(statement.test) == "__name__ == '__main__'"):
            yield statement


def _assigned(statement: ast.stmt) -> list[str]:
    """The names that a definition or assignment defines; none where it changes something else, as in ``a.b = 1``."""
    if isinstance(statement, DEFINITIONS):
        return [statement.name]
    if not isinstance(statement, ASSIGNMENTS):
        return []
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    targets = [getattr(statement, "name", None)] if targets == [None] else targets  # type X = ...
    nodes = [node for target in targets if target for node in ast.walk(target)]
    if any(isinstance(node, ast.Attribute | ast.Subscript) for node in nodes):
        return []
    return [node.id for node in nodes if isinstance(node, ast.Name)]


def _add(groups: list[tuple[list[str], list[ast.stmt]]], names: list[str], statement: ast.stmt) -> None:
    """Put a statement with those that define the same names."""
    same = [group for group in groups if set(group[0]) & set(names)]
    merged = [name for group in same for name in group[0]] + names
    body = sorted([s for group in same for s in group[1]] + [statement], key=lambda s: s.lineno)
    groups[:] = [group for group in groups if group not in same] + [(list(dict.fromkeys(merged)), body)]


def _members(statement: ast.stmt) -> list[ast.FunctionDef]:
    body = statement.body if isinstance(statement, ast.ClassDef) else []
    return [member for member in body if isinstance(member, ast.FunctionDef)]


def _remove_documentation(node: ast.AST) -> None:
    """Take out strings that stand alone: what documents modules, classes, functions and attributes."""
    body = getattr(node, "body", None)
    if isinstance(body, list):
        node.body = [  # type: ignore[attr-defined]
            s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
        ]


def _canonical(node: object, skip: Callable[[object], bool]) -> object:
    """A syntax tree as nested tuples that are the same on every version of Python.

    ``ast.dump`` is not: it shows fields that newer versions have added.
    """
    if isinstance(node, list):
        return [_canonical(item, skip) for item in node if not skip(item)]
    if not isinstance(node, ast.AST):
        return node
    fields = ((name, value) for name, value in ast.iter_fields(node) if name not in UNSAID)
    said = [(name, _canonical(value, skip)) for name, value in fields if value is not None and value != []]
    return (type(node).__name__, *said)
