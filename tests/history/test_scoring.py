"""Every rung is scored by one function, on the same windows: the same context for every token."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from llmbook.core.measure import losses
from llmbook.history import counting, ladder, plays, scoring
from llmbook.history.ngram import AddK, ModifiedKneserNey, NGram
from llmbook.history.recurrent import RecurrentLM

V = 13


@pytest.fixture(scope="module")
def ids() -> torch.Tensor:
    return torch.randint(V, (301,), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return RecurrentLM("lstm", V, 5, 7, block_size=999)


@pytest.fixture(scope="module")
def table() -> NGram:
    return NGram(5, V).fit(torch.randint(V, (3000,), generator=torch.Generator().manual_seed(1)))


def shown(monkeypatch, network, table, ids, **how) -> tuple[list, list]:
    """The rows that a network and a table are shown while they are scored."""
    rows: tuple[list, list] = ([], [])
    hook = network.register_forward_pre_hook(lambda module, args: rows[0].append(args[0].clone()))
    real = NGram.log_probs
    monkeypatch.setattr(
        NGram, "log_probs", lambda self, x: rows[1].append(torch.as_tensor(x)) or real(self, x)
    )
    scoring.surprises(network, ids, **how)
    scoring.surprises(table, ids, **how)
    hook.remove()
    return rows


def test_ngrams_and_networks_see_exactly_the_same_context_for_every_scored_token(
    monkeypatch, network, table, ids
):
    read, counted = shown(monkeypatch, network, table, ids)
    assert torch.equal(torch.cat(read), torch.cat(counted)[:, :-1])  # the last of a row is only predicted
    rows, scored = scoring.windows(ids)
    assert torch.equal(torch.cat(counted), rows)
    for row, n in list(zip(rows, scored, strict=True))[1:]:
        assert len(row) - 1 - n >= scoring.BLOCK - scoring.STRIDE  # tokens before the first that counts


@pytest.mark.parametrize(("block", "stride"), [(64, 32), (8, 8), (7, 3), (5, 1), (300, 300), (1000, 10)])
def test_every_token_but_the_first_is_scored_once_and_in_order(ids, block, stride):
    rows, scored = scoring.windows(ids, block, stride)
    found = torch.cat([row[len(row) - n :] for row, n in zip(rows, scored.tolist(), strict=True)])
    assert torch.equal(found, ids[1:])
    assert rows.shape[1] == min(block, len(ids) - 1) + 1


@pytest.mark.parametrize(("block", "stride"), [(64, 32), (16, 16), (7, 3)])
def test_a_network_scores_as_the_core_measures_it(network, ids, block, stride):
    ours = scoring.surprises(network, ids, block, stride)
    theirs = losses.token_losses(network, ids, block_size=block, stride=stride)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_a_table_with_enough_context_in_its_window_scores_as_over_the_whole_text(table, ids):
    whole = torch.from_numpy(-table.log_probs(ids)[1:]).float()
    torch.testing.assert_close(scoring.surprises(table, ids), whole)  # 32 tokens are more than the 4 it uses
    cut = scoring.surprises(table, ids, 64, 64)  # where windows only meet, the first of each know less
    differ = (cut - whole).abs() > 1e-4
    assert differ.any() and set((differ.nonzero().flatten() % 64).tolist()) <= {0, 1, 2}


def test_a_stride_gives_networks_more_context_and_no_batch_size_changes_a_score(network, ids):
    assert not torch.allclose(
        scoring.surprises(network, ids, 64, 64), scoring.surprises(network, ids, 64, 32)
    )
    torch.testing.assert_close(scoring.surprises(network, ids, batch_size=1), scoring.surprises(network, ids))


@pytest.mark.parametrize("smoothing", [ModifiedKneserNey(), AddK(0.1)])
def test_rows_of_an_ngram_model_are_as_many_texts(smoothing):
    model = NGram(3, V, smoothing).fit(torch.arange(200) % V)
    rows = torch.randint(V, (4, 9), generator=torch.Generator().manual_seed(2))
    one_by_one = [model.log_probs(row) for row in rows]
    assert model.log_probs(rows).tolist() == [row.tolist() for row in one_by_one]


@pytest.mark.parametrize("rung", ["counted", "network", "table of scores"])
def test_every_rung_is_scored_by_the_one_function(monkeypatch, rung, network, ids):
    asked = []

    def fixed(model, unseen, *args):
        asked.append(unseen)
        return torch.full((len(unseen) - 1,), 2.0)

    for module in (ladder, counting):
        monkeypatch.setattr(module, "surprises", fixed)
    corpus = plays.Text(type("T", (), {"get_vocab_size": lambda self: V})(), ids, ids[:41] * 1, 100)
    if rung == "counted":
        found = ladder.count_ngrams(corpus, 2)[0].bits_per_byte
    elif rung == "network":
        found = ladder.score(network, corpus)
    else:
        ((found,),) = counting.ngram_scores(corpus, (2,), {"kn": ModifiedKneserNey()}).values()
    assert found == pytest.approx(corpus.bits_per_byte(2.0)) and torch.equal(asked[0], corpus.unseen)


@pytest.mark.parametrize(
    ("ids", "how", "message"),
    [
        (torch.arange(9), {"stride": 0}, "stride is 0; give 1 to 64"),
        (torch.arange(9), {"block_size": 4, "stride": 5}, "stride is 5; give 1 to 4"),
        (torch.arange(1), {}, "ids holds 1 tokens"),
        (torch.zeros(2, 9, dtype=torch.long), {}, "ids must be token ids"),
    ],
)
def test_a_text_that_cannot_be_cut_is_refused(ids, how, message):
    with pytest.raises(ValueError, match=message):
        scoring.windows(ids, **how)
