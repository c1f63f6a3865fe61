"""Tests of llmbook.core.train.training and what it stands on: optim, checkpoint, distributed."""

import json
import math
import sys
import time
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from llmbook.core.measure.losses import Loss, cross_entropy
from llmbook.core.train.checkpoint import History, read_checkpoint
from llmbook.core.train.data import batches, make_valid_batches
from llmbook.core.train.optim import decay_groups, hidden_matrices, make_optimizers
from llmbook.core.train.training import Recipe, train

IDS = torch.randint(11, (400,), generator=torch.Generator().manual_seed(5))
SMALL = Recipe(lr=0.01, steps=20, batch_size=4, block_size=6, log_every=3, save_every=10)


class Tiny(nn.Module):
    """A next-token model with what a loop can get wrong: dropout, a buffer, tied weights, norm and bias."""

    vocab_size, block_size = 11, 8

    def __init__(self, width=8, tied=True, dropout=0.2):
        super().__init__()
        self.embed, self.mix = nn.Embedding(11, width), nn.Linear(width, width)
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(dropout)
        self.head = nn.Linear(width, 11, bias=False)
        if tied:
            self.head.weight = self.embed.weight
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, ids):
        if self.training:
            self.calls += 1
        return self.head(self.norm(self.dropout(self.mix(self.embed(ids)).relu())))


def tiny(**options):
    torch.manual_seed(0)
    return Tiny(**options)


def same_weights(a, b):
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


class Killed(Exception):
    pass


def kill_at(step):
    """An on_log that ends the run from outside, as a kill would."""

    def on_log(row):
        if row["step"] >= step:
            raise Killed

    return on_log


# ---- learning


def test_a_model_learns_a_text_that_repeats_itself():
    ids = torch.arange(11).repeat(30)
    for optimizer in ("adamw", "muon"):
        recipe = Recipe(lr=0.03, steps=80, batch_size=8, block_size=6, optimizer=optimizer)
        history = train(tiny(dropout=0.0, tied=False), ids, recipe, valid_ids=ids)
        assert history.last["valid_loss"] < 0.3 < math.log(11) / 2 < history.rows[0]["loss"]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    a, b, c = tiny(), tiny(), tiny()
    for model, seed in ((a, 1), (b, 1), (c, 2)):
        train(model, IDS, SMALL, seed=seed)
    assert same_weights(a, b) and not same_weights(a, c)


def test_one_step_is_that_of_torch_written_out():
    model, twin = tiny(dropout=0.0), tiny(dropout=0.0)
    recipe = replace(SMALL, steps=1, schedule="constant", warmup=0.0, grad_clip=0.1)
    train(model, IDS, recipe, seed=3)
    x, y = next(batches(IDS, batch_size=4, block_size=6, generator=torch.Generator().manual_seed(3)))
    F.cross_entropy(twin(x).flatten(0, 1), y.flatten()).backward()
    nn.utils.clip_grad_norm_(twin.parameters(), 0.1)
    matrices, vectors = ([p for p in twin.parameters() if (p.dim() > 1) == big] for big in (True, False))
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.95)).step()
    assert same_weights(model, twin)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("schedule", ["constant", "cosine", "wsd"])
