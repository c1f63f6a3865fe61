"""Tests of llmbook.core.train.distributed: two processes, DDP or FSDP2, give what one process gives."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from llmbook.core.measure.losses import Loss, cross_entropy
from llmbook.core.train import distributed
from llmbook.core.train.checkpoint import read_checkpoint
from llmbook.core.train.data import endless
from llmbook.core.train.optim import Recipe
from llmbook.core.train.training import train

IDS = torch.randint(11, (400,), generator=torch.Generator().manual_seed(5))
RECIPE = Recipe(lr=0.01, steps=12, batch_size=4, block_size=6, log_every=4, eval_every=4, save_every=5)
STRATEGIES = ("ddp", "fsdp")
HALVES = [f"{parallel}-{accumulate}" for parallel in STRATEGIES for accumulate in (1, 2)]
SCRIPT = "import sys; sys.path.insert(0, sys.argv[1]); import test_distributed as t; t.in_two_processes(sys.argv[2])"


class Deep(nn.Module):
    """Blocks to shard, tied weights, a frozen and an unused parameter, and a method beside `forward`."""

    vocab_size, block_size = 11, 8

    def __init__(self, rare=False):
        super().__init__()
        self.embed, self.norm = nn.Embedding(11, 8), nn.LayerNorm(8)
        self.blocks = nn.ModuleList(
            [nn.Sequential(nn.Linear(8, 9), nn.Tanh(), nn.Linear(9, 8)) for _ in "ab"]
        )
        self.head = nn.Linear(8, 11, bias=False)
        self.head.weight = self.embed.weight
        self.unused = nn.Parameter(torch.ones(3, 3))
        self.frozen = nn.Parameter(torch.ones(8), requires_grad=False)
        self.rare = nn.Parameter(torch.ones(8)) if rare else None
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def hidden(self, ids):
        if self.training:
            self.calls += 1
        x = self.embed(ids) * self.frozen
        for block in self.blocks:
            x = x + block(x)
        special = (
            ids[:, :1, None] == 0
        )  # (B, 1, 1): as tokens of an expert, which another process may have none of
        if self.rare is not None and special.any():
            x = torch.where(special, x * self.rare, x)
        return self.norm(x)

    def forward(self, ids):
        return self.head(self.hidden(ids))


def deep(seed=0, **options):
    """In float64, where a difference is a mistake; AdamW would amplify the rounding of float32."""
    torch.manual_seed(seed)
    return Deep(**options).double()


def masked(generator):
    """Rows in which 0, 1, 2 or 3, and 5 or 6 targets count: no two halves of a batch weigh the same, nor two steps."""
    x, y = torch.randint(1, 11, (2, 4, 6), generator=generator)
    x[3, 0] = 0
    n = torch.tensor([0, 1, 2, 5]) + torch.tensor([0, 0, 1, 1]) * torch.randint(2, (4,), generator=generator)
    return x, y.masked_fill(torch.arange(6) >= n[:, None], -100)


def dying(after):
    """`masked`, and in every process the end after so many batches."""
    left = iter(range(after))

    def draw(generator):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return masked(generator)

    return draw


def by_hidden(model, batch):
    """A loss that goes past `forward`."""
    return cross_entropy(model.head(model.hidden(batch[0])), batch[1])


VALID = [masked(torch.Generator().manual_seed(1)), tuple(part[2:3] for part in masked(torch.Generator()))]


def run(path, data=masked, accumulate=1, start=0, rare=False, **options):
    model = deep(start, rare=rare)
    recipe = replace(RECIPE, accumulate=accumulate)
    options = {"valid_ids": VALID, "loss_fn": by_hidden} | options
    history = train(model, data, recipe, seed=2, checkpoint=path, progress=False, **options)
    return model, history


def killed(path, **options):
    with pytest.raises(KeyboardInterrupt):
        run(path, dying(8), **options)


def gradient_before_averaging(parallel):
    """What one silent backward pass leaves in this process: its own gradient, or nothing where it is sharded."""
    objective, trained = distributed.parallelize(deep(), by_hidden, parallel)
    batch = next(endless(masked, torch.Generator().manual_seed(0), "cpu"))
    with distributed.averaging_gradients(objective, False):
        objective(batch).total.backward()
    gradient = trained.norm.weight.grad
    return None if gradient is None else gradient.tolist()


def in_two_processes(folder):
    torch.set_num_threads(1)
    start = int(os.environ["RANK"])  # different weights: those of the first process have to win
    spoken = []
    for parallel in STRATEGIES:
        for accumulate in (1, 2):
            model, _ = run(f"{folder}/{parallel}-{accumulate}", masked, accumulate, start, parallel=parallel)
            weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
            save_file(weights, f"{folder}/{parallel}-{accumulate}.{start}")
        text = {"valid_ids": IDS, "loss_fn": None, "on_log": spoken.append}
        run(f"{folder}/{parallel}-text", IDS, start=start, parallel=parallel, **text)
        killed(f"{folder}/{parallel}-killed", start=start, parallel=parallel)
        if start == 0:
            shutil.copy(f"{folder}/{parallel}-killed", f"{folder}/{parallel}-resumed")
        distributed.wait_for_all()
        for name in (f"{parallel}-resumed", f"one-then-{parallel}"):
            run(f"{folder}/{name}", start=start + 5, parallel=parallel, resume=True)
    run(f"{folder}/rare", start=start, rare=True)
    silent = {parallel: gradient_before_averaging(parallel) for parallel in STRATEGIES}
    with open(f"{folder}/said.{start}.json", "w") as file:
        json.dump([spoken, silent], file)
    train(deep(), IDS, replace(RECIPE, batch_size=3), progress=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Everything that two processes do, in one launch; and what one process does, beside it."""
    folder = tmp_path_factory.mktemp("runs")
    killed(folder / "one-then-ddp")
    shutil.copy(folder / "one-then-ddp", folder / "one-then-fsdp")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1", "--nproc-per-node=2"]
    (folder / "script.py").write_text(SCRIPT)
    arguments = [str(folder / "script.py"), os.path.dirname(__file__), str(folder)]
    ran = subprocess.run([sys.executable, *launcher, *arguments], capture_output=True, text=True, timeout=240)
    assert ran.returncode != 0 and "a batch of 3 rows cannot be shared evenly by 2 processes" in ran.stderr, (
        ran.stderr
    )
    run(folder / "one")
    run(folder / "one-text", IDS, valid_ids=IDS, loss_fn=None)
    run(folder / "one-rare", rare=True)
    return folder


