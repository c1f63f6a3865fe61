"""Figures as SVG: small, the same bytes for the same picture, and ready to take a page's colours.

matplotlib writes correct but talkative SVG: a style for everything on the page, an id for every stroke, fifteen names
of fonts at every text. :func:`svg` keeps what is seen. What a notebook stores stands alone, on white paper.
:func:`themed` turns it into a piece of a page: each colour becomes a variable, ``var(--fig-0072b2,#0072b2)``, which
the book sets for light and for dark (llmbook.build.figures) and which is the colour itself where nobody sets it.

Left out: anything that draws; see plotting.py.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from hashlib import sha256
from html import escape
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, LogFormatterMathtext
from matplotlib.transforms import Bbox

PAPER = "#ffffff"
FONT = "'DejaVu Sans', Verdana, Arial, sans-serif"  # DejaVu first: the one that matplotlib measured with
LEGIBLE = 9.0  # CSS pixels: no text of a figure is shown smaller, however narrow the screen

_NAMES = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
_MEASURES = ("d", "x", "y", "x1", "x2", "y1", "y2", "width", "height", "transform", "points")
_PAINT = re.compile(r"\b(fill|stroke):(#[0-9a-f]{6})")
_HALO = {"paint-order": "stroke", "stroke": PAPER, "stroke-width": "2.5", "stroke-linejoin": "round"}
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def svg(figure: Figure) -> str:
    """A figure as SVG that stands alone: text as text, on white paper, 4/3 CSS pixels a point.

    The same figure gives the same bytes, in every process. What is drawn beyond the figure's edge widens it.

    >>> figure, ax = plt.subplots(figsize=(3, 2))
    >>> picture = svg(figure)
    >>> picture.startswith("<svg") and picture == svg(figure)
    True
    >>> plt.close(figure)
    """
    _plain_ticks(figure)
    buffer = io.StringIO()
    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": "llmbook"}):
        figure.canvas.draw()
        seen = figure.get_tightbbox(figure.canvas.get_renderer()).padded(0.03)  # type: ignore[attr-defined]
        whole = Bbox.union([Bbox.from_bounds(0, 0, *figure.get_size_inches()), seen])
        figure.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches=whole)
    return _slim(buffer.getvalue())


def themed(picture: str, describe: str = "", place: str = "") -> str:
    """A picture of :func:`svg` as a piece of HTML: colours are variables, ids are its own, it fits its column.

    It is at most as wide as drawn and never so narrow that text falls below nine pixels; ``describe`` is read aloud,
    and ``place`` tells the picture from others of the page that look the same.

    >>> piece = themed('<svg width="4" height="4" viewBox="0 0 3 3"><path style="fill:#0072b2"/></svg>', "blue")
    >>> 'fill:var(--fig-0072b2,#0072b2)' in piece and 'role="img" aria-label="blue"' in piece
    True
    """
    own = "f" + sha256("\0".join([picture, describe, place]).encode()).hexdigest()[:8]
    picture = re.sub(r"<\w+[^>]*>", lambda m: _variables(m[0]), picture)
    picture = re.sub(r'\bid="(\w+)"', rf'id="{own}\1"', picture)
    picture = re.sub(r"url\(#(\w+)\)", rf"url(#{own}\1)", picture)
    picture = re.sub(r'href="#(\w+)"', rf'href="#{own}\1"', picture)
    name = f' role="img" aria-label="{escape(describe)}"' if describe else ' aria-hidden="true"'
    head = re.match(r"<svg\b[^>]*>", picture)
    if head is None:
        raise ValueError(f"not an SVG picture: {picture[:40]!r}; give what svg(figure) returns")
    sizes = f"width:100%;height:auto;max-width:{width(picture):g}px;min-width:{_narrowest(picture):g}px"
    start = re.sub(r'\s(style|xmlns)="[^"]*"', "", head[0])[:-1]
    return (
        f'{start} class="llmbook-svg"{name} style="{sizes};{_root_style("var(--fig-font," + FONT + ")")}">'
        + (picture[head.end() :])
    )


def width(picture: str) -> float:
    """How wide the picture is by nature, in CSS pixels."""
    found = re.match(r'<svg\b[^>]*?\swidth="([\d.]+)"', picture)
    if found is None:
        raise ValueError(f"not an SVG picture with a width: {picture[:60]!r}; give what svg(figure) returns")
    return float(found[1])


def _narrowest(picture: str) -> float:
    """The width at which its smallest text is still legible."""
    sizes = [float(size) for size in re.findall(r"font-size:([\d.]+)px", picture)]
    across = re.search(r'viewBox="[-\d.]+ [-\d.]+ ([\d.]+)', picture)
    if not sizes or across is None:
        return 0.0
    return min(width(picture), round(float(across[1]) * LEGIBLE / min(sizes) + 0.5))


def _variables(tag: str) -> str:
    """One start tag with its colours as variables; those of text have their own, which contrast more."""
    kind = "t-" if re.match(r"<(text|tspan)\b", tag) else ""
    if 'class="paper"' in tag:
        return tag.replace(f"fill:{PAPER}", f"fill:var(--fig-paper,{PAPER})")
    return _PAINT.sub(lambda m: f"{m[1]}:var(--fig-{kind if m[1] == 'fill' else ''}{m[2][1:]},{m[2]})", tag)


def _root_style(font: str) -> str:
    return f"font-family:{font};stroke-linejoin:round"


def _plain_ticks(figure: Figure) -> None:
    """Powers of ten as plain text, 10⁻³: mathematics in an SVG falls apart in another font."""
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        if isinstance(old := axis.get_major_formatter(), LogFormatterMathtext):
            axis.set_major_formatter(_Powers(old))
        if isinstance(old := axis.get_minor_formatter(), LogFormatterMathtext):
            axis.set_minor_formatter(_Powers(old))


class _Powers(Formatter):
    """What a formatter of powers says, without mathematics."""

    def __init__(self, old: LogFormatterMathtext) -> None:
        self.old = old

    def set_axis(self, axis: Any) -> None:
        super().set_axis(axis)
        self.old.set_axis(axis)

    def set_locs(self, locs: Any) -> None:
        self.old.set_locs(locs)

    def __call__(self, x: float, pos: int | None = None) -> str:
        return plain(self.old(x, pos))


def plain(text: str) -> str:
    r"""A power that matplotlib writes as mathematics, as plain text.

    >>> plain(r"$\mathdefault{10^{-3}}$"), plain(r"$\mathdefault{2\times10^{4}}$"), plain("")
    ('10⁻³', '2×10⁴', '')
    """
    text = re.sub(r"\\mathdefault\{(.*)\}", r"\1", text.strip("$")).replace(r"\times", "×")
    return re.sub(r"\^\{([-\d]+)\}", lambda m: m[1].translate(_RAISED), text)


# ---------------------------------------------------------------------------------------------- fewer words


def _slim(source: str) -> str:
    """matplotlib's SVG without metadata, style sheets, unused ids, empty groups and needless digits."""
    root = ET.fromstring(source)
    for node in root.iter():
        for space in _NAMES:
            node.tag = node.tag.replace(space, "")
            node.attrib = {key.replace(space, ""): value for key, value in node.attrib.items()}
    for unwanted in ("metadata", "style"):
        for parent in list(root.iter()):
            for child in parent.findall(unwanted):
                parent.remove(child)
    _name_parts(root)
    _background(root)
    _say_black(root)
    for node in root.iter():
        _tidy(node)
    _renumber(root)
    _flatten(root)
    x, y, across, down = (float(part) for part in root.attrib["viewBox"].split())
    root.attrib = {
        "xmlns": _NAMES[0][1:-1],
        "width": f"{across * 4 / 3:.0f}",
        "height": f"{down * 4 / 3:.0f}",
        "viewBox": f"{x:g} {y:g} {across:.6g} {down:.6g}",
        "style": _root_style(FONT),
    }
    return ET.tostring(root, encoding="unicode", short_empty_elements=True)


