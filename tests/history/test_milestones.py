"""The timeline's figure and table: which mark stands for what, which number in which column."""

from __future__ import annotations

import re
from html import unescape

import numpy as np
import pytest

from llmbook.core.show.plotting import date2num, figure
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
    legend = [t.get_text() for t in ax.get_legend().get_texts()]
    assert legend == ["open weights, computed", "closed, computed from the published layers", "as published"]
    assert ax.get_yscale() == "log" and {t.get_text() for t in ax.texts} == set(milestones.NAMES_SHOWN)


def test_fewer_names_can_be_written_in():
    _, (ax,) = figure()
    milestones.draw_timeline(ax, ROWS, names=("GPT-3",))
    assert [t.get_text() for t in ax.texts] == ["GPT-3"]


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
        assert size == (milestones.short(row.size) + computed if row.size else "–")
        factors = f" (computed: {row.tokens_computed})" if row.tokens_computed else ""
        assert unescape(seen) == (milestones.short(row.tokens_seen) + factors if row.tokens_seen else "–")
        exact = [int(n) for n in re.findall(r'<data value="(\d+)">', line)]
        assert exact == [n for n in (row.size, row.tokens_seen) if n]
    assert any(r.corpus and r.tokens_seen and r.corpus != r.tokens_seen for r in ROWS)


def test_the_table_is_folded_away_and_says_how_long_it_is():
    html = str(milestones.table_of_milestones(ROWS[:3]))
    assert html.startswith("<details><summary>All 3 milestones") and html.count("<script>") == 1
    assert "15,600,000" not in str(milestones.table_of_milestones(ROWS))


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0"), (999, "999"), (1000, "1K"), (13_994_528, "14M"), (999_499, "999K"), (999_500, "1M"), (1.5e9, "1.5B"),
     (2_780_000_000_000, "2.78T"), (1.5e14, "150T")],
)  # fmt: skip
def test_numbers_are_said_in_three_digits(n, text):
    assert milestones.short(n) == text


def test_a_negative_number_has_no_name():
    with pytest.raises(ValueError, match="n is -1; give 0 or more"):
        milestones.short(-1)
