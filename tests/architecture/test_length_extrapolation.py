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
    # 8 bits: a blind guess among 256 bytes; 1.3: what people need (Shannon 1951), and three steps do not reach
    assert all(1.3 < s.bits < 8.5 for s in scores)


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


@pytest.mark.parametrize("record", [length_extrapolation.POSITIONS, length_extrapolation.POSITIONS_EARLY])
def test_the_stored_records_have_every_kind_over_three_seeds_and_name_their_machine(record):
    scores, about = records.load(record, WindowScore)
    lengths = {
        kind: [n for n in length_extrapolation.LENGTHS if kind != "learned" or n <= 64]
        for kind in length_extrapolation.KINDS
    }
    expected = [(k, s, n) for k in length_extrapolation.KINDS for s in range(3) for n in lengths[k]]
    assert sorted((s.kind, s.seed, s.length) for s in scores) == sorted(expected)
    assert {s.steps for s in scores} == {about["steps"]} and {"cpu", "cores"} <= about["hardware"].keys()


# ------------------------------------------------------------------- what is trained on, scored, and how


@pytest.fixture
def read(monkeypatch):
    """Plays whose splits share no letter, and what the model reads of them: {is it training: [ids]}."""
    letters = {"train": "abcdefgh", "valid": "ijklmnop", "test": "qrstuvwx"}

    def plays(split="train"):
        order = torch.randint(8, (6000,), generator=torch.Generator().manual_seed(len(split)))
        return [corpora.Document(split, "".join(letters[split][i] for i in order.tolist()))]

    monkeypatch.setattr(corpora, "plays", plays)
    seen: dict[bool, list[torch.Tensor]] = {True: [], False: []}
    real = Transformer.forward

    def forward(self, ids, *args, **options):
        seen[self.training].append(ids.clone())
        return real(self, ids, *args, **options)

    monkeypatch.setattr(Transformer, "forward", forward)
    return seen


@pytest.mark.parametrize("kind", ["learned", "alibi"])
def test_a_model_learns_from_the_training_plays_and_is_scored_on_the_test_plays(read, kind):
    scores = length_extrapolation.extrapolation(kind, (16, 32), steps=12, train_length=32, n_window=20)
    trained, scored = ({chr(i) for ids in read[t] for i in ids.unique().tolist()} for t in (True, False))
    assert trained == set("abcdefgh") and scored == set("qrstuvwx")
    assert {ids.shape for ids in read[True]} == {(16, 32)} and len(read[True]) == 12
    # one of eight letters drawn at random takes 3 bits: only a leak needs fewer
    assert all(s.bits > 2.9 for s in scores)


def test_every_length_is_scored_on_the_same_last_bytes(read):
    length_extrapolation.extrapolation("alibi", (16, 32, 64), steps=1, train_length=16, n_window=20)
    ends = {n: torch.cat([ids for ids in read[False] if ids.shape[1] == n])[:, -16:] for n in (16, 32, 64)}
    assert ends[16].shape == (20, 16) and torch.equal(ends[16], ends[32]) and torch.equal(ends[16], ends[64])
    assert len({tuple(row) for row in ends[16].tolist()}) == 20


def test_every_window_counts_the_same_whatever_their_number():
    """Seventeen windows are read as sixteen and one; the last of them is still one of seventeen."""
    text = tokens.encode_bytes(corpora.plays_text("valid"))[:6000]
    model = fresh(Config(256, 64, n_layer=1, n_head=2, n_embd=16))
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    ends = torch.linspace(4096, len(text) - 2, 17).long().tolist()
    rows = torch.stack([text[end - 20 : end + 1].long() for end in ends])
    with torch.no_grad():
        nats = F.cross_entropy(model(rows[:, :-1])[:, -16:].flatten(0, 1), rows[:, -16:].flatten())
    bits = length_extrapolation.last_token_bits(model, text, 20, n_window=17)
    assert bits == pytest.approx(float(nats) / math.log(2), rel=1e-5)


def test_the_recipe_is_muon_and_adamw_with_warm_up_and_a_cosine_down_to_a_tenth(read, updates):
    length_extrapolation.extrapolation("rope", (16,), steps=40, train_length=16, batch_size=3, n_window=1)
    assert updates.optimizers() == {"Muon", "AdamW"} and updates.weight_decay() == {0.0}
    assert {ids.shape for ids in read[True]} == {(3, 16)}
    for optimizer in ("Muon", "AdamW"):
        rates = updates.lr(optimizer)
        assert len(rates) == 40 and rates[0] < 0.8e-2 and max(rates) == pytest.approx(1e-2, rel=0.01)
        for step in (10, 20, 30, 39):
            wave = 0.1 + 0.9 * (1 + math.cos(math.pi * (step / 40 - 0.05) / 0.95)) / 2
            assert rates[step] == pytest.approx(1e-2 * wave, abs=0.05e-2)  # a step more or less


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lengths": ()}, "give at least one of each"),
        ({"lengths": (32, 15)}, "length is 15; choose between 16"),
        ({"lengths": (4097,)}, "length is 4097"),
        ({"n_window": 0}, "n_window 0"),
        ({"kind": "sideways"}, "position is 'sideways'"),
    ],
)
def test_what_cannot_be_scored_is_refused_before_training(arguments, message, updates):
    with pytest.raises(ValueError, match=message):
        length_extrapolation.extrapolation(**({"kind": "rope", "steps": 1} | arguments))
    assert not updates.rows


@pytest.mark.parametrize(("n_token", "n_window"), [(4097, 3), (9000, 0)])
def test_a_text_without_a_window_is_refused(n_token, n_window):
    model = fresh(Config(64, 32, n_layer=1, n_head=2, n_embd=16))
    with pytest.raises(ValueError, match="at least 4098 and one window"):
        length_extrapolation.last_token_bits(model, torch.zeros(n_token), 16, n_window)


def test_a_bar_reaches_from_the_low_to_the_high_end_of_its_interval():
    scores = [WindowScore("rope", 9, seed, 64, 2.0 + seed) for seed in (0, 1, 2)]
    _, (ax,) = figure()
    length_extrapolation.draw_by_length(ax, scores)
    interval = length_extrapolation.by_length(scores)["rope"][64]
    ((low, high),) = ([y for _, y in segment] for segment in ax.collections[0].get_segments())
    assert (low, high) == (pytest.approx(interval.low), pytest.approx(interval.high))
