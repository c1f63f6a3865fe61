"""Learning Unigram's pieces: begin with far too many, fit their probabilities, give up those that are missed least.

Kudo 2018, in the form that SentencePiece gave it and 🤗 tokenizers follows:

1. **Seeds**: every string that words repeat, up to 16 characters, if what follows it varies.
2. **EM**, twice: count how often each piece is expected over all segmentations, and make these its probabilities. Two
   details are SentencePiece's: a piece expected less than half a time is gone, and instead of the logarithm its digamma
   is taken, which is smaller for rare pieces (a sparse prior; Liang and Klein 2007).
3. **Pruning**: for each piece, how much likelihood is lost if its places are spelt by its second-best segmentation;
   the quarter with the least loss is given up. Then again from 2, down to a tenth more than was asked for.
   A piece that goes leaves its count to those that spell it, so the total grows. By how much SentencePiece takes
   from the size of the whole vocabulary, where the number of the spelling pieces would be meant; so do we, to agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from llmbook.tokenization.byte_level import ALPHABET
from llmbook.tokenization.lattices import Floats, Ints, Lattices

LONGEST = 16  # characters of a piece, as in SentencePiece
SHRINK, SPARE = 0.75, 1.1  # of the pieces stay after each pruning; of the asked-for size is where EM ends
EM_STEPS = 2
LEAST = 0.5  # a piece that is expected less often is gone
UNSEEN = 10  # the log-probability of a character that is gone, below the rarest piece
END = "\0"


def seeds(words: Mapping[str, int]) -> dict[str, float]:
    """The pieces to begin with -> log-probabilities: single characters, then repeated strings, the heaviest first.

    A string weighs its length times the number of different words' places that have it. One that the same character
    follows everywhere is left out: the longer string is there instead.

    >>> list(seeds({"hug": 5, "hugs": 1, "pug": 2}))
    ['u', 'g', 'h', 'p', 's', 'ug', 'hug']
    """
    found: Counter[str] = Counter()
    for word in words:
        ended = word + END
        for start in range(len(word)):
            for end in range(start + 2, min(start + LONGEST + 1, len(ended)) + 1):
                found[ended[start:end]] += 1
    always_followed = {string[:-1] for string, n in found.items() if found.get(string[:-1]) == n}
    repeated = {
        s: n * len(s) for s, n in found.items() if n > 1 and s[-1] != END and s not in always_followed
    }
    heaviest = sorted(((w, s) for s, w in repeated.items() if len(s) <= LONGEST), reverse=True)
    singles = Counter[str]()
    for word, times in words.items():
        for character in word:
            singles[character] += times
    weights = dict(sorted(singles.items(), key=lambda item: item[::-1], reverse=True))
    weights |= {string: weight for weight, string in heaviest}
    total = sum(weights.values())
    return {piece: float(np.log(weight / total)) for piece, weight in weights.items()}


def learn_pieces(
    words: Mapping[str, int], vocab_size: int, n_special: int = 0, alphabet: Sequence[str] = ALPHABET
) -> dict[str, float]:
    """Pieces -> log-probabilities, the likeliest first; with ``n_special`` more they are ``vocab_size`` at most.

    Args:
        words: word -> how often it occurs.
        alphabet: characters that are pieces at last, whatever happens; every word is made of them.
    """
    start = seeds(words)
    missing = {character: -np.inf for character in alphabet if character not in start}
    pieces, scores = [*start, *missing], np.array([*start.values(), *missing.values()])  # (P,)
    numbers, times = {piece: i for i, piece in enumerate(pieces)}, np.array([*words.values()], dtype=float)
    lattices = Lattices([*words], numbers, LONGEST)
    alone = Lattices(pieces, numbers, LONGEST, whole=False)
    single = np.array([len(piece) == 1 for piece in pieces])  # (P,)
    order = np.arange(len(start))  # the pieces that are left, the ones that no others can replace first
    wanted = int(vocab_size * SPARE)
    while True:
        for _ in range(EM_STEPS):
            order, scores = maximize(lattices.expected(scores, times)[0], order, single)
        size = len(order) + 1  # SentencePiece counts <unk> as well
        if size <= wanted:
            break
        order = prune(order, scores, times, lattices, alone, max(wanted, int(size * SHRINK)) - 1)
        alive = single.copy()
        alive[order] = True
        scores[~alive] = -np.inf
        lattices.keep(alive)
        alone.keep(alive)
    return _finish(pieces, scores, order, single, vocab_size - n_special)


def maximize(counts: Floats, order: Ints, single: np.ndarray) -> tuple[Ints, Floats]:
    """The M step: those of ``order`` (P',) that stay, and log-probabilities (P,) out of expected counts (P,).

    What does not stay has -inf; but a ``single`` character is kept, far below the rest, as a last resort.
    """
    order = order[counts[order] >= LEAST]
    scores = np.full(len(counts), -np.inf)
    scores[order] = digamma(counts[order]) - digamma(counts[order].sum())
    scores[single & (scores == -np.inf)] = scores[order].min() - UNSEEN
    return order, scores


def digamma(x: Floats | float) -> Floats:
    """The derivative of the logarithm of the gamma function: near log(x - 1/2), by its asymptotic series.

    >>> round(float(digamma(1.0)), 6)  # minus Euler's constant
    -0.577216
    """
    x, result = np.array(x, dtype=float), np.zeros(np.shape(x))
    while (small := x < 7).any():
        result[small] -= 1 / x[small]
        x[small] += 1
    series = 1 / (12 * x**2) - 1 / (120 * x**4) + 1 / (252 * x**6) - 1 / (240 * x**8)
    return result + np.log(x) - 1 / (2 * x) - series


def prune(order: Ints, scores: Floats, times: Floats, words: Lattices, alone: Lattices, size: int) -> Ints:
    """The ``size`` pieces without which the text would lose most, as indices (P'): those with no substitute first."""
    counts = np.zeros(len(scores))
    for index, piece in words.walk(words.best(scores)[1]):
        np.add.at(counts, piece, times[index])
    _, enters = alone.best(scores)
    length, spelt = np.zeros(len(scores)), np.zeros(len(scores))
    for index, piece in alone.walk(enters):
        length[index] += 1
        spelt[index] += np.log(counts[piece] + counts[index] + 1e-300)
    itself = length <= 1  # a single character
    total = counts.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        after = spelt - length * np.log(total + counts * len(order))  # SentencePiece's, see above
        loss = counts / times.sum() * (np.log(counts / total) - after)
    used = order[(counts[order] > 0) | itself[order]]
    kept, candidates = used[itself[used]], used[~itself[used]]
    candidates = candidates[np.argsort(-loss[candidates], kind="stable")]
    return np.concatenate([kept, candidates[: max(0, size - len(kept))]])


def _finish(
    pieces: list[str], scores: Floats, order: Ints, single: np.ndarray, size: int
) -> dict[str, float]:
    """All characters, then as many others of ``order`` as there is room for; a last resort is raised to the rarest."""
    scores = np.maximum(scores, scores[order].min())
    chosen = np.concatenate([np.flatnonzero(single), order[~single[order]]])[:size]
    ranked = chosen[np.argsort(-scores[chosen], kind="stable")]
    return {pieces[i]: float(scores[i]) for i in ranked}
