"""A small English-French parallel corpus, written as a grammar of everyday sentences.

Every sentence comes from hand-written templates and a hand-written lexicon, so the French is correct by rule:
gender and number agreement, *bel/vieil/nouvel* and *mon/cet* before a vowel, silent and aspirated *h*,
elision (*j', l', d', n', qu'*), contraction (*du, au, des, aux*), *ne ... pas*, *de* after a negation, the
place of adjectives, adverbs and object pronouns, and the *passé composé* with *avoir* and *être*.

Each English sentence has exactly one French reference. Where English leaves a choice open, :data:`CHOICES`
says which was made. Left out: inversion, the imperfect, relative clauses, two readings of one sentence.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch

from llmbook.architecture.french_grammar import (
    BE,
    BE_MODES,
    LANGUAGES,
    MODES,
    Pair,
    Phrase,
    check_language,
    clause,
    detokenize,
    elide,
    inflect,
    noun_phrase,
    starts_with_vowel,
    tokenize,
)
from llmbook.architecture.french_lexicon import ADJECTIVES, NOUNS, VERBS
from llmbook.architecture.french_sentences import TEMPLATES
from llmbook.core.text.tokens import BOS, EOS, PAD, SPECIALS, UNK, Batch

__all__ = [
    "ADJECTIVES",
    "BE",
    "BE_MODES",
    "BOS",
    "CHOICES",
    "DATA_CARD",
    "EOS",
    "HELD_COMBINATIONS",
    "LANGUAGES",
    "MAX_PAIRS",
    "MODES",
    "NOUNS",
    "PAD",
    "SPECIALS",
    "UNK",
    "VERBS",
    "WORKED_EXAMPLE",
    "Batch",
    "Pair",
    "Phrase",
    "Split",
    "Vocabulary",
    "batch",
    "clause",
    "compositional_split",
    "detokenize",
    "elide",
    "inflect",
    "noun_phrase",
    "pairs",
    "split",
    "starts_with_vowel",
    "tokenize",
]

MAX_PAIRS = 40_000  # the grammar allows more; beyond this, drawing new ones gets slow

CHOICES = {
    "you": "tu, ton, te; vous, votre when the sentence addresses sir or madam",
    "they / them": "ils / les, never elles",
    "I, we, you": "masculine agreement (je suis fatigué); feminine when madam is addressed",
    "friend, doctor, teacher, child": "masculine (ami, médecin, professeur, enfant)",
    "simple past": "passé composé (I saw: j'ai vu)",
    "do you ...?": "est-ce que, no inversion; comment allez-vous is the one fixed exception",
    "like / love": "both aimer; like is used for things, animals and food, love for people",
    "some old trees": "de vieux arbres (de before a preceding plural adjective)",
    "please": "s'il te plaît; s'il vous plaît with sir or madam",
}

DATA_CARD = (
    """\
**What it is.** English-French sentence pairs of 3 to 10 English words, generated from a hand-written \
grammar: about 200 distinct words in English and 300 in French. Nothing is copied from a corpus.

**Good for.** Watching word order, agreement and elision being learned in a minute, with exact references \
and held-out combinations of known words.

**Bad for.** Anything about real translation quality: few idioms, no ambiguity, four names, one reference a \
sentence, random and sometimes odd content. A score here says nothing about a score on WMT.

