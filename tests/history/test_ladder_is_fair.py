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
from llmbook.history import ladder, longer, operations, plays, rungs, scoring
from llmbook.history.ngram import AddK, ModifiedKneserNey, NGram

V, HALF = 61, 30
LETTERS = {"train": "abcdefgh", "valid": "ijklmnop", "test": "qrstuvwx"}


def told_apart() -> plays.Text:
    """Ids below HALF to learn from, and none of them among those that are scored: every leak can be seen."""
    g = torch.Generator().manual_seed(0)
    train, unseen = torch.randint(HALF, (3000,), generator=g), torch.randint(HALF, V, (41,), generator=g)
    return plays.Text(SimpleNamespace(get_vocab_size=lambda: V), train, unseen, 100)


PAID = 6e10  # operations: some twenty steps


def watched(rung: rungs.Rung, read: list) -> rungs.Rung:
    """The rung, whose networks note all that they read: (is it training, ids)."""

    def make(vocab_size: int) -> nn.Module:
        model = rung.make(vocab_size)
        model.register_forward_pre_hook(lambda m, args: read.append((m.training, args[0].detach().clone())))
        return model

    return dataclasses.replace(rung, make=make)


@pytest.fixture(scope="module", params=rungs.RUNGS[::2], ids=lambda r: r.name)
def climbed(request, watch_updates):
    """A short run, with all that its network read and all that its optimizers did."""
    read: list[tuple[bool, torch.Tensor]] = []
    with watch_updates() as updates:
        climb, model = ladder.climb(watched(request.param, read), told_apart(), PAID)
    return SimpleNamespace(rung=request.param, climb=climb, model=model, read=read, updates=updates)


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


def test_a_climb_takes_the_operations_it_was_given_and_counts_what_it_took(climbed):
    c, trained = climbed.climb, [ids for training, ids in climbed.read if training]
    assert {tuple(ids.shape) for ids in trained} == {(ladder.BATCH, scoring.BLOCK)}
    assert c.tokens == sum(ids.numel() for ids in trained)
    step = 2 * operations.training_step(climbed.model, c.optimizer, ladder.BATCH, scoring.BLOCK)
    assert c.flops == len(trained) * step and c.flops <= c.budget == PAID < c.flops + step
    assert c.parameters == sum(p.numel() for p in climbed.model.parameters())
    assert 0 < c.seconds < 60
    assert (c.size, c.optimizer, c.lr) == (climbed.rung.size, climbed.rung.optimizer, climbed.rung.lr)
    assert (c.name, c.seed, c.split) == (climbed.rung.name, 0, "test")


