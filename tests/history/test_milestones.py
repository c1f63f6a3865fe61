"""The timeline's figure and table: which mark stands for what, which number in which column."""

from __future__ import annotations

import re
from html import unescape

import numpy as np
import pytest
from matplotlib.text import Text

from llmbook.core.show import svg
from llmbook.core.show.plotting import date2num, figure, label
from llmbook.core.show.tables import short
from llmbook.history import milestones, timeline

ROWS = timeline.milestones()


def test_filled_marks_are_computed_and_hollow_ones_as_published():
    sized = [r for r in ROWS if r.size and r.day.year >= 2013]
    opened = [r for r in sized if r.computed and r.open]
    closed = [r for r in sized if r.computed and not r.open]
    published = [r for r in sized if not r.computed]
    assert len(closed) == 9 and any(r.open for r in published)  # open, with no configuration to compute from
    assert all(r.size == r.parameters for r in published)
    _, (ax,) = figure()
    milestones.draw_timeline(ax, ROWS)
    for marks, rows in zip(ax.collections, (opened, closed, published), strict=True):
        expected = [(float(date2num(r.day)), float(r.size)) for r in rows]
        np.testing.assert_allclose(np.asarray(marks.get_offsets()), expected)
    assert [len(marks.get_facecolor()) for marks in ax.collections] == [1, 1, 0]
    (beneath,) = ax.figure.legends
    legend = [t.get_text() for t in beneath.get_texts()]
    assert legend == ["open weights, computed", "closed, computed from the published layers", "as published"]
    assert ax.get_yscale() == "log" and {t.get_text() for t in ax.texts} == set(milestones.NAMES_SHOWN)


def test_fewer_names_can_be_written_in():
    _, (ax,) = figure()
    milestones.draw_timeline(ax, ROWS, names=("GPT-3",))
    assert [t.get_text() for t in ax.texts] == ["GPT-3"]


def drawn():
    """The page's figure: its names with their boxes, the middles of its marks (pixels), its axes, figure and points."""
    fig, (ax,) = figure(width=5.6, height=4.8)
    milestones.draw_timeline(ax, ROWS)
    label(ax, "date of release or paper", "parameters (log scale)", "")
    fig.canvas.draw()
    boxes = {t.get_text(): Text.get_window_extent(t) for t in ax.texts}
    marks = np.concatenate([ax.transData.transform(c.get_offsets()) for c in ax.collections])
    return ax, boxes, marks, fig.dpi / 72


def test_no_name_touches_a_mark_another_name_or_the_edge():
    ax, boxes, marks, point = drawn()
    reach = np.sqrt(max(c.get_sizes()[0] for c in ax.collections)) / 2 * point  # half a mark
    edge = ax.get_window_extent()
    for name, box in boxes.items():
        apart = np.maximum([box.x0, box.y0] - marks, marks - [box.x1, box.y1]).max(axis=1)
        assert apart.min() > reach, (name, apart.min() / point)
        assert edge.x0 < box.x0 and box.x1 <= edge.x1 and edge.y0 < box.y0 and box.y1 <= edge.y1, name
        assert not [other for other in boxes if other != name and box.overlaps(boxes[other])]
        assert min(t.get_fontsize() for t in ax.texts) >= 9


def test_no_line_back_to_a_mark_crosses_another_name():
    ax, boxes, _, _ = drawn()
    led = [t for t in ax.texts if t.arrow_patch is not None]
    assert {t.get_text() for t in led} == set(milestones.LED)
    for text in led:
        box = boxes[text.get_text()]
        start, end = np.array([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2]), ax.transData.transform(text.xy)
        line = start + np.linspace(0, 1, 200)[:, None] * (end - start)
        for name, other in boxes.items():
            inside = ((line > [other.x0, other.y0]) & (line < [other.x1, other.y1])).all(axis=1)
            assert name == text.get_text() or not inside.any(), (text.get_text(), name)


def test_the_legend_stands_below_the_axes_and_the_picture_is_as_wide_as_asked():
    ax, _, _, _ = drawn()
    legend = ax.figure.legends[0].get_window_extent()
    assert legend.y1 < ax.xaxis.label.get_window_extent().y0 and legend.x0 > 0
    assert svg.width(svg.svg(ax.figure)) == pytest.approx(5.6 * 96, abs=1)


def cells(line):
    return [
        re.sub(r"<[^>]*>", "", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", line, flags=re.S)
    ]


def test_each_number_of_the_table_stands_in_its_column():
    html = str(milestones.table_of_milestones(ROWS))
    head, *lines = re.findall(r"<tr>(.*?)</tr>", html, flags=re.S)
    assert cells(head) == list(milestones.COLUMNS) and len(lines) == len(ROWS)
    for line, row in zip(lines, ROWS, strict=True):
        date, of, name, kind, weights, size, seen, source = cells(line)
        assert (date, of, kind, weights) == (row.date, row.dated_as, row.kind, "open" if row.open else "–")
        assert unescape(name) == row.name and source.endswith(f" {row.source.year}")
        computed = " (computed)" if row.computed else ""
        assert size == (short(row.size) + computed if row.size else "–")
        factors = f" (computed: {row.tokens_computed})" if row.tokens_computed else ""
        assert unescape(seen) == (short(row.tokens_seen) + factors if row.tokens_seen else "–")
        exact = [int(n) for n in re.findall(r'<data value="(\d+)">', line)]
        assert exact == [n for n in (row.size, row.tokens_seen) if n]
    assert any(r.corpus and r.tokens_seen and r.corpus != r.tokens_seen for r in ROWS)


def test_the_table_is_folded_away_and_says_how_long_it_is():
    html = str(milestones.table_of_milestones(ROWS[:3]))
    assert html.startswith("<details><summary>All 3 milestones") and html.count("<script>") == 1
    assert "15,600,000" not in str(milestones.table_of_milestones(ROWS))
