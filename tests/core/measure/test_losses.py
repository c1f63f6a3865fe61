"""Tests of llmbook.core.measure.losses: each token counted once, and intervals that hold what they promise."""

import math
import statistics

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from llmbook.core.measure import intervals, losses, metrics
from llmbook.core.measure.intervals import Interval


class Bigram(nn.Module):
    """Looks one token back: its loss cannot depend on where windows begin."""

    block_size, vocab_size = 8, 5

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(5, 5)
        self.dropout = nn.Dropout(0.5)

    def forward(self, ids):
        return self.dropout(self.table(ids))


class Positional(nn.Module):
    """Knows how many tokens it has seen in this window, and is the surer the more they are."""

    def forward(self, ids):
        logits = torch.zeros(*ids.shape, 2)
        logits[..., 0] = torch.arange(ids.shape[1], dtype=torch.float32)
        return logits


@pytest.fixture
def bigram():
    torch.manual_seed(0)
    return Bigram()


@pytest.mark.parametrize("n", [2, 3, 8, 9, 10, 17, 18, 50])
@pytest.mark.parametrize("stride", [None, 1, 3])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_every_token_but_the_first_is_counted_once_whatever_the_windows(bigram, n, stride, batch_size):
    ids = torch.randint(5, (n,), generator=torch.Generator().manual_seed(n))
    bigram.eval()
    expected = F.cross_entropy(bigram(ids[:-1]), ids[1:], reduction="none")
    if stride is not None:
        stride = min(stride, n - 1)
    nats = losses.token_losses(bigram, ids, stride=stride, batch_size=batch_size)
    torch.testing.assert_close(nats, expected.detach())
    assert losses.loss(bigram, ids, stride=stride, batch_size=batch_size) == pytest.approx(
        expected.mean().item(), abs=1e-6
    )


def test_windows_worked_by_hand():
    # 6 tokens, 5 targets, windows of 3: targets 1 to 3 come after 1, 2 and 3 tokens of context. The last
    # window ends where the text ends, so that its new targets, 4 and 5, come after 2 and 3 tokens. After k
    # tokens the logits are k - 1 for token 0, which it is, and 0 for token 1.
    expected = [math.log(1 + math.exp(-k)) for k in (0, 1, 2, 1, 2)]
    nats = losses.token_losses(Positional(), torch.zeros(6, dtype=torch.long), block_size=3)
    assert nats.tolist() == pytest.approx(expected, abs=1e-6)


def test_a_smaller_stride_gives_more_context():
    ids = torch.zeros(101, dtype=torch.long)
    by_stride = [losses.loss(Positional(), ids, block_size=10, stride=s) for s in (10, 5, 1)]
    assert by_stride[0] > by_stride[1] > by_stride[2]


def test_dropout_is_off_while_evaluating_and_the_mode_comes_back(bigram):
    ids = torch.randint(5, (40,), generator=torch.Generator().manual_seed(1))
    bigram.train()
    assert losses.loss(bigram, ids) == losses.loss(bigram, ids)
    assert bigram.training
    bigram.eval()
    losses.loss(bigram, ids)
    assert not bigram.training


def test_the_mode_comes_back_even_when_the_model_raises(bigram):
    bigram.train()
    with pytest.raises(IndexError):
        losses.loss(bigram, torch.tensor([1, 99, 1]))
    assert bigram.training


