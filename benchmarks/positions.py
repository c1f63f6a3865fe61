"""The architecture page's comparison of positions beyond the trained length, longer and over seeds.

    python benchmarks/positions.py     (or: llmbook artefacts make positions)

writes src/llmbook/architecture/data/positions.json, which the page draws. What is measured:
`llmbook.architecture.length_extrapolation.measure`.
"""

import sys

from llmbook.cli import main

if __name__ == "__main__":
    sys.exit(main(["artefacts", "make", "positions"]))
