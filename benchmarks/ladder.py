"""The history page's ladder, longer: every rung tuned alike, three budgets, three seeds, one processor core.

    python benchmarks/ladder.py        (or: llmbook artefacts make ladder recall)

writes src/llmbook/history/data/ladder.json and recall.json, which the page draws: half an hour of one core (26 and 4
minutes). Budgets are operations, so a busy machine makes it longer and changes no score; seconds are of the processor.
The protocol is in `llmbook.history.ladder`, what is measured in its `measure` and in `llmbook.history.recall`. Every
trial is a row of the record, with ``split="valid"``; the two plays of ``"test"``, which are harder by about a seventh
of a bit, are not looked at until everything is chosen.

Why batches of 16: at the same 7e11 operations of forward and backward pass, rate 1e-2, Muon, batches of 32, 16 and 8
gave the LSTM 2.54, 2.43 and 2.41 bits per byte of the validation plays, the Transformer 2.45, 2.47 and 2.46. Sixteen is
what the LSTM needs and costs the Transformer little.

What the protocol cannot rule out: size and optimizer are chosen at a sixteenth of the largest budget. The LSTM chose
AdamW there (2.62, Muon 2.70, both at the highest rate of the grid), and what is best for it at the end may be another.
"""

import sys

from llmbook.cli import main

if __name__ == "__main__":
    sys.exit(main(["artefacts", "make", "ladder", "recall"]))
