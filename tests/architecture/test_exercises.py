"""What the exercises of the page measure (`llmbook.architecture.exercises`)."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from letters import byte_lm

from llmbook.architecture import exercises


@pytest.mark.parametrize("block", [0, 1])
def test_the_loss_without_a_block_is_that_of_the_model_without_it_at_the_next_token(block, monkeypatch):
    lm = byte_lm()
    monkeypatch.setattr(exercises, "lm", lambda: lm)
    shorter = deepcopy(lm.model)
    del shorter.stack.blocks[block]
    ids = lm.encode(exercises.SENTENCE)
    with torch.no_grad():
        expected = F.cross_entropy(shorter(ids[:, :-1])[0], ids[0, 1:])
        whole = F.cross_entropy(lm.model(ids[:, :-1])[0], ids[0, 1:])
    assert exercises.loss_without(block) == pytest.approx(float(expected), rel=1e-5)
    assert abs(float(expected - whole)) > 1e-3
    assert not any(b._forward_hooks for b in lm.model.stack.blocks)
