"""The history page: counting and zero, gradients over distance, reversal, the figures and the table."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from llmbook import history
from llmbook.core.measure import records
from llmbook.core.show.plotting import figure
from llmbook.history import milestones, ngram, timeline
from llmbook.history.plays import Text


@pytest.fixture(scope="module")
def corpus() -> Text:
    return history.text(vocab_size=512, unseen_chars=20_000)


@pytest.fixture(scope="module")
def small(corpus) -> Text:
    """The same with less to learn from, for tests that count or train."""
    return dataclasses.replace(
        corpus, train=corpus.train[:60_000], unseen=corpus.unseen[:4_000], unseen_bytes=9_000
    )


def test_the_share_of_unseen_ngrams_is_that_of_a_set_of_tuples(small):
    for order in (1, 3):
        ids = small.train.tolist()
        grams = {tuple(ids[i : i + order]) for i in range(len(ids) - order + 1)}
        unseen = small.unseen.tolist()
        rows = [tuple(unseen[i : i + order]) for i in range(len(unseen) - order + 1)]
        expected = sum(row not in grams for row in rows) / len(rows)
        assert history.unseen_share(small, order) == pytest.approx(expected)


def test_ngram_scores_are_those_of_the_models_themselves(small):
    scores = history.ngram_scores(small, (1, 2), {"kn": ngram.ModifiedKneserNey()})
    climb, model = history.count_ngrams(small, 2)
    assert scores["kn"][1] == pytest.approx(climb.bits_per_byte)
    assert 1.3 < scores["kn"][1] < scores["kn"][0] < small.bits_per_byte(np.log(small.vocab_size))
    nats = -model.log_probs(small.unseen)[
        1:
    ].sum()  # of the whole text: windows have more context than it uses
    assert climb.bits_per_byte == pytest.approx(nats / np.log(2) / small.unseen_bytes)
    assert climb.parameters == model.n_parameters


def test_attention_helps_to_reverse_what_the_last_state_cannot_hold():
    right = {a: history.reverse_by_length(a, (2, 10), steps=220, n_test=100) for a in (True, False)}
    assert 0.9 < right[True][2] <= 1
    assert 1 >= right[True][10] > right[False][10] >= 0


def test_the_figures_and_the_table_show_every_row():
    climbs, _ = records.load(history.RECORD, history.Climb)
    _, (ax, bx) = figure(2)
    history.draw_ladder(ax, climbs)
    written = [t.get_text() for t in ax.texts]
    assert sorted(written) == sorted({c.name for c in climbs})
    rows = timeline.milestones()
    history.draw_timeline(bx, rows)
    sized = [r for r in rows if r.size and r.day.year >= 2013]
    assert sum(len(c.get_offsets()) for c in bx.collections) == len(sized)
    shown = {t.get_text() for t in bx.texts}
    assert shown == set(milestones.NAMES_SHOWN)
    table = history.table_of_milestones(rows)
    assert table.count("<tr>") == len(rows) + 1 and table.count("<a href=") == len(rows)
