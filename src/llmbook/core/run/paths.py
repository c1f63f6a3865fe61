"""Which files does an expression name? Path expressions as glob patterns, constant as far as they are constant.

``f"{name}.json"`` is ``*.json``, and ``Path(__file__).parent / "data" / name`` in ``llmbook/history/ladder.py`` is
``@/llmbook/history/data/*``. A pattern that begins with ``@/`` is anchored: it starts in the folder that holds the
package. Left out on purpose: the values of variables. A path into the package has to begin somewhere, at ``__file__``
or at ``resources.files(...)``, and there everything counts that the constant parts leave possible.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

ANY = "*"
ANCHOR = "@"
SAME = {"resolve", "absolute", "expanduser", "as_posix"}  # path.resolve() names what path names
WRAP = {"Path", "PurePath", "PurePosixPath", "str", "fspath", "fsdecode", "abspath", "realpath", "as_file"}
RENAME = {"with_suffix", "with_name", "with_stem"}
SEARCH = {"glob", "rglob", "iterdir"}
EXTEND = RENAME | SEARCH | {"joinpath"}
BUILD = SAME | WRAP | EXTEND | {"join", "format", "files", "dirname"}


def patterns(tree: ast.AST, package: str, here: str) -> Iterator[str]:
    """The pattern of each path that the code ``tree`` puts together; of nested expressions the outermost.

    ``here`` is the file that holds the code, seen from the folder that holds the package.

    >>> tree = ast.parse("load(Path(__file__).parent / 'data' / f'{name}.json', 'a' + '.toml')")
    >>> sorted(patterns(tree, "llmbook", "llmbook/history/ladder.py"))
    ['@/llmbook/history/data/*.json', 'a.toml']
    """
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if not _builds(node):
            waiting += ast.iter_child_nodes(node)
            continue
        evaluate = _Evaluate(package, here)
        found = evaluate(node)
        if isinstance(node, ast.Call) and _called(node) in EXTEND and not found.strip("*/."):
            found = "data/*"  # nothing of it is known, but that it is a path: any data file of the room
        if (
            found == f"{ANCHOR}/{here}"
        ):  # `__file__` itself, to be cut or searched in ways that are not seen here
            found = _parent(found)
        yield posixpath.normpath(found) if is_anchored(found) else found
        waiting += evaluate.rest


def matches(pattern: str, file: str, room: str) -> bool:
    """Whether ``pattern`` may mean ``file`` or a folder that holds it.

    A pattern that is not anchored means files below ``room``, the folder of the module it stands in: by their name,
    or, where nothing of the name is known, by the name of a folder.

    >>> matches("@/llmbook/history/data", "llmbook/history/data/ladder.json", "llmbook/core")
    True
    >>> matches("*/lad*.json", "llmbook/history/data/ladder.json", "llmbook/history")
    True
    >>> matches("*/lad*.json", "llmbook/history/data/ladder.json", "llmbook/overview")
    False
    """
    if is_anchored(pattern):
        return any(fnmatchcase(f"{ANCHOR}/{file}", p) for p in (pattern, f"{pattern}/*"))
    if not file.startswith(f"{room}/"):
        return False
    *folders, name = pattern.split("/")
    if _says_something(name):
        return fnmatchcase(posixpath.basename(file), name)
    known = [folder for folder in folders if _says_something(folder)]
    parents = file[len(room) + 1 :].split("/")[:-1]
    return any(fnmatchcase(parent, folder) for folder in known for parent in parents)


def is_anchored(pattern: str) -> bool:
    """Whether a pattern starts in the folder that holds the package."""
    return pattern.startswith(f"{ANCHOR}/")


def _says_something(piece: str) -> bool:
    return any(character.isalnum() for character in piece)


def _builds(node: ast.AST) -> bool:
    """Whether ``node`` may put a path together: an f-string, ``a / b``, ``a + b``, ``a % b``, ``Path(...)``, ..."""
    match node:
        case ast.BinOp(op=ast.Add() | ast.Mod() | ast.Div()) | ast.JoinedStr() | ast.Name(id="__file__"):
            return True
        case ast.Attribute(attr="parent") | ast.Subscript(value=ast.Attribute(attr="parents")):
            return True
        case ast.Call():
            return _called(node) in BUILD
    return False


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


class _Evaluate:
    """From an expression to its pattern; ``rest`` collects the parts that it could not look into."""

    def __init__(self, package: str, here: str) -> None:
        self.package, self.here = package, here
        self.rest: list[ast.AST] = []

    def __call__(self, node: ast.AST) -> str:
        match node:
            case ast.Constant(value=str() as text):
                return text
            case ast.JoinedStr(values=parts):
                return "".join(map(self, parts))
            case ast.FormattedValue(value=value):
                return self(value)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self(left) + self(right)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return _join(self(left), self(right))
            case ast.BinOp(left=left, op=ast.Mod(), right=right):
                self.rest.append(right)
                return re.sub(r"%[^a-zA-Z%]*[a-zA-Z]", ANY, self(left))
            case ast.Name(id="__file__"):
                return f"{ANCHOR}/{self.here}"
            case ast.Attribute(value=value, attr="parent"):
                return _parent(self(value))
            case ast.Subscript(value=ast.Attribute(value=value, attr="parents"), slice=which):
                path = self(value)
                if isinstance(which, ast.Constant) and isinstance(which.value, int):
                    return _parent(path, which.value + 1)
                self.rest.append(which)
                return f"{ANCHOR}/{self.package}{ANY}" if is_anchored(path) else ANY
            case ast.Call() if _called(node) in BUILD:
                return self._call(node)
        self.rest.append(node)
        return ANY

    def _call(self, node: ast.Call) -> str:
        name, args = _called(node), [*node.args, *(keyword.value for keyword in node.keywords)]
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if name == "files":
            return self._files(args)
        if (
            name in WRAP
            or name == "dirname"
            or (name == "join" and ast.unparse(node.func).endswith("path.join"))
        ):
            found = _join(*map(self, args))
            return _parent(found) if name == "dirname" else found
        if owner is None or name == "join":  # "".join(...), or a function of somebody's that has such a name
            self.rest += ast.iter_child_nodes(node)
            return ANY
        base = self(owner)
        if name == "format":
            self.rest += args
            return re.sub(r"\{[^{}]*\}", ANY, base)
        if name in SAME:
            return base
        if name == "joinpath":
            return _join(base, *map(self, args))
        rest = self(args[0]) if args else ANY
        if name in SEARCH:
            return _join(base, ANY + rest if name == "rglob" else rest)
        folder, _, last = base.rpartition("/")
        renamed = {
            "with_suffix": re.sub(r"\.[^.*/]*\Z", "", last) + rest,
            "with_name": rest,
            "with_stem": rest + ANY,
        }
        return _join(folder or ANY, renamed[name]) if "/" in base else renamed[name]

    def _files(self, args: list[ast.expr]) -> str:
        """``importlib.resources.files``: the folder of a package given by name."""
        match args:
            case [] | [ast.Name(id="__name__" | "__package__" | "__spec__")]:
                return _parent(f"{ANCHOR}/{self.here}")
        named = self(args[0])
        if named == ANY:
            return f"{ANCHOR}/{self.package}{ANY}"
        return f"{ANCHOR}/{named.replace('.', '/')}"


def _join(*parts: str) -> str:
    """Joined as ``pathlib`` does: an absolute part starts anew."""
    return posixpath.join(*parts) if parts else ANY


def _parent(path: str, times: int = 1) -> str:
    for _ in range(times):
        if path != ANCHOR:  # above the package there is nothing of it
            path = posixpath.dirname(posixpath.normpath(path)) or ANY
    return path
