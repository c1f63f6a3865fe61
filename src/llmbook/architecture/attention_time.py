"""Where the time of attention goes: its parts one by one, in memory that is new each time and in memory that is kept.

Four times the tokens are sixteen times the operations, and the readable attention can take forty times as long. That is
neither the softmax nor the processor's cache: the T x T matrices, from a certain size on, are given back to the
operating system after each use and asked for again, and it hands them out page by page, each one cleared (a *page
fault*). The GNU C library does so for blocks of more than 32 MiB (``mallopt(3)``, DEFAULT_MMAP_THRESHOLD_MAX); 2,048
tokens in two heads are just as many bytes. The proof is an intervention: the same operations on the same sizes in
memory that was asked for once. Left out on purpose: GPUs, whose memory PyTorch keeps itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product

import torch
from torch import Tensor

from llmbook.core.measure.intervals import Interval
from llmbook.core.models.attention import attend, fused

PARTS = ("scores", "softmax", "mask", "mix")
NEW, KEPT = "new", "kept"


@dataclass(frozen=True)
class PartTime:
    """Seconds of processor time of one part of attention over ``n_token`` on one thread, one number for each repeat.

    ``memory``: "new" at each call or "kept". ``faults``: pages that the operating system had to hand out, and
    ``system``: seconds of processor time that it took itself, both per call; None where it does not say (Windows).
    """

    part: str
    n_token: int
    memory: str
    seconds: tuple[float, ...]
    faults: float | None
    system: float | None


class Steps:
    """Attention of q, k, v (B, H, T, D) in four parts, ``attend``'s operations one by one.

    ``keep``: all results go into memory that is asked for once, here.
    """

    def __init__(self, q: Tensor, k: Tensor, v: Tensor, keep: bool):
        self.q, self.k, self.v, self.scale = q, k, v, q.shape[-1] ** -0.5
        square = (*q.shape[:3], k.shape[2])
        self.made: dict[str, Tensor] = {}
        if keep:
            self.made = {name: q.new_empty(square) for name in ("product", "scores", "weights")}
            self.made |= {"nowhere": q.new_empty(square, dtype=torch.bool), "mixed": torch.empty_like(q)}
        self.scores_, self.weights_ = (
            q.new_zeros(square),
            q.new_zeros(square),
        )  # what the later parts start from

    def scores(self) -> Tensor:
        """Compare and scale: (B, H, T, T)."""
        product = torch.matmul(self.q, self.k.mT, out=self.made.get("product"))
        return torch.mul(product, self.scale, out=self.made.get("scores"))

    def softmax(self, scores: Tensor | None = None) -> Tensor:
        """Weights that add up to one."""
        given = self.scores_ if scores is None else scores
        return torch.softmax(given, -1, out=self.made.get("weights"))

    def mask(self, scores: Tensor | None = None, weights: Tensor | None = None) -> Tensor:
        """Nothing where the score is minus infinity, so that a query that may look nowhere gets no NaN."""
        scores = self.scores_ if scores is None else scores
        weights = self.weights_ if weights is None else weights
        nowhere = torch.eq(scores, -math.inf, out=self.made.get("nowhere"))
        return weights.masked_fill_(nowhere, 0.0) if self.made else weights.masked_fill(nowhere, 0.0)

    def mix(self, weights: Tensor | None = None) -> Tensor:
        """The weighted mean of the values: (B, H, T, D)."""
        given = self.weights_ if weights is None else weights
        return torch.matmul(given, self.v, out=self.made.get("mixed"))

    def whole(self) -> Tensor:
        """All four, one after the other: what ``attend`` returns."""
        scores = self.scores()
        return self.mix(self.mask(scores, self.softmax(scores)))


def attention_seconds_by_part(
    lengths: Sequence[int] = (512, 2048),
    *,
    repeat: int = 7,
    n_head: int = 2,
    head_dim: int = 32,
    seed: int = 0,
) -> list[PartTime]:
    """Time every part of attention, the whole and PyTorch's fused kernel, at each length, with new and kept memory.

    On one thread of the CPU, by its processor time, which other work on the machine disturbs less than the clock.
    Everything is called once in each of ``repeat`` rounds, so that what else the machine does hits all alike.
    Raises ``ValueError`` for no length, a length below 1, or fewer than two rounds.

    >>> {t.memory for t in attention_seconds_by_part((8,), repeat=2) if t.part == "softmax"} == {"new", "kept"}
    True
    """
    if not lengths or min(lengths) < 1 or repeat < 2:
        raise ValueError(
            f"lengths are {list(lengths)}, repeat is {repeat}; give lengths of at least 1, two rounds"
        )
    generator = torch.Generator().manual_seed(seed)
    calls: dict[tuple[str, int, str], Callable[[], object]] = {}
    for n in lengths:
        q, k, v = (torch.randn(1, n_head, n, head_dim, generator=generator) for _ in range(3))
        for memory in (NEW, KEPT):
            steps = Steps(q, k, v, keep=memory == KEPT)
            calls |= {(name, n, memory): getattr(steps, name) for name in (*PARTS, "whole")}
        calls["attend", n, NEW] = partial(attend, q, k, v)
        calls["fused kernel", n, NEW] = partial(fused, q, k, v, None, False, head_dim**-0.5)
    with one_thread():
        return rounds(calls, repeat)


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch works on one thread inside, and afterwards on as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def processor_clock() -> Callable[[], float]:
    """This thread's processor time where it is counted finely; otherwise (Windows: 16 ms) the clock on the wall."""
    fine = time.get_clock_info("thread_time").resolution < 1e-5
    return time.thread_time if fine else time.perf_counter


