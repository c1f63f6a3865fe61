"""The division by the root of the head's width: measured against what it promises."""

from __future__ import annotations

import math

import pytest
import torch

from llmbook.architecture import steps

WIDTHS = (16, 64, 256)


def of_normal_scores(variance: float, n_token: int = 64) -> tuple[float, float]:
    """Entropy and gradient of a softmax over independent normal scores, relative to a softmax over equal ones."""
    scores = torch.randn(4000, n_token, generator=torch.Generator().manual_seed(9)) * variance**0.5
    p = scores.softmax(-1)
    slope = float((p - p**2).sum(-1).mean()) / (1 - 1 / n_token)
    return float(torch.special.entr(p).sum(-1).mean()) / math.log(n_token), slope


def test_scaled_scores_spread_the_weights_as_scores_of_variance_one_do():
    health = steps.softmax_health(WIDTHS, scaled=True)
    entropy, gradient = of_normal_scores(1.0)
    assert 0.85 < entropy < 0.92  # neither all alike nor one taking all
    assert health["entropy"] == pytest.approx([entropy] * 3, abs=0.01)
    assert health["gradient"] == pytest.approx([gradient] * 3, abs=0.01)


def test_scores_that_are_not_scaled_have_the_width_as_their_variance():
    health = steps.softmax_health(WIDTHS, scaled=False)
    for i, width in enumerate(WIDTHS):
        entropy, gradient = of_normal_scores(width)
        assert health["entropy"][i] == pytest.approx(entropy, abs=0.03)
        assert health["gradient"][i] == pytest.approx(gradient, abs=0.03)


def test_another_seed_is_another_draw():
    one, again, other = (steps.softmax_health((8,), True, seed=s)["entropy"] for s in (1, 1, 2))
    assert one == again != other


@pytest.mark.parametrize(("head_dims", "n_token"), [((4, 0), 64), ((4,), 1), ((-1,), 64)])
def test_a_head_without_width_and_a_choice_of_one_are_refused(head_dims, n_token):
    with pytest.raises(ValueError, match="at least 1 wide, tokens 2"):
        steps.softmax_health(head_dims, True, n_token)
