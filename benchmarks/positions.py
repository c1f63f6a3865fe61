"""The architecture page's comparison of positions beyond the trained length, longer and over seeds.

    python benchmarks/positions.py --steps 1000 --seeds 3

writes src/llmbook/data/positions.json, which the page draws. All kinds get the same windows in the same order, the
same optimizer and learning rate, and the same number of steps; nothing was tuned for any of them.
"""

from __future__ import annotations

import argparse
from itertools import product

from llmbook import architecture
from llmbook.architecture import length_extrapolation
from llmbook.core.measure import records
from llmbook.core.run.runtime import pick_device


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--steps", type=int, default=1000, help="training steps of 16 windows of 64 bytes")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--device", default="auto")
    options.add_argument("--output", default=str(architecture.POSITIONS))
    args = options.parse_args()
    scores, device = [], pick_device(args.device)
    for seed, kind in product(range(args.seeds), length_extrapolation.KINDS):
        found = length_extrapolation.extrapolation(kind, steps=args.steps, seed=seed, device=device)
        print(f"{kind:12s} seed {seed}: " + ", ".join(f"{s.length}: {s.bits:.3f}" for s in found), flush=True)
        scores += found
    records.save(scores, args.output, steps=args.steps, seeds=args.seeds, device=str(device))


if __name__ == "__main__":
    main()