@pytest.mark.parametrize("lr", [0.01, 0.03])
def test_a_run_obeys_its_optimizer_schedule_and_rate(optimizer, schedule, lr):
    recipe = replace(SMALL, steps=4, lr=lr, optimizer=optimizer, schedule=schedule, warmup=0.5, cooldown=0.5)
    model, twin = tiny(dropout=0.0, tied=False), tiny(dropout=0.0, tied=False)
    train(model, IDS, recipe)
    stream = batches(IDS, batch_size=4, block_size=6, generator=torch.Generator().manual_seed(0))
    hidden = [twin.mix.weight] if optimizer == "muon" else []
    rest = [p for p in twin.parameters() if all(p is not h for h in hidden)]
    groups = [{"params": [p for p in rest if p.dim() > 1], "weight_decay": 0.1}]
    groups += [{"params": [p for p in rest if p.dim() == 1], "weight_decay": 0.0}]
    written = [torch.optim.AdamW(groups, betas=(0.9, 0.95))]
    if hidden:
        written += [torch.optim.Muon(hidden, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")]
    last = {"constant": 1.0, "wsd": 0.1, "cosine": 0.1}[schedule]
    middle = {"constant": 1.0, "wsd": 0.55, "cosine": 0.55}[schedule]
    for share, (x, y) in zip((0.5, 1.0, middle, last), stream, strict=False):
        twin.zero_grad()
        F.cross_entropy(twin(x).flatten(0, 1), y.flatten()).backward()
        nn.utils.clip_grad_norm_(twin.parameters(), 1.0)
        for each in written:
            for group in each.param_groups:
                group["lr"] = lr * share
            each.step()
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_gradients_left_by_someone_else_do_not_count():
    clean, dirty = tiny(), tiny()
    dirty(IDS[None, :8]).sum().backward()
    dirty.calls.zero_()
    for model in (clean, dirty):
        train(model, IDS, replace(SMALL, steps=1))
    assert same_weights(clean, dirty)


def test_any_task_trains_with_its_own_batches_and_loss():
    def points(generator):
        x = torch.randn(16, 2, generator=generator)
        return x, (x[:, 0] > x[:, 1]).long(), "a note that is no tensor"

    def classify(model, batch):
        return cross_entropy(model(batch[0]), batch[1])

    torch.manual_seed(0)
    model = nn.Linear(2, 2)
    test = [points(torch.Generator().manual_seed(n)) for n in (100, 101)]
    history = train(model, points, Recipe(lr=0.1, steps=60), loss_fn=classify, valid_ids=test)
    assert history.last["valid_loss"] < 0.3
    assert history.last["tokens"] == 60 * 16 * 2  # counted in entries of a batch's first tensor


def test_frozen_weights_stay_as_they_are():
    model = tiny(tied=False)
    model.embed.weight.requires_grad_(False)
    before = model.embed.weight.clone()
    train(model, IDS, SMALL)
    assert torch.equal(model.embed.weight, before)
    model.requires_grad_(False)
    with pytest.raises(ValueError, match="nothing to train"):
        train(model, IDS, SMALL)


def test_afterwards_the_model_is_in_eval_mode():
    model = tiny()
    train(model, IDS, replace(SMALL, steps=1))
    assert not model.training


def test_bfloat16_is_used_when_asked_and_the_weights_stay_float32():
    seen = set()

    def loss_fn(model, batch):
        logits = model(batch[0])
        seen.add(logits.dtype)
        return cross_entropy(logits.float(), batch[1])

    model = tiny()
    train(model, IDS, replace(SMALL, steps=2, amp=True), loss_fn=loss_fn)
    assert seen == {torch.bfloat16}
    assert {p.dtype for p in model.parameters()} == {torch.float32}


# ---- batches


def test_a_batch_is_contexts_of_the_text_and_the_tokens_that_follow():
    ids = torch.arange(100, 110)
    stream = batches(ids, batch_size=50, block_size=4, generator=torch.Generator().manual_seed(0))
    x, y = next(stream)
    assert x.shape == y.shape == (50, 4)
    assert torch.equal(x[:, 1:], y[:, :-1]) and torch.equal(y, x + 1)
    assert x[:, 0].unique().tolist() == list(range(100, 106))  # each start that leaves room, and no other
    assert not torch.equal(x, next(stream)[0])


def test_a_text_of_one_context_and_its_next_token_is_just_long_enough():
    generator = torch.Generator()
    x, y = next(batches(torch.arange(5), batch_size=2, block_size=4, generator=generator))
    assert x.tolist() == [[0, 1, 2, 3]] * 2 and y.tolist() == [[1, 2, 3, 4]] * 2
    with pytest.raises(ValueError, match="at least 5 are needed"):
        batches(torch.arange(4), batch_size=2, block_size=4, generator=generator)


def test_validation_windows_are_fixed_spread_and_inside_the_text():
    recipe = Recipe(steps=1, batch_size=2, block_size=10, eval_windows=5)
    valid = make_valid_batches(nn.Module(), torch.arange(101), recipe, torch.device("cpu"))
    x, y = (torch.cat(parts) for parts in zip(*valid, strict=True))
    assert x[:, 0].tolist() == [0, 22, 45, 67, 90] and torch.equal(y, x + 1)  # starts 0 to 90, evenly
    few = make_valid_batches(nn.Module(), torch.arange(25), recipe, torch.device("cpu"))
    assert sum(len(x) for x, _ in few) == 2  # only two windows fit without overlap


def test_validation_is_the_mean_over_all_targets_however_they_are_batched():
    x = IDS[:60].view(10, 6)
    y = IDS[1:61].view(10, 6).clone()
    y[:7, 1:] = -100  # 7 rows with one target, 3 with six
    recipe = replace(SMALL, steps=1)
    nothing = torch.full((1, 6), -100)
    whole, split = ([(x, y)], [(x[:1], nothing), (x[:7], y[:7]), (x[7:8], y[7:8]), (x[8:], y[8:])])
    model, twin = tiny(), tiny()
    one, other = train(model, IDS, recipe, valid_ids=whole), train(twin, IDS, recipe, valid_ids=split)
    nats = F.cross_entropy(model(x).flatten(0, 1), y.flatten(), reduction="sum")
    assert one.last["valid_loss"] == pytest.approx(nats.item() / 25)
    assert other.last["valid_loss"] == pytest.approx(one.last["valid_loss"])


def test_a_validation_text_of_unequal_batches_counts_each_token_once():
    recipe = replace(SMALL, steps=1, batch_size=4, eval_windows=5)
    model = tiny()
    history = train(model, IDS, recipe, valid_ids=IDS)
    x, y = (
        torch.cat(p) for p in zip(*make_valid_batches(model, IDS, recipe, torch.device("cpu")), strict=True)
    )
    assert len(x) == 5  # a batch of four rows and one of one
    assert history.last["valid_loss"] == pytest.approx(
        F.cross_entropy(model(x).flatten(0, 1), y.flatten()).item()
    )


# ---- recipe and schedule


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": None}, "exactly one"),
        ({"seconds": 3.0}, "exactly one"),
        ({"steps": 0}, "steps is 0"),
        ({"steps": 1.5}, "steps is 1.5"),
        ({"steps": None, "seconds": -1}, "seconds is -1"),
        ({"lr": 0}, "lr is 0"),
        ({"lr": math.nan}, "lr is nan"),
        ({"lr": "0.1"}, "lr is '0.1'"),
        ({"lr": None}, "lr is None"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": True}, "batch_size is True"),
        ({"block_size": -1}, "block_size is -1"),
        ({"warmup": 10}, "warmup is 10"),
        ({"warmup": 1.0}, "warmup is 1.0; give a share from 0 to below 1"),
        ({"warmup": math.nan}, "warmup is nan"),
        ({"accumulate": 0}, "accumulate is 0"),
        ({"accumulate": True}, "accumulate is True"),
        ({"accumulate": 5}, "batch_size=32 with accumulate=5"),
        ({"steps": "10"}, "steps is '10'"),
        ({"steps": None, "seconds": math.inf}, "seconds is inf"),
        ({"lr": torch.tensor(0.1)}, "lr is tensor"),
        ({"lr": True}, "lr is True"),
        ({"betas": (False, 0.9)}, "betas is"),
        ({"betas": (0.9, math.nan)}, "betas is"),
        ({"betas": ("0.9", "0.95")}, "betas is"),
        ({"betas": {0.9, 0.95}}, "betas is"),
        ({"betas": (0.9,)}, "betas is"),
        ({"amp": 1}, "amp is 1; give True or False"),
        ({"amp": "no"}, "amp is 'no'"),
        ({"schedule": ["cosine"]}, "schedule is"),
        ({"grad_clip": math.inf}, "grad_clip is inf"),
        ({"weight_decay": "0"}, "weight_decay is '0'"),
        ({"final_lr": -0.1}, "final_lr is -0.1"),
        ({"schedule": "linear"}, "constant, cosine, wsd"),
        ({"schedule": "wsd", "warmup": 0.9}, "cooldown=0.2"),
        ({"schedule": "wsd", "cooldown": 0.0}, "cooldown=0.0"),
        ({"optimizer": "sgd"}, "adamw or muon"),
        ({"betas": (0.9, 1.0)}, "betas"),
        ({"betas": 0.9}, "betas"),
        ({"grad_clip": -1}, "grad_clip is -1"),
        ({"weight_decay": -1}, "weight_decay is -1"),
        ({"eval_every": 0}, "eval_every is 0"),
        ({"save_every": None}, "save_every is None"),
    ],
)
def test_a_wrong_recipe_is_refused_with_the_name_of_what_is_wrong(options, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**{"steps": 10, **options})


def test_schedules_worked_by_hand():
    def rates(schedule):
        recipe = Recipe(lr=2.0, steps=10, schedule=schedule, warmup=0.2, cooldown=0.5, final_lr=0.0)
        return [recipe.lr_at(done) for done in (0.1, 0.2, 0.6, 0.75, 1.0)]

    assert rates("constant") == pytest.approx([1, 2, 2, 2, 2])
    assert rates("wsd") == pytest.approx([1, 2, 1.6, 1, 0])
    assert rates("cosine") == pytest.approx([1, 2, 1, 1 + math.cos(math.pi * 0.6875), 0], abs=1e-9)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "wsd"])
