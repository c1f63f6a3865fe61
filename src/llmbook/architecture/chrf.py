"""Scores for texts that a model wrote, against references that people wrote.

chrF (Popović 2015, doi:10.18653/v1/W15-3049): how many runs of one to six characters two texts share. The tests
compare it with sacrebleu's. Left out on purpose: BLEU and ROUGE, which have their own page, and word n-grams.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def char_ngrams(text: str, n: int) -> Counter[str]:
    """The runs of ``n`` characters in a text, spaces left out, with how often each occurs.

    >>> sorted(char_ngrams("a ba", 2).items())
    [('ab', 1), ('ba', 1)]
    """
    text = "".join(text.split())
    return Counter(text[i : i + n] for i in range(len(text) - n + 1))


def chrf(candidates: Sequence[str], references: Sequence[str], max_n: int = 6, beta: float = 2.0) -> float:
    """Corpus chrF, 0 to 100: F-score of precision and recall averaged over n = 1..max_n; recall counts beta times.

    Raises ``ValueError`` for a bare string, which is a list of letters, and unless there is one reference for each
    candidate, and at least one of both.

    >>> chrf(["le chat"], ["le chat"])
    100.0
    """
    for name, texts in (("candidates", candidates), ("references", references)):
        if isinstance(texts, str):
            raise ValueError(f"{name} is the string {texts!r}; give a list of texts, such as [{texts!r}]")
    if max_n < 1:
        raise ValueError(f"max_n is {max_n}; runs have at least one character")
    if len(candidates) != len(references) or not len(candidates):
        raise ValueError(
            f"{len(candidates)} candidates and {len(references)} references; give as many of each, at least one"
        )
    precisions, recalls = [], []
    for n in range(1, max_n + 1):
        pairs = [(char_ngrams(c, n), char_ngrams(r, n)) for c, r in zip(candidates, references, strict=True)]
        shared = sum((c & r).total() for c, r in pairs)
        written, wanted = sum(c.total() for c, _ in pairs), sum(r.total() for _, r in pairs)
        if written and wanted:  # no run is this long: the order does not count
            precisions.append(shared / written)
            recalls.append(shared / wanted)
    if not precisions or not sum(precisions) + sum(recalls):
        return 0.0
    p, r = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return 100 * (1 + beta**2) * p * r / (beta**2 * p + r)
