"""Drawings say what the configuration says."""

from __future__ import annotations

from dataclasses import replace

from llmbook.architecture import diagrams
from llmbook.core.models.config import Config
from llmbook.core.models.parameters import parameters_by_part
from llmbook.core.show.plotting import figure

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