@pytest.mark.parametrize("warmup", [0.0, 0.3])
def test_a_schedule_rises_to_lr_then_never_rises_again(schedule, warmup):
    recipe = Recipe(lr=1.0, steps=10, schedule=schedule, warmup=warmup)
    after = [recipe.lr_at(warmup + (1 - warmup) * i / 100) for i in range(101)]
    assert max(after) == after[0] == 1.0
    assert after == sorted(after, reverse=True)
    assert after[-1] == pytest.approx(1.0 if schedule == "constant" else 0.1)
    assert recipe.lr_at(1.5) == after[-1]  # the last step may overrun a budget of seconds


def test_the_rates_of_a_run_are_those_of_its_schedule():
    recipe = replace(SMALL, steps=8, log_every=1, warmup=0.5)
    rates = train(tiny(), IDS, recipe).column("lr")
    assert rates == [recipe.lr_at(step / 8) for step in range(1, 9)]
    assert rates[0] > 0 and rates[-1] == pytest.approx(0.001)


# ---- optimizers


def test_muon_gets_hidden_matrices_and_adamw_everything_else_once():
    model = tiny(tied=False)
    assert [id(p) for p in hidden_matrices(model)] == [id(model.mix.weight)]
    muon, adamw = make_optimizers(model, replace(SMALL, optimizer="muon"))
    given = [id(p) for o in (muon, adamw) for group in o.param_groups for p in group["params"]]
    assert sorted(given) == sorted(id(p) for p in model.parameters())
    assert isinstance(muon, torch.optim.Muon) and isinstance(adamw, torch.optim.AdamW)


