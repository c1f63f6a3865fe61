"""Surprise after a context, and what temperature does (`llmbook.overview.surprise`, `.temperature`)."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from llmbook import overview
from llmbook.core.models.generation import next_token_probabilities
from llmbook.core.models.lm import LanguageModel
from llmbook.core.show import plotting as plot
from llmbook.overview.temperature import entropy, nucleus, reheat

SENTENCE = overview.SENTENCES[0]
CONTEXT = "Anna had a fever and a cough, so she went to see the doctor at the hospital.\n"


@pytest.fixture(scope="module")
def lm():
    return LanguageModel.load()


def test_without_a_context_it_is_the_models_own_surprise(lm):
    assert overview.surprise_after(lm, "", SENTENCE) == pytest.approx(
        lm.surprise(SENTENCE).tolist(), abs=1e-4
    )


def test_with_a_context_it_is_the_surprise_of_the_whole_cut_where_the_text_begins(lm):
    whole = lm.surprise(CONTEXT + SENTENCE).tolist()
    n = len(lm.pieces(SENTENCE)) - 1
    assert lm.encode(CONTEXT + SENTENCE).shape[1] == lm.encode(CONTEXT).shape[1] + n + 1
    assert overview.surprise_after(lm, CONTEXT, SENTENCE) == pytest.approx(whole[-n:], abs=1e-3)


def test_a_token_after_a_context_costs_what_its_probability_says(lm):
    bits = overview.surprise_after(lm, "A dog and a", " cat ran")
    p = overview.probability_of(lm, "A dog and a cat", " ran")
    assert bits == pytest.approx([-math.log2(p)], abs=1e-3)


def test_a_context_about_a_doctor_makes_the_doctor_less_of_a_surprise(lm):
    found = overview.surprise_with_contexts(lm, SENTENCE, {"nothing": "", "a visit": CONTEXT})
    doctor = found.pieces.index(" doctor")
    assert found.bits["nothing"][doctor] > found.bits["a visit"][doctor] + 5
    assert found.total("nothing") > found.total("a visit") == sum(found.bits["a visit"])
    assert "".join(found.pieces) == SENTENCE.removeprefix("The")
    assert all(len(bits) == len(found.pieces) for bits in found.bits.values())


@pytest.mark.parametrize(("context", "text"), [("", " Paris"), ("In France:", " Paris")])
def test_the_surprise_of_a_single_token_is_refused(lm, context, text):
    with pytest.raises(ValueError, match="single token"):
        overview.surprise_after(lm, context, text)


# --------------------------------------------------------------------------------------------- temperature


@pytest.mark.parametrize("temperature", [0.2, 0.7, 1.0, 2.0])
def test_reheating_probabilities_is_dividing_logits(temperature):
    logits = torch.randn(1, 50, generator=torch.Generator().manual_seed(0))
    theirs = next_token_probabilities(logits, temperature)[0]
    torch.testing.assert_close(
        reheat(logits.softmax(-1)[0], temperature).float(), theirs, atol=1e-6, rtol=1e-4
    )


def test_a_probability_of_zero_stays_zero():
    assert reheat(torch.tensor([0.5, 0.5, 0.0]), 2.0).tolist() == [0.5, 0.5, 0.0]
    assert entropy(torch.tensor([1.0, 0.0])) == 0.0


def test_entropy_of_a_fair_die_is_the_logarithm_of_its_faces():
    assert entropy(torch.full((8,), 1 / 8)) == pytest.approx(3)


def test_the_nucleus_is_the_smallest_set_that_reaches_the_share():
    p = torch.rand(40, generator=torch.Generator().manual_seed(1))
    p = p / p.sum()
    for share in (0.05, 0.5, 0.9, 1.0):
        n, mass = nucleus(p, share)
        ordered = sorted(p.double().tolist(), reverse=True)
        assert (
            sum(ordered[:n]) == pytest.approx(mass) and mass >= share - 1e-6 and sum(ordered[: n - 1]) < share
        )
    assert nucleus(torch.tensor([0.25, 0.75]), 0.75) == (1, 0.75)


def test_hotter_is_more_even_and_the_same_tokens_are_shown(lm):
    hot = overview.at_temperatures(lm, "Once upon a time", k=6)
    rows = list(hot.values())
    assert list(hot) == [f"{t:g}" for t in overview.TEMPERATURES] and [r.temperature for r in rows] == list(
        overview.TEMPERATURES
    )
    assert all(a.entropy < b.entropy and a.n_nucleus <= b.n_nucleus for a, b in pairwise(rows))
    assert all(list(r.top) == list(rows[0].top) and len(r.top) == 6 and 0 <= r.rest < 1 for r in rows)
    assert hot["1"].top == pytest.approx(lm.top("Once upon a time", 6), rel=1e-4)
    assert all(sorted(r.top.values(), reverse=True) == list(r.top.values()) for r in rows)


def test_the_picture_shows_the_tokens_and_the_rest_on_an_axis_that_stays():
    heated = overview.temperature.Heated(1.5, {"' a'": 0.5, "' b'": 0.25}, 2.5, 0.9, 12, 0.91)
    _, (ax,) = plot.figure()
    overview.draw_heated(ax, heated)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["' a'", "' b'", "all others"]
    assert [bar.get_width() for bar in ax.patches] == [0.5, 0.25, 0.25] and ax.get_xlim() == (0, 1.12)
    assert "T = 1.5: 2.5 bits; 12 tokens hold 90%" in ax.get_title(loc="left")
    plot.plt.close("all")


@pytest.mark.parametrize("temperature", [0, -1, math.inf, math.nan])
def test_a_temperature_that_is_none_is_refused(temperature):
    with pytest.raises(ValueError, match="positive and finite"):
        reheat(torch.tensor([0.5, 0.5]), temperature)


def test_a_share_out_of_range_and_no_temperature_are_refused(lm):
    for share in (0, 1.5):
        with pytest.raises(ValueError, match="top_p is"):
            nucleus(torch.tensor([0.5, 0.5]), share)
    with pytest.raises(ValueError, match="at least one temperature"):
        overview.at_temperatures(lm, "a", [])
