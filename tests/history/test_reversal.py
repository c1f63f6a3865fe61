"""Reversing sequences: what is trained on, what is scored, and by which recipe."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from llmbook.core.text.tokens import EOS, PAD
from llmbook.core.train import training
from llmbook.history import seq2seq
from llmbook.history.reversal import reverse_by_length, train_to_reverse


@pytest.fixture
def read(monkeypatch):
    """The sequences that the model reads: those it trains on, and those it is scored on."""
    rows: dict[bool, list[tuple[int, ...]]] = {True: [], False: []}
    real = seq2seq.Seq2Seq.encode

    def spy(self, source, *args, **options):
        rows[self.training] += [tuple(row[: row.index(EOS)]) for row in source.tolist()]
        return real(self, source, *args, **options)

    monkeypatch.setattr(seq2seq.Seq2Seq, "encode", spy)
    return rows


@pytest.mark.parametrize("attention", [True, False])
def test_long_sequences_that_are_scored_were_not_trained_on_and_short_ones_coincide_by_chance(
    read, attention
):
    """Of length 2 there are a hundred, so training has met them; of length 12 there are 10^12."""
    right = reverse_by_length(attention, (2, 12), steps=20, n_test=100)
    trained, scored = set(read[True]), read[False]
    assert {len(row) for row in trained} == set(range(2, 13)) and len(read[True]) == 20 * 64
    assert [len(row) for row in scored] == [2] * 100 + [12] * 100
    assert trained.isdisjoint(row for row in scored if len(row) == 12)
    assert len({row for row in scored if len(row) == 12}) == 100
    assert list(right) == [2, 12] and right[12] < 0.05  # twenty steps teach nobody to reverse twelve


def test_the_scored_sequences_are_drawn_apart_from_the_training_batches(read):
    """The same seed for both would repeat rows of the first batch where the widths agree."""
    for n_test in (64, 76, 88, 100):
        reverse_by_length(True, (12,), steps=2, n_test=n_test)
    assert set(read[True]).isdisjoint(read[False])


def test_the_score_is_the_share_of_whole_sequences_reversed(monkeypatch):
    def perfect(self, source, max_new_tokens):
        rows = [row[: row.index(EOS)][::-1] for row in source.tolist()]
        if source.shape[1] == 4:  # of the longer ones every other one, and of those all but the last symbol
            rows = [row if i % 2 else [*row[:-1], 99] for i, row in enumerate(rows)]
        return seq2seq.Translation(source.new_tensor([[*row, EOS] for row in rows]), None)

    monkeypatch.setattr(seq2seq.Seq2Seq, "translate", perfect)
    assert reverse_by_length(True, (2, 3), steps=1, n_test=40) == {2: 1.0, 3: 0.5}


def test_the_recipe_is_adamw_with_warm_up_and_a_cosine_down_to_a_tenth(updates):
    reverse_by_length(True, (2,), steps=40, n_test=1)
    assert updates.optimizers() == {"AdamW"} and updates.weight_decay() == {0.0}
    rates = updates.lr("AdamW")
    assert len(rates) == 40 and rates[0] < 0.8 * 5e-3 and max(rates) == pytest.approx(5e-3, rel=0.01)
    for step in (10, 20, 30, 39):
        wave = 0.1 + 0.9 * (1 + math.cos(math.pi * (step / 40 - 0.05) / 0.95)) / 2
        assert rates[step] == pytest.approx(5e-3 * wave, abs=0.05 * 5e-3)  # a step more or less


def test_what_is_predicted_where_the_target_is_padding_costs_nothing(monkeypatch):
    kept = {}
    monkeypatch.setattr(training, "train", lambda model, draw, recipe, **how: kept.update(how, draw=draw))
    train_to_reverse(True, steps=1)
    source, target_in, target_out = kept["draw"](_generator())[:3]
    logits = torch.randn(*target_out.shape, 14, generator=_generator())

    def cost(logits):
        return kept["loss_fn"](lambda *ids: logits, (source, target_in, target_out)).mean.item()

    changed = logits + 5 * torch.randn(logits.shape, generator=_generator()) * (target_out == PAD)[..., None]
    assert (target_out == PAD).any() and cost(changed) == cost(logits)
    real = target_out != PAD
    assert cost(logits) == pytest.approx(F.cross_entropy(logits[real], target_out[real]).item(), rel=1e-5)


def test_the_same_seed_repeats_the_run_and_another_does_not(read):
    runs = []
    for seed in (3, 3, 4):
        reverse_by_length(True, (6,), steps=2, seed=seed, n_test=5)
        runs.append((list(read[True]), list(read[False])))
        read[True].clear(), read[False].clear()
    assert runs[0] == runs[1]
    assert runs[0][0] != runs[2][0] and runs[0][1] != runs[2][1]


@pytest.mark.parametrize(("lengths", "n_test"), [((), 5), ((2, 0), 5), ((2,), 0)])
def test_nothing_to_score_is_refused_before_training(lengths, n_test, updates):
    with pytest.raises(ValueError, match="give lengths of at least 1"):
        reverse_by_length(True, lengths, steps=1, n_test=n_test)
    assert not updates.rows


def test_a_translation_of_no_token_is_refused():
    model = seq2seq.Seq2Seq("rnn", False, 9, 9, 4, 4)
    with pytest.raises(ValueError, match="max_new_tokens is 0"):
        model.translate(
            seq2seq.reversal_batch(1, (2, 2), symbols=5, generator=_generator()).source, max_new_tokens=0
        )


def _generator():
    return torch.Generator().manual_seed(0)
