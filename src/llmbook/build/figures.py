"""Figures as parts of the page: their colours and font are the page's own, their captions numbered.

A notebook stores a figure as SVG on white paper. Here it is put into the page itself, where its text is text and its
lines follow light and dark; panels of one cell stand side by side and stack where the column is narrow. A caption
(``mystnb.figure.caption`` in the cell's metadata) becomes "Figure 3.2. ...": chapter, and place on the page.

Each colour of a figure is a variable (llmbook.core.show.svg). A page gets the values of those it uses, for light and
for dark: the palette's are chosen by hand so that lines have a contrast of 3 and text one of 4.5 on either ground; any
other colour keeps its tint in the dark and changes its lightness.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

from llmbook.build.numbers import numbers
from llmbook.core.show import svg

GROUND = {"light": "#ffffff", "dark": "#14181e"}  # the theme's page in each mode

# A colour of plotting.py -> for lines and areas in the light, for text in the light, for both in the dark.
PALETTE = {
    "0072b2": ("#0072b2", "#0067a3", "#4a9fe0"),
    "d55e00": ("#d55e00", "#b34f00", "#f5873a"),
    "009e73": ("#009e73", "#007a5a", "#27c498"),
    "cc79a7": ("#cc79a7", "#9c4478", "#e7a6c8"),
    "e69f00": ("#b98000", "#875d00", "#f2b632"),
    "56b4e9": ("#2f94cf", "#1a6fa3", "#a5dafa"),
    "882255": ("#882255", "#882255", "#d9548f"),
}
# What is no tint: ink, paper, the lines of a grid, and white or black numbers in the cells of a heat map.
INKS = {
    "222222": ("var(--pst-color-text-base)", "var(--pst-color-text-base)"),
    "t-222222": ("var(--pst-color-text-base)", "var(--pst-color-text-base)"),
    "ffffff": ("var(--pst-color-background)", "var(--pst-color-background)"),
    "t-ffffff": ("#ffffff", "#000000"),
    "t-000000": ("#000000", "#ffffff"),
    "d9d9d6": ("#d9d9d6", "#3b4452"),
    "paper": ("transparent", "transparent"),
    "font": ("var(--pst-font-family-base)", "var(--pst-font-family-base)"),
}
_USED = re.compile(r"var\(--fig-([a-z0-9-]+),")
_MIDDLE = 0.565  # OKLab's lightness where black and white contrast alike: it stays, so cells keep their numbers' colour


def setup(app: Sphinx) -> None:
    """Register with Sphinx; a change of this module or of the SVG's rewrites every page."""
    app.add_post_transform(InlineFigures)
    app.connect("html-page-context", _colour_page)
    sources = (Path(__file__), Path(str(svg.__file__)))
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()
    app.add_config_value("llmbook_figures", digest, "html")


class InlineFigures(SphinxPostTransform):
    """Put the SVG outputs of each cell into the page, together, under one numbered caption."""

    default_priority = 6  # once myst-nb has chosen among an output's forms, before images are copied
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Go through the cells that have outputs, in order; a caption counts, whatever it stands under."""
        number, page = 0, Path(self.env.docname).name
        prefix = numbers(Path(self.app.confdir)).get(page, "")
        cells = [one for one in self.document.findall(nodes.container) if "cell_output" in one["classes"]]
        for place, cell in enumerate(cells):
            caption = _take_caption(cell)
            shown = self._draw(cell, place)
            if caption is not None and shown is not None:
                number += 1
                _put_under(shown, caption, f"{prefix}.{number}".lstrip("."))

    def _draw(self, cell: nodes.Element, place: int) -> nodes.Element | None:
        """Replace the SVG images of a cell by one piece of HTML; returns it, else the last other thing to see."""
        images = [image for image in cell.findall(nodes.image) if image["uri"].endswith(".svg")]
        if not images:
            return next(reversed([*cell.findall(nodes.image), *cell.findall(nodes.raw)]), None)
        folder = Path(self.app.srcdir)
        pictures = [(folder / image["uri"]).read_text(encoding="utf-8") for image in images]
        raw = nodes.raw("", group(pictures, str(images[0].get("alt", "")), str(place)), format="html")
        images[0].replace_self(raw)
        for rest in images[1:]:
            rest.parent.remove(rest)
        return raw


def _take_caption(cell: nodes.Element) -> nodes.caption | None:
    """Take away the figure that myst-nb puts around each output of a cell; returns its caption, if there is one."""
    caption = None
    for figure in list(cell.findall(nodes.figure)):
        captions = [child for child in figure if isinstance(child, nodes.caption)]
        caption = caption or (captions[0] if captions else None)
        index = figure.parent.index(figure)
        figure.parent[index : index + 1] = [child for child in figure if child not in captions]
    return caption


def _put_under(shown: nodes.Element, caption: nodes.caption, number: str) -> None:
    """Make a figure of what is shown, with its number before the caption."""
    figure = nodes.figure("", classes=["llmbook-figure"], ids=[f"figure-{number.replace('.', '-')}"])
    shown.replace_self(figure)
    caption.insert(0, [nodes.strong("", f"Figure {number}."), nodes.Text(" ")])
    figure += [shown, caption]


def group(pictures: list[str], alt: str, place: str = "") -> str:
    """Pictures of one figure as HTML: a row that wraps, each at most as wide as drawn, described for a screen reader.

    ``place`` tells the figure from others of the page that look the same.

    >>> group(['<svg width="4" height="4" viewBox="0 0 3 3"></svg>'], "Nothing").count("Nothing")
    1
    """
    one = len(pictures) == 1
    names = [alt] if one else [f"panel {i} of {len(pictures)}" for i in range(1, len(pictures) + 1)]
    panels = []
    for i, (picture, name) in enumerate(zip(pictures, names, strict=True)):
        shape, drawn = f"--natural:{svg.width(picture):g}px", svg.themed(picture, name, f"{place}.{i}")
        panels.append(f'<div class="llmbook-panel" style="{shape}">{drawn}</div>')
    described = "" if one else f' role="group" aria-label="{escape(alt)}"'
    return f'<div class="llmbook-panels"{described}>\n{"".join(panels)}\n</div>'


# ---------------------------------------------------------------------------------------------- colours


def _colour_page(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Give a page the values of the colours that its figures use."""
    used = set(_USED.findall(context.get("body", "")))
    if used:
        context["metatags"] = context.get("metatags", "") + f"\n<style>{style(used)}</style>"


