"""The ladder's experiment as it runs: what is trained on, what is scored, and by which recipe."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from llmbook import history
from llmbook.core.text import corpora
from llmbook.history import ladder
from llmbook.history.ngram import ModifiedKneserNey, NGram

V, HALF = 61, 30
LETTERS = {"train": "abcdefgh", "valid": "ijklmnop", "test": "qrstuvwx"}


def told_apart() -> ladder.Text:
    """Ids below HALF to learn from, and none of them among those that are scored: every leak can be seen."""
    g = torch.Generator().manual_seed(0)
    train, unseen = torch.randint(HALF, (3000,), generator=g), torch.randint(HALF, V, (41,), generator=g)
    return ladder.Text(SimpleNamespace(get_vocab_size=lambda: V), train, unseen, 100)


@pytest.fixture(scope="module", params=ladder.RUNGS, ids=lambda r: r.name)
def climbed(request, stop_clock, watch_updates):
    """A rung of 25 steps, with all that its network read: (is it training, ids)."""
    read: list[tuple[bool, torch.Tensor]] = []

    def watched(vocab_size: int) -> nn.Module:
        model = request.param.make(vocab_size)

        def note(module, args):
            read.append((module.training, args[0].detach().clone()))
            clock.now += 1.6 if module.training else 0.0

        model.register_forward_pre_hook(note)
        return model

    rung = dataclasses.replace(request.param, make=watched)
    with stop_clock() as clock, watch_updates() as updates:
        climb, model = ladder.climb(rung, told_apart(), seconds=40)
    return SimpleNamespace(rung=rung, climb=climb, model=model, read=read, updates=updates)


def test_a_network_of_the_ladder_learns_from_the_training_text_and_is_scored_on_the_unseen_one(climbed):
    corpus = told_apart()
    trained = torch.cat([ids.flatten() for training, ids in climbed.read if training])
    scored = torch.cat([ids.flatten() for training, ids in climbed.read if not training])
    assert trained.max() < HALF <= scored.min()
    assert set(corpus.unseen[:-1].tolist()) == set(scored.tolist())
    with torch.no_grad():
        nats = F.cross_entropy(climbed.model(corpus.unseen[None, :-1])[0], corpus.unseen[1:])
    expected = float(nats) / math.log(2) * (len(corpus.unseen) - 1) / corpus.unseen_bytes
    assert climbed.climb.bits_per_byte == pytest.approx(expected, rel=1e-3)
    # the unseen ids were drawn at random from 31: only a leak needs fewer bits, but for the luck of forty draws
    possible = math.log2(V - HALF) * (len(corpus.unseen) - 1) / corpus.unseen_bytes
    assert climbed.climb.bits_per_byte > 0.9 * possible


def test_a_climb_counts_the_tokens_seconds_and_operations_that_it_took(climbed):
    trained = [ids for training, ids in climbed.read if training]
    assert {tuple(ids.shape) for ids in trained} == {(32, ladder.BLOCK)}
    assert climbed.climb.tokens == 25 * 32 * ladder.BLOCK == sum(ids.numel() for ids in trained)
    assert climbed.climb.budget == 40 <= climbed.climb.seconds < 42
    assert climbed.climb.flops == 6 * ladder.matrix_parameters(climbed.model) * climbed.climb.tokens


def test_each_rung_is_trained_by_its_own_optimizer_without_weight_decay(climbed):
    rung, model, updates = climbed.rung, climbed.model, climbed.updates
    embeddings = {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    outputs = {id(m.weight) for m in model.modules() if isinstance(m, nn.Linear) and m.out_features == V}
    matrices = {id(p) for p in model.parameters() if p.dim() == 2}
    hidden = matrices - embeddings - outputs
    assert outputs and embeddings and hidden
    assert updates.weight_decay() == {0.0}
    if rung.name == "feed-forward":
        assert updates.optimizers() == {"AdamW"}
        assert updates.parameters("AdamW") == {id(p) for p in model.parameters()}
    else:
        assert updates.optimizers() == {"AdamW", "Muon"} and updates.parameters("Muon") == hidden
        assert updates.parameters("AdamW") == {id(p) for p in model.parameters()} - hidden


def test_each_rungs_rate_warms_up_stays_and_falls_over_the_second_half(climbed):
    peak = climbed.rung.lr / 2  # 40 s are four times ten
    for optimizer in climbed.updates.optimizers():
        rates = climbed.updates.lr(optimizer)
        assert len(rates) == 25
        assert rates[0] < 0.9 * peak
        for step, lr in enumerate(rates[2:], 2):
            stays_or_falls = min(1.0, 0.02 + 0.98 * (1 - step / 25) / 0.5)
            assert lr == pytest.approx(peak * stays_or_falls, abs=0.09 * peak)  # a step more or less
        assert rates[2:11] == pytest.approx([peak] * 9)
        assert rates[-1] < 0.15 * peak


def test_every_rung_has_the_rate_and_optimizer_that_were_chosen_for_it():
    chosen = {rung.name: (rung.lr, rung.optimizer) for rung in ladder.RUNGS}
    assert chosen == {
        "feed-forward": (1e-2, "adamw"),
        "RNN": (1e-2, "muon"),
        "LSTM": (1.5e-2, "muon"),
        "Transformer": (1.5e-2, "muon"),
    }
    with pytest.raises(ValueError, match="seconds is 0"):
        ladder.RUNGS[0].lr_for(0)


def test_another_seed_is_another_network_and_other_batches(stop_clock):
    def run(seed):
        firsts: list[torch.Tensor] = []

        def make(vocab_size):
            model = ladder.RUNGS[0].make(vocab_size)

            def note(module, args):
                firsts.append(args[0].clone())
                clock.now += 1.0

            model.register_forward_pre_hook(note)
            return model

        rung = dataclasses.replace(ladder.RUNGS[0], make=make)
        with stop_clock() as clock:
            return ladder.climb(rung, told_apart(), seconds=2.0, seed=seed)[0], firsts[0]

    (one, batch), (again, same), (other, different) = run(1), run(1), run(2)
    assert (one.seed, other.seed) == (1, 2)
    assert one.bits_per_byte == again.bits_per_byte != other.bits_per_byte
    assert torch.equal(batch, same) and not torch.equal(batch, different)


# ------------------------------------------------------------------------------------------------ counting


@pytest.fixture
def counted(monkeypatch):
    """What n-gram models count and what they are asked about."""
    seen: dict[str, list[torch.Tensor]] = {"fit": [], "log_probs": []}
    for name in seen:
        real = getattr(NGram, name)

        def spy(self, ids, *args, name=name, real=real):
            seen[name].append(torch.as_tensor(ids))
            return real(self, ids, *args)

        monkeypatch.setattr(NGram, name, spy)
    return seen


def test_ngrams_are_counted_on_the_training_text_and_scored_on_the_unseen_one(counted):
    corpus = told_apart()
    climb, model = history.count_ngrams(corpus, 3)
    scores = history.ngram_scores(corpus, (1, 3), {"kn": ModifiedKneserNey()})
    assert all(torch.equal(ids, corpus.train) for ids in counted["fit"]) and len(counted["fit"]) == 3
    assert all(torch.equal(ids, corpus.unseen) for ids in counted["log_probs"])
    assert scores["kn"][1] == climb.bits_per_byte
    assert (climb.name, model.order, climb.tokens) == ("3-gram", 3, len(corpus.train))
    assert climb.flops == 3 * len(corpus.train)
    blind = math.log2(V) * (len(corpus.unseen) - 1) / corpus.unseen_bytes
    assert min(scores["kn"]) > blind  # no token of these was ever counted


# ------------------------------------------------------------------------------------------------ the text


@pytest.fixture
def fictional(monkeypatch):
    """Plays whose splits have no letter in common."""

    def plays(split="train"):
        if split not in LETTERS:
            raise ValueError(f"split is {split!r}")
        return [corpora.Document(f"{split} {i}", LETTERS[split][i:] * 200) for i in range(3)]

    monkeypatch.setattr(corpora, "plays", plays)
    ladder.text.cache_clear()
    yield plays
    ladder.text.cache_clear()


@pytest.mark.parametrize("split", ["valid", "test"])
def test_the_tokenizer_and_the_models_learn_from_the_training_plays_alone(fictional, split):
    corpus = ladder.text(vocab_size=300, unseen_chars=70, split=split)
    assert corpus.decode(corpus.train.tolist()) == "\n".join(p.text for p in fictional("train"))
    assert corpus.decode(corpus.unseen.tolist()) == "\n".join(p.text[:70] for p in fictional(split))
    learned = {word for word in corpus.tokenizer.get_vocab() if len(word) > 1}
    assert learned and set("".join(learned)) <= {*LETTERS["train"], "Ċ"}  # the last one writes a new line


def test_scores_are_of_the_test_plays_unless_choices_are_being_made(fictional):
    corpus = ladder.text(vocab_size=300, unseen_chars=50)
    assert set(corpus.decode(corpus.unseen.tolist())) - {"\n"} == set(LETTERS["test"])
    assert ladder.Text.bits_per_byte(corpus, 1.0) > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "tset"}, "split is 'tset'"),
        ({"vocab_size": 255}, "vocab_size is 255"),
        ({"unseen_chars": 0}, "unseen_chars 0"),
    ],
)
def test_a_text_that_cannot_be_is_refused_before_a_tokenizer_is_trained(
    fictional, monkeypatch, options, message
):
    monkeypatch.setattr(ladder, "Tokenizer", None)  # whoever asks for one fails otherwise
    with pytest.raises(ValueError, match=message):
        ladder.text(**options)


def test_a_sample_depends_on_its_seed_and_begins_with_its_prompt():
    corpus = dataclasses.replace(
        told_apart(),
        tokenizer=SimpleNamespace(
            get_vocab_size=lambda: V,
            encode=lambda text: SimpleNamespace(ids=[ord(c) - 60 for c in text]),
            decode=lambda ids: "".join(chr(i + 60) for i in ids),
        ),
    )
    torch.manual_seed(0)
    for model in (ladder.RUNGS[1].make(V).eval(), NGram(2, V).fit(corpus.train)):
        texts = [ladder.sample(model, corpus, "AB", 20, seed=s) for s in (0, 0, 1, 2)]
        assert texts[0] == texts[1] and len(set(texts)) == 3
        assert all(t.startswith("AB") and len(t) == 22 for t in texts)
