"""Which names of its module, and of others, does a piece of code use?

Scopes are respected: a parameter ``data`` is not the module ``data``. A name in a default, a decorator or an annotation
counts like any other, and so does an import that stands in a string of code, as it is given to ``python -c``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

Target = tuple[
    str, tuple[str, ...]
]  # a module and the names looked up in it, one after the other; (): the module
SHOWING = {"getsource", "getsourcelines", "getdoc", "help"}  # functions that show code as text
DYNAMIC = {"globals", "eval", "exec", "vars"}  # functions that may reach any name of their module
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def is_local(module: str, package: str) -> bool:
    """Whether ``module`` is ``package`` or lies in it."""
    return module == package or module.startswith(f"{package}.")


def chain(node: ast.AST) -> tuple[str, ...]:
    """``a.b.c`` as ``("a", "b", "c")``; empty for anything that does not begin with a name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else ()


def imported(node: ast.Import | ast.ImportFrom, folder: str) -> tuple[dict[str, Target], set[str]]:
    """What an import binds (name -> module and names in it), and the modules that it may run.

    ``folder`` is the package that relative imports start from.

    >>> node = ast.parse("from .text import data as d").body[0]
    >>> bound, modules = imported(node, "llmbook.core")
    >>> bound, sorted(modules)
    ({'d': ('llmbook.core.text', ('data',))}, ['llmbook.core.text', 'llmbook.core.text.data'])
    """
    bound: dict[str, Target]
    if isinstance(node, ast.Import):
        bound = {
            a.asname or a.name.split(".")[0]: (a.name if a.asname else a.name.split(".")[0], ())
            for a in node.names
        }
        return bound, {a.name for a in node.names}
    parts = folder.split(".")[: len(folder.split(".")) - node.level + 1] if node.level else []
    base = ".".join([*parts, *([node.module] if node.module else [])])
    bound = {a.asname or a.name: (base, () if a.name == "*" else (a.name,)) for a in node.names}
    return bound, {base, *(f"{base}.{a.name}" for a in node.names)}


def same_scope(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Statements and what lies in them, without the insides of functions, classes and comprehensions."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (*DEFINITIONS, ast.Lambda, *COMPREHENSIONS)):
            waiting += ast.iter_child_nodes(node)
        elif isinstance(node, COMPREHENSIONS):  # its own scope, but for `:=`
            waiting += [inner for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr)]