def style(used: Iterable[str]) -> str:
    """The rules that set these variables in light and dark.

    >>> style(["222222", "t-0072b2"]).split("html")[2]
    '[data-theme=dark]{--fig-222222:var(--pst-color-text-base);--fig-t-0072b2:#4a9fe0}'
    """
    names = sorted(used)
    rules = []
    for mode in GROUND:
        values = ";".join(f"--fig-{name}:{value(name, mode)}" for name in names)
        rules.append(f"html[data-theme={mode}]{{{values}}}")
    return "".join(rules)


def value(name: str, mode: str) -> str:
    """What a figure's colour, such as ``0072b2`` (of text: ``t-0072b2``), becomes in ``light`` or ``dark``.

    >>> value("e69f00", "light"), value("t-e69f00", "light"), value("e69f00", "dark")
    ('#b98000', '#875d00', '#f2b632')
    >>> value("cccccc", "light"), value("cccccc", "dark")
    ('#cccccc', '#353738')
    """
    if mode not in GROUND:
        raise ValueError(f"mode={mode!r}: give 'light' or 'dark'")
    dark = mode == "dark"
    if name in INKS:
        return INKS[name][dark]
    color = name.removeprefix("t-")
    if color in PALETTE:
        return PALETTE[color][2 if dark else int(name != color)]
    return turned(f"#{color}") if dark else f"#{color}"


def turned(color: str) -> str:
    """A colour for the dark page: its tint kept, its lightness turned over, so that white becomes the page's ground.

    Lightness is OKLab's (Ottosson 2020, https://bottosson.github.io/posts/oklab/).

    >>> turned("#ffffff") == GROUND["dark"], turned("#cce4f0"), turned("#00304d")
    (True, '#172d3a', '#86b3d7')
    """
    lightness, *tint = _oklab(color)
    ground, *ground_tint = _oklab(GROUND["dark"])
    if lightness > _MIDDLE:
        share = (lightness - _MIDDLE) / (1 - _MIDDLE)
        new = _MIDDLE + (ground - _MIDDLE) * share
    else:
        share = 0.0
        new = _MIDDLE + (0.95 - _MIDDLE) * (1 - lightness / _MIDDLE)
    return _hex(np.array([new, *(np.array(tint) + share**3 * np.array(ground_tint))]))


_TO_LMS = np.array([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
                    [0.0883024619, 0.2817188376, 0.6299787005]])  # fmt: skip
_TO_LAB = np.array([[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
                    [0.0259040371, 0.7827717662, -0.8086757660]])  # fmt: skip


def _oklab(color: str) -> np.ndarray:
    """Lightness and two tints of #rrggbb."""
    rgb = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return _TO_LAB @ np.cbrt(_TO_LMS @ linear)


def _hex(lab: np.ndarray) -> str:
    """The nearest #rrggbb to what OKLab names."""
    linear = (np.linalg.inv(_TO_LMS) @ (np.linalg.inv(_TO_LAB) @ lab) ** 3).clip(0, 1)
    rgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return "#" + "".join(f"{round(float(c) * 255):02x}" for c in rgb.clip(0, 1))
