"""Source code as a page shows it: highlighted, without what a reader of the idea does not need.

Examples in docstrings, what they say about errors, and the lines that only guard against bad input are left out;
everything else is the file's own text, comments included. What is shown can therefore be shorter than what runs; the
file itself is linked from the page.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

_GUARD = re.compile(r"_?check_\w+")  # a function that only raises: `check_ids(ids, config)`
_RAISES = re.compile(r"\s*\bRaises\b(?!:).*?\.(?=\s|$)", re.DOTALL)  # one sentence of prose
_EMPTY_LINES = re.compile(r"\n(?:[ \t]*\n){2,}")


class Source(str):
    """Code that a notebook shows highlighted, and as itself where there is no HTML."""

    def _repr_html_(self) -> str:
        from pygments import highlight
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import PythonLexer

        code = highlight(str(self), PythonLexer(), HtmlFormatter(nowrap=True))
        return f'<div class="highlight llmbook-source"><pre>{code}</pre></div>'

    def __repr__(self) -> str:
        return str(self)


def source(*objects: Any) -> Source:
    """The code of functions, methods and classes, one after the other, for a notebook to show.

    Raises:
        ValueError: nothing was given, or something that has no Python source, such as a built-in function.

    >>> source(source).splitlines()[0]
    'def source(*objects: Any) -> Source:'
    >>> "Raises" in source(source), "raise" in source(source)
    (False, False)
    """
    if not objects:
        raise ValueError("source() shows the functions or classes that it is given: source(softmax)")
    return Source("\n\n".join(shorten(_text(thing)) for thing in objects))


def _text(thing: Any) -> str:
    """The lines of a definition as they stand in its file, from its first decorator on."""
    thing = thing.fget if isinstance(thing, property) else thing
    thing = inspect.unwrap(thing)
    named = getattr(thing, "__name__", "<lambda>") != "<lambda>"
    if not (named and (inspect.isroutine(thing) or inspect.isclass(thing))):
        raise ValueError(
            f"source() shows functions, methods and classes, not {type(thing).__name__}: {thing!r}"
        )
    try:
        lines, start = inspect.findsource(thing)
    except (TypeError, OSError) as error:
        raise ValueError(f"{thing!r} has no Python source to show ({error})") from error
    return "".join(inspect.getblock(lines[start:]))


def shorten(text: str) -> str:
    """A definition's text without examples, what it says about errors, and guards.

    >>> print(shorten("def f(x):\\n    if x < 0:\\n        raise ValueError(x)\\n    return x  # as it is"))
    def f(x):
        return x  # as it is
    """
    text = textwrap.dedent(text)
    lines = text.splitlines()
    for first, last, new in sorted(_changes(ast.parse(text), lines), reverse=True):
        lines[first - 1 : last] = new
    return _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip("\n")


def _changes(tree: ast.AST, lines: list[str]) -> Iterator[tuple[int, int, list[str]]]:
    """First line, last line, and the lines that stand there instead."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list) or not body:
            continue
        guards = [statement for statement in body if _is_guard(statement)]
        if len(guards) < len(body):  # else nothing would be left of the block
            yield from ((guard.lineno, guard.end_lineno or guard.lineno, []) for guard in guards)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and ast.get_docstring(
            node
        ):
            doc = body[0]
            yield doc.lineno, doc.end_lineno, _documentation(lines[doc.lineno - 1 : doc.end_lineno])


def _is_guard(node: ast.stmt) -> bool:
    """``if ...: raise ...``, or a call on its own of a function that only raises."""
    if isinstance(node, ast.If):
        return not node.orelse and all(isinstance(inner, ast.Raise) for inner in node.body)
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return False
    called = node.value.func
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return bool(_GUARD.fullmatch(name))


def _documentation(lines: list[str]) -> list[str]:
    """The lines of a docstring without examples, sections and sentences on errors."""
    whole = "\n".join(lines)
    quotes = next(mark for mark in ('"""', "'''", '"', "'") if mark in whole)
    before, _, rest = whole.partition(quotes)
    inside = rest.rpartition(quotes)[0]
    parts = [part for part in re.split(r"\n[ \t]*\n", inside) if not re.match(r"\s*(>>>|Raises:)", part)]
    text = "\n\n".join(_RAISES.sub("", part) for part in parts if _RAISES.sub("", part).strip()).rstrip()
    indent = re.match(r"\s*", before)[0]  # type: ignore[index]
    closing = f"\n{indent}{quotes}" if "\n" in text else quotes
    return f"{before}{quotes}{text}{closing}".splitlines()