def binds(node: ast.AST) -> str | None:
    """The name that a node of a syntax tree binds; None when it binds none, or is an import."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return name
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.ExceptHandler():
            return node.name
        case ast.MatchAs(name=name) | ast.MatchStar(name=name) | ast.MatchMapping(rest=name):
            return name
    return None


class Names(ast.NodeVisitor):
    """Collects what the code it visits refers to."""

    def __init__(self, module: str, folder: str, package: str) -> None:
        self.module, self.folder, self.package = module, folder, package
        self.targets: set[Target] = set()
        self.imports: set[str] = set()  # local modules
        self.shown: set[Target] = set()  # named in a call that shows code
        self.shows = False  # may show other code
        self.strings: set[str] = set()
        self._scopes: list[
            dict[str, set[Target]]
        ] = []  # names of the enclosing functions -> what they import
        self._of_classes: set[int] = (
            set()
        )  # nodes that name an attribute of a class, not something of the module

    def resolve(self, names: tuple[str, ...]) -> set[Target]:
        """What ``names``, looked up one in the other, may stand for outside of the functions they are used in."""
        for scope in reversed(self._scopes):
            if names[0] in scope:
                return {(module, (*inner, *names[1:])) for module, inner in scope[names[0]]}
        return {(self.module, () if names[0] in DYNAMIC else names)}

    # ---- names and chains of names

    def visit_Name(self, node: ast.Name) -> None:
        if id(node) not in self._of_classes:
            self._use((node.id,))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if names := chain(node):
            self._use(names)
        else:
            self.shows |= node.attr in SHOWING or node.attr == "__doc__"
            self.visit(node.value)

    def _use(self, names: tuple[str, ...]) -> None:
        found = self.resolve(names)
        self.targets |= found
        self.shows |= any(inner[-1] in SHOWING for _, inner in found if inner)
        if "__doc__" in names[1:]:
            before = self.resolve(names[: names.index("__doc__")])
            self.shown |= before
            self.shows |= not before

    def visit_Call(self, node: ast.Call) -> None:
        called = chain(node.func)
        if called and called[-1] in SHOWING and len(node.args) == 1 and (names := chain(node.args[0])):
            self.targets |= self.resolve(called) | self.resolve(names)
            self.shown |= self.resolve(names)
            self.shows |= not self.resolve(names)  # a variable: it may hold any definition
            return
        if called and called[-1] in ("import_module", "__import__"):
            self._import_by_name(node)
        if called in (
            ("files",),
            ("resources", "files"),
            ("importlib", "resources", "files"),
        ):  # the folder of a package, see `paths`: nothing of its code
            self.visit(node.func)
            return
        self.generic_visit(node)

    # ---- imports

    def visit_Import(self, node: ast.Import) -> None:
        self._import(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self._import(node)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        bound, modules = imported(node, self.folder)
        self.imports |= {module for module in modules if is_local(module, self.package)}
        self.targets |= {bound["*"]} if "*" in bound else set()

    def _import_by_name(self, node: ast.Call) -> None:
        """A constant is seen by ``visit_Constant``; anything else may be the name of any module here."""
        name = node.args[0] if node.args else None
        first = name.values[0] if isinstance(name, ast.JoinedStr) and name.values else name
        text = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else "."
        if text.startswith(".") or (first is not name and is_local(text.split(".")[0], self.package)):
            self.targets.add((self.package, ()))

    def visit_Constant(self, node: ast.Constant) -> None:
        text = node.value
        if not isinstance(text, str):
            return
        self.strings.add(text)
        if f"{self.package}." not in text:
            return
        if re.fullmatch(r"\w+(\.\w+)+", text):
            self.targets.add((text, ()))
        elif "import" in text:
            try:
                code = ast.walk(ast.parse(text))
            except SyntaxError:
                return
            for found in code:
                if isinstance(found, ast.Import):
                    self.targets |= {(alias.name, ()) for alias in found.names}
                elif isinstance(found, ast.ImportFrom):
                    self.targets |= set(imported(found, self.folder)[0].values())

    # ---- scopes

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        for part in (*getattr(node, "decorator_list", ()), node.args, getattr(node, "returns", None)):
            if part is not None:
                self.visit(part)
        body = node.body if isinstance(node.body, list) else [node.body]
        a = node.args
        given = [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg))]
        self._inside(self._bound(body, [arg.arg for arg in given]), body)

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Methods do not see the names of their class, so only its imports count, which would be lost else."""
        for part in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(part)
        inside = list(same_scope(node.body))
        imports = [part for part in inside if isinstance(part, ast.Import | ast.ImportFrom)]
        changed = {id(part.target) for part in inside if isinstance(part, ast.AugAssign)}  # reads it, too
        bound = {
            id(part) for part in inside if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
        }
        self._of_classes |= bound - changed
        self._inside(self._bound(imports), node.body)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self.visit(node.generators[0].iter)  # outside of the new scope
        targets = [part for generator in node.generators for part in ast.walk(generator.target)]
        self._inside(self._bound(targets), ast.iter_child_nodes(node))

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def _inside(self, scope: dict[str, set[Target]], parts: Iterable[ast.AST]) -> None:
        self._scopes.append(scope)
        for part in parts:
            self.visit(part)
        self._scopes.pop()

    def _bound(self, nodes: Iterable[ast.AST], given: Iterable[str] = ()) -> dict[str, set[Target]]:
        scope: dict[str, set[Target]] = {name: set() for name in given}
        outer: set[str] = set()
        for node in same_scope(nodes):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for name, target in imported(node, self.folder)[0].items():
                    scope.setdefault(name, set()).add(target)
            elif isinstance(node, ast.Global | ast.Nonlocal):
                outer |= set(node.names)
            elif bound := binds(node):
                scope.setdefault(bound, set())
        return {name: found for name, found in scope.items() if name not in outer}
