"""The architecture page's comparison of decoder families, over seeds and two lengths of training.

    python benchmarks/families.py --steps 90 360 --seeds 5

writes src/llmbook/data/families.json, which the page draws. All three families get the same pairs in the same
order, the same optimizer and learning rate, and the same number of steps; each is scored by exact matches on the
sentences held out at its seed.
"""

from __future__ import annotations

import argparse

from llmbook import architecture
from llmbook.architecture import families
from llmbook.core.measure import records
from llmbook.core.run.runtime import pick_device


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--steps", type=int, nargs="+", default=[90, 360], help="training steps of 64 pairs")
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--device", default="auto")
    options.add_argument("--output", default=str(architecture.FAMILIES))
    args = options.parse_args()
    runs, device = [], pick_device(args.device)
    for steps in args.steps:
        for seed in range(args.seeds):
            for family in families.Translator.FAMILIES:
                runs.append(families.family_run(family, steps, seed, device))
                print(runs[-1], flush=True)
    records.save(runs, args.output, seeds=args.seeds, device=str(device))


if __name__ == "__main__":
    main()