def test_weight_decay_is_for_matrices_only():
    matrices, vectors = decay_groups(list(tiny().parameters()), 0.5)
    assert {p.dim() for p in matrices["params"]} == {2} and matrices["weight_decay"] == 0.5
    assert {p.dim() for p in vectors["params"]} == {1} and vectors["weight_decay"] == 0.0


def test_muon_makes_its_step_nearly_orthogonal_and_as_large_as_one_of_adamw():
    torch.manual_seed(0)
    model = nn.Linear(16, 32, bias=False)
    before = model.weight.detach().clone()
    (muon,) = make_optimizers(model, Recipe(lr=0.1, steps=1, optimizer="muon", weight_decay=0.0))
    scales = torch.logspace(-2, 0, 16)
    model.weight.grad = torch.randn(32, 16) * scales  # directions of very different size
    muon.step()
    step = (before - model.weight.detach()) / (0.1 * 0.2 * math.sqrt(32))  # lr, and 0.2 √max(rows, columns)
    strengths = torch.linalg.svdvals(step)
    given = torch.linalg.svdvals(model.weight.grad)
    assert given.max() / given.min() > 20
    assert strengths.min() > 0.5 and strengths.max() < 1.4  # Jordan et al.: 0.7 to 1.2, here in bfloat16
    rms = (before - model.weight.detach()).square().mean().sqrt() / 0.1
    assert 0.1 < rms < 0.3  # AdamW's is about 0.2 to 0.4: Liu et al. (2025)


