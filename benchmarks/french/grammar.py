"""Spelling, noun phrases and clauses, in both languages.

Nothing here is random. Shapes of sentences are in ``MODES``; which one is drawn, in ``sentences``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from llmbook.architecture.french import Pair, detokenize, tokenize

from .lexicon import (
    ASPIRATED,
    BEFORE_VOWEL,
    DETERMINERS,
    PLURAL_ENGLISH,
    POLITE_YOUR,
    VERBS,
    Adjective,
    Noun,
    Verb,
)


def starts_with_vowel(word: str) -> bool:
    """Whether ``word`` calls for elision: a vowel or a silent h (arbre, homme, œuf; not hibou)."""
    return word[0].lower() in "aeiouyéèêîœh" and word not in ASPIRATED


def elide(words: Sequence[str]) -> list[str]:
    """Apply elision, then contraction: *de le ami de le professeur* becomes *de l' ami du professeur*."""
    out: list[str] = []
    for word, after in zip(words, [*words[1:], "."], strict=True):
        if word in {"je", "le", "la", "ne", "de", "que", "me", "te"} and starts_with_vowel(after):
            word = word[:-1] + "'"
        elif word == "ce" and after == "est":
            word = "c'"
        contracted = {("de", "le"): "du", ("de", "les"): "des", ("à", "le"): "au", ("à", "les"): "aux"}
        if out and (out[-1], word) in contracted:
            out[-1] = contracted[out[-1], word]
        else:
            out.append(word)
    return out


class Phrase(NamedTuple):
    """A noun phrase or pronoun in both languages, before elision; `negated` is used after *ne ... pas*."""

    english: str
    french: str
    person: int = 2  # 0 je, 1 tu, 2 il, 3 nous, 4 vous, 5 ils
    gender: str = "m"
    negated_english: str = ""
    negated_french: str = ""
    noun: str = ""


def inflect(adjective: Adjective, gender: str, plural: bool) -> str:
    """Form of an adjective: *vieille* for old, "f", singular."""
    return {"m": (adjective.ms, adjective.mp), "f": (adjective.fs, adjective.fp)}[gender][plural]


def noun_phrase(
    noun: Noun,
    determiner: str,
    *,
    plural: bool = False,
    adjective: Adjective | None = None,
    polite: bool = False,
) -> Phrase:
    """Build "this old tree" / "ce vieil arbre" with all agreements, before elision.

    ``determiner`` is an English one in the singular (``the``, ``this``, ``a``, ``my`` ...), ``some`` for mass
    nouns, or ``generic`` ("I like cats": les chats). ``polite`` makes *your* votre.
    """
    words, english = (
        [noun.french_plural if plural else noun.french],
        [noun.english_plural if plural else noun.english],
    )
    before = adjective is not None and adjective.place == "before"
    if adjective is not None:
        liaison = before and not plural and noun.gender == "m" and starts_with_vowel(words[0])
        form = adjective.liaison if liaison else inflect(adjective, noun.gender, plural)
        words.insert(0 if before else 1, form)
        english.insert(0, adjective.english)
    name = {"generic": ""}.get(
        determiner, PLURAL_ENGLISH.get(determiner, determiner) if plural else determiner
    )
    article = _article(determiner, noun.gender, plural, words[0], plural and before, polite)
    indefinite, any_ = determiner in ("a", "some"), "any" if name == "some" else name
    return Phrase(
        " ".join([name, *english]).strip(), " ".join([article, *words]), 5 if plural else 2, noun.gender,
        " ".join([any_, *english]).strip(), " ".join(["de" if indefinite else article, *words]),
        noun.english,
    )  # fmt: skip


def _article(determiner: str, gender: str, plural: bool, following: str, before: bool, polite: bool) -> str:
    column = 2 if plural else "mf".index(gender)
    if determiner == "some":
        return "de " + DETERMINERS["the"][column]  # du, de la, de l' after elision and contraction
    if determiner == "a" and before:
        return "de"  # de vieux arbres
    forms = (
        POLITE_YOUR if determiner == "your" and polite else DETERMINERS[determiner.replace("generic", "the")]
    )
    return BEFORE_VOWEL.get(forms[column], forms[column]) if starts_with_vowel(following) else forms[column]


