"""Our Transformer beside transformers' on the real SmolLM2: how fast each reads a prompt, and how fast it writes.

    python benchmarks/decode.py --repeats 5

writes benchmarks/results/decode.json. Both have one copy of the weights, float32, and as many threads as there are
cores. They take turns, so that a machine that is busy for a while slows down both; medians are compared, and the
tokens that they write must be the same. Reading ("prefill") is the time to the first new token, writing ("decode") the
number of tokens behind it per second.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from llmbook import architecture
from llmbook.core.models.generation import stream
from llmbook.core.run.files import atomic_path
from llmbook.core.run.machine import cores, hardware, versions
from llmbook.core.text import corpora

OUTPUT = Path(__file__).parent / "results" / "decode.json"


class Clock:
    """Notes the time of every new token, as a streamer of transformers' ``generate`` as well."""

    def __init__(self) -> None:
        self.start, self.times, self.tokens = time.perf_counter(), [], []

    def put(self, ids: Tensor) -> None:
        if ids.numel() == 1:  # the first thing that a streamer gets is the prompt
            self.times.append(time.perf_counter())
            self.tokens.append(int(ids))

    def end(self) -> None:
        pass

    def run(self) -> tuple[float, float]:
        """Seconds until the first new token; tokens per second of the others."""
        return self.times[0] - self.start, (len(self.times) - 1) / (self.times[-1] - self.times[0])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--prompt", type=int, default=512, help="tokens to read")
    options.add_argument("--new", type=int, default=64, help="tokens to write behind the first")
    options.add_argument("--repeats", type=int, default=5, help="turns of each, at least 3")
    options.add_argument("--output", type=Path, default=OUTPUT)
    args = options.parse_args()
    if args.repeats < 3:
        options.error(f"--repeats is {args.repeats}; a median needs at least 3")
    torch.set_num_threads(cores())
    ours, reference = architecture.real_pair("smollm2")
    text = corpora.plays_text("test")[:20_000]
    ids = reference.tokenizer(text, return_tensors="pt").input_ids[:, : args.prompt]  # (1, T)

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
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in writers}
    written = []
    for turn in range(-1, args.repeats):  # the first turn, which reads the weights from disk, does not count
        for name in sorted(writers, reverse=turn % 2 == 1):
            clock = Clock()
            writers[name](ids, args.new + 1, clock)
            written.append(clock.tokens)
            if turn >= 0:
                runs[name].append(clock.run())
                seconds, rate = runs[name][-1]
                print(f"{name:12s} prefill {seconds:.3f} s, decode {rate:.1f} tokens/s", flush=True)
    assert all(new == written[0] for new in written), "the two do not write the same tokens"
    save(args, runs, written[0])


def save(args: argparse.Namespace, runs: dict[str, list[tuple[float, float]]], written: list[int]) -> None:
    """Print the medians and write them with every turn, the machine and the versions; whole or not at all."""
    rows = {
        name: {
            "prefill_seconds": median(seconds for seconds, _ in turns),
            "decode_tokens_per_second": median(rate for _, rate in turns),
            "prefill_seconds_of_each_turn": [seconds for seconds, _ in turns],
            "decode_tokens_per_second_of_each_turn": [rate for _, rate in turns],
        }
        for name, turns in runs.items()
    }
    mine, other = rows["ours"], rows["transformers"]
    ratios = {
        "prefill": other["prefill_seconds"] / mine["prefill_seconds"],
        "decode": mine["decode_tokens_per_second"] / other["decode_tokens_per_second"],
    }
    about = {
        "model": "SmolLM2-135M-Instruct", "dtype": "float32", "threads": torch.get_num_threads(),
        "prompt_tokens": args.prompt, "new_tokens": args.new, "repeats": args.repeats, "same_tokens": True,
        "load_average": os.getloadavg()[0], "hardware": hardware(), "versions": versions(),
    }  # fmt: skip
    record = {
        "about": about,
        "speed_ours_over_transformers": ratios,
        "medians_and_turns": rows,
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
