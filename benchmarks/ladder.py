"""The history page's ladder, longer: every rung, several seeds, one machine.

    python benchmarks/ladder.py --seconds 40 --seeds 3

writes src/llmbook/data/ladder.json, which the page draws. Run it on a quiet machine: the budget is wall-clock time.
Learning rates come from one run of 10 seconds each: the best of 2e-3, 4e-3 and 1e-2 for the feed-forward network
(AdamW), of 4e-3, 1e-2 and 2e-2 for the others (Muon).
"""

from __future__ import annotations

import argparse

from llmbook import history
from llmbook.core.runtime import pick_device


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=40.0, help="training time of each network")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--device", default="auto")
    options.add_argument("--output", default=str(history.RESULTS))
    args = options.parse_args()
    corpus, device = history.text(), pick_device(args.device)
    climbs = [history.count_ngrams(corpus, order)[0] for order in (2, 3, 5)]
    for seed in range(args.seeds):
        for rung in history.RUNGS:
            climbs.append(history.climb(rung, corpus, args.seconds, seed, device)[0])
            print(f"{rung.name:14s} seed {seed}: {climbs[-1].bits_per_byte:.3f} bits per byte", flush=True)
    history.save(climbs, args.output, seconds=args.seconds, seeds=args.seeds, device=str(device))


if __name__ == "__main__":
    main()