@pytest.mark.parametrize("optimizer", rungs.OPTIMIZERS)
@pytest.mark.parametrize("rung", rungs.RUNGS[::2], ids=lambda r: r.name)
def test_each_rung_is_trained_by_the_optimizer_it_says_without_weight_decay(rung, optimizer, updates):
    model = ladder.climb(dataclasses.replace(rung, optimizer=optimizer), told_apart(), PAID)[1]
    embeddings = {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    outputs = {id(m.weight) for m in model.modules() if isinstance(m, nn.Linear) and m.out_features == V}
    hidden = {id(p) for p in model.parameters() if p.dim() == 2} - embeddings - outputs
    everything = {id(p) for p in model.parameters()}
    assert outputs and embeddings and hidden
    assert updates.weight_decay() == {0.0}
    if optimizer == "adamw":
        assert updates.optimizers() == {"AdamW"} and updates.parameters("AdamW") == everything
    else:
        assert updates.optimizers() == {"AdamW", "Muon"} and updates.parameters("Muon") == hidden
        assert updates.parameters("AdamW") == everything - hidden


def test_each_rungs_rate_warms_up_stays_and_falls_over_the_second_half(climbed):
    peak, steps = climbed.rung.lr, climbed.climb.tokens // (ladder.BATCH * scoring.BLOCK)
    for optimizer in climbed.updates.optimizers():
        rates = climbed.updates.lr(optimizer)
        assert len(rates) == steps >= 10
        for step, lr in enumerate(rates[1:], 1):
            assert lr == pytest.approx(
                peak * min(1.0, 0.02 + 0.98 * (1 - (step + 1) / steps) / 0.5), rel=1e-6
            )


def test_another_seed_is_another_network_and_other_batches_and_all_rungs_of_a_seed_read_the_same():
    def run(rung, seed):
        read: list[tuple[bool, torch.Tensor]] = []
        starts: list[torch.Tensor] = []

        def make(vocab_size):
            model = watched(rung, read).make(vocab_size)
            starts.append(next(model.parameters()).detach().clone())
            return model

        climb = ladder.climb(dataclasses.replace(rung, make=make), told_apart(), PAID, seed)[0]
        return climb, starts[0], [ids for training, ids in read if training]

    rnn, lstm = (next(r for r in rungs.RUNGS if r.name == name) for name in ("RNN", "LSTM"))
    one, again, other = run(rnn, 1), run(rnn, 1), run(rnn, 2)
    assert (one[0].seed, other[0].seed) == (1, 2)
    assert one[0].bits_per_byte == again[0].bits_per_byte != other[0].bits_per_byte
    assert torch.equal(one[1], again[1]) and not torch.equal(one[1], other[1])
    assert all(map(torch.equal, one[2], again[2])) and not torch.equal(one[2][0], other[2][0])
    pair = run(lstm, 1)[2]
    assert len(pair) > 5 and all(map(torch.equal, one[2][: len(pair)], pair))


def test_the_load_of_the_machine_changes_no_step(stop_clock):
    with stop_clock():  # time stands still
        still = ladder.climb(rungs.RUNGS[0], told_apart(), PAID)[0]
    usual = ladder.climb(rungs.RUNGS[0], told_apart(), PAID)[0]
    assert (still.bits_per_byte, still.tokens, still.flops) == (
        usual.bits_per_byte,
        usual.tokens,
        usual.flops,
    )


@pytest.mark.parametrize(("asked", "faster"), [(True, False), (False, True), (None, True), (None, False)])
def test_a_climb_computes_in_bfloat16_when_it_is_told_to_or_where_that_is_faster(monkeypatch, asked, faster):
    recipes = []
    real = ladder.training.train

    def train(model, ids, recipe, **how):
        recipes.append(recipe)
        return real(model, ids, dataclasses.replace(recipe, amp=False), **how)

    monkeypatch.setattr(ladder, "bfloat16_is_faster", lambda device: faster)
    monkeypatch.setattr(ladder.training, "train", train)
    ladder.climb(rungs.RUNGS[0], told_apart(), PAID, amp=asked)
    assert [r.amp for r in recipes] == [faster if asked is None else asked]


@pytest.mark.parametrize("flops", [0, -1.0, 1e8, math.nan])
def test_a_budget_for_fewer_than_ten_steps_is_refused(flops):
    with pytest.raises(ValueError, match="ten steps of this RNN take"):
        ladder.climb(rungs.RUNGS[2], told_apart(), flops)


# ------------------------------------------------------------------------------------------------ tuning


@pytest.fixture
def measured(monkeypatch):
    """A whole measurement on pretended runs, whose score depends on rung, budget, seed and text as we like."""
    runs = []
    quality = {"256 units": 0.0, "384 units": 0.1, "512 units": 0.1, "2 layers": 0.1, "4 layers": 0.0}

    def climb(rung, corpus, flops, seed=0, device="cpu", amp=None):
        ideal = 1e-2 if flops == 1e9 else 5e-3  # longer runs want smaller rates
        loss = 2 + quality[rung.size] + 0.1 * (rung.optimizer == "adamw") + abs(math.log(rung.lr / ideal))
        loss = 9 - loss if corpus.split == "test" else loss  # what looks best on the test plays is worst
        runs.append((rung, corpus.split, flops, seed, amp))
        return ladder.Climb(rung.name, seed, loss, 1, 1.0, flops, 1, flops, rung.size, rung.optimizer, rung.lr,
                            corpus.split), None  # fmt: skip

    def text(split="test", **options):
        return SimpleNamespace(split=split)

    monkeypatch.setattr(ladder, "climb", climb)
    monkeypatch.setattr(ladder, "text", text)
    monkeypatch.setattr(
        ladder, "count_ngrams", lambda corpus, order: (f"{order}-gram on {corpus.split}", None)
    )
    rows = list(ladder.measure([1e9, 4e9, 16e9], 3, True))
    return SimpleNamespace(rows=rows[3:], counted=rows[:3], runs=runs)


def test_every_network_is_tuned_by_the_same_grid_on_the_validation_plays(measured):
    trials = [c for c in measured.rows if c.split == "valid"]
    first = [c for c in trials if c.budget == 1e9]
    tried = {n: sorted((c.optimizer, c.lr) for c in first if c.name == n) for n in rungs.NAMES}
    grid = sorted((o, lr) for o in rungs.OPTIMIZERS for lr in rungs.RATES for _ in range(2))
    assert len(rungs.NAMES) == 4 and all(pairs == grid for pairs in tried.values())
    for name in rungs.NAMES:
        assert len({c.size for c in first if c.name == name}) == 2
        again = [c for c in trials if c.budget == 4e9 and c.name == name]
        assert len({(c.size, c.optimizer) for c in again}) == 1
        assert sorted(c.lr for c in again) == pytest.approx([5e-3, 1e-2])
    assert {c.budget for c in trials} == {1e9, 4e9} and {c.seed for c in trials} == {0}


def test_the_winners_on_the_validation_plays_run_every_budget_with_every_seed_and_are_scored_on_the_test_plays(
    measured,
):
    best = {"feed-forward": "256 units", "RNN": "256 units", "LSTM": "256 units", "Transformer": "4 layers"}
    rate = {1e9: 1e-2, 4e9: 5e-3, 16e9: 2.5e-3}
    final = [c for c in measured.rows if c.split == "test"]
    assert len(final) == 4 * 3 * 3
    for name, size in best.items():
        for budget, lr in rate.items():
            mine = [c for c in final if (c.name, c.budget) == (name, budget)]
            assert sorted(c.seed for c in mine) == [0, 1, 2]
            assert {(c.size, c.optimizer) for c in mine} == {(size, "muon")}
            assert all(c.lr == pytest.approx(lr) for c in mine)
    assert measured.counted == [f"{n}-gram on test" for n in (2, 3, 5)]
    assert {amp for *_, amp in measured.runs} == {True}
    chosen = history.chosen(measured.rows)
    assert {n: (r.size, r.optimizer) for n, r in chosen.items()} == {n: (s, "muon") for n, s in best.items()}
    for budget, lr in rate.items():
        assert all(r.lr == pytest.approx(lr) for r in history.chosen(measured.rows, budget).values())


def test_the_longer_run_takes_what_the_ladder_chose_at_a_rate_for_its_budget_with_every_seed(
    measured, monkeypatch
):
    monkeypatch.setattr(longer, "load", lambda record, kind: (measured.rows, {}))
    monkeypatch.setattr(longer, "text", ladder.text)
    measured.runs.clear()
    rows = list(longer.measure(64e9, 3, False, "cpu"))
    assert [(c.name, c.seed) for c in rows] == [(n, s) for s in range(3) for n in rungs.NAMES]
    assert {(c.budget, c.split, c.optimizer) for c in rows} == {(64e9, "test", "muon")}
    assert all(c.lr == pytest.approx(1.25e-3) for c in rows)  # 5e-3 at a sixteenth of the budget
    assert {amp for *_, amp in measured.runs} == {False}


def test_a_measurement_runs_in_one_thread_and_gives_the_others_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyError), ladder.one_thread():
            assert torch.get_num_threads() == 1
            raise KeyError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


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
    rows = torch.cat(counted["log_probs"])
    assert len(rows) == 3 and all(torch.equal(row, corpus.unseen) for row in rows)  # one window is enough
    assert scores["kn"][1] == climb.bits_per_byte
    assert (climb.name, model.order, climb.tokens) == ("3-gram", 3, len(corpus.train))
    assert climb.flops == 3 * len(corpus.train)
    blind = math.log2(V) * (len(corpus.unseen) - 1) / corpus.unseen_bytes
    assert min(scores["kn"]) > blind  # no token of these was ever counted


