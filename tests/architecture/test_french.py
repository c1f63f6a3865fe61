"""The English-French corpus: the frozen file, checked by hand and by rule, and what loads and splits it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from llmbook.architecture import french
from llmbook.architecture.french import WORKED_EXAMPLE, Vocabulary, batch, detokenize, split, tokenize
from llmbook.core.text.tokens import BOS, EOS, PAD, UNK

ROOT = Path(__file__).parents[2]
CORPUS = french.pairs()


# --- the file


def test_the_grammar_writes_the_same_file_byte_for_byte(tmp_path):
    command = [sys.executable, "-m", "benchmarks.french", "--output", str(tmp_path / "again.tsv")]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "PYTHONPATH": str(ROOT / "src")})
    assert (tmp_path / "again.tsv").read_bytes() == french.CORPUS.read_bytes()


def test_there_are_8000_different_sentences_of_three_to_ten_words_and_few_different_words():
    assert len(CORPUS) == len({pair.english for pair in CORPUS}) == 8000
    lengths = {sum(token.isalpha() for token in tokenize(pair.english)) for pair in CORPUS}
    assert lengths == set(range(3, 11))
    assert len(Vocabulary.build((pair.english for pair in CORPUS), "en")) < 250
    assert len(Vocabulary.build((pair.french for pair in CORPUS), "fr")) < 330


CHECKED_BY_HAND = """
We see this old man. | Nous voyons ce vieil homme.
He wrote some old books. | Il a écrit de vieux livres.
This is not your new tree. | Ce n'est pas ton nouvel arbre.
I see the beautiful tree. | Je vois le bel arbre.
Are our owls old? | Est-ce que nos hiboux sont vieux ?
This man is old. | Cet homme est vieux.
Do we buy this owl? | Est-ce que nous achetons ce hibou ?
You talk about the owl. | Tu parles du hibou.
Is his story old? | Est-ce que son histoire est vieille ?
Is this my beautiful story, sir? | Est-ce que c'est ma belle histoire, monsieur ?
She reads my beautiful story. | Elle lit ma belle histoire.
We drink some water. | Nous buvons de l'eau.
Anna drinks some good milk. | Anna boit du bon lait.
Are her houses green? | Est-ce que ses maisons sont vertes ?
Are these horses? | Est-ce que ce sont des chevaux ?
These are not cats. | Ce ne sont pas des chats.
I do not want a hat. | Je ne veux pas de chapeau.
I did not see a bird. | Je n'ai pas vu d'oiseau.
You never drink any tea. | Tu ne bois jamais de thé.
She went to the beach. | Elle est allée à la plage.
You went to his school. | Tu es allé à son école.
I went to the market. | Je suis allé au marché.
She talks to the girls. | Elle parle aux filles.
We talk about Anna. | Nous parlons d'Anna.
Does Anna love her? | Est-ce qu'Anna l'aime ?
I do not love you. | Je ne t'aime pas.
She does not know them. | Elle ne les connaît pas.
I am not hungry. | Je n'ai pas faim.
Are you ready, madam? | Est-ce que vous êtes prête, madame ?
Lucas is near the tree. | Lucas est près de l'arbre.
There is no boy in my school. | Il n'y a pas de garçon dans mon école.
Hello sir, how are you today? | Bonjour monsieur, comment allez-vous aujourd'hui ?
Hello Paul, how is your sister? | Bonjour Paul, comment va ta sœur ?
I would like an egg, please. | Je voudrais un œuf, s'il te plaît.
Thank you very much, sir. | Merci beaucoup, monsieur.
""".strip().splitlines()


def test_the_sentences_checked_by_hand_are_there_as_checked():
    wanted = dict(line.split(" | ") for line in CHECKED_BY_HAND)
    assert {english: dict(CORPUS).get(english) for english in wanted} == wanted


def test_no_sentence_breaks_a_rule_of_spelling():
    vowel = r"(?:[aeiouéêèœ]|homme|histoire|hôtel)"
    forbidden = [
        rf"\b(?:le|la|je|ne|de|que|me|te) {vowel}", rf"\bce {vowel}", rf"\b(?:ma|ta|sa) {vowel}",
        r"\b(?:de|à) les?\b", r"\b(?:beau|nouveau|vieux) (?:arbre|oiseau|hôtel|ami|homme)\b",
        r"l'hibou", r"\bcet hibou", r"\bde des\b", r"  ", r"-",
    ]  # fmt: skip
    before_adjective = r"\bdes (?:petit|grand|vieux|vieil|beaux|belle|nouve|jeune|bon)"
    for pair in CORPUS:
        text = pair.french.lower().replace("est-ce", "est ce").replace("allez-vous", "allez")
        assert not [rule for rule in forbidden if re.search(rule, text)], pair
        indefinite = re.search(r"\bsome (?!.*\bthe\b)", pair.english)
        assert not (indefinite and re.search(before_adjective, text)), pair
        assert not re.search(r"\b(?:[Tt]hese are|[Aa]re these)(?: not)? some ", pair.english), pair


MASCULINE = """homme/s ami/s médecin/s professeur/s garçon/s enfant/s frère/s chat/s chien/s oiseau/x cheval hibou/x
    chapeau/x livre/s arbre/s jardin/s hôtel/s marché œuf/s gâteau/x pain fromage lait thé"""
FEMININE = """femme/s fille/s sœur/s maison/s voiture/s chaussure/s fleur/s table/s clé/s lettre/s histoire/s école
    gare plage/s pomme/s soupe eau"""
NOUNS = {"chevaux": ("m", True)} | {
    stem + ending * plural: (gender, plural)
    for gender, words in (("m", MASCULINE), ("f", FEMININE))
    for stem, _, ending in (word.partition("/") for word in words.split())
    for plural in ((False, True) if ending else (False,))
}
ARTICLES: dict = (
    {word: ("m", False) for word in ("un", "le", "du", "au", "cet")}
    | {word: ("f", False) for word in ("une", "la", "cette")}
    | {word: (None, True) for word in ("les", "des", "aux", "ces", "mes", "nos")}
)


def test_every_article_agrees_with_its_noun_in_gender_and_number():
    together = [both for pair in CORPUS for both in pairwise(tokenize(pair.french))]
    checked = [(article, noun) for article, noun in together if article in ARTICLES and noun in NOUNS]
    for article, noun in checked:
        (gender, plural), (wanted, several) = ARTICLES[article], NOUNS[noun]
        assert plural == several and gender in (None, wanted), (article, noun)
    assert len(checked) > 1500
    assert set(NOUNS) <= {word for both in together for word in both}


def test_every_negation_has_both_halves():
    for pair in CORPUS:
        words = tokenize(pair.french)
        assert ("ne" in words or "n'" in words) == ("pas" in words or "jamais" in words), pair
        negative = {"not", "never", "no"} & set(tokenize(pair.english))
        assert bool(negative) == ("pas" in words or "jamais" in words), pair


def test_tu_and_vous_are_never_mixed():
    polite = re.compile(r"monsieur|madame|\bvous\b|\bvotre\b|\bvos\b|allez-vous")
    familiar = re.compile(r"\b(?:tu|te|ton|ta|tes)\b|\bt'|salut|ça va", re.IGNORECASE)
    assert sum(bool(polite.search(pair.french)) for pair in CORPUS) > 300
    assert not [pair for pair in CORPUS if polite.search(pair.french) and familiar.search(pair.french)]


def test_the_worked_example_is_new_but_its_parts_are_not():
    texts = [pair.english for pair in CORPUS]
    assert not any(text.startswith("Hello, how are you") for text in texts)
    assert not any(pair.french.startswith("Bonjour, comment ça va") for pair in CORPUS)
    assert {"Hello Marie, how are you?", "Good evening, how are you?", "How are you?"} <= set(texts)
    assert any(text.startswith("Hello, ") for text in texts)
    known = {word for pair in CORPUS for word in tokenize(pair.english) + tokenize(pair.french)}
    assert known.issuperset(tokenize(WORKED_EXAMPLE.english) + tokenize(WORKED_EXAMPLE.french))


# --- words


def test_tokenize_and_detokenize_are_exact_inverses_on_every_sentence():
    for pair in CORPUS:
        assert detokenize(tokenize(pair.english), "en") == pair.english
        assert detokenize(tokenize(pair.french), "fr") == pair.french


def test_tokenize_splits_elided_forms_and_keeps_aujourdhui_whole():
    assert tokenize("J'ai vu l'homme aujourd\N{RIGHT SINGLE QUOTATION MARK}hui.") == [
        "j'", "ai", "vu", "l'", "homme", "aujourd'hui", ".",
    ]  # fmt: skip
    assert tokenize("S'il te plaît, Anna.")[:3] == ["s'", "il", "te"]
    assert tokenize("") == [] and detokenize([], "fr") == ""


def test_a_word_is_the_same_token_wherever_it_stands():
    for side in ("english", "french"):
        words = {word for pair in CORPUS for word in tokenize(getattr(pair, side))}
        assert len({word.lower() for word in words}) == len(words)


def test_vocabulary_round_trips_every_sentence_and_marks_unknown_words():
    vocabulary = Vocabulary.build((pair.french for pair in CORPUS), "fr")
    assert all(vocabulary.decode(vocabulary.encode(pair.french)) == pair.french for pair in CORPUS)
    assert vocabulary.encode("Xylophone") == [UNK]
    assert vocabulary.tokens([PAD, BOS, EOS, UNK]) == ["<pad>", "<bos>", "<eos>", "<unk>"]
    assert Vocabulary.build(["b a b."], "fr").words[4:] == ("b", ".", "a")


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="de"):
        Vocabulary(["ja"], "de")
    with pytest.raises(ValueError, match="de"):
        detokenize(["ja"], "de")


# --- splits and batches


@pytest.mark.parametrize(("data", "share", "size"), [(CORPUS, 0.1, 800), (CORPUS[:200], 0.4, 80)])
def test_split_holds_out_new_sentences_of_known_words(data, share, size):
    train, test = split(data, held_out=share, seed=0)
    assert len(test) == size and sorted(train + test) == sorted(data)
    assert not {pair.english for pair in train} & {pair.english for pair in test}
    assert not {pair.french for pair in train} & {pair.french for pair in test}
    for side in ("english", "french"):
        known = {word for pair in train for word in tokenize(getattr(pair, side))}
        assert all(known.issuperset(tokenize(getattr(pair, side))) for pair in test)
    assert split(data, share, seed=0) == (train, test) and split(data, share, seed=1).test != test


@pytest.mark.parametrize("share", [0, 1, 1.5, -0.1])
def test_a_share_outside_zero_to_one_is_refused(share):
    with pytest.raises(ValueError, match="held_out"):
        split(CORPUS[:10], held_out=share)


def test_too_few_pairs_to_split_are_refused():
    with pytest.raises(ValueError, match="too few"):
        split(CORPUS[:1])


def test_batch_pads_on_the_right_and_shifts_the_target():
    data = CORPUS[:5]
    source = Vocabulary.build((p.english for p in data), "en")
    target = Vocabulary.build((p.french for p in data), "fr")
    made = batch(data, source, target)
    assert made.source.dtype == torch.long and made.source.shape[0] == 5
    assert made.target_in.shape == made.target_out.shape and bool((made.target_in[:, 0] == BOS).all())
    for row, pair in enumerate(data):
        ids = target.encode(pair.french)
        assert made.target_out[row].tolist()[: len(ids) + 1] == [*ids, EOS]
        assert made.target_in[row].tolist()[: len(ids) + 1] == [BOS, *ids]
        assert set(made.target_out[row].tolist()[len(ids) + 1 :]) <= {PAD}
        assert source.decode(made.source[row]) == pair.english
        assert int(made.source_mask[row].sum()) == len(source.encode(pair.english)) + 1


def test_an_empty_batch_is_refused():
    vocabulary = Vocabulary([], "en")
    with pytest.raises(ValueError, match="no pairs"):
        batch([], vocabulary, vocabulary)
