"""The words: nouns, adjectives, verbs and determiners, written by hand."""

from __future__ import annotations

from typing import NamedTuple


class Noun(NamedTuple):
    """A noun in both languages; ``english_plural`` is "-" for mass nouns, ``gender`` is "m" or "f"."""

    english: str
    english_plural: str
    french: str
    french_plural: str
    gender: str
    kind: str


class Adjective(NamedTuple):
    """An adjective: English, and its French forms by gender (m, f) and number (s, p)."""

    english: str
    ms: str
    fs: str
    mp: str
    fp: str
    liaison: str  # masculine singular before a vowel
    place: str  # "before" or "after" the noun
    kinds: str  # comma-separated kinds of noun it may modify


class Verb(NamedTuple):
    """A verb: four English forms, then the French ones."""

    base: str
    third: str
    progressive: str
    past: str  # "-" where a form is not used: "he had" needs the imperfect, "I read" has two tenses
    infinitive: str
    forms: tuple[str, ...]  # je tu il nous vous ils
    participle: str
    objects: str  # comma-separated kinds or nouns


def _rows(text: str) -> list[list[str]]:
    return [[cell.strip().replace("_", " ") for cell in line.split()] for line in text.strip().splitlines()]


ASPIRATED = frozenset({"hibou", "hiboux"})  # h that blocks elision: le hibou, but l'homme
_NOUNS = [
    Noun(*row)
    for row in _rows("""
    man men homme hommes m adult
    woman women femme femmes f adult
    friend friends ami amis m adult
    doctor doctors médecin médecins m adult
    teacher teachers professeur professeurs m adult
    boy boys garçon garçons m child
    girl girls fille filles f child
    child children enfant enfants m child
    brother brothers frère frères m kin
    sister sisters sœur sœurs f kin
    cat cats chat chats m animal
    dog dogs chien chiens m animal
    bird birds oiseau oiseaux m animal
    horse horses cheval chevaux m animal
    owl owls hibou hiboux m animal
    house houses maison maisons f thing
    car cars voiture voitures f thing
    hat hats chapeau chapeaux m thing
    shoe shoes chaussure chaussures f thing
    flower flowers fleur fleurs f thing
    table tables table tables f thing
    key keys clé clés f object
    book books livre livres m text
    letter letters lettre lettres f text
    story stories histoire histoires f text
    tree trees arbre arbres m place
    garden gardens jardin jardins m place
    school schools école écoles f place
    hotel hotels hôtel hôtels m place
    station stations gare gares f place
    market markets marché marchés m place
    beach beaches plage plages f place
    apple apples pomme pommes f food
    egg eggs œuf œufs m food
    cake cakes gâteau gâteaux m food
    bread - pain - m meal
    cheese - fromage - m meal
    soup - soupe - f meal
    water - eau - f drink
    milk - lait - m drink
    tea - thé - m drink
""")
]
NOUNS = {noun.english: noun for noun in _NOUNS}
_ADJECTIVES = [
    Adjective(*row)
    for row in _rows("""
    small petit petite petits petites petit before child,animal,thing,object,place,food
    big grand grande grands grandes grand before thing,place
    old vieux vieille vieux vieilles vieil before adult,animal,thing,object,text,place
    young jeune jeune jeunes jeunes jeune before adult,child,animal
    beautiful beau belle beaux belles bel before animal,thing,text,place
    new nouveau nouvelle nouveaux nouvelles nouvel before thing,object,text,place
    good bon bonne bons bonnes bon before food,meal,drink
    red rouge rouge rouges rouges rouge after thing
    green vert verte verts vertes vert after thing
    white blanc blanche blancs blanches blanc after thing,animal
    black noir noire noirs noires noir after thing,animal
    hot chaud chaude chauds chaudes chaud after drink
    tired fatigué fatiguée fatigués fatiguées fatigué after -
    happy heureux heureuse heureux heureuses heureux after -
    sick malade malade malades malades malade after -
    ready prêt prête prêts prêtes prêt after -
""")
]
ADJECTIVES = {adjective.english: adjective for adjective in _ADJECTIVES}