# ------------------------------------------------------------------------------------------------ the text


@pytest.fixture
def fictional(monkeypatch):
    """Plays whose splits have no letter in common."""

    def pretended(split="train"):
        if split not in LETTERS:
            raise ValueError(f"split is {split!r}")
        return [corpora.Document(f"{split} {i}", LETTERS[split][i:] * 200) for i in range(3)]

    monkeypatch.setattr(corpora, "plays", pretended)
    plays.text.cache_clear()
    yield pretended
    plays.text.cache_clear()


@pytest.mark.parametrize("split", ["valid", "test"])
def test_the_tokenizer_and_the_models_learn_from_the_training_plays_alone(fictional, split):
    corpus = plays.text(vocab_size=300, unseen_chars=70, split=split)
    assert corpus.decode(corpus.train.tolist()) == "\n".join(p.text for p in fictional("train"))
    assert corpus.decode(corpus.unseen.tolist()) == "\n".join(p.text[:70] for p in fictional(split))
    learned = {word for word in corpus.tokenizer.get_vocab() if len(word) > 1}
    assert learned and set("".join(learned)) <= {*LETTERS["train"], "Ċ"}  # the last one writes a new line


def test_a_letter_of_two_bytes_counts_as_two(monkeypatch):
    monkeypatch.setattr(corpora, "plays", lambda split="train": [corpora.Document(split, "naïve café " * 30)])
    plays.text.cache_clear()
    corpus = plays.text(vocab_size=300, unseen_chars=60)
    plays.text.cache_clear()
    spelled, first = corpus.decode(corpus.unseen.tolist()), corpus.decode(corpus.unseen[:1].tolist())
    assert corpus.unseen_bytes == len(spelled.encode()) - len(first.encode()) > len(spelled)


