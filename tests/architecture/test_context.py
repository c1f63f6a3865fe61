"""Bits per byte against context: the same tokens are scored, with what stands before them and nothing else."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from letters import byte_lm

from llmbook.architecture import context
from llmbook.architecture.context import CONTEXT, ContextScore
from llmbook.core.measure.records import load
from llmbook.core.models.transformer import Transformer
from llmbook.core.show.plotting import figure

TEXT = "".join(chr(33 + (i * i + i // 7) % 90) for i in range(1500))  # no two stretches are alike


@pytest.fixture
def seen(monkeypatch):
    """Every sequence of ids that a model reads."""
    rows = []
    hidden = Transformer.hidden

    def spy(self, ids, **options):
        rows.append(ids[0].tolist())
        return hidden(self, ids, **options)

    monkeypatch.setattr(Transformer, "hidden", spy)
    return rows


def test_every_context_is_scored_on_the_same_tokens_and_is_what_stands_before_them(seen):
    lm, ids = byte_lm(), list(TEXT.encode())
    scores = list(context.bits_by_context(lm, TEXT, (8, 64, 200), n_window=3))
    assert [(s.window, s.n_context) for s in scores] == [(w, n) for w in range(3) for n in (8, 64, 200)]
    ends = [200 + 16, 858, 1500]
    expected = [
        ids[end - 16 - n : end - 1] for end in ends for n in (8, 64, 200)
    ]  # the last is only predicted
    assert seen == expected


def test_bits_are_the_surprise_at_the_last_sixteen_tokens_per_byte_of_them():
    lm = byte_lm()
    (score,) = context.bits_by_context(lm, TEXT[:80], (64,), n_window=1)
    bits = lm.surprise(TEXT[:80])[-16:]
    assert score.bits == pytest.approx(float(bits.sum()) / 16, rel=1e-5)
    (longer,) = context.bits_by_context(lm, TEXT[:80], (50,), n_window=1, n_last=30)
    assert longer.bits == pytest.approx(float(lm.surprise(TEXT[:80])[-30:].sum()) / 30, rel=1e-5)


def test_a_blind_guess_among_bytes_costs_eight_bits_with_every_context():
    lm = byte_lm(tied=False)
    torch.nn.init.zeros_(lm.model.head.weight)
    bits = [s.bits for s in context.bits_by_context(lm, TEXT, (8, 100), n_window=2, foreign=(100,))]
    assert bits == pytest.approx([8.0] * 6)


def test_foreign_context_keeps_the_nearest_32_and_shares_nothing_else_with_the_window():
    ids = torch.arange(1000)
    own, other = (context.context_of(ids, 600, 100, foreign) for foreign in (False, True))
    assert len(own) == len(other) == 116 and torch.equal(own[-48:], other[-48:])
    assert not set(other[:-48].tolist()) & set(own.tolist())
    assert other[:-48].tolist() == [i % 1000 for i in range(600 - 116 + 500, 600 - 48 + 500)]
    assert torch.equal(context.context_of(ids, 600, 32, True), context.context_of(ids, 600, 32))


def test_the_foreign_part_of_a_play_comes_from_the_other_play():
    """What is exchanged lies half of the text away, which is more than the shorter play."""
    from llmbook.core.text import corpora

    first, second = (len(play.text) for play in corpora.plays("test"))
    assert abs(first - second) < 0.2 * (first + second)


def test_windows_end_evenly_and_their_scored_tokens_do_not_overlap():
    ends = context.window_ends(5000, longest=1000, n_window=7)
    assert ends[0] == 1016 and ends[-1] == 5000
    assert min(b - a for a, b in pairwise(ends)) >= 16


@pytest.mark.parametrize(
    ("n_token", "longest", "n_window"), [(115, 100, 1), (131, 100, 2), (500, 100, 0), (500, 0, 1)]
)
def test_a_text_too_short_for_its_windows_is_refused(n_token, longest, n_window):
    with pytest.raises(ValueError, match="windows with"):
        context.window_ends(n_token, longest, n_window)


def test_bad_input_is_refused():
    lm = byte_lm(block_size=64)
    with pytest.raises(ValueError, match="contexts is empty"):
        list(context.bits_by_context(lm, TEXT, (), n_window=1))
    with pytest.raises(ValueError, match="block_size = 64"):
        list(context.bits_by_context(lm, TEXT, (100,), n_window=1))
    with pytest.raises(ValueError, match="n_last is 9 of 9"):
        context.last_nats(lm.model, torch.arange(9), 9)


@pytest.mark.parametrize(
    "text", ["To be, or not", "naïve café", "😀 is one of many: 日本", "  two  spaces\n\n"]
)
def test_the_bytes_of_tokens_are_those_of_their_text_even_in_pieces(text):
    from transformers import AutoTokenizer

    from llmbook.core.models.pretrained import SMOLLM2

    tokenizer = AutoTokenizer.from_pretrained(SMOLLM2.get())
    ids = tokenizer(text)["input_ids"]
    assert context.token_bytes(tokenizer, ids) == len(text.encode())
    assert sum(context.token_bytes(tokenizer, [i]) for i in ids) == len(text.encode())


def rows(bits, text="plays"):
    """bits: (tokens of context, foreign) -> a number for each window."""
    return [
        ContextScore(text, i, n, foreign, b) for (n, foreign), at in bits.items() for i, b in enumerate(at)
    ]


def test_a_gain_is_paired_by_window_and_positive_where_more_context_helps():
    scores = rows({(8, False): [3.0, 9.0, 5.0], (64, False): [2.9, 8.9, 4.9], (64, True): [3.2, 9.2, 5.2]})
    gain = context.gain_by_context(scores[::-1] + rows({(8, False): [0.0, 1.0]}, "manual"), "plays")
    assert list(gain) == [64] and gain[64].mean == pytest.approx(0.1) and gain[64].low > 0.09
    lost = context.foreign_loss(scores, "plays")
    assert list(lost) == [64] and lost[64].mean == pytest.approx(0.3) and lost[64].low > 0.29
    assert context.mean_by_context(scores, "plays")[8, False].mean == pytest.approx(17 / 3)


def test_scores_that_cannot_be_paired_are_refused():
    with pytest.raises(ValueError, match="no score of 'news'; there are plays"):
        context.mean_by_context(rows({(8, False): [1.0, 2.0]}), "news")
    with pytest.raises(ValueError, match="different windows"):
        context.mean_by_context(rows({(8, False): [1.0, 2.0], (16, False): [1.0]}), "plays")


def test_the_record_measures_what_its_configuration_says():
    """With a byte model in SmolLM2's place; and its longest window is within what the model's configuration allows."""
    assert max(CONTEXT.config["contexts"]) + context.N_LAST <= 8192
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context.LanguageModel, "load", lambda name, device: byte_lm())
        got = list(context.measure([8, 64], [64], 2, device="cpu"))
    kinds = [(8, False), (64, False), (64, True)]
    expected = [(t, w, *k) for t in ("plays", "manual") for w in range(2) for k in kinds]
    assert [(s.text, s.window, s.n_context, s.foreign) for s in got] == expected
    assert all(0 < s.bits < 40 and math.isfinite(s.bits) for s in got)


@pytest.mark.skipif(not CONTEXT.path.exists(), reason="not measured yet: llmbook artefacts make context")
def test_the_stored_record_is_whole():
    scores, about = load(CONTEXT, ContextScore)
    per_window = len(about["contexts"]) + len(about["foreign"])
    assert len(scores) == len(context.TEXTS) * about["windows"] * per_window
    for text in context.TEXTS:
        means = context.mean_by_context(scores, text)
        assert all(0.2 < m.mean < 4 for m in means.values())


def test_the_figure_has_a_line_with_intervals_for_each_text_and_a_cross_for_foreign_text():
    rows = [
        ContextScore(text, w, n, foreign, n / 8 + w + foreign)
        for text in ("plays", "manual")
        for w in (0, 1)
        for n, foreign in ((8, False), (512, False), (512, True))
    ]
    _, (ax,) = figure()
    assert context.draw_by_context(ax, rows) is ax
    line, cross = ax.lines[:2]
    assert list(line.get_ydata()) == [1.5, 64.5] and list(cross.get_ydata()) == [65.5]
    assert list(cross.get_xdata()) == [512] and [len(c.get_segments()) for c in ax.collections] == [2, 2]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["plays", "manual"]