def check_same_run(one, two):
    """Every weight, every optimizer state, every row but its seconds; and the same position in the data."""
    a, b = load_file(one), load_file(two)
    assert a.keys() == b.keys() and torch.equal(a["rng.data"], b["rng.data"])
    for name in (name for name in a if name.startswith(("model.", "optim."))):
        if name != "model.calls":  # counts micro-batches
            torch.testing.assert_close(a[name], b[name], rtol=0, atol=1e-10, msg=name)
    for mine, other in zip(*(read_checkpoint(path)[1]["rows"] for path in (one, two)), strict=True):
        assert {k: v for k, v in mine.items() if k != "seconds"} == pytest.approx(
            {k: v for k, v in other.items() if k != "seconds"}, rel=1e-9
        )


@pytest.mark.parametrize("name", HALVES)
def test_two_processes_equal_one_though_their_targets_weigh_differently(folder, name):
    check_same_run(folder / "one", folder / name)


@pytest.mark.parametrize("name", HALVES)
def test_afterwards_each_process_has_the_whole_model(folder, name):
    saved = load_file(folder / name)
    for process in (0, 1):
        weights = load_file(folder / f"{name}.{process}")
        for key, weight in weights.items():
            assert torch.equal(weight, saved[f"model.{key}"]), key


@pytest.mark.parametrize("parallel", STRATEGIES)
def test_two_processes_equal_one_on_a_text(folder, parallel):
    check_same_run(folder / "one-text", folder / f"{parallel}-text")


@pytest.mark.parametrize("name", HALVES)
def test_a_parameter_that_no_process_uses_stays_as_it_is(folder, name):
    assert (load_file(folder / name)["model.unused"] == 1).all()  # not even weight decay has touched it


def test_a_parameter_that_one_process_uses_gets_its_gradient(folder):
    check_same_run(folder / "one-rare", folder / "rare")
    assert (load_file(folder / "rare")["model.rare"] != 1).all()


@pytest.mark.parametrize("parallel", STRATEGIES)
def test_two_processes_killed_and_resumed_end_bit_for_bit_like_two_that_never_stopped(folder, parallel):
    straight, resumed = load_file(folder / f"{parallel}-1"), load_file(folder / f"{parallel}-resumed")
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)


