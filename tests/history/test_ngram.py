"""n-gram models: equal to NLTK where it has the method, else to the formulas written out a second time."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from nltk.lm import MLE, KneserNeyInterpolated, Lidstone, Vocabulary
from nltk.util import everygrams

from llmbook.history.ngram import (
    AddK,
    Interpolated,
    KneserNey,
    ModifiedKneserNey,
    NGram,
)

V = 6  # ids 0..4 occur, 5 never does
SMOOTHINGS = [
    AddK(0.3),
    AddK(0),
    Interpolated((0.9, 0.8, 0.7, 0.6, 0.5)),
    Interpolated(),
    KneserNey(),
    KneserNey(0.75),
    KneserNey(0.1, base="unigram"),
    ModifiedKneserNey(),
]


def stream(length: int, seed: int = 0, vocab: int = 5) -> list[int]:
    """A text with structure: each token is the last but one plus a small step, or anything."""
    rng = np.random.default_rng(seed)
    ids = [0, 1]
    while len(ids) < length:
        near = (ids[-2] + rng.integers(0, 2)) % vocab
        ids.append(int(near if rng.random() < 0.8 else rng.integers(0, vocab)))
    return ids


TRAIN, TEST = stream(400), stream(60, seed=1)
# NLTK weighs a lower order by every type that followed a context, Chen and Goodman by those with a
# continuation count. The two differ for n-grams found at the very start and nowhere else (NLTK's
# probabilities then sum to more than 1, or it divides by 0); so in the text for NLTK the start comes again.
AGAIN = TRAIN + TRAIN[:8]


def ngrams(ids: list[int], order: int) -> list[tuple[str, ...]]:
    return [tuple(str(i) for i in ids[max(0, t - order + 1) : t + 1]) for t in range(len(ids))]


def nltk_model(kind, order: int, ids: list[int], **options):
    """NLTK on the same counts: one stream, no padding. Its vocabulary has an <UNK> of its own, our id 5."""
    vocabulary = Vocabulary([str(i) for i in range(V - 1)])
    assert len(vocabulary) == V
    model = kind(order=order, vocabulary=vocabulary, **options)
    model.fit([list(everygrams([str(i) for i in ids], max_len=order))])
    return model


def assert_equal_to_nltk(ours: NGram, theirs, order: int, ids: list[int]) -> None:
    expected = np.array([theirs.score(gram[-1], gram[:-1]) for gram in ngrams(ids, order)])
    assert np.abs(np.exp(ours.log_probs(ids)) - expected).max() < 1e-9
    assert ours.perplexity(ids) == pytest.approx(theirs.perplexity(ngrams(ids, order)), rel=1e-9)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("k", [1.0, 0.1])
def test_add_k_equals_lidstone_of_nltk(order, k):
    ours = NGram(order, V, AddK(k)).fit(TRAIN)
    assert_equal_to_nltk(ours, nltk_model(Lidstone, order, TRAIN, gamma=k), order, TEST)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_add_nothing_equals_maximum_likelihood_of_nltk(order):
    ours = NGram(order, V, AddK(0)).fit(TRAIN)
    assert_equal_to_nltk(ours, nltk_model(MLE, order, TRAIN), order, TRAIN)  # in contexts that occurred


@pytest.mark.parametrize("order", [2, 3, 4, 5])  # at order 1 NLTK divides 0 by 0: it counts no bigrams
@pytest.mark.parametrize("discount", [0.1, 0.75])
def test_kneser_ney_equals_nltk(order, discount):
    ours = NGram(order, V, KneserNey(discount, base="unigram")).fit(AGAIN)
    theirs = nltk_model(KneserNeyInterpolated, order, AGAIN, discount=discount)
    assert_equal_to_nltk(ours, theirs, order, TEST)


# ---- Kneser-Ney once more, with dictionaries, sentence by sentence from Chen & Goodman (1999)


def slow_counts(ids, order):
    """{order: {n-gram: count}}: plain at the top, below the number of different left neighbours."""
    plain = {n: Counter(tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)) for n in range(1, order + 1)}
    counts = {order: plain[order]}
    for n in range(1, order):
        counts[n] = Counter(gram[1:] for gram in plain[n + 1])
    return counts


def slow_discounts(counts, modified):
    """The function D(c) of one order, and whether it had to fall back."""
    n = [sum(c == i for c in counts.values()) for i in range(5)]
    if not modified:
        d = n[1] / (n[1] + 2 * n[2]) if n[1] else 0.5
        return lambda c: d if c > 0 else 0.0
    d = (0.5, 1.0, 1.5)
    if n[1] and n[2] and n[3]:
        y = n[1] / (n[1] + 2 * n[2])
        estimated = 1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]
        d = estimated if min(estimated) > 0 else d
    return lambda c: (0.0, *d)[min(c, 3)]


def slow_probability(counts, discounts, word, context):
    n = len(context) + 1
    shorter = slow_probability(counts, discounts, word, context[1:]) if context else 1 / V
    followers = {gram[-1]: c for gram, c in counts[n].items() if gram[:-1] == context}
    total = sum(followers.values())
    if total == 0:
        return shorter
    c, discount = followers.get(word, 0), discounts[n]
    n1, n2, n3 = (sum(min(c, 3) == i for c in followers.values()) for i in (1, 2, 3))
    gamma = (discount(1) * n1 + discount(2) * n2 + discount(3) * n3) / total
    return max(c - discount(c), 0) / total + gamma * shorter


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(("smoothing", "modified"), [(ModifiedKneserNey(), True), (KneserNey(), False)])
def test_kneser_ney_with_estimated_discounts_equals_the_formulas_written_out(order, smoothing, modified):
    ids = stream(3000 if order > 2 else 400, seed=2)
    counts = slow_counts(ids, order)
    discounts = {n: slow_discounts(counts[n], modified) for n in counts}
    ours = NGram(order, V, smoothing).fit(ids).log_probs(TEST)
    contexts = [tuple(TEST[max(0, t - order + 1) : t]) for t in range(len(TEST))]
    slow = [math.log(slow_probability(counts, discounts, w, h)) for w, h in zip(TEST, contexts, strict=True)]
    assert np.abs(ours - slow).max() < 1e-9


def test_the_modified_discounts_are_estimated_and_not_always_the_fallback():
    adjusted = np.repeat([1, 2, 3, 4, 9], [40, 20, 12, 8, 5])
    y = 40 / 80
    expected = [0, 1 - 2 * y * 20 / 40, 2 - 3 * y * 12 / 20, 3 - 4 * y * 8 / 12]
    assert ModifiedKneserNey().discounts(adjusted, 2) == pytest.approx(expected)
    assert ModifiedKneserNey().discounts(np.array([5, 7]), 2).tolist() == [0, 0.5, 1, 1.5]


# ---- Jelinek-Mercer


@pytest.mark.parametrize("order", [1, 3, 5])
def test_interpolation_equals_its_formula_written_out(order):
    lambdas = (0.9, 0.8, 0.7, 0.6, 0.5)[:order]
    plain = {n: Counter(tuple(TRAIN[i : i + n]) for i in range(len(TRAIN) - n + 1)) for n in range(1, 6)}

    def slow(word, context):
        p = 1 / V
        for n in range(1, len(context) + 2):
            h = context[len(context) - n + 1 :]
            total = sum(c for gram, c in plain[n].items() if gram[:-1] == h)
            if total:
                p = lambdas[n - 1] * plain[n][(*h, word)] / total + (1 - lambdas[n - 1]) * p
        return p

    ours = NGram(order, V, Interpolated(lambdas)).fit(TRAIN)
    contexts = [tuple(TEST[max(0, t - order + 1) : t]) for t in range(len(TEST))]
    expected = [slow(w, h) for w, h in zip(TEST, contexts, strict=True)]
    assert np.abs(np.exp(ours.log_probs(TEST)) - expected).max() < 1e-12


def test_expectation_maximization_finds_lambdas_no_small_step_improves():
    train, held_out = stream(2000, seed=3), stream(2000, seed=4)
    found = NGram(3, V, Interpolated()).fit(train, held_out=held_out)

    def score(lambdas):  # the likelihood with one imagined token for, one against each lambda
        model = NGram(3, V, Interpolated(tuple(lambdas))).fit(train)
        return model.log_probs(held_out).sum() + sum(math.log(x) + math.log(1 - x) for x in lambdas)

    best = score(found.lambdas)
    for n in range(3):
        for step in (0.8, 0.95, 1.05, 1.2):
            moved = list(found.lambdas)
            moved[n] *= step
            assert moved[n] >= 1 or score(moved) < best


def test_without_held_out_text_the_last_part_is_held_out_and_not_counted():
    ids = stream(1000, seed=5)
    ours = NGram(3, V, Interpolated(held_out=0.2)).fit(ids)
    same = NGram(3, V, Interpolated()).fit(ids[:800], held_out=ids[800:])
    assert ours.lambdas == same.lambdas
    assert ours.n_parameters == same.n_parameters == NGram(3, V, AddK()).fit(ids[:800]).n_parameters


# ---- What holds for every smoothing


def fitted(smoothing, order=3, ids=TRAIN):
    if isinstance(smoothing, Interpolated) and smoothing.lambdas:
        smoothing = Interpolated(smoothing.lambdas[:order])
    return NGram(order, V, smoothing).fit(ids)


@pytest.mark.parametrize("smoothing", SMOOTHINGS, ids=str)
@pytest.mark.parametrize("order", [1, 2, 4])
def test_probabilities_sum_to_one_in_every_context_seen_or_not(smoothing, order):
    model = fitted(smoothing, order)
    contexts = [[], [0], [5], [5, 5, 5], [1, 5], [5, 1], TRAIN[:1], TRAIN[:3], TRAIN[-3:], *np.ndindex(V, V)]
    for context in contexts:
        p = model.distribution(context)
        assert p.shape == (V,) and (p >= 0).all() and p.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("smoothing", SMOOTHINGS, ids=str)
def test_one_token_a_whole_text_and_the_distribution_agree(smoothing):
    model = fitted(smoothing, 4)
    whole = model.log_probs(TEST)
    for t in (0, 1, 2, 3, 20, 59):
        assert model.log_prob(TEST[t], TEST[:t]) == whole[t]
        assert model.distribution(TEST[:t])[TEST[t]] == pytest.approx(math.exp(whole[t]), abs=1e-15)


@pytest.mark.parametrize("smoothing", SMOOTHINGS, ids=str)
def test_tokens_further_back_than_the_order_do_not_matter(smoothing):
    model = fitted(smoothing, 3)
    assert (model.distribution([0, 0, 2, 1]) == model.distribution([4, 3, 2, 1])).all()
    assert model.log_prob(1, [0, 0, 2, 1]) == model.log_prob(1, [2, 1])


@pytest.mark.parametrize("smoothing", [s for s in SMOOTHINGS if s != Interpolated()], ids=str)
def test_short_streams_work_down_to_the_order_itself(smoothing):
    for ids in ([0, 0, 0], [0, 1, 2], [5, 5, 5, 5]):
        assert fitted(smoothing, 3, ids).distribution(ids[:2]).sum() == pytest.approx(1)


@pytest.mark.parametrize("smoothing", [AddK(0.1), Interpolated(), KneserNey(), ModifiedKneserNey()], ids=str)
def test_more_text_predicts_new_text_better(smoothing):
    new = stream(2000, seed=6)
    few, many = (fitted(smoothing, 3, stream(length, seed=7)) for length in (300, 30_000))
    assert many.perplexity(new) < few.perplexity(new) < V


def test_kneser_ney_needs_less_than_add_one_on_sparse_counts():
    new = stream(2000, seed=6)
    assert fitted(ModifiedKneserNey(), 5).perplexity(new) < fitted(AddK(1), 5).perplexity(new)


def test_a_token_never_seen_keeps_a_probability_unless_the_recursion_ends_in_plain_counts():
    for smoothing in (AddK(0.1), Interpolated((0.9, 0.9)), KneserNey(), ModifiedKneserNey()):
        assert 0 < NGram(2, V, smoothing).fit(TRAIN).distribution([0])[5] < 0.1
    assert NGram(2, V, KneserNey(base="unigram")).fit(TRAIN).log_prob(5, [0]) == -math.inf


def test_a_word_that_follows_one_other_only_is_an_unlikely_guess_elsewhere():
    # "Francisco" (4) is frequent but comes only after "San" (3): what Kneser-Ney was made for.
    ids = [0, 1, 2, 3, 4, 1, 0, 3, 4, 2, 3, 4, 0, 2, 3, 4, 1, 2, 0]
    francisco = [
        NGram(2, V, s).fit(ids).distribution([5])[4] for s in (KneserNey(0.75), Interpolated((0.9, 0.9)))
    ]
    assert francisco[0] < 0.8 * francisco[1]


@pytest.mark.parametrize("form", [np.array, torch.tensor, tuple, lambda ids: np.array(ids, dtype=np.uint8)])
def test_lists_arrays_and_tensors_are_the_same_text(form):
    model = NGram(3, V).fit(form(TRAIN))
    assert (model.log_probs(form(TEST)) == NGram(3, V).fit(TRAIN).log_probs(TEST)).all()
    assert (model.distribution(form(TEST)) == model.distribution(TEST)).all()


def test_a_large_vocabulary_and_a_high_order_count_exactly():
    # 2,048 ** 6 does not fit 64 bits; the sorted path and the table path must count alike.
    rng = np.random.default_rng(0)
    ids = np.concatenate([rng.integers(0, 2048, 3000)] * 2).tolist()
    model = NGram(6, 2048, AddK(0)).fit(ids)
    distinct = [len({tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)}) for n in range(1, 7)]
    assert [len(level.codes) for level in model.levels] == distinct
    assert model.n_parameters == sum(distinct)
    counts = Counter(tuple(ids[i : i + 6]) for i in range(len(ids) - 5))
    assert sorted(model.levels[-1].counts) == sorted(counts.values())
    assert model.log_prob(ids[5], ids[:5]) == 0  # each 5-gram is followed by one token


def test_the_logits_are_those_of_a_language_model():
    model = NGram(3, V).fit(TRAIN)
    ids = torch.tensor([TEST[:4], TEST[4:8]])
    logits = model(ids)
    assert logits.shape == (2, 4, V)
    assert torch.allclose(logits.logsumexp(-1), torch.zeros(2, 4), atol=1e-6)
    expected = torch.tensor(model.log_probs(TEST[:4]), dtype=torch.float32)[1:]
    assert torch.allclose(logits[0, :-1].gather(1, ids[0, 1:, None])[:, 0], expected, atol=1e-6)
    assert (model.block_size, NGram(1, V).block_size) == (2, 1)


def test_samples_follow_the_distribution_and_the_seed():
    model = NGram(3, V).fit(TRAIN)
    draw = model.sample(torch.Generator().manual_seed(1), 50, [0, 1])
    assert draw.shape == (50,) and draw.dtype == torch.long
    assert torch.equal(draw, model.sample(torch.Generator().manual_seed(1), 50, [0, 1]))
    assert not torch.equal(draw, model.sample(torch.Generator().manual_seed(2), 50, [0, 1]))
    first = [int(model.sample(torch.Generator().manual_seed(s), 1, [0, 1])) for s in range(2000)]
    shares = np.bincount(first, minlength=V) / 2000
    assert np.abs(shares - model.distribution([0, 1])).max() < 0.05  # four standard errors
    assert model.sample(torch.Generator(), 0).shape == (0,)


def test_a_sample_never_holds_what_cannot_come():
    model = NGram(2, V, AddK(0)).fit([0, 1, 0, 1, 0])
    assert model.sample(torch.Generator().manual_seed(0), 6, [0]).tolist() == [1, 0, 1, 0, 1, 0]


def test_fitting_again_forgets():
    model = NGram(3, V, Interpolated()).fit(stream(900, seed=8))
    assert model.fit(TRAIN).lambdas == NGram(3, V, Interpolated()).fit(TRAIN).lambdas
    assert model.log_probs(TEST).sum() == NGram(3, V, Interpolated()).fit(TRAIN).log_probs(TEST).sum()


def test_no_tokens_have_no_probabilities_and_no_perplexity():
    model = NGram(3, V).fit(TRAIN)
    assert model.log_probs([]).shape == (0,)
    with pytest.raises(ValueError, match="at least one token"):
        model.perplexity([])


@pytest.mark.parametrize(
    "ids", [[[0, 1]], [0.5, 1.0], "abc", b"abc", ["a", "b"], 3, [0, V], [-1, 0], [0], []]
)
def test_what_is_no_stream_of_ids_is_refused(ids):
    with pytest.raises(ValueError, match=r"1-D integers|must lie in|at least 2"):
        NGram(2, V).fit(ids)


@pytest.mark.parametrize("call", ["log_probs", "distribution", "perplexity"])
def test_a_model_without_counts_says_so(call):
    with pytest.raises(ValueError, match="call fit"):
        getattr(NGram(2, V), call)([0, 1])


@pytest.mark.parametrize(
    "make",
    [
        lambda: NGram(0, V),
        lambda: NGram(2.0, V),
        lambda: NGram(True, V),
        lambda: NGram(2, 0),
        lambda: NGram(3, V, Interpolated((0.5, 0.5))),
        lambda: AddK(-1),
        lambda: AddK(float("nan")),
        lambda: Interpolated((0.5, 1.5)),
        lambda: Interpolated(held_out=0),
        lambda: KneserNey(1.5),
        lambda: KneserNey(base="bigram"),
        lambda: NGram(3, V).fit(TRAIN).log_prob(V, [0]),
        lambda: NGram(3, V).fit(TRAIN).distribution([V]),
        lambda: NGram(3, V, Interpolated()).fit(TRAIN, held_out=[]),
    ],
)
def test_options_that_make_no_sense_are_refused(make):
    with pytest.raises(ValueError):
        make()