# ---- history


def test_rows_come_every_so_many_steps_at_evaluations_and_at_the_end():
    recipe = replace(SMALL, steps=14, log_every=5, eval_every=4)
    seen = []
    history = train(tiny(), IDS, recipe, valid_ids=IDS, on_log=seen.append)
    assert history.column("step") == [4, 5, 8, 10, 12, 14]
    assert history.curve("valid_loss")[0] == [4, 8, 12, 14]
    assert history.column("tokens") == [24 * step for step in history.column("step")]
    assert seen == history.rows and history.last["step"] == 14
    assert history.column("seconds") == sorted(history.column("seconds"))
    assert set(history.last) == {"step", "seconds", "tokens", "lr", "grad_norm", "loss", "valid_loss"}


def test_the_loss_of_a_row_is_the_mean_since_the_row_before():
    each = train(tiny(), IDS, replace(SMALL, steps=6, log_every=1)).column("loss")
    by_three = train(tiny(), IDS, replace(SMALL, steps=6, log_every=3)).column("loss")
    assert by_three == pytest.approx([sum(each[:3]) / 3, sum(each[3:]) / 3])


def test_the_gradient_norm_of_a_row_is_that_of_its_step_before_clipping():
    recipe = replace(SMALL, steps=1, grad_clip=0.1)
    model = tiny(dropout=0.0)
    x, y = next(batches(IDS, batch_size=4, block_size=6, generator=torch.Generator().manual_seed(0)))
    F.cross_entropy(model(x).flatten(0, 1), y.flatten()).backward()
    norm = math.sqrt(sum(float(p.grad.square().sum()) for p in model.parameters()))
    for clip in (0.1, 0.0):
        got = train(tiny(dropout=0.0), IDS, replace(recipe, grad_clip=clip)).last["grad_norm"]
        assert got == pytest.approx(norm, rel=1e-5) and got > 0.2


def test_measuring_changes_nothing_in_training():
    plain, measured = tiny(), tiny()
    train(plain, IDS, SMALL)
    train(measured, IDS, replace(SMALL, eval_every=2, log_every=1), valid_ids=IDS)
    assert same_weights(plain, measured)


def test_the_clock_stands_still_during_evaluation_and_runs_during_training():
    slow = {"train": 0.005, "eval": 0.1}

    def loss_fn(model, batch):
        time.sleep(slow["train" if model.training else "eval"])
        return cross_entropy(model(batch[0]), batch[1])

    recipe = replace(SMALL, steps=10, eval_every=1)
    start = time.perf_counter()
    history = train(tiny(), IDS, recipe, valid_ids=[(IDS[None, :6], IDS[None, 1:7])], loss_fn=loss_fn)
    total = time.perf_counter() - start
    assert 10 * slow["train"] <= history.last["seconds"] <= total - 10 * slow["eval"]


def test_a_budget_of_seconds_is_kept_and_the_schedule_follows_it():
    recipe = Recipe(lr=0.01, seconds=0.3, batch_size=4, block_size=6, log_every=1, schedule="wsd", warmup=0.3)
    history = train(tiny(), IDS, recipe)
    seconds, rates = history.column("seconds"), history.column("lr")
    assert seconds[-1] >= 0.3 and all(s < 0.3 for s in seconds[:-1])
    assert rates[0] == 0
    assert rates[1:] == pytest.approx([recipe.lr_at(s / 0.3) for s in seconds[:-1]])


def test_history_survives_json_even_when_training_diverged():
    second = {"step": 2, "loss": 0.5, "valid_loss": 1.0}
    history = History([{"step": 1, "loss": math.nan, "valid_loss": None}, second])
    rows = json.loads(history.to_json(), parse_constant=pytest.fail)
    assert rows == [{"step": 1, "loss": None, "valid_loss": None}, second]
    with pytest.raises(ValueError, match="no rows"):
        _ = History().last


