"""A small English-French parallel corpus, frozen in ``data/french.tsv``: its pairs, splits, vocabularies and batches.

``DATA_CARD`` says what it is and how it was made; the grammar that wrote it is in ``benchmarks/french``. Left out on
purpose: every difficulty of real translation.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch

from llmbook.core.text.tokens import BOS, EOS, PAD, SPECIALS, UNK, Batch

CORPUS = Path(__file__).parent / "data" / "french.tsv"  # written by `python -m benchmarks.french`
LANGUAGES = ("en", "fr")
PROPER = frozenset({"I", "Anna", "Marie", "Paul", "Lucas"})  # the words that keep their capital

DATA_CARD = """\
**What it is.** 8,000 English sentences of 3 to 10 words, all different, each with one French translation: about 200 \
distinct words in English and 300 in French.

**How it was made.** A random generator (seed 0) drew them from a grammar: templates and a lexicon written by hand, \
with the rules of agreement, elision and contraction. Nothing is copied from a corpus. \
`python -m benchmarks.french` makes the same file again, byte for byte. "Hello, how are you?" was kept out, and every \
longer sentence that begins like it.

**Good for.** Watching word order, agreement and elision being learned in a minute, with exact references.

**Bad for.** Anything about real translation quality: few idioms, no ambiguity, four names, one reference a sentence, \
random and sometimes odd content. A score here says nothing about a score on WMT.

**Choices.** *you*: tu, ton, te; vous, votre when the sentence addresses sir or madam. *they / them*: ils / les, never \
elles. *I, we, you*: masculine agreement (je suis fatigué), feminine when madam is addressed. *friend, doctor, \
teacher, child*: masculine. *simple past*: passé composé (I saw: j'ai vu). *do you ...?*: est-ce que, no inversion; \
comment allez-vous is the one fixed exception. *like / love*: both aimer; like is used for things, animals and food, \
love for people. *some old trees*: de vieux arbres. *please*: s'il te plaît; s'il vous plaît with sir or madam.
"""


class Pair(NamedTuple):
    """One English sentence and its French reference."""

    english: str
    french: str


# Not in the corpus, though its parts are: "Good evening, how are you?", "Hello Marie, how are you?".
WORKED_EXAMPLE = Pair("Hello, how are you?", "Bonjour, comment ça va ?")


@lru_cache(maxsize=1)
def pairs() -> tuple[Pair, ...]:
    """The 8,000 pairs, in random order.

    >>> pairs()[1]
    Pair(english='I am never thirsty.', french="Je n'ai jamais soif.")
    """
    return tuple(Pair(*line.split("\t")) for line in CORPUS.read_text(encoding="utf-8").splitlines())


class Split(NamedTuple):
    train: list[Pair]
    test: list[Pair]


def split(data: Sequence[Pair], held_out: float = 0.1, seed: int = 0) -> Split:
    """Hold out new sentences made of known words: every word of the test set occurs in training, no sentence does.

    Two English sentences may have one French translation; neither of them is held out then.

    Raises:
        ValueError: ``held_out`` is not between 0 and 1, or the data are too few to hold out anything.

    >>> [len(part) for part in split(pairs(), held_out=0.05, seed=1)]
    [7600, 400]
    """
    if not 0 < held_out < 1:
        raise ValueError(f"held_out is {held_out}; it is a share, above 0 and below 1")
    shuffled = random.Random(seed).sample(list(data), len(data))
    counts = Counter(word for pair in shuffled for word in _words(pair))
    translations = Counter(pair.french for pair in shuffled)
    train: list[Pair] = []
    test: list[Pair] = []
    for pair in shuffled:
        own = Counter(_words(pair))
        new = translations[pair.french] == 1 and all(counts[word] > own[word] for word in own)
        if new and len(test) < held_out * len(data):
            counts -= own
            test.append(pair)
        else:
            train.append(pair)
    if not test or not train:
        raise ValueError(
            f"{len(data)} pairs are too few to hold out {held_out:.0%} made of known words; take more"
        )
    return Split(train, test)


def _words(pair: Pair) -> list[tuple[str, str]]:
    return [("en", w) for w in tokenize(pair.english)] + [("fr", w) for w in tokenize(pair.french)]


_TOKEN = re.compile(r"aujourd'hui|(?:qu|[cdjlmnst])'|[\w-]+|[^\w\s]", re.IGNORECASE)


def tokenize(text: str) -> list[str]:
    """Split a sentence into words, elided forms and punctuation; the first word loses its capital.

    >>> tokenize("Est-ce qu'il n'aime pas l'école ?")
    ['est-ce', "qu'", 'il', "n'", 'aime', 'pas', "l'", 'école', '?']
    """
    tokens = _TOKEN.findall(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    if tokens and tokens[0] not in PROPER:
        tokens[0] = tokens[0][0].lower() + tokens[0][1:]
    return tokens


def detokenize(tokens: Sequence[str], language: str) -> str:
    """Inverse of :func:`tokenize`: French puts a space before ``?``, English does not.

    >>> detokenize(["où", "est", "l'", "hôtel", "?"], "fr")
    "Où est l'hôtel ?"

    Raises:
        ValueError: ``language`` is neither ``"en"`` nor ``"fr"``.
    """
    _check_language(language)
    text = ""
    for token in tokens:
        tight = not text or text.endswith("'") or token in (",", ".") or (token == "?" and language == "en")
        text += token if tight else " " + token
    return text[:1].upper() + text[1:]


def _check_language(language: str) -> None:
    if language not in LANGUAGES:
        raise ValueError(f"language is {language!r}; allowed: {', '.join(LANGUAGES)}")


class Vocabulary:
    """The words of one language, most frequent first, after <pad>, <bos>, <eos> and <unk> (ids 0 to 3).

    >>> vocabulary = Vocabulary.build(["J'aime l'école."], "fr")
    >>> vocabulary.encode("L'école."), vocabulary.decode(vocabulary.encode("L'école."))
    ([7, 8, 4], "L'école.")
    """

    def __init__(self, words: Sequence[str], language: str) -> None:
        _check_language(language)
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
