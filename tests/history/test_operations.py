"""Multiply-adds by formula against those that PyTorch counts while it runs."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from llmbook.core.train.optim import Recipe, make_optimizers
from llmbook.history import operations, rungs
from llmbook.history.recurrent import RecurrentLM

V, B, T = 97, 3, 64


def counted(model: torch.nn.Module, optimizer: str) -> tuple[int, int, int]:
    """Multiply-adds of the forward pass, the backward pass and the optimizer's step, by PyTorch's counter."""
    if isinstance(model, RecurrentLM):
        model.readable = True  # the counter does not look into fused kernels
    optimizers = make_optimizers(model, Recipe(steps=1, optimizer=optimizer))
    ids = torch.randint(V, (B, T), generator=torch.Generator().manual_seed(0))
    marks = []
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        loss = F.cross_entropy(model(ids).flatten(0, 1), ids.flatten())
        marks.append(counter.get_total_flops())
        loss.backward()
        marks.append(counter.get_total_flops())
        for o in optimizers:
            o.step()
        marks.append(counter.get_total_flops())
    forward, both, whole = (m // 2 for m in marks)
    return forward, both - forward, whole - both


@pytest.mark.parametrize("optimizer", rungs.OPTIMIZERS)
@pytest.mark.parametrize("rung", rungs.RUNGS, ids=lambda r: f"{r.name} {r.size}")
def test_the_formula_counts_what_pytorch_counts(rung, optimizer, parity_report):
    model = rung.make(V)
    forward, backward, step = counted(model, optimizer)
    assert operations.forward(model, T) * B * T == forward
    # the first state of a recurrent network is a constant, which needs no gradient: a hundredth less at most
    assert backward <= 2 * forward <= 1.01 * backward
    assert step == (operations.muon(model) if optimizer == "muon" else 0)
    ours = operations.training_step(model, optimizer, B, T)
    assert ours == pytest.approx(forward + backward + step, rel=0.01)
    ratio = ours / (forward + backward + step)
    parity_report(f"operations of {rung.name}, {rung.size}, {optimizer}: {ratio:.4f} of those PyTorch counts")


def test_a_gru_and_two_layers_are_counted_too():
    for model in (RecurrentLM("gru", V, 8, 12), RecurrentLM("lstm", V, 8, 12, n_layer=2)):
        assert operations.forward(model, T) * B * T == counted(model, "adamw")[0]


def test_by_hand():
    model = RecurrentLM("rnn", vocab_size=5, n_embd=2, n_hidden=3)
    # W 3 x 2, U 3 x 3, head 5 x 3
    assert operations.matrix_parameters(model) == 6 + 9 + 15 == operations.forward(model, 64)
    # two hidden matrices: m=2, n=3 and m=n=3, five times 2 m m n + m^3
    assert operations.muon(model) == 5 * (2 * 4 * 3 + 8) + 5 * (2 * 9 * 3 + 27)
    assert operations.training_step(model, "muon", 2, 4) == 3 * 30 * 8 + operations.muon(model)


def test_longer_windows_cost_attention_more_and_recurrence_the_same():
    by_name = {r.name: r.make(V) for r in rungs.RUNGS}
    for name in ("feed-forward", "RNN", "LSTM"):
        assert operations.forward(by_name[name], 32) == operations.forward(by_name[name], 64)
    transformer = by_name["Transformer"]
    longer = operations.forward(transformer, 64) - operations.forward(transformer, 32)
    assert longer == 4 * 2 * 32 * 128  # layers x (scores and mixing) x tokens x width


def test_the_output_layers_of_the_feed_forward_network_are_left_to_adamw_as_in_every_other():
    from llmbook.core.train.optim import hidden_matrices

    for rung in rungs.RUNGS:
        assert all(V not in p.shape for p in hidden_matrices(rung.make(V))), rung.name
