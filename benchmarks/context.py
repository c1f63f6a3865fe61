"""What context is worth to SmolLM2, and whether it finds a planted fact again, as the architecture page draws it.

    python benchmarks/context.py     (or: llmbook artefacts make context planted)

writes context.json and planted.json to src/llmbook/architecture/data. What is measured:
`llmbook.architecture.context.measure` and `llmbook.architecture.recall.measure`.
"""

import sys

from llmbook.cli import main

if __name__ == "__main__":
    sys.exit(main(["artefacts", "make", "context", "planted"]))