@pytest.mark.parametrize("parallel", STRATEGIES)
def test_a_run_may_go_on_in_another_number_of_processes(folder, tmp_path, parallel):
    check_same_run(folder / "one", folder / f"one-then-{parallel}")
    shutil.copy(folder / f"{parallel}-killed", tmp_path / "two-then-one")
    assert read_checkpoint(tmp_path / "two-then-one")[1]["step"] == 5
    run(tmp_path / "two-then-one", start=5, resume=True)
    check_same_run(folder / "one", tmp_path / "two-then-one")


def said(folder, what):
    return [json.loads((folder / f"said.{process}.json").read_text())[what] for process in (0, 1)]


def test_only_the_first_process_speaks(folder):
    first, second = said(folder, 0)
    assert [row["step"] for row in first] == [4, 8, 12] * 2 and second == []


def test_processes_say_nothing_to_each_other_before_the_last_micro_batch(folder):
    first, second = said(folder, 1)
    assert first["ddp"] != second["ddp"] and first["fsdp"] is second["fsdp"] is None


# ---- one process


@pytest.mark.parametrize("data", ["masked", "text"])
def test_accumulated_micro_batches_give_the_step_of_the_whole_batch(tmp_path, data):
    options = {"data": masked} if data == "masked" else {"data": IDS, "valid_ids": IDS, "loss_fn": None}
    for accumulate in (1, 2, 4):
        run(tmp_path / str(accumulate), accumulate=accumulate, **options)
    for one, other in pairwise((tmp_path / "1", tmp_path / "2", tmp_path / "4")):
        check_same_run(one, other)
    assert load_file(tmp_path / "1")["model.calls"] == 12 and load_file(tmp_path / "4")["model.calls"] == 48


@pytest.mark.parametrize("parallel", STRATEGIES)
def test_with_one_process_the_strategy_changes_nothing(tmp_path, parallel):
    run(tmp_path / "plain")
    run(tmp_path / "named", parallel=parallel)
    a, b = load_file(tmp_path / "plain"), load_file(tmp_path / "named")
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_strategy_that_is_unknown_or_splits_muons_matrices_is_refused(tmp_path):
    with pytest.raises(ValueError, match="parallel is 'zero'; give one of ddp, fsdp"):
        run(tmp_path / "c", parallel="zero")
    with pytest.raises(ValueError, match="Muon needs whole matrices"):
        train(deep(), IDS, replace(RECIPE, optimizer="muon"), parallel="fsdp")


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_last_micro_batch_is_the_one_that_averages(monkeypatch, accumulate):
    wanted = []

    def noted(objective, now):
        wanted.append(now)
        return nullcontext()

    monkeypatch.setattr("llmbook.core.train.training.averaging_gradients", noted)
    train(deep(), IDS, replace(RECIPE, steps=1, accumulate=accumulate))
    assert wanted == [False] * (accumulate - 1) + [True]


@pytest.mark.parametrize("accumulate", [1, 2, 4])
def test_the_gradient_is_that_of_the_mean_over_targets_that_count(accumulate):
    model = deep()
    x, y = masked(torch.Generator().manual_seed(2))
    nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten()).backward()
    by_hand = torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm()
    for clip in (0.0, 0.1):  # AdamW would hide a factor; the norm does not
        recipe = replace(RECIPE, steps=1, accumulate=accumulate, grad_clip=clip)
        assert train(deep(), masked, recipe, seed=2).last["grad_norm"] == pytest.approx(by_hand.item())


def test_a_batch_that_micro_batches_cannot_share_is_refused():
    with pytest.raises(ValueError, match="batch_size=4 with accumulate=3"):
        replace(RECIPE, accumulate=3)
    recipe = replace(RECIPE, accumulate=4)
    with pytest.raises(ValueError, match=r"2 rows .* cannot be shared evenly by 4 micro-batches"):
        train(deep(), lambda generator: (IDS[:12].view(2, 6), IDS[1:13].view(2, 6)), recipe)


def test_a_loss_that_is_no_sum_with_its_weight_is_refused_before_anything_changes():
    model, twin = deep(), deep()
    with pytest.raises(ValueError, match=r"loss_fn returned Tensor; return Loss\(total, weight\)"):
        train(model, masked, RECIPE, loss_fn=lambda model, batch: by_hidden(model, batch).mean)
    assert all(map(torch.equal, model.parameters(), twin.parameters()))


def test_a_batch_in_which_no_target_counts_is_refused():
    def nothing(model, batch):
        loss = by_hidden(model, batch)
        return Loss(loss.total * 0, 0)

    with pytest.raises(ValueError, match="no target of the batch counts"):
        train(deep(), masked, RECIPE, loss_fn=nothing)
