"""The timeline's figure and table: which mark stands for what, which number in which column."""

from __future__ import annotations

import re
from html import unescape

import numpy as np

from llmbook.core.show.plotting import date2num, figure
from llmbook.history import milestones, timeline

ROWS = timeline.milestones()


def test_filled_marks_are_open_models_whose_size_was_computed_and_hollow_ones_all_others():
    sized = [r for r in ROWS if r.size and r.day.year >= 2013]
    filled = [r for r in sized if r.open and r.computed]
    hollow = [r for r in sized if r not in filled]
    assert any(r.open for r in hollow)  # open, with no configuration to compute from
    _, (ax,) = figure()
    milestones.draw_timeline(ax, ROWS)
    for marks, rows in zip(ax.collections, (filled, hollow), strict=True):
        expected = [(float(date2num(r.day)), float(r.size)) for r in rows]
        np.testing.assert_allclose(np.asarray(marks.get_offsets()), expected)
    solid, empty = ax.collections
    assert len(solid.get_facecolor()) == 1 and len(empty.get_facecolor()) == 0
    assert ax.get_yscale() == "log"


def test_each_number_of_the_table_stands_in_its_column():
    html = str(milestones.table_of_milestones(ROWS))
    lines = re.findall(r"<tr>(.*?)</tr>", html, flags=re.S)[1:]
    assert len(lines) == len(ROWS)
    for line, row in zip(lines, ROWS, strict=True):
        date, name, kind, size, seen, source = (
            re.sub(r"<[^>]*>", "", cell).strip()
            for cell in re.findall(r"<t[hd].*?</t[hd]>", line, flags=re.S)
        )
        assert (date, kind) == (row.date, row.kind) and unescape(name) == row.name
        assert size == (f"{row.size:,}" if row.size else "–") + (" (computed)" if row.computed else "")
        assert seen == (f"{row.tokens_seen:,}" if row.tokens_seen else "–")
        assert source.endswith(f" {row.source.year}")
    assert any(r.corpus and r.tokens_seen and r.corpus != r.tokens_seen for r in ROWS)
