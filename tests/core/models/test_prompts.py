"""Prompts of different lengths as one batch: `llmbook.core.models.prompts`."""

import pytest
import torch

from llmbook.core.models.prompts import as_lists, left_pad


def test_lists_end_together_and_their_padding_is_known():
    ids, is_token = left_pad([[5, 6, 7], [8], [9, 4]])
    assert ids[is_token].tolist() == [5, 6, 7, 8, 9, 4]
    assert is_token.tolist() == [[True] * 3, [False, False, True], [False, True, True]]


def test_padding_on_any_side_moves_to_the_front_and_the_tokens_keep_their_order():
    ids = torch.tensor([[1, 2, 0, 0], [0, 3, 4, 0], [0, 0, 0, 5]])
    moved, is_token = left_pad(ids, ids != 0)
    assert moved.tolist() == [[0, 0, 1, 2], [0, 0, 3, 4], [0, 0, 0, 5]]
    assert torch.equal(is_token, moved != 0)
    again, still = left_pad(moved, is_token)
    assert torch.equal(again, moved) and torch.equal(still, is_token)


def test_zeros_and_ones_as_tokenizers_give_them_are_welcome():
    ids = torch.tensor([[1, 2, 0], [3, 4, 5]])
    moved, is_token = left_pad(ids, (ids != 0).long())
    assert moved.tolist() == [[0, 1, 2], [3, 4, 5]] and is_token.dtype == torch.bool


@pytest.mark.parametrize(
    "prompts, is_token", [([[5, 6], [7, 8]], None), (torch.ones(2, 2).long(), torch.ones(2, 2))]
)
def test_prompts_of_one_length_need_no_mask(prompts, is_token):
    ids, found = left_pad(prompts, is_token)
    assert found is None and ids.shape == (2, 2)


def test_ids_of_any_integer_type_become_int64():
    assert left_pad(torch.ones(1, 3, dtype=torch.uint8))[0].dtype == torch.int64


@pytest.mark.parametrize("bad", [[], [[]], [[1], []], "ab", [1, 2], [["a"]], [[0.5]]], ids=str)
def test_what_is_no_list_of_prompts_is_refused(bad):
    with pytest.raises(ValueError, match=r"must be ids .* or a list of lists of ids, at least one in each"):
        left_pad(bad)


@pytest.mark.parametrize("is_token", [torch.ones(2, 2), torch.tensor([[1, 1, 1], [0, 0, 0]])], ids=str)
def test_is_token_of_another_shape_or_without_a_token_is_refused(is_token):
    with pytest.raises(
        ValueError, match=r"is_token is \(2, .\) for a prompt of \(2, 3\).*at least one token"
    ):
        left_pad(torch.ones(2, 3).long(), is_token)


def test_rows_come_back_without_padding_and_end_with_their_first_stop_behind_the_prompt():
    ids, is_token = (
        torch.tensor([[0, 9, 5, 6, 9, 9], [7, 8, 4, 5, 6, 9]]),
        torch.tensor([[0, 1], [1, 1]]).bool(),
    )
    assert as_lists(ids, is_token, 2, 9) == [[9, 5, 6, 9], [7, 8, 4, 5, 6, 9]]
    assert as_lists(ids, is_token, 2, None) == [[9, 5, 6, 9, 9], [7, 8, 4, 5, 6, 9]]