def test_training_writes_nothing_where_a_notebook_would_store_it(capfd):
    train(tiny(), IDS, SMALL, valid_ids=IDS)
    assert capfd.readouterr() == ("", "")


def test_on_a_terminal_the_bar_shows_and_clears_itself(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    train(tiny(), IDS, SMALL, on_log=lambda row: time.sleep(0.12))  # a bar redraws ten times a second
    shown = capsys.readouterr().err
    assert "loss=" in shown and shown.endswith("\r") and "\n" not in shown
    train(tiny(), IDS, SMALL, progress=False)
    assert capsys.readouterr().err == ""


# ---- checkpoints


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("kill", [10, 17])
def test_a_run_killed_and_resumed_ends_bit_for_bit_like_one_that_never_stopped(tmp_path, optimizer, kill):
    recipe = replace(SMALL, optimizer=optimizer, schedule="wsd", betas=(0.8, 0.9), eval_every=7)
    straight, stopped, resumed = tiny(), tiny(), tiny(dropout=0.2)
    expected = train(straight, IDS, recipe, seed=7, valid_ids=IDS)
    path = tmp_path / "run" / "checkpoint.safetensors"
    with pytest.raises(Killed):
        train(stopped, IDS, recipe, seed=7, valid_ids=IDS, checkpoint=path, on_log=kill_at(kill + 1))
    torch.manual_seed(999)  # another process would not have our random state
    with torch.no_grad():
        resumed.embed.weight.add_(1.0)  # nor our weights
    history = train(resumed, IDS, recipe, seed=7, valid_ids=IDS, checkpoint=path, resume=True)
    assert same_weights(straight, resumed)
    assert resumed.calls == 20 and resumed.head.weight is resumed.embed.weight
    for name in ("step", "tokens", "lr", "grad_norm", "loss", "valid_loss"):
        assert history.column(name) == expected.column(name), name


def test_a_resumed_run_goes_on_with_the_time_it_has_used(tmp_path):
    def slow(model, batch):
        time.sleep(0.01)
        return cross_entropy(model(batch[0]), batch[1])

    with pytest.raises(Killed):
        train(tiny(), IDS, SMALL, loss_fn=slow, checkpoint=tmp_path / "c", on_log=kill_at(11))
    resumed = train(tiny(), IDS, SMALL, loss_fn=slow, checkpoint=tmp_path / "c", resume=True)
    assert resumed.last["seconds"] >= 20 * 0.01
    assert resumed.column("seconds") == sorted(resumed.column("seconds"))
    recipe = replace(SMALL, steps=None, seconds=0.5, save_every=2)
    first = train(tiny(), IDS, recipe, loss_fn=slow, checkpoint=tmp_path / "d")
    again = train(tiny(), IDS, recipe, loss_fn=slow, checkpoint=tmp_path / "d", resume=True)
    assert again.last["step"] == first.last["step"]  # the time was over


def test_resuming_a_finished_run_trains_no_further(tmp_path):
    model, again = tiny(), tiny()
    first = train(model, IDS, SMALL, checkpoint=tmp_path / "c")
    second = train(again, IDS, SMALL, checkpoint=tmp_path / "c", resume=True)
    assert same_weights(model, again) and first.rows == second.rows


def test_resume_without_a_file_starts_at_the_beginning_and_without_a_name_is_an_error(tmp_path):
    model, twin = tiny(), tiny()
    train(model, IDS, SMALL)
    train(twin, IDS, SMALL, checkpoint=tmp_path / "c", resume=True)
    assert same_weights(model, twin) and (tmp_path / "c").exists()
    with pytest.raises(ValueError, match="give the file"):
        train(tiny(), IDS, SMALL, resume=True)


def test_a_checkpoint_of_another_model_recipe_or_seed_is_refused(tmp_path):
    path = tmp_path / "c"
    train(tiny(), IDS, SMALL, checkpoint=path)
    with pytest.raises(ValueError, match=r"another model: .*embed.weight is \(11, 8\).*\(11, 4\)"):
        train(tiny(width=4), IDS, SMALL, checkpoint=path, resume=True)
    with pytest.raises(ValueError, match="another model: extra is missing there"):
        bigger = tiny()
        bigger.register_buffer("extra", torch.zeros(1))
        train(bigger, IDS, SMALL, checkpoint=path, resume=True)
    with pytest.raises(ValueError, match=r"another recipe: lr=0.01 there, 0.02 here"):
        train(tiny(), IDS, replace(SMALL, lr=0.02), checkpoint=path, resume=True)
    with pytest.raises(ValueError, match=r"another recipe: seed=0 there, 1 here"):
        train(tiny(), IDS, SMALL, checkpoint=path, resume=True, seed=1)


def test_a_checkpoint_of_other_data_is_refused(tmp_path):
    path = tmp_path / "c"
    train(tiny(), IDS, SMALL, checkpoint=path)
    swapped = IDS.clone()
    swapped[0] = (IDS[0] + 1) % 11
    for other in (swapped, IDS[:-1], lambda generator: (IDS[None, :6], IDS[None, 1:7])):
        with pytest.raises(
            ValueError, match=r"is of other data: .*'n_tokens': 400.* there, .* here; resume with the"
        ):
            train(tiny(), other, SMALL, checkpoint=path, resume=True)
    train(tiny(), IDS.to(torch.uint8), SMALL, checkpoint=path, resume=True)  # the same ids


@pytest.mark.parametrize("name", [".", "file/c", "/proc/nowhere/c"])
def test_a_checkpoint_that_cannot_be_written_is_refused_before_the_first_step(tmp_path, name):
    (tmp_path / "file").write_text("no folder")
    model, twin = tiny(), tiny()
    with pytest.raises(ValueError, match=r"cannot write the checkpoint .*; give a file in a folder"):
        train(model, IDS, SMALL, checkpoint=tmp_path / name)
    assert same_weights(model, twin) and [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_leaves_the_old_checkpoint_whole(tmp_path, monkeypatch):
    path, saves = tmp_path / "c", []

    def save(tensors, filename, metadata):
        saves.append(1)
        if len(saves) == 2:
            filename.write_bytes(b"half a file")
            raise OSError(28, "No space left on device")
        save_file(tensors, filename, metadata=metadata)

    monkeypatch.setattr("llmbook.core.train.checkpoint.save_file", save)
    with pytest.raises(OSError, match="No space left"):
        train(tiny(), IDS, SMALL, checkpoint=path)
    assert read_checkpoint(path)[1]["step"] == 10 and [p.name for p in tmp_path.iterdir()] == ["c"]


# ---- divergence


def poisoned(at, what):
    """A loss that goes bad at one step: its value, or only its gradient."""
    calls = []

    def loss_fn(model, batch):
        calls.append(1)
        total, weight = cross_entropy(model(batch[0]), batch[1])
        if len(calls) != at:
            return Loss(total, weight)
        if what == "loss":
            return Loss(total * math.nan, weight)
        zero = (model.mix.weight - model.mix.weight.detach()).sum()
        return Loss(total + zero.abs().sqrt(), weight)  # the slope of a root at 0 is infinite

    return loss_fn


@pytest.mark.parametrize(("what", "named"), [("loss", "loss is nan"), ("gradient", "grad_norm is (nan|inf)")])
def test_divergence_ends_the_run_at_its_step_and_spares_weights_and_checkpoint(tmp_path, what, named):
    path, model = tmp_path / "c", tiny()
    recipe = replace(SMALL, save_every=1, schedule="constant", warmup=0.0)
    with pytest.raises(FloatingPointError, match=f"diverged at step 8 with lr 0.01: {named}.*Lower lr"):
        train(model, IDS, recipe, loss_fn=poisoned(8, what), checkpoint=path)
    tensors, facts = read_checkpoint(path)
    assert facts["step"] == 7 and all(t.isfinite().all() for t in tensors.values())
    assert torch.equal(model.mix.weight, tensors["model.mix.weight"])


def test_weights_that_overflow_are_noticed_at_the_step_that_made_them(tmp_path):
    recipe = replace(SMALL, lr=1e30, weight_decay=1e30, schedule="constant", warmup=0.0)
    with pytest.raises(FloatingPointError, match=r"at step 1 with lr 1e\+30: weights is (nan|inf)"):
        train(tiny(), IDS, replace(recipe, save_every=1), checkpoint=tmp_path / "c")
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.99])
def test_a_truncated_checkpoint_is_refused_and_not_overwritten(tmp_path, share):
    path = tmp_path / "c"
    train(tiny(), IDS, SMALL, checkpoint=path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match="cannot read the checkpoint"):
        train(tiny(), IDS, SMALL, checkpoint=path, resume=True)
    assert path.stat().st_size == int(share * len(whole))


