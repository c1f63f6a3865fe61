"""Tables that a page shows: plain HTML that a screen reader can follow and a phone can scroll.

Also where the book's files are, for pages that describe the book itself. It leaves out sorting and styling:
the site's theme styles every table alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


class Html(str):
    """Text that a notebook shows as HTML.

    >>> Html("<p>Hello</p>")
    HTML of 12 characters
    """

    def _repr_html_(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"HTML of {len(self)} characters"


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    """An HTML table with a caption, headings of columns, and the first cell of each row as its heading.

    ``caption`` and ``columns`` are text; ``rows`` hold HTML, so text in them has to be escaped. A wide table
    scrolls inside a region of its own that the keyboard can reach.

    Raises:
        ValueError: a row has more or fewer cells than there are columns.

    >>> '<th scope="row">a</th><td>1</td>' in table("Counts", ["letter", "times"], [("a", "1")])
    True
    """
    rows = [tuple(row) for row in rows]
    for row in rows:
        if len(row) != len(columns):
            wanted = f"{len(columns)} ({', '.join(columns)})"
            raise ValueError(f"a row has {len(row)} cells, expected {wanted}: {row}")
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "\n".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    return Html(
        f'<div role="region" aria-label="{escape(caption)}" tabindex="0" style="overflow-x: auto">\n'
        f'<table class="table">\n<caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table>\n</div>"
    )


def _cells(row: Sequence[str]) -> str:
    return f'<th scope="row">{row[0]}</th>' + "".join(f"<td>{cell}</td>" for cell in row[1:])
