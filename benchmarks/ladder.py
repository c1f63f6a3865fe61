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

Size and optimizer are chosen at a sixteenth of the largest budget, where the LSTM took AdamW at the highest rate of the
grid. Is it still best at the end? With 5.6e12 operations and seed 0, in bits per byte of the validation plays: AdamW at
6.25e-3, which the record ran, 2.177, at twice that 2.209; Muon at 6.25e-3 2.180, at twice that 2.194. So it is, and its
distance from the Transformer in the record (0.07) is not one of tuning among these.
"""

import sys

from llmbook.cli import main

if __name__ == "__main__":
    sys.exit(main(["artefacts", "make", "ladder", "recall"]))
