"""Our Transformer beside transformers' on the real SmolLM2: how fast each reads a prompt, and how fast it writes.

    python benchmarks/decode.py --repeats 5

writes benchmarks/results/decode.json. Both have one copy of the weights, float32, and as many threads as there are
cores. They take turns, so that a machine that is busy for a while slows down both; medians are compared, and the
tokens that they write must be the same. Reading ("prefill") is the time to the first new token, writing ("decode") the
number of tokens behind it per second. Other work on the machine moves these by tens of per cent; the time that the
processor spent, which it moves little, is kept beside them (with OMP_WAIT_POLICY=PASSIVE, so that threads that wait
count for nothing).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor

from llmbook import architecture
from llmbook.core.models.generation import stream
from llmbook.core.run.files import atomic_path
from llmbook.core.run.machine import hardware, versions
from llmbook.core.run.runtime import set_threads
from llmbook.core.text import corpora

OUTPUT = Path(__file__).parent / "results" / "decode.json"


class Turn(NamedTuple):
    """One prompt read and continued, by the clock and by the processor's time (all threads together)."""

    prefill_seconds: float
    decode_tokens_per_second: float
    prefill_cpu_seconds: float
    decode_cpu_seconds_per_token: float


class Clock:
    """Notes when each new token comes; transformers' ``generate`` takes it as a streamer."""

    def __init__(self) -> None:
        self.times, self.tokens = [(time.perf_counter(), time.process_time())], []

    def put(self, ids: Tensor) -> None:
        if ids.numel() == 1:  # the first thing that a streamer gets is the prompt
            self.times.append((time.perf_counter(), time.process_time()))
            self.tokens.append(int(ids))

    def end(self) -> None:
        pass

    def turn(self) -> Turn:
        """Prefill is the time until the first new token, decode that of the others."""
        (start, first, last), n = (self.times[i] for i in (0, 1, -1)), len(self.tokens) - 1
        return Turn(
            first[0] - start[0], n / (last[0] - first[0]), first[1] - start[1], (last[1] - first[1]) / n
        )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--prompt", type=int, default=512, help="tokens to read")
    options.add_argument("--new", type=int, default=64, help="tokens to write behind the first")
    options.add_argument("--repeats", type=int, default=5, help="turns of each, at least 3")
    options.add_argument("--output", type=Path, default=OUTPUT)
    args = options.parse_args()
    if args.repeats < 3 or args.new < 1 or args.prompt < 2:
        options.error(
            "give --repeats of at least 3 (for a median), --new of at least 1, --prompt of at least 2"
        )
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None  # of what else the machine does
    set_threads()
    ours, reference = architecture.real_pair("smollm2")
    text = corpora.plays_text("test")[:20_000]
    ids = reference.tokenizer(text, return_tensors="pt").input_ids[:, : args.prompt]  # (1, T)
    if ids.shape[1] < args.prompt:
        options.error(f"--prompt is {args.prompt}; the text has {ids.shape[1]} tokens")

    def write_ours(ids: Tensor, n_new: int, clock: Clock) -> None:
        for new in stream(ours, ids, n_new):
            clock.put(new)

    def write_theirs(ids: Tensor, n_new: int, clock: Clock) -> None:
        reference.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=n_new, do_sample=False,
                                 eos_token_id=None, streamer=clock)  # fmt: skip

    writers: dict[str, Callable[[Tensor, int, Clock], None]] = {
        "ours": write_ours,
        "transformers": write_theirs,
    }
    runs: dict[str, list[Turn]] = {name: [] for name in writers}
    written = []
    for turn in range(-1, args.repeats):  # the first turn, which reads the weights from disk, does not count
        for name in sorted(writers, reverse=turn % 2 == 1):
            clock = Clock()
            writers[name](ids, args.new + 1, clock)
            written.append(clock.tokens)
            if turn >= 0:
                runs[name].append(clock.turn())
                print(
                    f"{name:12s}",
                    ", ".join(f"{k} {v:.3f}" for k, v in runs[name][-1]._asdict().items()),
                    flush=True,
                )
    assert all(new == written[0] for new in written), "the two do not write the same tokens"
    save(args, runs, written[0], load)


def save(
    args: argparse.Namespace, runs: dict[str, list[Turn]], written: list[int], load: float | None
) -> None:
    """Print the medians and write them with every turn, the machine and the versions; whole or not at all."""
    medians = {name: Turn(*map(median, zip(*turns, strict=True))) for name, turns in runs.items()}
    mine, other = medians["ours"], medians["transformers"]
    ratios = {
        "prefill": other.prefill_seconds / mine.prefill_seconds,
        "decode": mine.decode_tokens_per_second / other.decode_tokens_per_second,
        "prefill, processor time": other.prefill_cpu_seconds / mine.prefill_cpu_seconds,
        "decode, processor time": other.decode_cpu_seconds_per_token / mine.decode_cpu_seconds_per_token,
    }
    about = {
        "model": "SmolLM2-135M-Instruct", "dtype": "float32", "threads": torch.get_num_threads(),
        "prompt_tokens": args.prompt, "new_tokens": args.new, "repeats": args.repeats, "same_tokens": True,
        "load_average_before": load, "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY"),
        "hardware": hardware(), "versions": versions(),
    }  # fmt: skip
    record = {
        "about": about,
        "speed_ours_over_transformers": ratios,
        "medians": {name: turn._asdict() for name, turn in medians.items()},
        "turns": {name: [turn._asdict() for turn in turns] for name, turns in runs.items()},
        "tokens": written,
    }
    args.output.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(args.output) as temporary:
        temporary.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n")
    print(
        "speed, ours over transformers: " + ", ".join(f"{k} {v:.2f}" for k, v in ratios.items()), args.output
    )


if __name__ == "__main__":
    main()