def _verb(row: list[str]) -> Verb:
    base, third, progressive, past, infinitive, forms, participle, objects = row
    return Verb(base, third, progressive, past, infinitive, tuple(forms.split(",")), participle, objects)


VERBS = {
    verb.base: verb
    for verb in map(
        _verb,
        _rows("""
    see sees - saw voir vois,vois,voit,voyons,voyez,voient vu adult,child,kin,animal,thing,object,text,place
    like likes - - - aime,aimes,aime,aimons,aimez,aiment - animal,thing,text,place,food,meal,drink
    love loves - - - aime,aimes,aime,aimons,aimez,aiment - kin,adult,child
    know knows - - - connais,connais,connaît,connaissons,connaissez,connaissent - kin,adult,child,story,hotel
    have has - - - ai,as,a,avons,avez,ont - kin,animal,thing,object,text,food
    want wants - - - veux,veux,veut,voulons,voulez,veulent - animal,thing,food,meal,drink,book
    buy buys buying bought acheter achète,achètes,achète,achetons,achetez,achètent acheté \
        animal,thing,text,food,meal
    find finds - found trouver trouve,trouves,trouve,trouvons,trouvez,trouvent trouvé \
        thing,object,text,animal,place
    look_for looks_for looking_for looked_for chercher \
        cherche,cherches,cherche,cherchons,cherchez,cherchent cherché \
        kin,child,adult,object,animal,thing,place
    eat eats eating ate manger mange,manges,mange,mangeons,mangez,mangent mangé food,meal
    drink drinks drinking drank boire bois,bois,boit,buvons,buvez,boivent bu drink
    read reads reading - lire lis,lis,lit,lisons,lisez,lisent - text
    write writes writing wrote écrire écris,écris,écrit,écrivons,écrivez,écrivent écrit text
    go goes - went aller vais,vas,va,allons,allez,vont allé school,hotel,station,market,beach
    talk talks talking talked parler parle,parles,parle,parlons,parlez,parlent parlé \
        adult,child,kin,animal,text,place
"""),
    )
}
STATIVE = ("like", "love", "know", "have", "want")  # no -ing form, no "often"
TRANSITIVE = tuple(name for name in VERBS if name not in ("go", "talk"))

DETERMINERS = {  # masculine, feminine, plural
    "the": ("le", "la", "les"), "this": ("ce", "cette", "ces"), "a": ("un", "une", "des"),
    "my": ("mon", "ma", "mes"), "your": ("ton", "ta", "tes"), "his": ("son", "sa", "ses"),
    "her": ("son", "sa", "ses"), "our": ("notre", "notre", "nos"), "their": ("leur", "leur", "leurs"),
}  # fmt: skip
POLITE_YOUR = ("votre", "votre", "vos")
POSSESSIVES = ("my", "your", "his", "her", "our", "their")
DEFINITE = ("the", "the", "this", *POSSESSIVES)
# "my woman" would be ma femme, which means my wife
NOT_OWNED = frozenset({"man", "woman", "boy", "girl", "station", "market", "beach", "hotel"})
SINGLE = frozenset({"station", "market", "school"})  # used in the singular only
MISLEADING = frozenset({("small", "child")})  # petit-enfant: grandchild
BEFORE_VOWEL = {"ce": "cet", "ma": "mon", "ta": "ton", "sa": "son"}
PLURAL_ENGLISH = {"this": "these", "a": "some"}

NAMES = {"Anna": "f", "Marie": "f", "Paul": "m", "Lucas": "m"}
CLITICS = {"me": "me", "you": "te", "him": "le", "her": "la", "us": "nous", "them": "les"}
OWN = {"I": ("me", "us"), "you": ("you",), "we": ("me", "us")}  # no "I see me"
