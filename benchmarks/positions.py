"""The architecture page's comparison of positions beyond the trained length, longer and over seeds.

    python benchmarks/positions.py     (or: llmbook artefacts make positions positions-early)

writes positions.json and positions-early.json in src/llmbook/architecture/data, which the page draws. What is measured:
`llmbook.architecture.length_extrapolation.measure`.
"""

import sys

from llmbook.cli import main

if __name__ == "__main__":
    sys.exit(main(["artefacts", "make", "positions", "positions-early"]))
