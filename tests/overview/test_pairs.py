"""Minimal pairs: the prompts, the model's choices, and their picture (`llmbook.overview.pairs`)."""

from __future__ import annotations

import re

import pytest

from llmbook import overview
from llmbook.core.models.lm import LanguageModel
from llmbook.core.show import plotting as plot
from llmbook.overview.pairs import PAIRS, SOLVED_SUMS, WRONG_SUMS, Choice, both_right, choose, draw_pairs

GOOD, BAD = Choice("x", "a", "b", 0.4, 0.1), Choice("x", "b", "a", 0.1, 0.2)


@pytest.fixture(scope="module")
def lm():
    return LanguageModel.load()


def test_in_a_pair_the_prompts_differ_and_each_has_its_own_single_token_as_answer(lm):
    for kind, pairs in PAIRS.items():
        assert len(pairs) == 8, kind
        for (one, right), (other, wrong) in pairs:
            assert one != other and right != wrong
            for prompt, answer in ((one, right), (other, wrong)):
                assert lm.pieces(prompt + answer) == [*lm.pieces(prompt), answer]


def test_the_sums_are_right_and_those_put_in_front_are_others():
    def sums(text):
        return re.findall(r"(\d) \+ (\d) = (\d)", text)

    asked = [sums(prompt + answer) for pair in PAIRS["sums"] for prompt, answer in pair]
    shown, wrong = sums(SOLVED_SUMS), sums(WRONG_SUMS)
    assert [len(found) for found in asked] == [1] * 16 and len(shown) == 3
    assert all(int(a) + int(b) == int(c) for ((a, b, c),) in asked)
    assert all(int(a) + int(b) == int(c) for a, b, c in shown)
    assert [s[:2] for s in wrong] == [s[:2] for s in shown]
    assert not any(int(a) + int(b) == int(c) for a, b, c in wrong)
    assert not {frozenset(s[:2]) for s in shown} & {frozenset(s[:2]) for (s,) in asked}


def test_no_prompt_stands_among_the_sums_in_front():
    for text in (SOLVED_SUMS, WRONG_SUMS):
        assert text.count("\n") == 3 and text.endswith("\n")
        for (one, _), (other, _) in PAIRS["sums"]:
            assert one.strip() not in text and other.strip() not in text


def test_in_half_of_the_pairs_about_people_the_right_name_stands_last():
    last = [Choice(p, right, wrong, 0.9, 0.1).takes_last
            for (p, right), (_, wrong) in PAIRS["who did what"]]  # fmt: skip
    assert last == [True, False] * 4


def test_whoever_always_says_the_same_solves_no_pair_and_whoever_takes_the_last_name_solves_half():
    for kind, pairs in PAIRS.items():
        stubborn = [
            (Choice(p, a, b, 0.9, 0.1), Choice(q, b, a, 0.1, 0.9)) for (p, a), (q, b) in pairs
        ]  # whatever is asked, the word that is right in the first half
        assert both_right(stubborn).mean == 0, kind
    last = []
    for (p, a), (q, b) in PAIRS["who did what"]:
        last.append(
            tuple(
                Choice(
                    prompt,
                    right,
                    wrong,
                    *((0.9, 0.1) if prompt.rfind(right[1:]) > prompt.rfind(wrong[1:]) else (0.1, 0.9)),
                )
                for prompt, right, wrong in ((p, a, b), (q, b, a))
            )
        )
    assert both_right(last).mean == 0.5 and all(c.takes_last for pair in last for c in pair)


def test_a_choice_in_a_batch_is_what_the_model_says_of_one_prompt(lm):
    found = choose(lm, "facts")
    assert [(one.prompt, other.prompt) for one, other in found] == [
        (p, q) for (p, _), (q, _) in PAIRS["facts"]
    ]
    for one, other in (found[0], found[5]):
        for choice in (one, other):
            p = lm.next_probabilities(choice.prompt)
            for word, value in ((choice.right, choice.p_right), (choice.wrong, choice.p_wrong)):
                assert value == pytest.approx(float(p[lm.encode(word)[0, 0]]), rel=1e-3)
        assert (one.right, one.wrong) == (other.wrong, other.right)


def test_what_stands_in_front_is_read(lm):
    alone, behind = (choose(lm, "sums", before)[0][0] for before in ("", SOLVED_SUMS))
    assert alone.prompt == behind.prompt and behind.p_right > 2 * alone.p_right
    text = SOLVED_SUMS + behind.prompt
    p = lm.next_probabilities(text)[lm.encode(behind.right)[0, 0]]
    assert behind.p_right == pytest.approx(float(p), rel=1e-3)


def test_a_pair_counts_when_both_halves_are_right():
    assert GOOD.bits == 2.0 and BAD.bits == -1.0
    share = both_right([(GOOD, GOOD), (GOOD, BAD), (BAD, GOOD), (BAD, BAD)])
    assert share.mean == 0.25 and share.n == 4


def test_the_picture_has_a_line_per_pair_coloured_by_both_and_counts_them():
    _, (ax,) = plot.figure()
    draw_pairs(ax, {"one": [(GOOD, GOOD), (GOOD, BAD)], "two\nmore": [(BAD, BAD)]})
    assert [t.get_text() for t in ax.get_yticklabels()] == ["one", "1 of 2", "two", "more", "0 of 1"]
    lines = [line for line in ax.lines if len(set(line.get_ydata())) == 1 and max(line.get_xdata()) != 1]
    assert [(list(line.get_xdata()), line.get_color()) for line in lines] == [
        ([2.0, 2.0], plot.BLUE), ([-1.0, 2.0], plot.ORANGE), ([-1.0, -1.0], plot.ORANGE),
    ]  # fmt: skip
    plot.plt.close("all")


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="choose one of grammar"):
        choose(None, "spelling")


def test_the_four_forms_are_about_the_same_things():
    assert {len(texts) for texts in overview.FORMS.values()} == {6}
    assert all(text.endswith("?") for text in overview.FORMS["question"])
    assert all(text.endswith(".") for form in ("request", "statement") for text in overview.FORMS[form])
    assert all(text[-1].isalpha() for text in overview.FORMS["unfinished"])
