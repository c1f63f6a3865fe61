"""Beyond the trained length: what is scored, and how runs become intervals."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F

from llmbook.architecture import length_extrapolation
from llmbook.architecture.length_extrapolation import WindowScore
from llmbook.core.measure import records
from llmbook.core.models.config import Config
from llmbook.core.models.transformer import Transformer
from llmbook.core.show.plotting import figure
from llmbook.core.text import corpora, tokens


def fresh(config: Config) -> Transformer:
    torch.manual_seed(0)
    return Transformer(config).eval()


@pytest.mark.parametrize("kind", length_extrapolation.KINDS)
def test_every_kind_is_scored_at_every_length_and_learned_positions_end(kind):
    scores = length_extrapolation.extrapolation(kind, (16, 32, 64), steps=3, train_length=32, seed=1)
    assert [s.length for s in scores] == ([16, 32] if kind == "learned" else [16, 32, 64])
    assert all((s.kind, s.steps, s.seed) == (kind, 3, 1) for s in scores)
    assert all(0 < s.bits < 8.5 for s in scores)  # 8 bits: a blind guess among 256 bytes


def test_the_same_seed_gives_the_same_numbers():
    one, again, other = (
        length_extrapolation.extrapolation("alibi", (16,), steps=2, train_length=16, seed=s)[0].bits
        for s in (5, 5, 6)
    )
    assert one == again != other


def test_the_last_tokens_loss_is_the_cross_entropy_of_those_tokens():
    text = tokens.encode_bytes(corpora.plays_text("valid"))[:6000]
    model = fresh(Config(256, 64, n_layer=1, n_head=2, n_embd=16))
    bits = length_extrapolation.last_token_bits(model, text, 40, n_window=2, n_last=8)
    windows = [text[end - 40 : end + 1].long() for end in (4096, len(text) - 2)]
    with torch.no_grad():
        nats = [F.cross_entropy(model(w[None, :-1])[0, -8:], w[-8:]) for w in windows]
    assert bits == pytest.approx(float(sum(nats)) / 2 / math.log(2), abs=1e-5)


@pytest.mark.parametrize("length", [15, 4097])
def test_a_window_too_short_or_too_long_to_be_scored_is_refused(length):
    with pytest.raises(ValueError, match="choose between 16"):
        length_extrapolation.last_token_bits(
            fresh(Config(64, 32, n_layer=1, n_head=2, n_embd=16)), torch.zeros(9000), length
        )


def test_scores_become_intervals_over_seeds():
    scores = [WindowScore("rope", 9, seed, n, n / 64 + seed) for seed, n in product((0, 1, 2), (64, 128))]
    found = length_extrapolation.by_length([*scores, *(WindowScore("none", 9, s, 64, 1.0) for s in (0, 1))])
    assert list(found) == ["rope", "none"] and list(found["rope"]) == [64, 128]
    assert found["rope"][128].mean == 3.0 and found["rope"][128].n == 3
    assert found["none"][64].low == found["none"][64].high == 1.0


def test_the_figure_has_a_line_per_kind_and_a_bar_per_interval():
    scores = [
        WindowScore(k, 9, seed, n, 2.0 + seed) for k, seed, n in product(("rope", "none"), (0, 1), (64, 128))
    ]
    _, (one, several) = figure(2)
    length_extrapolation.draw_by_length(one, [s for s in scores if s.seed == 0])
    length_extrapolation.draw_by_length(several, scores)
    assert len(one.lines) == len(several.lines) == 2 + 1  # a line per kind, and the trained length
    assert not one.collections and [len(c.get_segments()) for c in several.collections] == [2, 2]
    assert [line.get_label() for line in one.lines[:2]] == ["rotary (RoPE)", "no positions"]
    assert list(several.lines[0].get_ydata()) == [2.5, 2.5]
    assert [t.get_text() for t in several.get_xticklabels()] == ["64", "128"]


def test_the_stored_record_has_every_kind_over_three_seeds_and_names_its_machine():
    from llmbook import architecture

    scores, about = records.load(architecture.POSITIONS, WindowScore)
    lengths = {
        kind: [n for n in length_extrapolation.LENGTHS if kind != "learned" or n <= 64]
        for kind in length_extrapolation.KINDS
    }
    expected = [(k, s, n) for k in length_extrapolation.KINDS for s in range(3) for n in lengths[k]]
    assert sorted((s.kind, s.seed, s.length) for s in scores) == sorted(expected)
    assert {s.steps for s in scores} == {about["steps"]} and {"cpu", "cores"} <= about["hardware"].keys()
