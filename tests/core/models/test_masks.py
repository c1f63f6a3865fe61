"""Who may look at whom: `llmbook.core.models.masks`."""

import math

import pytest
import torch

from llmbook.core.models.masks import (
    causal_mask,
    check_mask,
    padding_mask,
    prefix_mask,
    restrict,
    restrict_to_past,
)


@pytest.mark.parametrize("n_query, n_key", [(1, 1), (4, 4), (1, 6), (3, 6)])
def test_a_causal_mask_lets_each_query_see_itself_and_what_is_before_it(n_query, n_key):
    mask, past = causal_mask(n_query, n_key), n_key - n_query
    assert mask.tolist() == [[j <= i + past for j in range(n_key)] for i in range(n_query)]


@pytest.mark.parametrize("n_prefix", [0, 1, 3, 6])
def test_a_prefix_mask_is_two_way_on_the_prefix_and_causal_after_it(n_prefix):
    expected = [[j <= i or j < n_prefix for j in range(6)] for i in range(6)]
    assert prefix_mask(6, n_prefix).tolist() == expected


@pytest.mark.parametrize("n_prefix", [-1, 7])
def test_a_prefix_outside_the_sequence_is_refused(n_prefix):
    with pytest.raises(ValueError, match="between 0 and n_token = 6"):
        prefix_mask(6, n_prefix)


def test_a_padding_mask_hides_padding_from_every_query_and_head():
    mask = padding_mask(torch.tensor([[1, 1, 0], [1, 0, 0]]))
    assert mask.dtype == torch.bool and mask.shape == (2, 1, 1, 3)
    assert mask.flatten(1).tolist() == [[True, True, False], [True, False, False]]


def test_whatever_a_mask_forbids_stays_forbidden_when_more_is_restricted():
    past, seen = causal_mask(4), padding_mask(torch.tensor([[0, 1, 1, 1], [1, 1, 1, 1]]))
    assert torch.equal(restrict(past, seen), past & seen)
    assert torch.equal(restrict(None, past), past)
    bias = torch.randn(1, 2, 4, 4)
    both = restrict(bias, past)
    assert torch.equal(both.isfinite(), past.expand(1, 2, 4, 4)) and torch.equal(
        both[..., past], bias[..., past]
    )
    assert (both[..., ~past] == -math.inf).all()


def test_causality_costs_no_mask_where_the_kernel_has_a_flag_or_the_query_is_the_last_token():
    assert restrict_to_past(None, 5, 5, "cpu") == (None, True)
    assert restrict_to_past(None, 1, 5, "cpu") == (None, False)
    mask, flag = restrict_to_past(None, 2, 5, "cpu")
    assert torch.equal(mask, causal_mask(2, 5)) and not flag
    given = torch.ones(5, 5, dtype=torch.bool)
    mask, flag = restrict_to_past(given, 5, 5, "cpu")
    assert torch.equal(mask, causal_mask(5)) and not flag


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.int32])
def test_a_mask_of_whole_numbers_is_refused_with_the_remedy(dtype):
    with pytest.raises(ValueError, match=rf"mask is of type {dtype}.*mask\.bool\(\)"):
        check_mask(torch.ones(3, 3, dtype=dtype))
    check_mask(None), check_mask(causal_mask(3)), check_mask(torch.zeros(3, 3, dtype=torch.bfloat16))
