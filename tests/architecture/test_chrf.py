"""chrF against sacrebleu, and its edges."""

import pytest
from sacrebleu.metrics import CHRF

from llmbook.architecture import french
from llmbook.architecture.chrf import char_ngrams, chrf


def test_chrf_equals_sacrebleus_on_real_and_damaged_sentences():
    references = [pair.french for pair in french.pairs()[:60]]
    candidates = [
        r[::-1] if i % 3 == 0 else r[: len(r) // 2] if i % 3 == 1 else r for i, r in enumerate(references)
    ]
    for c, r in ((candidates, references), (references, references), (["ab"], ["ab c"]), (["é à"], ["e a"])):
        assert chrf(c, r) == pytest.approx(CHRF().corpus_score(c, [r]).score, abs=1e-9)


def test_chrf_is_zero_without_a_common_character_and_ignores_spaces():
    assert chrf(["xyz"], ["abc"]) == 0.0
    assert chrf(["lechat"], ["le chat"]) == pytest.approx(100.0)
    assert chrf([""], ["abc"]) == 0.0


def test_ngrams_longer_than_the_text_do_not_exist():
    assert not char_ngrams("ab", 3)


@pytest.mark.parametrize(("candidates", "references"), [([], []), (["a"], []), (["a"], ["b", "c"])])
def test_unequal_or_empty_lists_are_refused(candidates, references):
    with pytest.raises(ValueError, match="as many of each"):
        chrf(candidates, references)


@pytest.mark.parametrize(("candidates", "references"), [("chat", ["chat"]), (["chat"], "chat"), ("ab", "ab")])
def test_a_bare_string_is_not_a_list_of_letters(candidates, references):
    with pytest.raises(ValueError, match=r"is the string '\w+'; give a list of texts"):
        chrf(candidates, references)


def test_runs_of_no_character_are_refused():
    with pytest.raises(ValueError, match="max_n is 0"):
        chrf(["a"], ["a"], max_n=0)
