"""What is left out is out and nothing else is, the answer is hidden where it should be, and passages do not overlap."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from letters import byte_lm

from llmbook.architecture import ablation
from llmbook.architecture.ablation import ABLATION, BUT_FIRST, CONTROL, NOTHING, PARTS, Ablation
from llmbook.core.measure.records import load
from llmbook.core.models.transformer import Context
from llmbook.core.show.plotting import figure
from llmbook.core.text import corpora

IDS = torch.randint(97, 123, (20,), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def model():
    return byte_lm().model


@torch.no_grad()
def test_leaving_nothing_out_changes_nothing_and_every_part_matters(model):
    whole = ablation.surprise(model, IDS, 10)
    assert ablation.surprise(ablation.without(model, NOTHING), IDS, 10) == pytest.approx(whole, abs=1e-5)
    for part in PARTS[1:]:
        nats = ablation.surprise(ablation.without(model, part), IDS, 10, part)
        assert nats is None or abs(nats - whole) > 1e-3, part
    assert ablation.surprise(model, IDS, 10) == whole  # and the model itself is as it was


def test_a_twin_has_the_same_weights_and_no_memory_of_its_own(model):
    mine = {p.data_ptr() for p in model.parameters()}
    for part in PARTS:
        assert {p.data_ptr() for p in ablation.without(model, part).parameters()} <= mine


@torch.no_grad()
def test_parts_of_the_configuration_are_what_their_names_say(model):
    c = ablation.without(model, "positions").config
    assert c.position == "none" and c.scaled and c.mask == "causal"
    block = ablation.without(model, "the √d").stack.blocks[0]
    assert block.attn.scale == 1.0 and model.stack.blocks[0].attn.scale == block.attn.head_dim**-0.5
    x = torch.randn(1, 4, 16)
    silent = ablation.without(model, "attention").stack.blocks[0](x, Context(causal=True))
    own = model.stack.blocks[0]
    torch.testing.assert_close(silent, x + own.ff(own.norm2(x)))


@torch.no_grad()
def test_without_a_mask_the_answer_is_seen_and_the_control_does_not_see_it(model):
    def spy(part, ids):
        seen = []
        twin = ablation.without(model, part)
        twin.register_forward_pre_hook(lambda m, args: seen.append(args[0].shape[1]))
        return ablation.surprise(twin, ids, 5, part), seen

    other = IDS.clone()
    other[-1] = 97 + (int(IDS[-1]) - 96) % 26
    for part in ("the mask", BUT_FIRST):
        assert spy(part, IDS)[1] == [20]
        twin = ablation.without(model, part)
        assert not torch.allclose(twin(IDS[None])[0, :-1], twin(other[None])[0, :-1])
    nats, seen = spy(CONTROL, IDS)
    assert seen == [15, 16, 17, 18, 19]  # prefixes, none with what it is asked for
    twin = ablation.without(model, CONTROL)
    by_hand = [
        F.cross_entropy(twin(IDS[None, :n], mask=ablation.first_row(n))[0, -1], IDS[n]) for n in range(15, 20)
    ]
    assert nats == pytest.approx(float(sum(by_hand)) / 5, rel=1e-5)


def test_the_first_row_alone_is_left_of_the_mask():
    assert ablation.first_row(3).tolist() == [[True, False, False], [True] * 3, [True] * 3]


@torch.no_grad()
def test_the_surprise_is_that_of_the_last_tokens_given_all_before_them(model):
    nats = F.cross_entropy(model(IDS[None, :-1])[0, -6:], IDS[-6:])
    assert ablation.surprise(model, IDS, 6) == pytest.approx(float(nats), rel=1e-5)


def test_what_is_no_number_is_none(model):
    twin = ablation.without(model, NOTHING)
    twin.register_forward_hook(lambda m, args, out: out * math.nan)
    assert ablation.surprise(twin, IDS, 3) is None


def test_passages_do_not_overlap_and_a_short_text_is_refused():
    found = ablation.passages(torch.arange(1000), 7, 100)
    assert [len(p) for p in found] == [100] * 7 and found[0][0] == 0 and found[-1][-1] == 999
    assert len(set(torch.cat(found).tolist())) == 700
    for n, length in ((11, 100), (0, 5)):
        with pytest.raises(ValueError, match="a longer text"):
            ablation.passages(torch.arange(1000), n, length)


def test_bad_input_is_refused(model):
    with pytest.raises(ValueError, match="part is 'the roof'; choose one of nothing"):
        ablation.without(model, "the roof")
    for n in (0, 20):
        with pytest.raises(ValueError, match="give 1 to 19"):
            ablation.surprise(model, IDS, n)


ROWS = [
    Ablation(part, i, nats)
    for part, values in {NOTHING: (1.0, 2.0, 3.0), "attention": (4.0, 6.0, 8.0), "the norms": (None, 1.0, 1.0)}.items()
    for i, nats in enumerate(values)
]  # fmt: skip


def test_a_mean_is_given_only_where_every_passage_leaves_a_number():
    found = ablation.nats_by_part(ROWS)
    assert found[NOTHING].mean == 2.0 and found[NOTHING].n == 3 and found["the norms"] is None


def test_extra_surprise_is_paired_by_passage():
    assert ablation.extra_nats(ROWS, "attention").mean == pytest.approx(4.0)
    shuffled = ablation.extra_nats(ROWS[::-1], "attention")
    assert shuffled.low == pytest.approx(ablation.extra_nats(ROWS, "attention").low)
    for rows, part in ((ROWS, "the norms"), (ROWS[:-4], "attention"), (ROWS, "the roof")):
        with pytest.raises(ValueError, match="make no pairs"):
            ablation.extra_nats(rows, part)


def test_the_figure_has_a_bar_for_each_number_and_a_line_at_a_blind_guess():
    _, (ax,) = figure()
    assert ablation.draw_ablation(ax, ROWS, n_known=100) is ax
    assert [t.get_text() for t in ax.get_yticklabels()] == [NOTHING, "attention"]
    assert [p.get_width() for p in ax.patches] == [2.0, 6.0]
    assert ax.lines[-1].get_xdata()[0] == pytest.approx(math.log(100))


def test_the_record_is_whole_and_measured_on_the_test_plays(monkeypatch):
    rows, about = load(ABLATION, Ablation)
    assert sorted((r.part, r.passage) for r in rows) == sorted(
        (part, i) for part in PARTS for i in range(about["n_passage"])
    )
    read = {}
    monkeypatch.setattr(ablation.LanguageModel, "load", lambda name, device: byte_lm())
    monkeypatch.setattr(
        ablation, "ablations", lambda model, texts, n_scored=0: iter(read.setdefault("texts", texts))
    )
    list(ablation.measure(3, device="cpu"))
    text = corpora.plays_text("test").encode()
    assert all(bytes(t.tolist()) in text for t in read["texts"]) and len(read["texts"]) == 3