# English: {s} subject, {b} base, {v} agreeing form, {g} -ing form, {p} past, {o} object, {n} negated object.
# French: {s}, {o} and {n} likewise, {f} finite form, {i} infinitive, {aux} and {pp} passé composé.
MODES = {
    "plain": ("{s} {v} {o}.", "{s} {f} {o}."),
    "not": ("{s} {do} not {b} {n}.", "{s} ne {f} pas {n}."),
    "question": ("{do} {s} {b} {o}?", "est-ce que {s} {f} {o}?"),
    "often": ("{s} often {v} {o}.", "{s} {f} souvent {o}."),
    "always": ("{s} always {v} {o}.", "{s} {f} toujours {o}."),
    "never": ("{s} never {v} {n}.", "{s} ne {f} jamais {n}."),
    "now": ("{s} {be} {g} {o}.", "{s} {f} {o}."),
    "now not": ("{s} {be} not {g} {n}.", "{s} ne {f} pas {n}."),
    "now question": ("{be} {s} {g} {o}?", "est-ce que {s} {f} {o}?"),
    "past": ("{s} {p} {o}.", "{s} {aux} {pp} {o}."),
    "past not": ("{s} did not {b} {n}.", "{s} ne {aux} pas {pp} {n}."),
    "future": ("{s} {be} going to {b} {o}.", "{s} {go} {i} {o}."),
    "want": ("{s} {want} to {b} {o}.", "{s} {veut} {i} {o}."),
}
BE_MODES = {
    "plain": ("{s} {be} {o}.", "{s} {f} {o}."),
    "not": ("{s} {be} not {n}.", "{s} ne {f} pas {n}."),
    "question": ("{be} {s} {o}?", "est-ce que {s} {f} {o}?"),
    "often": ("{s} {be} often {o}.", "{s} {f} souvent {o}."),
    "never": ("{s} {be} never {o}.", "{s} ne {f} jamais {n}."),
}
BE = Verb("be", "is", "-", "-", "-", ("suis", "es", "est", "sommes", "êtes", "sont"), "-", "-")


def finish(english: str, french: str) -> Pair:
    """Finish two token strings: a/an, elision, contraction, capitals and punctuation."""
    words = tokenize(english)
    words = [
        "an" if w == "a" and after[0] in "aeiou" else w
        for w, after in zip(words, [*words[1:], "."], strict=True)
    ]
    raw = re.sub(r"([.,?])", r" \1", french).split()
    return Pair(detokenize(words, "en"), detokenize(elide(raw), "fr"))


def clause(
    mode: tuple[str, str], subject: Phrase, verb: Verb, thing: Phrase, clitic: str = "", end: str = ""
) -> Pair:
    """Fill one of :data:`MODES` or :data:`BE_MODES`.

    ``clitic`` is an object pronoun, which French puts before the verb; ``end`` is ``today``, ``sir`` or
    ``madam``.
    """
    person = subject.person
    english = {
        "s": subject.english, "b": verb.base, "v": verb.third if person == 2 else verb.base,
        "g": verb.progressive,
        "do": "does" if person == 2 else "do", "want": "wants" if person == 2 else "want", "p": verb.past,
        "be": "am" if person == 0 else "is" if person == 2 else "are",
        "o": thing.english, "n": thing.negated_english or thing.english,
    }  # fmt: skip
    french = {
        "s": subject.french, "f": f"{clitic} {verb.forms[person]}", "i": f"{clitic} {verb.infinitive}",
        "aux": (BE if verb.base == "go" else VERBS["have"]).forms[person], "pp": _participle(verb, subject),
        "go": VERBS["go"].forms[person], "veut": VERBS["want"].forms[person],
        "o": thing.french, "n": thing.negated_french or thing.french,
    }  # fmt: skip
    sides = [SUFFIXES[end][side] + mode[side][-1] for side in (0, 1)]
    return finish(mode[0][:-1].format(**english) + sides[0], mode[1][:-1].format(**french) + sides[1])


SUFFIXES = {
    "": ("", ""),
    "today": (" today", " aujourd'hui"),
    "sir": (", sir", ", monsieur"),
    "madam": (", madam", ", madame"),
}


def _participle(verb: Verb, subject: Phrase) -> str:
    """With *être* (go) the participle agrees with the subject: elle est allée, nous sommes allés."""
    if verb.base != "go":
        return verb.participle
    return (
        verb.participle + ("e" if subject.gender == "f" else "") + ("s" if subject.person in (3, 5) else "")
    )


def after_preposition(english: str, french: str, phrase: Phrase) -> Phrase:
    """Put a preposition in front of a phrase; after it, a negation no longer turns un into de."""
    words = f"{english} {phrase.english}", f"{french} {phrase.french}"
    return Phrase(*words, noun=phrase.noun)