def rounds(calls: dict[tuple[str, int, str], Callable[[], object]], repeat: int) -> list[PartTime]:
    """Call everything once to warm up, then ``repeat`` times in turns."""
    clock = processor_clock()
    seconds: dict = {name: [] for name in calls}
    work: dict = {name: [] for name in calls}
    for i, (name, call) in product(range(repeat + 1), calls.items()):
        before, start = system_work(), clock()
        result = call()
        took, after = clock() - start, system_work()
        del result
        if i > 0:
            seconds[name].append(took)
            work[name].append((after[0] - before[0], after[1] - before[1]) if before and after else None)
    return [PartTime(*name, tuple(seconds[name]), *mean_work(work[name])) for name in calls]


def system_work() -> tuple[int, float] | None:
    """Page faults of this process so far, and seconds that the operating system worked for it; None on Windows."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_minflt, usage.ru_stime


def mean_work(work: Sequence[tuple[int, float] | None]) -> tuple[float | None, float | None]:
    """Mean faults and mean seconds of a call."""
    known = [w for w in work if w is not None]
    if not known:
        return None, None
    return sum(w[0] for w in known) / len(known), sum(w[1] for w in known) / len(known)


def find(times: Sequence[PartTime], part: str, n_token: int, memory: str) -> PartTime:
    """The row of one part. Raises ``ValueError`` when it was not timed."""
    for t in times:
        if (t.part, t.n_token, t.memory) == (part, n_token, memory):
            return t
    raise ValueError(f"no time of {part!r} at {n_token} tokens in {memory!r} memory; time it first")


def growth(times: Sequence[PartTime], part: str, short: int, long: int, memory: str = NEW) -> Interval:
    """How many times as long the part takes for ``long`` tokens as for ``short``: the median over the rounds.

    The interval runs from the smallest to the largest ratio; the median of n independent ones lies outside that once
    in 2ⁿ⁻¹ (the sign test turned round), however they are distributed.

    >>> times = [PartTime("mix", 8, "new", (1.0, 1.0, 2.0), 0, 0), PartTime("mix", 32, "new", (16.0, 17.0, 30.0), 0, 0)]
    >>> print(growth(times, "mix", 8, 32))
    16.000 (75 % interval 15.000 to 17.000, n = 3)
    """
    pairs = zip(
        find(times, part, short, memory).seconds, find(times, part, long, memory).seconds, strict=True
    )
    ratios = sorted(b / a for a, b in pairs)
    n, middle = len(ratios), len(ratios) // 2
    median = ratios[middle] if n % 2 else (ratios[middle - 1] + ratios[middle]) / 2
    return Interval(median, ratios[0], ratios[-1], n, 1 - 2.0 ** (1 - n))