**Choices.** """
    + "; ".join(f"*{english}*: {french}" for english, french in CHOICES.items())
    + "."
)

# Never produced by `pairs`, though its parts are: "Good evening, how are you?", "Hello Marie, how are you?".
WORKED_EXAMPLE = Pair("Hello, how are you?", "Bonjour, comment ça va ?")


def pairs(n: int, seed: int = 0) -> list[Pair]:
    """Draw ``n`` distinct sentence pairs; a smaller ``n`` gives a prefix of the same list.

    Never contains :data:`WORKED_EXAMPLE`, nor its French side, nor a longer sentence beginning like it.

    >>> [pair.english for pair in pairs(2, seed=0)] == [pair.english for pair in pairs(3, seed=0)][:2]
    True

    Raises:
        ValueError: ``n`` is not between 1 and :data:`MAX_PAIRS`.
    """
    if not 1 <= n <= MAX_PAIRS:
        raise ValueError(f"n is {n}; the grammar gives 1 to {MAX_PAIRS} distinct pairs")
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
    return 3 <= len(words) <= 10 and not repeated and words[1] != "I" and not _contains_worked_example(pair)


def _contains_worked_example(pair: Pair) -> bool:
    return pair.english.startswith(WORKED_EXAMPLE.english[:-1]) or pair.french.startswith(
        WORKED_EXAMPLE.french[:-2]
    )


class Split(NamedTuple):
    train: list[Pair]
    test: list[Pair]


def split(data: Sequence[Pair], held_out: float = 0.1, seed: int = 0) -> Split:
    """Hold out new sentences made of known words: every word of the test set occurs in training.

    Raises:
        ValueError: ``held_out`` is not between 0 and 1, or the data are too few to hold out anything.
    """
    if not 0 < held_out < 1:
        raise ValueError(f"held_out is {held_out}; it is a share, above 0 and below 1")
    shuffled = random.Random(seed).sample(list(data), len(data))
    counts = Counter(word for pair in shuffled for word in _words(pair))
    train: list[Pair] = []
    test: list[Pair] = []
    for pair in shuffled:
        own = Counter(_words(pair))
        if len(test) < held_out * len(data) and all(counts[word] > own[word] for word in own):
            counts -= own
            test.append(pair)
        else:
            train.append(pair)
    if not test or not train:
        raise ValueError(
            f"{len(data)} pairs are too few to hold out {held_out:.0%} made of known words; draw more"
        )
    return Split(train, test)


def _words(pair: Pair) -> list[tuple[str, str]]:
    return [("en", w) for w in tokenize(pair.english)] + [("fr", w) for w in tokenize(pair.french)]


# Each word of each combination is common with other partners.
HELD_COMBINATIONS = (
    ("old", "tree"), ("white", "house"), ("black", "cat"), ("small", "hat"), ("new", "school"),
    ("good", "bread"), ("read", "letter"), ("eat", "apple"), ("buy", "flower"), ("see", "horse"),
    ("drink", "water"), ("go", "market"),
)  # fmt: skip


def compositional_split(
    data: Sequence[Pair], combinations: Iterable[tuple[str, str]] = HELD_COMBINATIONS
) -> Split:
    """Split so that no training sentence joins the words of a held combination and every test sentence does.

    A combination is (adjective or verb, noun) in the English base form. Test sentences with a word that
    training lacks are dropped.

    Raises:
        ValueError: a combination never occurs in ``data``.
    """
    held = frozenset(combinations)
    missing = held - {combination for pair in data for combination in pair.combinations}
    if missing:
        raise ValueError(
            f"combinations {sorted(missing)} occur in none of the {len(data)} pairs; draw more pairs or "
            "use (adjective or verb, noun) in the base form"
        )
    train = [pair for pair in data if not pair.combinations & held]
    known = {word for pair in train for word in _words(pair)}
    return Split(
        train, [pair for pair in data if pair.combinations & held and known.issuperset(_words(pair))]
    )


class Vocabulary:
    """The words of one language, most frequent first, after <pad>, <bos>, <eos> and <unk> (ids 0 to 3).

    >>> vocabulary = Vocabulary.build(["J'aime l'école."], "fr")
    >>> vocabulary.encode("L'école."), vocabulary.decode(vocabulary.encode("L'école."))
    ([7, 8, 4], "L'école.")
    """

    def __init__(self, words: Sequence[str], language: str) -> None:
        check_language(language)
        self.words, self.language = (*SPECIALS, *words), language
        self._ids = {word: index for index, word in enumerate(self.words)}

    @classmethod
    def build(cls, texts: Iterable[str], language: str) -> Vocabulary:
        """Collect every word of ``texts``; ties in frequency are broken alphabetically."""
        counts = Counter(token for text in texts for token in tokenize(text))
        return cls(sorted(counts, key=lambda word: (-counts[word], word)), language)

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, text: str) -> list[int]:
        """Token ids of a sentence, without <bos> and <eos>; unknown words become <unk>."""
        return [self._ids.get(token, UNK) for token in tokenize(text)]

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """The words behind ``ids``, specials included, one for each: labels for an attention map."""
        return [self.words[int(index)] for index in ids]

    def decode(self, ids: Iterable[int]) -> str:
        """The sentence up to the first <eos>, without special tokens."""
        words = self.tokens(ids)
        words = words[: words.index("<eos>")] if "<eos>" in words else words
        return detokenize([word for word in words if word not in ("<pad>", "<bos>")], self.language)


def batch(
    data: Sequence[Pair], source: Vocabulary, target: Vocabulary, device: torch.device | str = "cpu"
) -> Batch:
    """Turn pairs into one :class:`Batch`, padded with 0 on the right; source English, target French.

    Raises:
        ValueError: ``data`` is empty.
    """
    if not data:
        raise ValueError("data holds no pairs; a batch needs at least one")
    sources = [[*source.encode(pair.english), EOS] for pair in data]
    targets = [target.encode(pair.french) for pair in data]
    rows = sources, [[BOS, *ids] for ids in targets], [[*ids, EOS] for ids in targets]
    return Batch(*(_pad(row).to(device) for row in rows))


def _pad(rows: Sequence[Sequence[int]]) -> torch.Tensor:
    width = max(map(len, rows))
    return torch.tensor([[*row, *[PAD] * (width - len(row))] for row in rows], dtype=torch.long)