@pytest.mark.parametrize(
    ("ids", "options", "message"),
    [
        (torch.tensor([1]), {}, "holds 1 tokens"),
        (torch.tensor([], dtype=torch.long), {}, "holds 0 tokens"),
        (torch.zeros(2, 5, dtype=torch.long), {}, r"integers of shape \(N,\)"),
        (torch.zeros(5), {}, "integer"),
        ([1, 2, 3], {}, "list"),
        (torch.zeros(20, dtype=torch.long), {"block_size": 9}, "1 to 8"),
        (torch.zeros(20, dtype=torch.long), {"block_size": 0}, "1 to 8"),
        (torch.zeros(20, dtype=torch.long), {"stride": 9}, "stride is 9"),
        (torch.zeros(20, dtype=torch.long), {"stride": 0}, "stride is 0"),
        (torch.zeros(20, dtype=torch.long), {"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_bad_input_is_named(bigram, ids, options, message):
    with pytest.raises(ValueError, match=message):
        losses.loss(bigram, ids, **options)


def test_a_model_without_block_size_needs_one():
    with pytest.raises(ValueError, match="give block_size"):
        losses.loss(Positional(), torch.zeros(5, dtype=torch.long))


def test_totals_and_weights_of_parts_add_up_to_those_of_the_whole_and_means_do_not():
    torch.manual_seed(0)
    logits, targets = torch.randn(2, 3, 5), torch.tensor([[1, -100, -100], [2, 3, 4]])
    whole = losses.cross_entropy(logits, targets)
    parts = [losses.cross_entropy(logits[i], targets[i]) for i in (0, 1)]
    by_hand = -torch.stack([logits[b, t].log_softmax(-1)[targets[b, t]] for b, t in (targets >= 0).nonzero()])
    torch.testing.assert_close(whole.total, by_hand.sum())
    assert int(whole.weight) == 4 and float(whole.mean) == pytest.approx(float(by_hand.mean()))
    assert float(sum(p.total for p in parts)) == pytest.approx(float(whole.total))
    assert sum(int(p.weight) for p in parts) == 4
    assert abs(float(sum(p.mean for p in parts)) / 2 - float(whole.mean)) > 0.1


def test_the_mean_equals_that_of_torch_to_the_last_bit():
    torch.manual_seed(0)
    logits, targets = torch.randn(4, 6, 11), torch.randint(11, (4, 6))
    for ignored in (-100, 3):
        expected = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=ignored)
        assert torch.equal(losses.cross_entropy(logits, targets, ignored).mean, expected)


def test_a_part_without_targets_adds_nothing_and_has_no_gradient_of_its_own():
    logits = torch.randn(1, 2, 5, requires_grad=True)
    total, weight = losses.cross_entropy(logits, torch.full((1, 2), -100))
    total.backward()
    assert total.item() == int(weight) == 0 and not logits.grad.any()


def test_bits_per_byte_does_not_depend_on_how_text_is_cut_into_tokens():
    # "abcd": four byte tokens of 2 nats each, or one token of 8 nats: the same text at the same cost
    assert losses.bits_per_byte(4 * 2.0, 4) == losses.bits_per_byte(1 * 8.0, 4)
    assert losses.bits_per_byte(math.log(2) * 8, 1) == pytest.approx(8)
    with pytest.raises(ValueError, match="n_bytes is 0"):
        losses.bits_per_byte(1.0, 0)


def test_perplexity_of_a_uniform_guess_is_the_vocabulary():
    uniform = losses.loss(lambda ids: torch.zeros(*ids.shape, 50), torch.arange(30), block_size=7)
    assert losses.perplexity(uniform) == pytest.approx(50, rel=1e-5)


def test_accuracy_refuses_other_shapes_and_nothing():
    assert metrics.accuracy(torch.tensor([1, 0]), torch.tensor([1, 1])) == 0.5
    with pytest.raises(ValueError, match="shape"):
        metrics.accuracy(torch.tensor([1, 0]), torch.tensor([[1, 0]]))
    with pytest.raises(ValueError, match="not empty"):
        metrics.accuracy(torch.tensor([]), torch.tensor([]))


# Student's t, two-sided 95 % and 99 %: any printed table (Fisher & Yates 1938, table III)
T_975 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 9: 2.262, 10: 2.228, 30: 2.042, 120: 1.980}
T_995 = {1: 63.657, 2: 9.925, 3: 5.841, 4: 4.604, 10: 3.169, 30: 2.750}


@pytest.mark.parametrize(("p", "table"), [(0.975, T_975), (0.995, T_995)])
def test_t_quantiles_are_those_of_the_printed_table(p, table):
    assert {df: round(intervals.t_quantile(p, df), 3) for df in table} == table


def test_t_quantile_is_odd_and_tends_to_the_normal_one():
    assert intervals.t_quantile(0.5, 3) == pytest.approx(0, abs=1e-9)
    assert intervals.t_quantile(0.1, 7) == -intervals.t_quantile(0.9, 7)
    normal = statistics.NormalDist().inv_cdf(0.975)
    assert 0 < intervals.t_quantile(0.975, 5000) - normal < 1e-3
    for p, df in ((0, 3), (1, 3), (0.9, 0)):
        with pytest.raises(ValueError, match="give 0 < p < 1"):
            intervals.t_quantile(p, df)


def test_seed_interval_worked_by_hand():
    interval = intervals.seed_interval([1.0, 2.0, 3.0])  # mean 2, s = 1, t = 4.3027 for 2 degrees of freedom
    assert interval.mean == 2 and interval.n == 3
    assert interval.high - 2 == pytest.approx(4.30265 / math.sqrt(3), abs=1e-4)
    assert 2 - interval.low == pytest.approx(interval.high - 2)


def test_intervals_hold_the_truth_as_often_as_they_say():
    generator = torch.Generator().manual_seed(0)
    samples = torch.randn(2000, 4, generator=generator, dtype=torch.float64)
    held = sum(0 in intervals.seed_interval(sample, level=0.9) for sample in samples) / 2000
    assert abs(held - 0.9) < 0.025  # standard error 0.0067
    samples = torch.rand(300, 60, generator=generator, dtype=torch.float64)
    held = sum(0.5 in intervals.bootstrap_interval(s, level=0.9, n_resamples=300) for s in samples) / 300
    assert abs(held - 0.9) < 0.06  # standard error 0.017


def test_bootstrap_interval_is_repeatable_and_narrows_with_more_values():
    values = torch.arange(10.0)
    few = intervals.bootstrap_interval(values, seed=3)
    assert few == intervals.bootstrap_interval(values, seed=3)
    assert few != intervals.bootstrap_interval(values, seed=4)
    many = intervals.bootstrap_interval(values.repeat(50), seed=3)
    assert few.low < many.low < many.mean == few.mean < many.high < few.high


def test_bootstrap_of_equal_values_has_no_width():
    interval = intervals.bootstrap_interval([2.0] * 5)
    assert (interval.low, interval.mean, interval.high) == (2, 2, 2)


def test_a_higher_level_is_wider():
    values = [1.0, 4.0, 2.0, 8.0]
    for interval in (intervals.seed_interval, intervals.bootstrap_interval):
        assert interval(values, 0.99).high > interval(values, 0.8).high


def test_pairing_finds_what_two_separate_intervals_hide():
    b = [1.0, 2.0, 3.0, 4.0]
    a = [x + d for x, d in zip(b, (0.10, 0.12, 0.09, 0.11), strict=True)]
    difference = intervals.paired_difference(a, b)
    assert 0 not in difference and difference.mean == pytest.approx(0.105)
    assert intervals.seed_interval(a).low < intervals.seed_interval(b).high
    swapped = intervals.paired_difference(b, a)
    assert (swapped.low, swapped.high) == (pytest.approx(-difference.high), pytest.approx(-difference.low))
    with pytest.raises(ValueError, match="as many of each"):
        intervals.paired_difference(a, b[:3])


@pytest.mark.parametrize("interval", [intervals.seed_interval, intervals.bootstrap_interval])
@pytest.mark.parametrize(
    ("values", "level", "message"),
    [
        ([], 0.95, "at least 2"),
        ([1.0], 0.95, "at least 2"),
        ([[1.0, 2.0]], 0.95, "at least 2"),
        ([1.0, math.nan], 0.95, "nan or inf"),
        ([1.0, 2.0], 1, "level is 1"),
        ([1.0, 2.0], 95, "level is 95"),
    ],
)
def test_intervals_refuse_what_has_no_spread_or_level(interval, values, level, message):
    with pytest.raises(ValueError, match=message):
        interval(values, level)


def test_an_interval_reads_as_a_sentence():
    assert str(Interval(1.23456, 1.2, 1.27, n=3, level=0.9)) == "1.235 (90 % interval 1.200 to 1.270, n = 3)"


@pytest.mark.parametrize(
    ("predicted", "references"), [("chat", "chat"), ("ab", ["a", "b"]), (["a", "b"], "ab")]
)
def test_exact_match_compares_no_letters(predicted, references):
    with pytest.raises(ValueError, match="letter by letter; give lists"):
        metrics.exact_match(predicted, references)


def test_exact_match_of_nothing_is_nothing():
    assert metrics.exact_match([], []) == []


def test_a_paired_difference_is_a_minus_b_at_the_level_asked_for():
    a, b = [3.0, 5.0, 4.5], [1.0, 2.0, 3.0]
    wide, narrow = (intervals.paired_difference(a, b, level) for level in (0.99, 0.5))
    assert wide.mean == narrow.mean == pytest.approx(6.5 / 3)
    assert wide.low < 0 < narrow.low < narrow.high < wide.high
    assert (wide.level, narrow.level) == (0.99, 0.5)
