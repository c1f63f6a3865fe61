"""ELIZA: a conversation made of pattern matching and nothing else (Weizenbaum 1966).

Source: J. Weizenbaum, "ELIZA - a computer program for the study of natural language communication
between man and machine", CACM 9(1):36-45, doi 10.1145/365153.365168; page numbers below are that paper's.
Where it is silent (when a memory is used and which, ``but`` as a delimiter) we follow what the program
listing found among Weizenbaum's papers showed (elizagen.org). Left out: editing a script while it runs.
The program is a matcher, `Eliza`; what it talks about is data, a `Script`. ``DOCTOR`` has keywords, ranks and
patterns of the published script, the replies of the published conversation, and otherwise replies of our own.
A script is text, one keyword per paragraph:

    my 2 = your                          keyword, rank (0 if absent), the word that replaces it
      * 0 your 0 : your 3 ; why your 3   decomposition : reassemblies, used in turn
    mom = mother /family                 a word with a tag and no rules
    maybe,possibly -> perhaps            these use the rules of another keyword

In a decomposition ``0`` is any number of words, ``n > 0`` exactly n, ``a|b`` either word, ``/family`` any
word tagged so. In a reassembly a number is that part; ``=what`` goes on with the rules of ``what``,
``newkey`` with the next keyword; ``pre TEXT =i`` makes TEXT the input first. ``none`` answers last of all.
"""

from __future__ import annotations

import copy
import re
import unicodedata
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Rule = tuple[str, ...]  # a decomposition, then its reassemblies
Found = tuple[str, tuple[str, ...], str, str]  # decomposition, parts, reassembly, response

MAX_WORDS = 100  # words of one input that are read; a teletype line held far fewer
MAX_LINKS = 16  # links that run in a circle stop here
MEMORY_TURN = 4  # the listing's LIMIT counts inputs 2, 3, 4, 1, 2 ...; a memory is used on 4 only
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[.,;:!?…]")
_DELIMITERS = frozenset(".,;:!?…") | {"but"}
_HEADER = re.compile(r"(\S+)(?: (\d+))?(?: = (\S+))?(?: -> (\S+))?((?: /\S+)*)$")
_BCD = "0123456789  '    ABCDEFGHI       JKLMNOPQR        STUVWXYZ"  # IBM 7090 codes, by place


