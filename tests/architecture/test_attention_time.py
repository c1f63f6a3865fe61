"""Attention's time by parts: the parts are attention's, memory is new or kept as said, ratios are ratios."""

from __future__ import annotations

import math
import mmap
import platform
import sys

import pytest
import torch

from llmbook.architecture import attention_time
from llmbook.architecture.attention_time import PARTS, PartTime, Steps
from llmbook.core.models.attention import attend


def qkv(n=9, seed=0, heads=2):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(1, heads, n, 4, generator=generator) for _ in range(3)]


@pytest.mark.parametrize("keep", [False, True])
def test_the_four_parts_one_after_the_other_are_attention(keep):
    steps = Steps(*qkv(), keep)
    for _ in range(3):  # kept memory is used again
        torch.testing.assert_close(steps.whole(), attend(*qkv()), atol=1e-6, rtol=1e-6)


def test_the_mask_part_makes_nothing_of_what_may_look_nowhere():
    steps = Steps(*qkv(2), keep=True)
    scores = torch.tensor([[-math.inf, -math.inf], [0.0, -math.inf]]).expand(1, 2, 2, 2)
    weights = scores.softmax(-1)
    assert weights.isnan().any()
    assert steps.mask(scores.clone(), weights)[0, 0].tolist() == [[0.0, 0.0], [1.0, 0.0]]


@pytest.mark.parametrize("part", PARTS)
def test_kept_memory_is_the_same_each_time_and_new_memory_is_not(part):
    kept, new = Steps(*qkv(), keep=True), Steps(*qkv(), keep=False)
    results = [getattr(kept, part)() for _ in range(2)]
    assert results[0].data_ptr() == results[1].data_ptr()
    alive = [getattr(new, part)() for _ in range(2)]
    assert alive[0].data_ptr() != alive[1].data_ptr()
    torch.testing.assert_close(results[0], alive[0])


def test_every_part_is_timed_at_every_length_in_both_kinds_of_memory():
    times = attention_time.attention_seconds_by_part((8, 16), repeat=3)
    asked = [(t.part, t.n_token, t.memory) for t in times]
    expected = {(p, n, m) for p in (*PARTS, "whole") for n in (8, 16) for m in ("new", "kept")}
    expected |= {(p, n, "new") for p in ("attend", "fused kernel") for n in (8, 16)}
    assert set(asked) == expected and len(asked) == len(expected)
    assert all(len(t.seconds) == 3 and min(t.seconds) > 0 for t in times)


def test_what_is_called_new_is_new_and_what_is_called_kept_is_kept(monkeypatch):
    given = {}
    monkeypatch.setattr(attention_time, "rounds", lambda calls, repeat: given.update(calls))
    attention_time.attention_seconds_by_part((8,))
    for part in (*PARTS, "whole"):
        for memory in ("new", "kept"):
            steps = given[part, 8, memory].__self__
            assert given[part, 8, memory] == getattr(steps, part) and bool(steps.made) == (memory == "kept")


def test_the_first_call_of_each_is_not_counted_and_calls_take_turns(monkeypatch):
    order, now = [], [0.0]
    takes = {"a": iter([90.0, 1.0, 2.0]), "b": iter([70.0, 5.0, 6.0])}
    monkeypatch.setattr(attention_time, "processor_clock", lambda: lambda: now[0])

    def work(name):
        order.append(name)
        now[0] += next(takes[name])

    calls = {(name, 8, "new"): (lambda name=name: work(name)) for name in "ab"}
    times = attention_time.rounds(calls, repeat=2)
    assert order == list("ababab") and [t.seconds for t in times] == [(1.0, 2.0), (5.0, 6.0)]


def test_one_thread_inside_and_as_many_as_before_outside():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(RuntimeError, match="inside"), attention_time.one_thread():
            assert torch.get_num_threads() == 1
            raise RuntimeError("inside")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="page faults as Linux counts them")
def test_page_faults_are_those_of_the_call():
    size = 4 << 20

    def touch():
        block = mmap.mmap(-1, size)
        if hasattr(mmap, "MADV_NOHUGEPAGE"):
            block.madvise(mmap.MADV_NOHUGEPAGE)
        block[:: mmap.PAGESIZE] = b"x" * (size // mmap.PAGESIZE)
        block.close()

    (time,) = attention_time.rounds({("touch", 8, "new"): touch}, repeat=3)
    assert time.faults == pytest.approx(size / mmap.PAGESIZE, rel=0.1) and time.system > 0


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the GNU C library's threshold")
def test_matrices_of_32_mib_are_new_pages_at_each_call_and_kept_ones_are_not():
    with open("/sys/kernel/mm/transparent_hugepage/enabled") as file:
        if "[always]" in file.read():
            pytest.skip("large pages everywhere: there are few faults to count")
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 2, 2048, 8, generator=generator) for _ in range(3))
    calls = {("whole", 2048, m): Steps(q, k, v, m == "kept").whole for m in ("new", "kept")}
    new, kept = attention_time.rounds(calls, repeat=2)
    pages = 4 * 2048 * 2048 * 2 * 4 / mmap.PAGESIZE  # product, scores, weights, masked weights
    assert new.faults > 0.8 * pages and kept.faults < 0.05 * pages


def test_growth_is_the_median_ratio_of_the_rounds_and_says_how_sure_it_is():
    times = [
        PartTime("mix", n, "kept", s, None, None)
        for n, s in ((8, (1.0, 2.0, 1.0, 1.0)), (32, (9.0, 8.0, 5.0, 7.0)))
    ]
    times.append(PartTime("mix", 8, "new", (5.0,) * 4, None, None))
    ratio = attention_time.growth(times, "mix", 8, 32, "kept")
    assert (ratio.low, ratio.mean, ratio.high) == (4.0, 6.0, 9.0) and ratio.level == 1 - 1 / 8
    with pytest.raises(ValueError, match="no time of 'mix' at 32 tokens in 'new' memory"):
        attention_time.growth(times, "mix", 8, 32)


@pytest.mark.parametrize(("lengths", "repeat"), [((), 3), ((0,), 3), ((8,), 1)])
def test_bad_input_is_refused(lengths, repeat):
    with pytest.raises(ValueError, match="give lengths of at least 1, two rounds"):
        attention_time.attention_seconds_by_part(lengths, repeat=repeat)