@pytest.mark.parametrize("share", [0.4, 0.7, 0.999])
def test_one_flipped_bit_in_a_checkpoint_is_noticed(tmp_path, share):
    path = tmp_path / "c"
    train(tiny(), IDS, SMALL, checkpoint=path)
    data = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")  # tensors lie behind the header
    data[start + int(share * (len(data) - start))] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"cannot read the checkpoint .* do not match its SHA-256"):
        train(tiny(), IDS, SMALL, checkpoint=path, resume=True)


def test_a_file_of_another_program_is_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "c")
    with pytest.raises(ValueError, match="its format is None"):
        train(tiny(), IDS, SMALL, checkpoint=tmp_path / "c", resume=True)


def test_a_kill_while_saving_leaves_the_old_checkpoint_whole(tmp_path, monkeypatch):
    path, calls = tmp_path / "c", []

    def half(tensors, filename, metadata):
        from safetensors.torch import save_file

        calls.append(1)
        if len(calls) == 2:
            filename.write_bytes(b"half a file")
            raise Killed
        save_file(tensors, filename, metadata=metadata)

    monkeypatch.setattr("llmbook.core.train.checkpoint.save_file", half)
    with pytest.raises(Killed):
        train(tiny(), IDS, SMALL, checkpoint=path)
    monkeypatch.undo()
    straight, resumed = tiny(), tiny()
    train(straight, IDS, SMALL)
    assert train(resumed, IDS, SMALL, checkpoint=path, resume=True).last["step"] == 20
    assert same_weights(straight, resumed)
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


