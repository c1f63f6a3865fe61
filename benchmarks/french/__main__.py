"""Write the corpus: ``python -m benchmarks.french [--output FILE]``, from the root of the book."""

from __future__ import annotations

import argparse
import random
from collections import Counter
from pathlib import Path

from llmbook.architecture.french import CORPUS, WORKED_EXAMPLE, Pair, tokenize
from llmbook.core.run.files import atomic_path

from .sentences import TEMPLATES

N_PAIRS, SEED = 8000, 0


def pairs(n: int, seed: int) -> list[Pair]:
    """Draw ``n`` pairs with distinct English sides; a smaller ``n`` gives a prefix of the same list."""
    rng = random.Random(seed)
    found: dict[str, Pair] = {}
    templates, weights = list(TEMPLATES), list(TEMPLATES.values())
    while len(found) < n:
        pair = rng.choices(templates, weights)[0](rng)
        if _acceptable(pair):
            found.setdefault(pair.english, pair)
    return list(found.values())


def _acceptable(pair: Pair) -> bool:
    """3 to 10 words, nothing said twice ("Anna sees Anna"), no "Do I ...?", not the worked example."""
    words = [token for token in tokenize(pair.english) if token.isalpha()]
    repeated = any(count > 1 and len(word) > 3 for word, count in Counter(words).items())
    return 3 <= len(words) <= 10 and not repeated and words[1] != "I" and not _begins_like_the_example(pair)


def _begins_like_the_example(pair: Pair) -> bool:
    english, french = WORKED_EXAMPLE.english[:-1], WORKED_EXAMPLE.french[:-2]  # without their question marks
    return pair.english.startswith(english) or pair.french.startswith(french)


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m benchmarks.french", description=__doc__.splitlines()[0])
    options.add_argument("--output", type=Path, default=CORPUS)
    with atomic_path(options.parse_args().output) as path:
        lines = [f"{pair.english}\t{pair.french}\n" for pair in pairs(N_PAIRS, SEED)]
        path.write_text("".join(lines), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