def _name_parts(root: ET.Element) -> None:
    """Mark what a check or a style needs to find: numbers at an axis, and text with a halo."""
    for group in root.iter("g"):
        name = group.get("id", "")
        for text in group.iter("text") if re.match(r"[xy]tick_|halo", name) else ():
            if name == "halo":
                rest = "; ".join(f"{key}: {value}" for key, value in _HALO.items())
                text.set("style", f"{text.get('style')}; {rest}")
            else:
                text.set("class", name[:5])


def _background(root: ET.Element) -> None:
    """The paper is one rectangle; what matplotlib puts behind each panel goes."""
    for parent, group in [(p, g) for p in root.iter("g") for g in p.findall("g")]:
        shape = group.find("path")
        behind = re.match(r"(figure|axes)_", parent.get("id", "")) and group.get("id", "").startswith(
            "patch_"
        )
        if behind and shape is not None and shape.get("style") == f"fill: {PAPER}":
            parent.remove(group)
    _, _, across, down = root.attrib["viewBox"].split()
    paper = {"class": "paper", "width": across, "height": down, "style": f"fill:{PAPER}"}
    root.insert(0, ET.Element("rect", paper))


def _say_black(root: ET.Element) -> None:
    """matplotlib names every colour of an area but black, which is what nothing means; a dark page needs it named."""
    marks = {shape for part in ("defs", "clipPath") for group in root.iter(part) for shape in group.iter()}
    for node in root.iter():
        style = node.get("style", "")
        if node.tag in ("text", "path", "use") and node not in marks and not re.search(r"\bfill:", style):
            node.set("style", f"{style}; fill: #000000")


