"""Fonts cut down to the characters that are used."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable
from pathlib import Path


def subset(font: Path, points: Iterable[int]) -> bytes:
    """The font in WOFF format with the glyphs of these code points alone."""
    from fontTools import subset as tools

    logging.getLogger("fontTools").setLevel(logging.ERROR)
    options = tools.Options(
        flavor="woff", layout_features=[], notdef_outline=False, hinting=False, name_IDs=[]
    )
    loaded = tools.load_font(str(font), options)
    subsetter = tools.Subsetter(options)
    subsetter.populate(unicodes=points)
    subsetter.subset(loaded)
    buffer = io.BytesIO()
    tools.save_font(loaded, buffer, options)
    return buffer.getvalue()
