"""The code that a definition depends on, definition by definition, and the files that this code names.

``closure(["llmbook.history.ladder:measure"], folder)`` maps every unit (see `llmbook.core.run.units`) that is reached
from ``measure`` to the digest of its code, and every data file to the digest of its bytes. ``fingerprint(measure)`` is
one number for all of it: what was made under another fingerprint was made by other code.

What counts as reached:

- Every name that a unit uses: a definition of its own module, or of another module of the package that it imports,
  through any number of ``__init__`` files. Functions may import, and so may blocks such as ``try``.
- ``module.name`` is that name of the module. A module that is used in another way (passed on, ``getattr(module, n)``),
  that is imported with a star, or that has no such name, counts whole, a package with the modules in it.
- Importing a module runs it. So every module that is reached adds its ``effects``, those of the packages that it lies
  in, and those of the modules that it imports. ``if TYPE_CHECKING:`` imports nothing.

Which data files (anything below the package that is not code) belong to a unit:

- A file whose name stands in one of its strings, documentation excepted.
- A name that is put together (an f-string, ``+``, ``%``, ``/``, ``.format``, ``with_suffix``, ``glob`` ...) is read as
  a pattern: ``f"{name}.json"`` is ``*.json``. One that begins at ``__file__`` or ``resources.files`` means what it
  matches there, and a folder everything below it; any other one what it matches beside or below its own module. A path
  of which nothing is known, as in ``folder.glob(pattern)``, means every file of the ``data`` folder there.

Comments, formatting, documentation and the place of a definition do not count: code that is moved to another module
keeps its fingerprint. Left out on purpose: packages other than its own (an artefact names their versions), and
whatever is chosen while the code runs, such as the class of an argument.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from llmbook.core.run import paths
from llmbook.core.run.names import Target
from llmbook.core.run.units import EFFECTS, Module, Unit, digest, parse, read

Found = set[tuple[str, tuple[str, ...]]]
CODE = {".py", ".pyc", ".pyi", ".typed"}
ROUNDS = 3  # how far the fingerprint sees who uses whom


@dataclass(frozen=True)
class Closure:
    """What was reached: units and files by name, who uses whom, and what is shown as text."""

    units: dict[str, Unit]
    files: dict[str, Path]
    uses: dict[str, frozenset[tuple[str, str]]]  # unit -> the name it uses, the unit that stands for it
    shown: dict[str, str]  # definition -> digest of its text

    def digests(self) -> dict[str, str]:
        """Digest of each unit's code and of each file's bytes."""
        code = {name: unit.code for name, unit in sorted(self.units.items())}
        return code | {name: file_digest(path) for name, path in sorted(self.files.items())}


def closure(names: Iterable[str], package_dir: str | Path) -> dict[str, str]:
    """Unit or file -> SHA-256 of all that ``names`` depend on: ``package.module:definition`` or ``package.module``.

    ``package_dir`` is the folder of the package. Raises ``ValueError`` for a name that is not there.

    >>> found = closure(["llmbook.core.run.closure:file_digest"], Path(__file__).parents[2])
    >>> "llmbook.core.run.units:digest" in found, "llmbook.core.run.units:read" in found
    (True, False)
    """
    walk = _Walk(Path(package_dir).resolve())
    for name in names:
        walk.start(name)
    return walk.closure().digests()


def of_code(source: str, package_dir: str | Path) -> Closure:
    """What a piece of code that belongs to no module, such as the cells of a notebook, depends on."""
    package_dir = Path(package_dir).resolve()
    walk = _Walk(package_dir)
    walk.start_code(parse(source, "<code>", "<code>", package_dir.name))
    return walk.closure()


def fingerprint(function: Any) -> str:
    """64 hex digits for the code that a function or class of a module depends on.

    Raises ``ValueError`` for what has no fingerprint: a lambda, a method, or what is defined inside of a function.

    >>> len(fingerprint(fingerprint)), fingerprint(fingerprint) == fingerprint(closure)
    (64, False)
    """
    name, package_dir = _place(function)
    walk = _Walk(package_dir)
    walk.start(name)
    found = walk.closure()
    marks = {unit: u.code for unit, u in found.units.items()}
    if name not in marks:
        raise ValueError(
            f"{name} shares its definition with others or stands in a block; define it once, alone"
        )
    for _ in range(ROUNDS):  # a unit's mark takes in those of what it uses, but not where they are defined
        marks = {
            unit: digest(
                repr([u.code, sorted((label, marks[other]) for label, other in found.uses.get(unit, ()))])
            )
            for unit, u in found.units.items()
        }
    files = sorted((path.name, file_digest(path)) for path in found.files.values())
    return digest(repr([marks[name], sorted(marks.values()), files]))


def _place(function: Any) -> tuple[str, Path]:
    """The unit that defines ``function``, and the folder of its package."""
    function = inspect.unwrap(function)
    name, module = getattr(function, "__qualname__", ""), getattr(function, "__module__", None) or ""
    file = getattr(sys.modules.get(module), "__file__", None)
    if not name.isidentifier() or not file or not file.endswith(".py"):
        raise ValueError(
            f"{function!r} has no fingerprint: give a function or class that is defined at the top of a module of the "
            "package, so that its code can be found (no lambda, no method, no cell of a notebook)"
        )
    up = module.count(".") + file.endswith("__init__.py")
    return f"{module}:{name}", Path(file).resolve().parents[up - 1] if up else Path(
        file
    ).resolve().with_suffix("")


def file_digest(path: Path) -> str:
    """SHA-256 of a file; how its lines end does not count."""
    stat = path.stat()
    return _file_digest(path, (stat.st_mtime_ns, stat.st_size))


@lru_cache(maxsize=1024)
def _file_digest(path: Path, stamp: tuple[int, int]) -> str:
    return digest(path.read_bytes().replace(b"\r\n", b"\n"))


# ---------------------------------------------------------------- from unit to unit


@dataclass
class _Walk:
    """Follows references; ``start`` says where from."""

    package_dir: Path
    units: dict[str, Unit] = field(default_factory=dict)
    uses: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)  # patterns of folders found through module.__file__
    modules: dict[str, Module | None] = field(default_factory=dict)
    imported: set[str] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)
    first: list[Unit] = field(default_factory=list)  # of code that belongs to no module
    waiting: list[str] = field(default_factory=list)

    def start(self, name: str) -> None:
        module_name, colon, definition = name.partition(":")
        module = self.module(module_name)
        if module is None:
            raise ValueError(f"{name!r}: there is no module {module_name!r} in {self.package_dir}")
        if not colon:
            self.follow((module_name, ()))
        elif definition in module.names:
            self.follow((module_name, (definition,)))
        else:
            there = ", ".join(sorted(module.units))
            raise ValueError(
                f"{name!r}: {module_name} defines no {definition!r} at its top level, only {there}"
            )

    def start_code(self, module: Module) -> None:
        self.modules[module.name] = module
        self.first = list(module.units.values())
        self.run(module.name)
        for unit in self.first:
            self._add(unit)

    def closure(self) -> Closure:
        while self.waiting:
            unit = self.units[self.waiting.pop()]
            for module in unit.imports:
                self.run(module)
            for target in unit.targets:
                found = {(".".join(target[1]), other) for other, _ in self.follow(target)}
                self.uses.setdefault(unit.name, set()).update(found)
        uses = {name: frozenset(found) for name, found in self.uses.items()}
        return Closure(dict(self.units), self._files(), uses, dict(self._shown()))

    # ---- modules

    def module(self, name: str) -> Module | None:
        """The local module ``name``; None when there is none."""
        if name not in self.modules:
            path = self._path(name)
            self.modules[name] = read(name, path, self.package_dir) if path else None
        return self.modules[name]

    def _path(self, name: str) -> Path | None:
        if name.split(".")[0] != self.package_dir.name:
            return None
        base = self.package_dir.parent.joinpath(*name.split("."))
        return next(
            (path for path in (base / "__init__.py", base.with_suffix(".py")) if path.is_file()), None
        )

    def run(self, name: str) -> None:
        """Importing ``name`` runs the packages it lies in, itself, and what it imports."""
        waiting = [name]
        while waiting:
            parts = waiting.pop().split(".")
            for end in range(1, len(parts) + 1):
                inner = ".".join(parts[:end])
                if inner not in self.imported and (module := self.module(inner)):
                    self.imported.add(inner)
                    waiting += module.imports
                    if EFFECTS in module.units:
                        self._add(module.units[EFFECTS])

    # ---- references

    def follow(self, target: Target, seen: frozenset[Target] = frozenset()) -> Found:
        """Reach what ``target`` stands for: names of units, each with what was looked up in it."""
        name, (first, *rest) = target[0], target[1] or ("",)
        module = self.module(name)
        if module is None:
            return set()
        self.run(name)
        if not first:
            return self._whole(module)
        if first in module.names and (name, (first,)) not in seen:
            found: Found = set()
            for bound in module.names[first]:
                if isinstance(bound, str):
                    self._add(module.units[bound])
                    found.add((module.units[bound].name, tuple(rest)))
                else:
                    found |= self.follow((bound[0], (*bound[1], *rest)), seen | {(name, (first,))})
            return found
        if self.module(f"{name}.{first}"):
            return self.follow((f"{name}.{first}", tuple(rest)), seen)
        if first in ("__file__", "__path__", "__spec__"):
            self.folders.add(f"{paths.ANCHOR}/{Path(module.file).parent.as_posix()}")
        if first.startswith("__") and first != "__dict__":
            return set()
        return self._whole(module)

    def _whole(self, module: Module) -> Found:
        """Everything of a module: its own definitions, what it imports, and the modules in it if it is a package."""
        own: Found = {(unit.name, ()) for unit in module.units.values()}
        if module.name not in self.whole:
            self.whole.add(module.name)
            for unit in module.units.values():
                self._add(unit)
            bound = {
                target for names in module.names.values() for target in names if not isinstance(target, str)
            }
            for target in bound | set(self._submodules(module)):
                own |= self.follow(target)
        return own

    def _submodules(self, module: Module) -> Iterator[Target]:
        folder = (self.package_dir.parent / module.file).parent
        for path in sorted(folder.iterdir()) if module.file.endswith("__init__.py") else ():
            if path.stem != "__init__":
                yield f"{module.name}.{path.stem}", ()

    def _add(self, unit: Unit) -> None:
        if unit.name not in self.units:
            self.units[unit.name] = unit
            self.waiting.append(unit.name)

    # ---- files, and code that is shown

    def _files(self) -> dict[str, Path]:
        folder = self.package_dir
        found = sorted(folder.rglob("*")) if folder.is_dir() else []
        files = {
            p.relative_to(folder.parent).as_posix(): p
            for p in found
            if p.suffix not in CODE and not p.name.startswith(".") and p.is_file()
        }
        strings = "\n".join({string for unit in self.units.values() for string in unit.strings})
        patterns = {(pattern, self._room(unit)) for unit in self.units.values() for pattern in unit.patterns}
        patterns |= {(pattern, "") for pattern in self.folders}
        return {
            file: path
            for file, path in files.items()
            if path.name in strings or any(paths.matches(pattern, file, room) for pattern, room in patterns)
        }

    def _room(self, unit: Unit) -> str:
        module = self.modules[unit.name.partition(":")[0]]
        assert module is not None
        return Path(module.file).parent.as_posix()

    def _shown(self) -> Iterator[tuple[str, str]]:
        """The definitions that the code shows. Where it may show anything: whatever the code to start from names."""
        shown = {
            found for unit in self.units.values() for target in unit.shown for found in self.follow(target)
        }
        if any(unit.shows for unit in self.units.values()) or not all(
            self.units[name].defines for name, _ in shown
        ):
            shown |= {
                found for unit in self.first for target in unit.targets for found in self.follow(target)
            }
        for name, rest in shown:
            unit = self.units[name]
            member = next((m for m in rest[:1] if m in unit.members), "")
            if unit.defines:
                yield (f"{name}.{member}", unit.members[member]) if member else (name, unit.text)
