"""The templates: each draws one sentence pair from a random generator.

A template's docstring shows what it can say; ``TEMPLATES`` holds how often each is drawn.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from llmbook.architecture.french import Pair, tokenize

from .grammar import (
    BE,
    BE_MODES,
    MODES,
    SUFFIXES,
    Phrase,
    after_preposition,
    clause,
    finish,
    inflect,
    noun_phrase,
)
from .lexicon import (
    ADJECTIVES,
    CLITICS,
    DEFINITE,
    MISLEADING,
    NAMES,
    NOT_OWNED,
    NOUNS,
    OWN,
    POSSESSIVES,
    SINGLE,
    STATIVE,
    TRANSITIVE,
    VERBS,
    Noun,
    Verb,
)


def _choose_noun(rng: random.Random, kinds: str) -> Noun:
    allowed = kinds.split(",")
    return rng.choice([noun for noun in NOUNS.values() if noun.kind in allowed or noun.english in allowed])


def _choose_phrase(
    rng: random.Random,
    kinds: str,
    determiners: Sequence[str],
    *,
    polite: bool = False,
    kin: Sequence[str] = POSSESSIVES,
    plain: bool = False,
) -> Phrase:
    """A random noun phrase; a third are plural and, unless ``plain``, half carry an adjective."""
    noun = _choose_noun(rng, kinds)
    choices = kin if noun.kind == "kin" else determiners
    if noun.english in NOT_OWNED:
        choices = [word for word in choices if word not in POSSESSIVES] or ["the"]
    determiner = rng.choice(choices)
    mass = noun.english_plural == "-"
    if mass and determiner == "a":
        determiner = "some"
    plural = not mass and noun.english not in SINGLE and (determiner == "generic" or rng.random() < 0.33)
    if determiner == "generic" and not mass and not plural:
        determiner = "the"
    fitting = [
        a
        for a in ADJECTIVES.values()
        if noun.kind in a.kinds.split(",") and (a.english, noun.english) not in MISLEADING
    ]
    adjective = rng.choice(fitting) if fitting and not plain and rng.random() < 0.5 else None
    return noun_phrase(noun, determiner, plural=plural, adjective=adjective, polite=polite)


_PRONOUNS = [
    Phrase("I", "je", 0), Phrase("you", "tu", 1), Phrase("he", "il"), Phrase("she", "elle", gender="f"),
    Phrase("we", "nous", 3), Phrase("they", "ils", 5),
]  # fmt: skip
_NAMED = [Phrase(name, name, 2, gender) for name, gender in NAMES.items()]
_POLITE = [(Phrase("you", "vous", 4, "m"), "sir"), (Phrase("you", "vous", 4, "f"), "madam")]


def _subject(rng: random.Random) -> Phrase:
    draw = rng.random()
    if draw < 0.6:
        return rng.choice(_PRONOUNS)
    if draw < 0.75:
        return rng.choice(_NAMED)
    if draw < 0.8:
        one, two = rng.sample(_NAMED, 2)
        gender = "f" if one.gender == two.gender == "f" else "m"
        return Phrase(f"{one.english} and {two.english}", f"{one.french} et {two.french}", 5, gender)
    return _choose_phrase(rng, "adult,child,kin", DEFINITE)


def _modes(verb: Verb) -> list[str]:
    """The modes a verb allows: "I am looking for", not "I look for"; "I like", not "I am liking"."""
    if verb.base in STATIVE:
        return ["plain", "not", "question"]
    modes = ["often", "always", "never"]
    if verb.progressive != "-":
        modes += ["now", "now not", "now question"]
    if verb.base != "look for":
        modes += ["plain", "plain", "not", "not", "question", "question"]
    modes += ["past", "past", "past not"] if verb.past != "-" else []
    return modes + (["future", "want"] if verb.base not in ("look for", "find") else [])


def _object(rng: random.Random, verb: Verb, *, polite: bool = False) -> Phrase:
    determiners: Sequence[str] = ("a", "a", "a", "the", *DEFINITE)
    if verb.base == "like":
        determiners = (*DEFINITE, *["generic"] * 6)
    elif verb.base in ("love", "know"):
        determiners = DEFINITE
    kin = ("a",) if verb.base == "have" else POSSESSIVES
    return _choose_phrase(rng, verb.objects, determiners, polite=polite, kin=kin)


def _with_object(rng: random.Random) -> Pair:
    """Paul never eats apples; we did not buy the car; she is going to read a letter."""
    verb = VERBS[rng.choice(TRANSITIVE)]
    return clause(MODES[rng.choice(_modes(verb))], _subject(rng), verb, _object(rng, verb))


def _with_pronoun(rng: random.Random) -> Pair:
    """He loves her (il l'aime); I do not know them (je ne les connais pas)."""
    verb, subject = VERBS[rng.choice(("see", "love", "know", "find", "look for"))], _subject(rng)
    english = rng.choice([word for word in CLITICS if word not in OWN.get(subject.english, ())])
    mode = rng.choice([mode for mode in _modes(verb) if not mode.startswith("past")])
    return clause(MODES[mode], subject, verb, Phrase(english, ""), CLITICS[english])


def _with_preposition(rng: random.Random) -> Pair:
    """We went to the market (au marché); Anna is talking about the story (de l'histoire)."""
    verb, english, french = rng.choice([("go", "to", "à"), ("talk", "to", "à"), ("talk", "about", "de")])
    kinds = "adult,child,kin" if (verb, english) == ("talk", "to") else VERBS[verb].objects
    place = _choose_phrase(rng, kinds, ("the", "the", "the", *DEFINITE))
    if rng.random() < 0.15 and verb == "talk":
        place = rng.choice(_NAMED)
    place = after_preposition(english, french, place)
    mode = rng.choice(_modes(VERBS[verb]))
    today = mode in ("plain", "now", "past", "past not", "future", "question") and rng.random() < 0.15
    return clause(MODES[mode], _subject(rng), VERBS[verb], place, end="today" if today else "")


_STATES = ("tired", "happy", "sick", "ready")
_SENSATIONS = {"hungry": "faim", "thirsty": "soif", "cold": "froid"}  # French *has* hunger


def _state(rng: random.Random) -> Pair:
    """She is tired (elle est fatiguée); I am not hungry (je n'ai pas faim)."""
    subject, end = _subject(rng), rng.choice(("", "", "", "today"))
    mode = rng.choice(list(BE_MODES))
    if mode == "question" and rng.random() < 0.4:
        subject, end = rng.choice(_POLITE)
    if mode in ("often", "never"):
        end = ""
    return _be(rng, mode, subject, end)


def _be(rng: random.Random, mode: str, subject: Phrase, end: str) -> Pair:
    word = rng.choice((*_STATES, *_SENSATIONS))
    if word in _SENSATIONS:
        return clause(BE_MODES[mode], subject, VERBS["have"], Phrase(word, _SENSATIONS[word]), end=end)
    form = inflect(ADJECTIVES[word], subject.gender, subject.person in (3, 5))
    return clause(BE_MODES[mode], subject, BE, Phrase(word, form), end=end)


def _description(rng: random.Random) -> Pair:
    """The houses are white: les maisons sont blanches."""
    subject = _choose_phrase(rng, "animal,thing,text,place,food,meal,drink,adult", DEFINITE, plain=True)
    kind = NOUNS[subject.noun].kind
    adjective = rng.choice(
        [a for a in ADJECTIVES.values() if kind in a.kinds.split(",") and a.english != "new"]
    )
    predicate = Phrase(adjective.english, inflect(adjective, subject.gender, subject.person == 5))
    return clause(BE_MODES[rng.choice(("plain", "not", "question"))], subject, BE, predicate)


_PLACES = [  # preposition, its nouns, what can be there
    ("in", "dans", "house,garden,car,hotel,school,station", "adult,child,kin,animal"),
    ("on", "sur", "table", "cat,bird,hat,flower,key,book,letter,apple,egg,cake"),
    ("under", "sous", "table,tree,car", "animal,object,shoe,hat"),
    ("behind", "derrière", "house,tree,car,school,hotel,station", "adult,child,kin,animal,tree,car,garden"),
    ("in front of", "devant", "house,tree,car,school,hotel,station", "adult,child,kin,animal,tree,car"),
    (
        "near",
        "près de",
        "house,tree,hotel,school,station,market,beach",
        "adult,child,kin,animal,house,school,hotel",
    ),
]


def _location(rng: random.Random) -> Pair:
    """The cat is under the table; there are no birds in the garden; where are my keys?"""
    english, french, places, things = rng.choice(_PLACES)
    place = after_preposition(
        english, french, _choose_phrase(rng, places, ("the", "the", *DEFINITE), plain=rng.random() < 0.7)
    )
    if rng.random() < 0.4 and english != "on":
        return _there_is(
            _choose_phrase(rng, "animal,child,adult" + ",tree,flower" * (english != "in"), ("a",)),
            place,
            rng.random() < 0.4,
        )
    subject = _choose_phrase(rng, things, DEFINITE)
    if "adult" in things and rng.random() < 0.5:
        subject = _subject(rng)
    return clause(BE_MODES[rng.choice(("plain", "not", "question"))], subject, BE, place)


def _there_is(thing: Phrase, place: Phrase, negative: bool) -> Pair:
    be = "are" if thing.person == 5 else "is"
    if negative:
        english = f"there {be} no {thing.english.split(' ', 1)[1]} {place.english}."
        return finish(english, f"il ne y a pas {thing.negated_french} {place.french}.")
    return finish(f"there {be} {thing.english} {place.english}.", f"il y a {thing.french} {place.french}.")


def _this_is(rng: random.Random) -> Pair:
    """This is my brother (c'est mon frère); these are not my keys (ce ne sont pas mes clés)."""
    end, polite = "", rng.random() < 0.2
    if polite:
        end = rng.choice(("sir", "madam"))
    thing = _choose_phrase(
        rng, "kin,thing,object,text,animal,place,friend", ("a", "a", *POSSESSIVES), polite=polite
    )
    many = thing.person == 5
    this = Phrase("these" if many else "this", "ce", thing.person)
    thing = after_preposition("", "", thing)._replace(english=thing.english.removeprefix("some "))
    return clause(BE_MODES[rng.choice(("plain", "not", "question"))], this, BE, thing, end=end)


def _request(rng: random.Random) -> Pair:
    """I would like some bread, please (je voudrais du pain, s'il te plaît); do you want some tea, madam?"""
    subject, end = rng.choice(_POLITE)
    if rng.random() < 0.5:
        verb = VERBS[rng.choice(("want", "have", "like", "know"))]
        return clause(MODES["question"], subject, verb, _object(rng, verb, polite=True), end=end)
    polite, address = rng.random() < 0.4, rng.choice(["", *(f", {name}" for name in NAMES)])
    verb, thing = VERBS["want"], _choose_phrase(rng, "food,meal,drink", ("a", "a", "this"))
    to = infinitive = ""
    if rng.random() < 0.4:
        verb = VERBS[rng.choice(("see", "buy", "eat", "drink", "read"))]
        to, infinitive, thing = f"to {verb.base}", verb.infinitive, _object(rng, verb, polite=polite)
    please = f"s'il vous plaît{SUFFIXES[end][1]}" if polite else f"s'il te plaît{address}"
    return finish(
        f"I would like {to} {thing.english}, please{SUFFIXES[end][0] if polite else address}.",
        f"je voudrais {infinitive} {thing.french}, {please}.",
    )


_OPENINGS = [("hello", "bonjour"), ("good evening", "bonsoir"), ("hi", "salut")]


def _greeting(rng: random.Random) -> Pair:
    """Good evening Marie, how are you? (Bonsoir Marie, comment ça va ?); Hello sir, where is the station?"""
    (subject, end), polite = rng.choice(_POLITE), rng.random() < 0.35
    opening = rng.choice(_OPENINGS[: 2 if polite else 3])
    name = rng.choice(["", *NAMES])
    address = (SUFFIXES[end][0][1:], SUFFIXES[end][1][1:]) if polite else (f" {name}", f" {name}")
    if not polite:
        subject = Phrase("you", "tu", 1, NAMES.get(name, "m"))  # tu es prêt, Paul; tu es prête, Marie
    tail = _tail(rng, polite, subject)
    if rng.random() < 0.2 and (polite or NAMES.get(name) != "f"):
        return _append(tail, SUFFIXES[end]) if polite else tail
    heads = [opening[0] + address[0].rstrip(), opening[1] + address[1].rstrip()]
    english, french = (" ".join(tokenize(text)) for text in (tail.english, tail.french))
    return finish(f"{heads[0]}, {english}", f"{heads[1]}, {french}")


def _append(pair: Pair, suffix: tuple[str, str]) -> Pair:
    english, french = (" ".join(tokenize(text)[:-1]) for text in (pair.english, pair.french))
    return finish(f"{english}{suffix[0]}?", f"{french}{suffix[1]}?")


def _tail(rng: random.Random, polite: bool, subject: Phrase) -> Pair:
    """The question after a greeting."""
    draw = rng.random()
    if draw < 0.35:
        today = rng.choice(("", "today"))
        how = "comment allez-vous" if polite else "comment ça va"
        return finish(f"how are you {today}?", f"{how}{SUFFIXES[today][1]}?")
    if draw < 0.6:
        kin = _choose_phrase(rng, "kin,friend", ("your", "your", *POSSESSIVES), polite=polite, plain=True)
        be, go = ("are", "vont") if kin.person == 5 else ("is", "va")
        return finish(f"how {be} {kin.english}?", f"comment {go} {kin.french}?")
    if draw < 0.85:
        thing = _choose_phrase(
            rng, "place,kin,object,hat,shoe,cat,dog", ("the", "the", *POSSESSIVES), polite=polite
        )
        be, est = ("are", "sont") if thing.person == 5 else ("is", "est")
        return finish(f"where {be} {thing.english}?", f"où {est} {thing.french}?")
    return _be(rng, "question", subject, "")


def _courtesy(rng: random.Random) -> Pair:
    """Thank you Paul, I am well (Merci Paul, je vais bien); goodbye madam, see you tomorrow."""
    english, french = rng.choice([
        ("thank you{}, I am well.", "merci{}, je vais bien."),
        ("thank you very much{}.", "merci beaucoup{}."),
        ("goodbye{}, see you tomorrow.", "au revoir{}, à demain."),
        ("good night{}, see you tomorrow.", "bonne nuit{}, à demain."),
        ("I am well, thank you{}.", "je vais bien, merci{}."),
    ])  # fmt: skip
    address = rng.choice(
        [("", ""), ("sir", "monsieur"), ("madam", "madame"), *((name, name) for name in NAMES)]
    )
    comma = "," if "{}," not in english else ""
    ends = [f"{comma} {word}" if word else "" for word in address]
    return finish(english.format(ends[0]), french.format(ends[1]))


TEMPLATES: dict[Callable[[random.Random], Pair], int] = {  # template: weight
    _with_object: 30, _with_pronoun: 8, _with_preposition: 12, _state: 8, _description: 8, _location: 12,
    _this_is: 6, _request: 8, _greeting: 10, _courtesy: 1,
}  # fmt: skip