def _tidy(node: ET.Element) -> None:
    """Two digits for measures, no font names, no white space that is not text."""
    for key in set(node.attrib) & set(_MEASURES):
        value = _NUMBER.sub(lambda m: f"{round(float(m[0]), 2) + 0:g}" if abs(float(m[0])) < 1e4 else m[0],
                            node.attrib[key])  # fmt: skip
        node.attrib[key] = re.sub(r"\s*([A-Za-z])\s*", r"\1", value).strip() if key == "d" else value
    if node.get("transform", "").startswith("rotate(-0 ") or node.get("transform", "").startswith(
        "rotate(0 "
    ):
        del node.attrib["transform"]
    if "style" in node.attrib:
        parts = [part.strip() for part in node.attrib["style"].split(";") if part.strip()]
        kept = [re.sub(r":\s+", ":", part) for part in parts if not _says_nothing(part)]
        node.attrib["style"] = ";".join(kept)
    if node.tag not in ("text", "tspan"):
        node.text = None
    node.tail = None


def _says_nothing(part: str) -> bool:
    return part.startswith("font-family") and "Mono" not in part and "mono" not in part


def _renumber(root: ET.Element) -> None:
    """Keep only ids that something refers to, and call them a, b, c in the order of their appearance."""
    written = ET.tostring(root, encoding="unicode")
    used = set(re.findall(r'url\(#(\w+)\)|href="#(\w+)"', written))
    names = {a or b for a, b in used}
    short = dict(zip(
        (node.get("id") for node in root.iter() if node.get("id") in names), _letters(), strict=False
    ))  # fmt: skip
    for node in root.iter():
        if "id" in node.attrib and node.attrib["id"] not in names:
            del node.attrib["id"]
        for key, value in node.attrib.items():
            node.attrib[key] = re.sub(r"(?<=#)\w{9,}|^\w{9,}$", lambda m: short.get(m[0], m[0]), value)


def _letters() -> Iterator[str]:
    """a, b, ..., z, a1, b1, ...: as short as ids can be."""
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    yield from alphabet
    number = 0
    while True:
        number += 1
        yield from (f"{letter}{number}" for letter in alphabet)


def _flatten(node: ET.Element) -> None:
    """Put the content of groups that say nothing in their place."""
    for child in list(node):
        _flatten(child)
        if child.tag in ("g", "defs") and not child.attrib and (child.tag == "g" or len(child) == 0):
            place = list(node).index(child)
            node.remove(child)
            for i, grandchild in enumerate(child):
                node.insert(place + i, grandchild)
