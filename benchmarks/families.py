"""The architecture page's comparison of decoder families, over seeds and two lengths of training.

    python benchmarks/families.py      (or: llmbook artefacts make families)

writes src/llmbook/architecture/data/families.json, which the page draws. What is measured:
`llmbook.architecture.families.measure`.
"""

import sys

from llmbook.cli import main

if __name__ == "__main__":
    sys.exit(main(["artefacts", "make", "families"]))
