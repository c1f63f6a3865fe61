"""Claims that a page checks: `llmbook.core.show.checks`."""

import numpy as np
import pytest
import torch

from llmbook.core.show.checks import MARK, check

TRUE = [True, np.True_, np.array(True), np.all(np.ones(3) > 0), torch.tensor(True), torch.ones(3).gt(0).all()]
FALSE = [False, np.False_, np.array(False), torch.tensor(False)]


@pytest.mark.parametrize("condition", TRUE, ids=lambda x: type(x).__name__)
def test_a_true_claim_prints_one_line_with_the_tick(condition, capsys):
    check(" all is well ", condition)
    assert capsys.readouterr().out == "✓ all is well\n"
    assert MARK == "✓"


@pytest.mark.parametrize("condition", FALSE, ids=lambda x: type(x).__name__)
def test_a_false_claim_stops_the_page_with_its_words_and_prints_nothing(condition, capsys):
    with pytest.raises(AssertionError, match="not so: all is well"):
        check("all is well", condition)
    assert capsys.readouterr().out == ""


NO_CONDITIONS = [
    "a text that would pass as true",
    1,
    0.0,
    None,
    [True],
    np.array([True]),
    np.ones(3) > 0,
    np.float64(1.0),
    np.array(1),
    torch.tensor([True, True]),
    torch.tensor(1),
    torch.tensor(0.5),
    lambda: True,
]


@pytest.mark.parametrize("condition", NO_CONDITIONS, ids=lambda x: type(x).__name__)
def test_what_is_no_truth_value_is_refused_whether_it_counts_as_true_or_not(condition, capsys):
    with pytest.raises(ValueError, match="not one truth value"):
        check("x", condition)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("condition", "hint"), [(np.ones(3) > 0, r"\.all\(\)"), ("yes", "comparison")])
def test_the_refusal_says_what_to_do(condition, hint):
    with pytest.raises(ValueError, match=hint):
        check("x", condition)


@pytest.mark.parametrize("claim", ["", "  ", "two\nlines", None, True], ids=lambda x: type(x).__name__)
def test_a_claim_is_one_line_of_text(claim):
    with pytest.raises(ValueError, match="one line of text"):
        check(claim, True)
