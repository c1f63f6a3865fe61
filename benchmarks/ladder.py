"""The history page's ladder, longer: every rung, several seeds and training times, one machine.

    python benchmarks/ladder.py        (or: llmbook artefacts make ladder)

writes src/llmbook/history/data/ladder.json, which the page draws. Run it on a quiet machine: the budget is wall-clock
time. What is measured: `llmbook.history.ladder.measure`.

How the models were chosen, each tried once with seed 0 on two cores; in bits per byte of the two plays of
``split="valid"``. The record is scored on the two of ``"test"``, which are a little harder and were not looked at.

Sizes, at 40 s. Feed-forward of 256 and 512 hidden units: 2.39, 2.36. RNN of 256 and 384: 2.26, 2.41. LSTM of 256 and
384 at a rate of 2e-2 and of 512 at 1.4e-2: 2.19, 2.23, 2.21. Transformer of 2 and 4 layers of 128 and of 2 of 160:
2.17, 2.21, 2.21. LSTMs of 384 and 512 were worse than one of 256 at 120 s too, all at 1e-2: 2.12, 2.13, 2.10.

Learning rates, at 10 s. Feed-forward 4e-3 and 1e-2: 2.59, 2.58. RNN 5e-3 and 1e-2: 2.39, 2.37. LSTM 1e-2 and 2e-2:
2.29, 2.30. Transformer 1e-2, 2e-2 and 3e-2: 2.44, 2.46, 2.48. At 120 s: LSTM 2e-2, 1e-2 and 5e-3: 2.16, 2.10, 2.08;
Transformer 1.2e-2 and 6e-3: 2.08, 2.04. Hence the rule in ``Rung.lr_for``; 1.5e-2 for LSTM and Transformer lies between
what was best at 10 s and what the rule needs at 120 s.
"""

import sys

from llmbook.cli import main

if __name__ == "__main__":
    sys.exit(main(["artefacts", "make", "ladder"]))
