"""Tables that a page shows: plain HTML that a screen reader can follow and a phone can scroll.

A long one can be folded away and sorted by its columns. It leaves out styling: the site's theme styles every table
alike.
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


def short(n: float | None) -> str:
    """A large number as people say it, to three digits: k, M, B and T for thousands to trillions; – for None.

    Raises ``ValueError`` for a number below 0.

    >>> [short(n) for n in (15_600_000_000_000, 134_515_008, 999_999, 459_008, 42, None)]
    ['15.6T', '135M', '1M', '459k', '42', '–']
    """
    if n is None:
        return "–"
    if n < 0:
        raise ValueError(f"n is {n}; give 0 or more")
    rounded = float(f"{n:.3g}")  # first, so that 999,999 becomes a million
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if rounded >= size:
            return f"{rounded / size:.4g}{unit}"
    return f"{rounded:g}"


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


def collapsed(summary: str, content: str) -> Html:
    """HTML folded behind a line of text that opens it: works without any script.

    >>> print(collapsed("Read & see", "<p>more</p>").replace("\\n", " "))
    <details><summary>Read &amp; see</summary> <p>more</p> </details>
    """
    return Html(f"<details><summary>{escape(summary)}</summary>\n{content}\n</details>")


def sortable(content: str) -> Html:
    """Let the reader sort tables by the headings of their columns, up and down, from the keyboard too.

    A cell sorts by the ``value`` of a ``<data>`` element in it, as a number, or else by its text; cells without either
    (a dash) stay last. Without scripts the table stays as it is.

    >>> sortable(table("Counts", ["letter"], [("a",)])).count("<script>")
    1
    """
    marked = content.replace('<table class="', '<table data-sortable class="')
    return Html(f"{marked}\n<script>{_SORT}</script>")


# For each column: its key per row, rows without one last, numbers as numbers; a second press turns the order round.
_SORT = """
document.querySelectorAll("table[data-sortable]:not([data-ready])").forEach((table) => {
  table.dataset.ready = "";
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const key = (row, i) => {
    const data = row.cells[i].querySelector("data"), text = row.cells[i].textContent.trim();
    return data ? Number(data.value) : /^[\u2013-]?$/.test(text) ? null : text;
  };
  heads.forEach((head, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.style = "background:none;border:0;padding:0;font:inherit;color:inherit;cursor:pointer;"
      + "text-decoration:underline dotted";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => [key(row, i), row]);
      rows.sort(([a], [b]) => {
        if (a === null || b === null) return (a === null) - (b === null);
        const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
        return down ? -order : order;
      });
      body.append(...rows.map(([, row]) => row));
    });
  });
});
"""
