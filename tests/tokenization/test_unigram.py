"""Unigram: one word against all its segmentations, all words against one, and training against 🤗 tokenizers."""

import json
import math
from itertools import product

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from llmbook.core.text import corpora
from llmbook.tokenization import Unigram, count_words, expected_counts, segmentations, to_signs, viterbi
from llmbook.tokenization.lattices import Lattices
from llmbook.tokenization.unigram_training import digamma, learn_pieces, maximize, prune, seeds


def theirs(text, vocab_size, special=()):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.UnigramTrainer(
        vocab_size=vocab_size,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([text], trainer)
    return tokenizer


def scores_of(tokenizer):
    return dict(json.loads(tokenizer.to_str())["model"]["vocab"])


def coded(text):
    return {to_signs(word.encode()): n for word, n in count_words(text).items()}


def some_scores(seed=0):
    """Random scores for all strings of up to three of the letters a, b, c."""
    rng = np.random.default_rng(seed)
    strings = ["".join(letters) for n in (1, 2, 3) for letters in product("abc", repeat=n)]
    kept = [s for s in strings if len(s) == 1 or rng.random() < 0.5]
    return dict(zip(kept, np.log(rng.dirichlet(np.ones(len(kept)))).tolist(), strict=True))


WORDS = ["a", "abc", "cabba", "bbbbbb", "abcabcab"]


# ---- one word


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("word", WORDS)
def test_viterbi_finds_the_likeliest_of_all_segmentations(word, seed):
    scores = some_scores(seed)
    ways = dict(segmentations(word, scores))
    assert all("".join(pieces) == word for pieces in ways)
    assert tuple(viterbi(word, scores)) == max(ways, key=ways.get)


def test_with_every_piece_a_word_of_n_characters_has_two_to_the_n_minus_one_segmentations():
    word = "abcdef"
    scores = {word[i:j]: -1.0 for i in range(6) for j in range(i + 1, 7)}
    assert len(dict(segmentations(word, scores))) == 2**5


def test_a_word_that_the_pieces_cannot_spell_is_refused():
    with pytest.raises(ValueError, match="cannot spell 'abz'"):
        viterbi("abz", some_scores())
    assert list(segmentations("abz", some_scores())) == []


# ---- all words at once are each word alone


@pytest.fixture(scope="module", params=range(3))
def lattices(request):
    scores = some_scores(request.param)
    numbers = {piece: i for i, piece in enumerate(scores)}
    return scores, np.array([*scores.values()]), Lattices(WORDS, numbers, 3)


def test_expected_counts_of_all_words_are_the_sum_of_those_of_each(lattices):
    scores, values, all_words = lattices
    times = np.array([5.0, 1, 2, 3, 1])
    counts, likelihood = all_words.expected(values, times)
    slow = dict.fromkeys(scores, 0.0)
    for word, n in zip(WORDS, times, strict=True):
        for piece, count in expected_counts(word, scores).items():
            slow[piece] += n * count
    assert counts == pytest.approx([*slow.values()], abs=1e-12)
    totals = [sum(math.exp(s) for _, s in segmentations(word, scores)) for word in WORDS]
    assert likelihood == pytest.approx(sum(n * math.log(t) for n, t in zip(times, totals, strict=True)))


def test_best_paths_of_all_words_are_those_of_viterbi(lattices):
    scores, values, all_words = lattices
    best, enters = all_words.best(values)
    paths = [[] for _ in WORDS]
    for words, pieces in all_words.walk(enters):
        for word, piece in zip(words, pieces, strict=True):
            paths[word].insert(0, [*scores][piece])
    assert paths == [viterbi(word, scores) for word in WORDS]
    assert best == pytest.approx([sum(scores[p] for p in path) for path in paths])


def test_of_equal_paths_all_words_take_the_one_that_viterbi_takes():
    scores = {"a": -1.0, "aa": -2.0, "aaa": -3.0, "b": -1.0, "ab": -2.0}
    words = ["aaaa", "abab", "aab"]
    lattices = Lattices(words, {piece: i for i, piece in enumerate(scores)}, 3)
    paths = [[] for _ in words]
    for index, pieces in lattices.walk(lattices.best(np.array([*scores.values()]))[1]):
        for word, piece in zip(index, pieces, strict=True):
            paths[word].insert(0, [*scores][piece])
    assert paths == [viterbi(word, scores) for word in words]
    assert paths[0] == ["a", "aaa"]  # the longer last piece


def test_a_piece_that_is_gone_is_in_no_path_and_dropping_its_edges_changes_nothing(lattices):
    scores, values, _ = lattices
    numbers = {piece: i for i, piece in enumerate(scores)}
    gone = next(i for i, piece in enumerate(scores) if len(piece) > 1)
    values = np.where(np.arange(len(values)) == gone, -np.inf, values)
    kept, dropped = Lattices(WORDS, numbers, 3), Lattices(WORDS, numbers, 3)
    dropped.keep(values > -np.inf)
    times = np.ones(len(WORDS))
    for one, other in zip(kept.expected(values, times), dropped.expected(values, times), strict=True):
        assert one == pytest.approx(other)
    assert kept.expected(values, times)[0][gone] == 0
    assert (kept.best(values)[0] == dropped.best(values)[0]).all()


def test_without_whole_words_a_piece_is_spelt_by_others():
    scores = {"a": -1.0, "b": -2.0, "ab": -0.5, "aba": -0.1}
    alone = Lattices([*scores], {piece: i for i, piece in enumerate(scores)}, 3, whole=False)
    assert alone.best(np.array([*scores.values()]))[0].tolist() == [-1.0, -2.0, -3.0, -1.5]


# ---- the steps of training


def test_digamma_is_that_of_pytorch():
    import torch

    x = np.array([0.5, 1, 2.5, 7, 100, 1e6])
    assert digamma(x) == pytest.approx(torch.digamma(torch.tensor(x)).numpy(), rel=1e-9)


def test_the_m_step_drops_what_is_expected_less_than_half_a_time_but_no_character():
    order, scores = maximize(
        np.array([10.0, 0.4, 0.4, 3.0]), np.arange(4), np.array([True, True, False, False])
    )
    assert order.tolist() == [0, 3] and scores[2] == -np.inf
    assert scores[0] == pytest.approx(digamma(10.0) - digamma(13.0)) and scores[1] == scores[3] - 10


def test_pruning_gives_up_the_piece_with_the_least_loss_worked_by_hand():
    words = {"abab": 20, "xy": 20, "ab": 5, "a": 30, "b": 30, "x": 1, "y": 1}
    pieces = ["a", "b", "x", "y", "ab", "xy"]
    counts = {
        "a": 30,
        "b": 30,
        "x": 1,
        "y": 1,
        "ab": 45,
        "xy": 20,
    }  # of the best segmentations: ab twice in abab
    total = 127

    def loss(piece):
        freed = counts[piece]
        after = sum(math.log((counts[one] + freed) / (total + freed * len(pieces))) for one in piece)
        return freed * (math.log(freed / total) - after)

    numbers, times = {p: i for i, p in enumerate(pieces)}, np.array([*words.values()], float)
    lattices, alone = Lattices([*words], numbers, 16), Lattices(pieces, numbers, 16, whole=False)
    scores = np.log(np.array([*counts.values()]) / total)
    for size, gone in ((5, min(["ab", "xy"], key=loss)), (6, None)):
        left = [pieces[i] for i in prune(np.arange(6), scores, times, lattices, alone, size)]
        assert left == [p for p in ["a", "b", "x", "y", *sorted(["ab", "xy"], key=loss)[::-1]] if p != gone]
    assert loss("ab") > loss("xy") > 0


def test_seeds_repeat_and_what_follows_them_varies():
    found = seeds({"hugs": 1, "hug": 1, "hut": 1, "pug": 1})
    assert {s for s in found if len(s) > 1} == {"hu", "hug", "ug"}
    assert sum(math.exp(s) for s in found.values()) == pytest.approx(1)
    # places times characters: hug 2 * 3, hu and ug 3 * 2; a single letter counts with the words' numbers
    for string, weight in {"hug": 6, "hu": 6, "ug": 6, "g": 3, "u": 4}.items():
        assert found[string] - found["t"] == pytest.approx(math.log(weight / 1)), string


# ---- training as a whole


@pytest.mark.parametrize(
    "vocab_size", [20_000, 3500, 2000, 1000]
)  # without pruning, and after one to five rounds
def test_every_piece_and_its_score_is_that_of_tokenizers(vocab_size):
    text = corpora.plays_text("valid")
    ours, reference = Unigram.train(text, vocab_size).scores, scores_of(theirs(text, vocab_size))
    assert set(ours) == set(reference)
    lowest = min(
        ours.values()
    )  # bytes that the text does not have; tokenizers adds 0.0001 from one to the next
    above = [piece for piece, score in ours.items() if score > lowest]
    assert len(above) > 0.7 * min(vocab_size, 4000)
    assert max(abs(ours[piece] - reference[piece]) for piece in above) < 1e-7


@pytest.mark.slow
@pytest.mark.parametrize("vocab_size", [1000, 4000])
def test_on_the_whole_of_the_plays_words_are_cut_as_by_tokenizers(vocab_size, record_property):
    text = "\n".join(corpora.plays_text(split) for split in corpora.SPLITS)
    ours, reference = Unigram.train(text, vocab_size), theirs(text, vocab_size)
    words = count_words(text)
    same = [word for word in words if ours.pieces(word) == reference.encode(word).tokens]
    record_property(
        "parity", f"Unigram, {vocab_size} pieces: {len(same) / len(words):.2%} of words = 🤗 tokenizers'"
    )
    assert len(same) / len(words) >= 0.99
    assert sum(words[word] for word in same) / words.total() >= 0.99


def test_the_same_scores_cut_every_word_as_tokenizers_does():
    text = corpora.plays_text("valid")
    reference = theirs(text, 1500)
    ours = Unigram(scores_of(reference))
    assert all(ours.pieces(word) == reference.encode(word).tokens for word in count_words(text))


def test_the_vocabulary_has_the_size_that_was_asked_for_and_every_byte():
    ours = Unigram.train(corpora.plays_text("valid"), 700, special_tokens=["<|end|>"])
    assert ours.vocab_size == 700 and ours.tokens[0] == "<|end|>"
    assert list(ours.scores.values()) == sorted(ours.scores.values(), reverse=True)
    assert sum(len(piece) == 1 for piece in ours.scores) == 256


def test_a_larger_vocabulary_needs_fewer_tokens_and_finds_likelier_segmentations():
    text, new = corpora.plays_text("valid"), corpora.plays_text("test")[:50_000]
    small, large = (Unigram.train(text, size) for size in (400, 1500))
    assert len(large.encode(new)) < len(small.encode(new)) < len(new)


def test_characters_of_the_text_that_nothing_needs_are_pieces_all_the_same():
    scores = learn_pieces({"abab": 50, "ab": 50}, 4, alphabet="abz")
    assert {"a", "b", "z"} <= set(scores) and len(scores) == 4


def test_a_byte_that_is_no_piece_is_the_last_resort():
    ours = Unigram({"ab": -1.0, "a": -2.0, "b": -3.0})
    assert ours.scores["z"] == -13 and ours.vocab_size == 257
    assert ours.pieces("abz") == ["ab", "z"]


@pytest.mark.parametrize("scores", [{"a": math.nan}, {"a": -math.inf}, {"a": "x"}, {"": -1.0}, {"東": -1.0}])
def test_scores_and_pieces_that_make_no_sense_are_refused(scores):
    with pytest.raises(ValueError):
        Unigram(scores)
