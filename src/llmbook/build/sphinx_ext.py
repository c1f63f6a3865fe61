"""A Sphinx extension: nothing from other hosts, light pages, and what the theme lacks in accessibility.

It swaps FontAwesome's 1.5 MB script for the few icons that are used (a font of some kilobytes inside a style sheet),
and repairs the theme's HTML once pages are written. The other parts of the extension are set up here: `cells`,
`code_pages`, `heads`, `mathematics`, `numbers`.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pydata_sphinx_theme
from sphinx.application import Sphinx

from llmbook.build import cells, code_pages, figures, fonts, heads, mathematics, numbers

ICON_CSS = "llmbook-icons.css"
LIGHT, DARK = "a11y-high-contrast-light", "a11y-high-contrast-dark"
THEME_CSS = "styles/pydata-sphinx-theme.css"

# A table, and the box it may already scroll in (the theme gives one to Markdown tables, not to raw HTML).
_TABLE = re.compile(
    r'(<div class="(?:llmbook-table|pst-scrollable-table-container)">\s*)?(<table\b.*?</table>)', re.DOTALL
)
_FONT_FACE = re.compile(r"@font-face\s*\{[^}]*Font Awesome[^}]*\}")
_ICON_RULE = re.compile(r'((?:\.fa-[a-z0-9-]+:{1,2}before,?)+)\{content:"\\([0-9a-f]+)"\}')
_ICON_NAME = re.compile(r"\bfa-[a-z0-9-]+")
_CODE_POINT = re.compile(r'"\\([ef][0-9a-f]{3})"')
_FONTS = {"fa-solid-900": ("Font Awesome 6 Free", 900), "fa-brands-400": ("Font Awesome 6 Brands", 400)}


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("config-inited", _configure)
    app.connect("build-finished", _finish, priority=900)
    for part in (cells, code_pages, figures, heads, mathematics, numbers):
        part.setup(app)
    app.add_css_file(ICON_CSS)
    app.add_config_value("llmbook_assets", "", "html")
    app.add_config_value("comments_config", {}, "")  # Jupyter Book sets it, loaded or not
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _configure(app: Sphinx, config: Any) -> None:
    options = config.html_theme_options
    options["pygments_light_style"], options["pygments_dark_style"] = LIGHT, DARK
    options.pop("analytics", None)
    config.html_context.setdefault("default_mode", "auto")  # light or dark as the system is

    config.llmbook_assets = _digest(Path(app.confdir) / folder for folder in config.html_static_path)


def _digest(folders: Iterable[Path]) -> str:
    """A hash of this package and our own styles and scripts: when it changes, all pages are rewritten."""
    here = sorted(Path(__file__).parent.glob("*.py"))
    files = [*here, *(path for folder in folders for path in sorted(folder.glob("*")) if path.is_file())]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


def _finish(app: Sphinx, exception: Exception | None) -> None:
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    used: set[str] = set()
    drawn: set[str] = set()
    for path in out.rglob("*.html"):
        if "_static" in path.relative_to(out).parts:
            continue
        text = path.read_text(encoding="utf-8")
        used.update(_ICON_NAME.findall(text))
        better = polish(text)
        drawn |= mathematics.glyphs(better)
        if better != text:
            path.write_text(better, encoding="utf-8")
    if drawn:
        mathematics.copy_katex(out / "_static", drawn)
    lighten(out / "_static", used)


def polish(page: str) -> str:
    """Repair one page of the theme's HTML. Doing it twice changes nothing.

    >>> polish('<table class="dataframe"><tr></tr></table>')
    '<div class="llmbook-table"><table class="dataframe"><tr></tr></table></div>'
    >>> polish(polish("<table>1</table>")) == polish("<table>1</table>")
    True
    """
    page = re.sub(r'\s*<script src="[^"]*scripts/fontawesome\.js[^"]*"></script>', "", page)
    sidebar = 'id="pst-primary-sidebar" '
    page = page.replace(f"{sidebar}class", f'{sidebar}role="region" aria-label="Book" class')
    page = _TABLE.sub(lambda m: m[0] if m[1] else f'<div class="llmbook-table">{m[2]}</div>', page)
    return cells.hang(page)


def lighten(static: Path, used: Iterable[str]) -> None:
    """Replace FontAwesome by a style sheet that holds just the icons used, and drop files no page loads.

    ``used`` are the class names found in the pages, such as ``fa-rocket``.
    """
    theme = (static / THEME_CSS).read_text(encoding="utf-8")
    scripts = "".join(path.read_text(encoding="utf-8") for path in (static / "scripts").glob("*theme.js"))
    names = set(used) | set(_ICON_NAME.findall(scripts))
    kept = {m[0] for m in _ICON_RULE.finditer(theme) if names & set(_ICON_NAME.findall(m[1]))}
    theme = _ICON_RULE.sub(lambda m: m[0] if m[0] in kept else "", _FONT_FACE.sub("", theme))
    (static / THEME_CSS).write_text(theme, encoding="utf-8")
    book = (static / "styles/sphinx-book-theme.css").read_text(encoding="utf-8")
    points = {int(code, 16) for code in _CODE_POINT.findall(theme + book)}
    fonts = Path(pydata_sphinx_theme.__file__).parent.glob("theme/*/static/vendor/fontawesome/webfonts/*.ttf")
    faces = [_font_face(path, points) for path in sorted(fonts) if path.stem in _FONTS]
    (static / ICON_CSS).write_text("\n".join(faces) + "\n", encoding="utf-8")
    for path in [static / "vendor", *static.rglob("*.map"), *static.glob("scripts/fontawesome*")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _font_face(font: Path, points: set[int]) -> str:
    """An ``@font-face`` rule that holds these code points' glyphs itself, so it works from a folder too."""
    family, weight = _FONTS[font.stem]
    data = base64.b64encode(fonts.subset(font, points)).decode()
    return (
        f'@font-face{{font-family:"{family}";font-weight:{weight};font-style:normal;font-display:block;'
        f'src:url(data:font/woff;base64,{data}) format("woff")}}'
    )