def test_scores_are_of_the_test_plays_unless_choices_are_being_made(fictional):
    corpus = plays.text(vocab_size=300, unseen_chars=50)
    assert set(corpus.decode(corpus.unseen.tolist())) - {"\n"} == set(LETTERS["test"])
    assert plays.Text.bits_per_byte(corpus, 1.0) > 0


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
    monkeypatch.setattr(plays, "Tokenizer", None)  # whoever asks for one fails otherwise
    with pytest.raises(ValueError, match=message):
        plays.text(**options)


@pytest.mark.parametrize("kind", ["network", "counts"])
def test_every_model_of_the_ladder_is_drawn_from_with_the_probabilities_that_it_gives(kind):
    class Constant(nn.Module):
        vocab_size, block_size = 4, 64

        def __init__(self):
            super().__init__()
            self.logits = nn.Parameter(torch.tensor([0.6, 0.25, 0.1, 0.05]).log())

        def forward(self, ids):
            return self.logits.expand(*ids.shape, 4)

    tokenizer = SimpleNamespace(
        encode=lambda text: SimpleNamespace(ids=[0]), decode=lambda ids: "".join(map(str, ids))
    )
    corpus = dataclasses.replace(told_apart(), tokenizer=tokenizer)
    model = Constant() if kind == "network" else NGram(1, 4, AddK(0)).fit([0] * 12 + [1] * 5 + [2, 2, 3])
    text = ladder.sample(model, corpus, "0", 2000)[1:]
    shares = [text.count(c) / len(text) for c in "0123"]
    assert len(text) == 2000 and shares == pytest.approx([0.6, 0.25, 0.1, 0.05], abs=0.04)


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
    for model in (rungs.RUNGS[2].make(V).eval(), NGram(2, V).fit(corpus.train)):
        texts = [ladder.sample(model, corpus, "AB", 20, seed=s) for s in (0, 0, 1, 2)]
        assert texts[0] == texts[1] and len(set(texts)) == 3
        assert all(t.startswith("AB") and len(t) == 22 for t in texts)
