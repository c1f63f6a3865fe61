"""What temperature does (`llmbook.overview.temperature`)."""

from __future__ import annotations

import math

import pytest
import torch

from llmbook import overview
from llmbook.core.models.generation import next_token_probabilities
from llmbook.core.models.lm import LanguageModel
from llmbook.core.show import plotting as plot
from llmbook.overview.temperature import Heated, reheat


@pytest.fixture(scope="module")
def lm():
    return LanguageModel.load()


@pytest.mark.parametrize("temperature", [0.2, 0.7, 1.0, 2.0])
def test_reheating_probabilities_is_dividing_logits(temperature):
    logits = torch.randn(1, 50, generator=torch.Generator().manual_seed(0))
    theirs = next_token_probabilities(logits, temperature)[0]
    torch.testing.assert_close(
        reheat(logits.softmax(-1)[0], temperature).float(), theirs, atol=1e-6, rtol=1e-4
    )


def test_a_probability_of_zero_stays_zero():
    assert reheat(torch.tensor([0.5, 0.5, 0.0]), 2.0).tolist() == [0.5, 0.5, 0.0]


def test_hotter_is_more_even_and_the_same_tokens_are_shown(lm):
    hot = overview.at_temperatures(lm, "Once upon a time", k=6)
    rows = list(hot.values())
    assert list(hot) == [row.temperature for row in rows] == list(overview.TEMPERATURES)
    assert all(list(r.top) == list(rows[0].top) and len(r.top) == 6 and 0 <= r.rest < 1 for r in rows)
    likeliest = [next(iter(r.top.values())) for r in rows]
    assert likeliest == sorted(likeliest, reverse=True) and len(set(likeliest)) == len(rows)
    assert hot[1.0].top == pytest.approx(lm.top("Once upon a time", 6), rel=1e-4)
    assert all(sorted(r.top.values(), reverse=True) == list(r.top.values()) for r in rows)


def test_the_picture_shows_the_tokens_the_rest_and_the_drawn_text_on_an_axis_that_stays():
    _, (ax,) = plot.figure()
    overview.draw_heated(ax, Heated(1.5, {"' a'": 0.5, "' b'": 0.25}), "one\x00two " + "three " * 40)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["' a'", "' b'", "all others"]
    assert [bar.get_width() for bar in ax.patches] == [0.5, 0.25, 0.25] and ax.get_xlim() == (0, 1.15)
    above = ax.get_title(loc="left").split("\n")
    assert len(above) == 2 and above[0].startswith("one two three") and max(map(len, above)) <= 58
    plot.plt.close("all")


@pytest.mark.parametrize("temperature", [0, -1, math.inf, math.nan])
def test_a_temperature_that_is_none_is_refused(temperature):
    with pytest.raises(ValueError, match="positive and finite"):
        reheat(torch.tensor([0.5, 0.5]), temperature)


def test_no_temperature_is_refused(lm):
    with pytest.raises(ValueError, match="at least one temperature"):
        overview.at_temperatures(lm, "a", [])