@dataclass(frozen=True)
class Key:
    """A keyword's ``rank``, the word that replaces it, its rules, and the tags it carries."""

    rank: int = 0
    substitute: str | None = None
    rules: tuple[Rule, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Script:
    """What ELIZA can talk about; build one with `Script.parse`."""

    keys: Mapping[str, Key]
    none: Rule
    memory_key: str
    memory_rules: tuple[Rule, ...]

    @classmethod
    def parse(cls, text: str) -> Script:
        """Read the notation above. Raises ValueError for a malformed line, a rule without a reassembly or with the
        number of a part that it does not have, a link to no keyword, no ``none`` or other than four memory rules."""
        keys: dict[str, Key] = {}
        memory_key = ""
        for paragraph in re.split(r"\n(?=\S)", text.strip()):
            head, *body = re.split(r"\s+\* ", paragraph)
            if not (match := _HEADER.match(head)):
                raise ValueError(f"cannot read {head!r}; write: keyword rank = substitute -> link /tag")
            words, rank, substitute, link, tags = match.groups()
            body = body or ([f"0:={link}"] if link else [])
            rules = tuple(tuple(map(str.strip, re.split("[:;]", rule))) for rule in body)
            for rule in rules:
                _check(rule, words)
            memory_key = link if words == "memory" else memory_key
            for word in words.split(","):
                keys[word] = Key(int(rank or 0), substitute, rules, tuple(tags.replace("/", "").split()))
        none, memory = keys.pop("none", Key()).rules, keys.pop("memory", Key()).rules
        if not none or len(memory) != 4:
            raise ValueError(f"a script needs a paragraph none and four memory rules, got {len(memory)}")
        templates = [text for key in keys.values() for rule in key.rules for text in rule[1:]]
        links = {text.rpartition("=")[2] for text in templates if "=" in text}
        if missing := (links | {memory_key}) - set(keys):
            raise ValueError(f"links to {sorted(missing)}, which are no keywords; add them or mend the links")
        return cls(keys, none[0], memory_key, memory)


@dataclass(frozen=True)
class Trace:
    """How one reply was made: ``keyword`` is the word that led to it ("memory" or "none" where none did),
    ``parts`` what each item of ``decomposition`` caught, ``words`` the input after substitution, ``keystack``
    its keywords in the order they are tried, ``path`` the keywords whose rules were, links included."""

    keyword: str
    rank: int
    decomposition: str
    parts: tuple[str, ...]
    reassembly: str
    response: str
    words: str = ""
    keystack: tuple[str, ...] = ()
    path: tuple[str, ...] = ()


def _check(rule: Rule, words: str) -> None:
    """ValueError unless the rule can always answer."""
    if len(rule) < 2:
        raise ValueError(f"a rule of {words!r} has no reassembly: write * {rule[0]} : what to say")
    n = len(rule[0].split())
    numbers = {int(number) for text in rule[1:] for number in re.findall(r"\b\d+\b", text)}
    if wrong := numbers - set(range(1, n + 1)):
        raise ValueError(f"a rule of {words!r} asks for part {min(wrong)}; * {rule[0]} has parts 1 to {n}")


def tokenize(text: str) -> list[str]:
    """Lower-case words and delimiters, in any alphabet; curly apostrophes made straight."""
    return _TOKEN.findall(unicodedata.normalize("NFC", text).lower().replace("’", "'"))


def decompose(pattern: str, words: list[str], script: Script) -> tuple[str, ...] | None:
    """Split ``words`` into one part per item of ``pattern``; None if it does not fit. Example of p. 38:

    >>> decompose("0 you 0 me", "it seems that you hate me".split(), DOCTOR)
    ('it seems that', 'you', 'hate', 'me')
    """
    expression = ""  # a regular expression over words that each end in a blank
    for item in pattern.split():
        if item.isdecimal():
            expression += r"((?:\S+ )*?)" if item == "0" else rf"((?:\S+ ){{{item}}})"
        else:
            tagged = [word for word, key in script.keys.items() if item[1:] in key.tags]
            either = tagged if item.startswith("/") else item.split("|")
            expression += f"((?:{'|'.join(map(re.escape, either))}) )"
    match = re.fullmatch(expression, "".join(f"{word} " for word in words))
    return tuple(part.strip() for part in match.groups()) if match else None


def reassemble(template: str, parts: tuple[str, ...]) -> str:
    """Replace each number in ``template`` by that part, counted from 1."""
    return " ".join(re.sub(r"\b\d+\b", lambda m: parts[int(m[0]) - 1], template).split())


def mid_square_hash(word: str, bits: int) -> int:
    """The middle ``bits`` of the square of a word's last six-letter chunk, read as a 36-bit number (p. 38):

    >>> mid_square_hash("always", 7)
    14
    """
    letters, datum = word.upper(), 0
    for letter in letters[(len(letters) - 1) // 6 * 6 :].ljust(6, "~"):
        datum = datum << 6 | (_BCD.find(letter) if letter in _BCD else 0o60)  # 60 is a blank
    return (datum % 2**35) ** 2 >> 35 - bits // 2 & 2**bits - 1  # the top bit was the sign


class Eliza:
    """The program. Between turns it keeps how often each rule was used, its memories, and a count.
    After `reset` the same lines get the same replies.

    >>> Eliza().respond("Men are all alike.")
    'In what way'
    """

    def __init__(self, script: Script | None = None) -> None:
        self.script = DOCTOR if script is None else script
        self.reset()

    def reset(self) -> None:
        """Forget the conversation."""
        self._used: dict[Rule, int] = {}
        self._memory: deque[Found] = deque()
        self._turn = 1

    def respond(self, text: str) -> str:
        """The reply to ``text``. Every string gets one; anything else raises ValueError."""
        return self._reply(text).response

    def explain(self, text: str) -> Trace:
        """How `respond` would answer ``text`` now. The conversation does not move on."""
        return copy.deepcopy(self)._reply(text)

    def converse(self, lines: Iterable[str]) -> list[tuple[str, str]]:
        """Every line with its reply, from a fresh start."""
        self.reset()
        return [(line, self.respond(line)) for line in lines]

    def _reply(self, text: str) -> Trace:
        if not isinstance(text, str):
            raise ValueError(f"ELIZA reads a string, got {type(text).__name__}; pass the line as typed")
        self._turn = self._turn % 4 + 1
        words, stack = self._scan(tokenize(text)[:MAX_WORDS])
        keyword, found, path = "none", None, list[str]()
        if not stack and self._memory and self._turn == MEMORY_TURN:
            keyword, found = "memory", self._memory.popleft()  # first in, first out (p. 41)
        elif stack and stack[0] == self.script.memory_key:
            self._remember(words)
        for word in stack:
            if found := self._transform(word, words, path):
                keyword = word
                break
        if not found:
            template = self._next(self.script.none)
            found = "0", (" ".join(words),), template, template
        rank = self.script.keys[keyword].rank if keyword in stack else 0
        reply = re.sub(r"^.|\bi\b", lambda letter: letter[0].upper(), found[3])
        return Trace(keyword, rank, *found[:3], reply, " ".join(words), tuple(stack), tuple(path))

    def _scan(self, tokens: list[str]) -> tuple[list[str], list[str]]:
        """The first clause that holds a keyword, its words substituted, and its keywords (pp. 37-39)."""
        words: list[str] = []
        stack: list[str] = []
        for token in tokens:
            if token in _DELIMITERS:
                if stack:
                    break
                words = []
                continue
            key = self.script.keys.get(token, Key())
            if key.rules and token not in stack:
                above = bool(stack) and key.rank > self.script.keys[stack[0]].rank
                stack.insert(0 if above else len(stack), token)  # not above the highest: to the bottom
            words.append(key.substitute or token)
        return words, stack

    def _transform(self, word: str, words: list[str], path: list[str]) -> Found | None:
        """The reply by the rules of ``word`` or of keywords it links to; None: try the next keyword."""
        for _ in range(MAX_LINKS):
            path.append(word)
            tried = ((rule, decompose(rule[0], words, self.script)) for rule in self.script.keys[word].rules)
            rule, parts = next(((r, p) for r, p in tried if p is not None), (("0", "newkey"), ()))
            template = self._next(rule)
            if template == "newkey":
                return None
            text, link, target = template.partition("=")
            if not link:
                return rule[0], parts, template, reassemble(template, parts)
            word, words = target, reassemble(text[4:], parts).split() if text else words
        return None

    def _next(self, rule: Rule) -> str:
        """The rule's reassemblies one after the other, then the first again (p. 39)."""
        self._used[rule] = self._used.get(rule, 0) + 1
        return rule[1 + (self._used[rule] - 1) % (len(rule) - 1)]

    def _remember(self, words: list[str]) -> None:
        """Keep a remark for later, its wording picked by a hash of the last word (p. 41)."""
        rule = self.script.memory_rules[mid_square_hash(words[-1], 2)]
        if (parts := decompose(rule[0], words, self.script)) is not None:
            self._memory.append((rule[0], parts, rule[1], reassemble(rule[1], parts)))


DOCTOR = Script.parse("""
none * 0 : please go on ; i am not sure i follow you ; what does that bring to mind ; do you dwell on that
memory -> my
  * 0 your 0 : let us come back to why your 3
  * 0 your 0 : a while ago you said your 3
  * 0 your 0 : but your 3
  * 0 your 0 : does that have anything to do with the fact that your 3
dont = don't
cant,cannot = can't
me = you
am = are -> are
mother,father,sister,brother,wife,husband,son,daughter,children /family
mom = mother /family
feel,think,believe,wish /belief
sorry * 0 : there is no need to apologize
computer,computers,machine,machines 50 * 0 : do machines worry you ; what have they to do with your problem
alike,same 10 -> dit
like 10 * 0 is|are|was 0 like 0 : =dit * 0 : newkey
dit * 0 : in what way ; what resemblance do you see ; what else is it connected with ; how so
remember 5
  * 0 you remember 0 : do you often think of 4 ; what brings 4 back to you now ; what else do you remember
  * 0 do i remember 0 : did you expect me to forget 5 ; why should i recall 5 now ; =what
dream,dreams,dreamt 3 * 0 : what does that dream tell you ; who is in your dreams ; newkey
if 3 * 0 if 0 : do you think it likely that 3 ; do you wish that 3 ; what would it mean if 3
my 2 = your
  * 0 your 0 /family 0 : tell me more about your family ; who else in your family 5 ; your 4 ;
    what else comes to mind when you think of your 4
  * 0 your 0 : your 3 ; why do you say your 3 ; what else is yours ; does it matter to you that 2 3
everyone,everybody,nobody 2 * 0 : who in particular ; whom do you have in mind
was,were 2
  * 0 was|were you 0 : what if you were 4 ; do you think you were 4 ; =what
  * 0 you was|were 0 : were you really ; why do you tell me now that you were 4
always 1 * 0 : can you think of a specific example ; when was the last time ; really, always
i'm = you're * 0 you're 0 : pre you are 3 =i
you're = i'm * 0 i'm 0 : pre i are 3 =you
i = you
  * 0 you want|need 0 : what would it mean to you if you got 4 ; why do you want 4 ; suppose you never got 4
  * 0 you are 0 sad|unhappy|depressed|sick 0 : i am sorry to hear you are 5 ;
    do you think coming here will help you not to be 5 ; what do you think made you 5
  * 0 you /belief you 0 : are you sure you 5 ; do you have doubts that you 5
  * 0 you are 0 : did you come to me because you are 4 ; how long have you been 4 ; is it normal to be 4
  * 0 you can't 0 : how do you know you can't 4 ; have you tried ; perhaps now you could 4
  * 0 you don't 0 : don't you really 4 ; why don't you 4 ; would you like to 4
  * 0 you feel 0 : tell me more about such feelings ; do you often feel 4
  * 0 you 0 i 0 : do you wish to 3 me ; do you 3 anyone else
  * 0 : you say 1 ; can you say more about that ; is there a reason you say 1
you = i
  * 0 i remind you of 0 : =dit
  * 0 i are 0 : what makes you think i am 4 ; does it please you to believe i am 4 ; would you like to be 4
  * 0 i 0 you : why do you think i 3 you ; what if i did 3 you ; does someone else 3 you
  * 0 i 0 : we were talking about you, not me ; what if i 3 ; what do you feel now
your = my * 0 my 0 : why do you care about my 3 ; what about your own 3 ; really, my 3
are
  * 0 are you 0 : do you believe you are 4 ; would you want to be 4 ; =what
  * 0 are i 0 : why does it matter to you whether i am 4 ; would you prefer that i were not 4 ; =what
  * 0 are 0 : might they not be 3 ; what if they were not 3
what,how,when,why,who,where * 0 : why do you ask ; what answer would please you most ; what do you think
yes,no * 0 : you seem quite sure ; what makes you certain
perhaps,maybe * 0 : you do not sound certain ; what would settle it
hello * 0 : how do you do. please tell me your problem
""")
