"""Drawings say what the configuration says."""

from __future__ import annotations

from dataclasses import replace

from llmbook.architecture import diagrams
from llmbook.core.models.config import Config
from llmbook.core.models.masks import causal_mask
from llmbook.core.models.parameters import parameters_by_part
from llmbook.core.show.plotting import PAPER, figure, luminance

SMALL = Config(1000, 64, n_layer=3, n_head=4, n_embd=32)


def words(config: Config) -> str:
    _, (ax,) = figure()
    assert diagrams.machine(ax, config, parameters_by_part(config)) is ax
    return "\n".join(t.get_text() for t in ax.texts)


def test_the_machine_names_its_parts_and_their_sizes():
    text = words(SMALL)
    for part in ("embedding", "attention", "feed-forward", "norm", "output layer", "softmax"):
        assert part in text
    assert "× 3 blocks" in text and "4 heads" in text and "128 wide" in text and "1,000 tokens" in text


def test_another_configuration_gives_another_drawing():
    other = words(replace(SMALL, n_layer=5, n_head=8, head_dim=4))
    assert "× 5 blocks" in other and "8 heads" in other
    assert "the embedding again" in words(SMALL) and "the embedding again" not in words(
        replace(SMALL, tied=False)
    )


def test_a_mask_is_dark_where_it_lets_look_and_its_cells_are_apart():
    _, (ax,) = figure()
    assert diagrams.mask_cells(ax, causal_mask(3), "causal") is ax
    pale, dark = ax.patches  # one path for all cells of one shade
    cells = lambda patch: len(patch.get_path().vertices) // 5  # noqa: E731
    assert (cells(pale), cells(dark)) == (3, 6)
    assert luminance(pale.get_facecolor()) > 0.7 > 0.1 > luminance(dark.get_facecolor())
    assert len(ax.lines) == 8 and {line.get_color() for line in ax.lines} == {PAPER}
