"""Short trainings with LayerNorm before and after, with and without warm-up, and with one part taken out.

    python benchmarks/norms.py     (or: llmbook artefacts make norms)

writes src/llmbook/architecture/data/norms.json, which the architecture page draws. What is measured:
`llmbook.architecture.norms.measure`.
"""

import sys

from llmbook.cli import main

if __name__ == "__main__":
    sys.exit(main(["artefacts", "make", "norms"]))