# ---- bad input


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (IDS[:6], {}, "data holds 6 tokens"),
        (IDS[:0], {}, "data holds 0 tokens"),
        (IDS.float(), {}, r"token ids, integers of shape \(N,\)"),
        (IDS[None], {}, r"got torch.int64 \(1, "),
        ("a text", {}, "data must be token ids.*got str"),
        (IDS + 1, {}, "data holds id 11, but vocab_size is 11"),
        (IDS, {"valid_ids": IDS[:3]}, "valid_ids holds 3 tokens"),
        (IDS, {"valid_ids": IDS + 1}, "valid_ids holds id 11, but vocab_size is 11"),
        (IDS - 1, {}, "data holds id -1, but vocab_size is 11"),
        (
            IDS,
            {"valid_ids": [(IDS[None, :6], torch.full((1, 6), -100))]},
            "no target of the validation batches",
        ),
        (IDS, {"valid_ids": "a text"}, "valid_ids must be token ids.*got str"),
        (IDS, {"device": "abacus"}, "device is 'abacus'"),
    ],
)
def test_bad_data_is_named_before_the_first_step(data, options, message):
    model, twin = tiny(), tiny()
    with pytest.raises(ValueError, match=message):
        train(model, data, SMALL, **options)
    assert same_weights(model, twin)


def test_a_context_longer_than_the_models_is_refused():
    with pytest.raises(ValueError, match="block_size is 9, but the model sees at most 8"):
        train(tiny(), IDS, replace(SMALL, block_size=9))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_a_run_learns_and_resumes_bit_for_bit(tmp_path):
    straight, stopped, resumed = tiny(), tiny(), tiny()
    train(straight, IDS, SMALL, device="cuda")
    with pytest.raises(Killed):
        train(stopped, IDS, SMALL, device="cuda", checkpoint=tmp_path / "c", on_log=kill_at(12))
    train(resumed, IDS, SMALL, device="cuda", checkpoint=tmp_path / "c", resume=True)
    assert same_weights(straight, resumed) and straight.embed.weight.is_cuda
