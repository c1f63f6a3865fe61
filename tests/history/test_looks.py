"""Arrows as thick as shares."""

from __future__ import annotations

import pytest

from llmbook.core.show import drawing
from llmbook.history.looks import THICK, draw_looks


def test_each_word_before_the_last_has_an_arrow_as_thick_as_its_share():
    ax = draw_looks(drawing.canvas(5.6, 2.9, across=11.2), ("a", "b", "c"), (0.6, 0.3, 0.1))
    arrows = [patch for patch in ax.patches if hasattr(patch, "_posA_posB")]
    assert [arrow.get_linewidth() for arrow in arrows] == pytest.approx([0.6 * THICK, 0.3 * THICK])
    ends = {arrow._posA_posB[1] for arrow in arrows}
    assert len(ends) == 1 and ends.pop()[0] == pytest.approx(11.2 * 5 / 6)
    assert [t.get_text() for t in ax.texts] == ["a", "b", "c", "0.60", "0.30", "0.10"]


@pytest.mark.parametrize(
    ("words", "shares"),
    [(("a",), (1.0,)), (("a", "b"), (1.0,)), (("a", "b"), (0.5, 0.6)), (("a", "b"), (1.5, -0.5))],
)
def test_shares_that_are_none_are_refused(words, shares):
    with pytest.raises(ValueError, match="for each a share, together 1"):
        draw_looks(drawing.canvas(), words, shares)
