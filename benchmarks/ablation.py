"""The architecture page's losses without a part, over passages of the test plays, with a control for the mask.

    python benchmarks/ablation.py      (or: llmbook artefacts make ablation)

writes src/llmbook/architecture/data/ablation.json, which the page draws. What is measured:
`llmbook.architecture.ablation.measure`.
"""

import sys

from llmbook.cli import main

if __name__ == "__main__":
    sys.exit(main(["artefacts", "make", "ablation"]))
