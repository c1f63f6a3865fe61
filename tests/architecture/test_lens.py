"""A word stands in the cell of its block and token, the last block on top."""

from __future__ import annotations

import pytest
import torch

from llmbook.architecture.lens import draw_lens, shown
from llmbook.core.show.plotting import figure


def test_words_stand_in_the_rows_of_their_blocks_the_last_on_top():
    _, (ax,) = figure()
    chance = torch.tensor([[0.1, 0.2], [0.9, 0.0]])
    assert draw_lens(ax, [["a", " "], [" Paris", ","]], chance, [0, 29], [" city", " of"]) is ax
    assert {(t.get_text(), t.get_position()) for t in ax.texts} == {
        ("Paris", (0, 0)), (",", (1, 0)), ("a", (0, 1)), (shown(" "), (1, 1))}  # fmt: skip
    assert [t.get_text() for t in ax.get_yticklabels()] == ["29", "0"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["city", "of"]


def test_words_are_light_on_dark_cells_and_dark_on_light_ones():
    _, (ax,) = figure()
    draw_lens(ax, [["a", "b"]], torch.tensor([[0.0, 1.0]]), [0], ["x", "y"])
    assert [t.get_color() for t in ax.texts] == ["#000000", "#ffffff"]


@pytest.mark.parametrize("said", [[["a"]], [["a", "b"], ["c", "d"]]])
def test_other_numbers_of_words_are_refused(said):
    _, (ax,) = figure()
    with pytest.raises(ValueError, match="a row for each of 1 blocks and a column for each of 2 tokens"):
        draw_lens(ax, said, torch.zeros(1, 2), [0], ["x", "y"])
