"""ELIZA: the published conversation, the mechanisms of the 1966 paper, and input it was not made for."""

import pytest

from llmbook.history.eliza import (
    DOCTOR,
    MAX_WORDS,
    Eliza,
    Script,
    decompose,
    mid_square_hash,
    reassemble,
    tokenize,
)

# Weizenbaum 1966, pp. 36-37: what was typed, what the reply must contain, and the keyword that made it.
PUBLISHED = [
    ("Men are all alike.", "in what way", "alike"),
    ("They're always bugging us about something or other.", "can you think of a specific example", "always"),
    ("Well, my boyfriend made me come here.", "your boyfriend made you come here", "my"),
    ("He says I'm depressed much of the time.", "I am sorry to hear you are depressed", "i'm"),
    ("It's true. I am unhappy.", "do you think coming here will help you not to be unhappy", "i"),
    ("I need some help, that much seems certain.", "what would it mean to you if you got some help", "i"),
    ("Perhaps I could learn to get along with my mother.", "tell me more about your family", "my"),
    ("My mother takes care of me.", "who else in your family takes care of you", "my"),
    ("My father.", "your father", "my"),
    ("You are like my father in some ways.", "what resemblance do you see", "like"),
    (
        "You are not very aggressive but I think you don't want me to notice that.",
        "what makes you think I am not very aggressive",
        "you",
    ),
    ("You don't argue with me.", "why do you think I don't argue with you", "you"),
    ("You are afraid of me.", "does it please you to believe I am afraid of you", "you"),
    ("My father is afraid of everybody.", "what else comes to mind when you think of your father", "my"),
    (
        "Bullies.",
        "does that have anything to do with the fact that your boyfriend made you come here",
        "memory",
    ),
]

SMALL = """
none * 0 : nothing ; still nothing
memory -> my
  * 0 your 0 : one 3
  * 0 your 0 : two 3
  * 0 your 0 : three 3
  * 0 your 0 : four 3
my = your * 0 your 0 : noted
low 1 * 0 : low reply
high 9 * 0 high : high reply ; newkey
loop -> pool
pool -> loop
exact * 2 exact 1 : between 1 and 3
"""


def test_the_published_conversation_gets_the_published_replies():
    eliza = Eliza()
    for line, skeleton, keyword in PUBLISHED:
        trace = eliza.explain(line)
        reply = eliza.respond(line)
        assert skeleton.lower() in reply.lower(), line
        assert (trace.keyword, trace.response) == (keyword, reply)


def test_the_same_lines_get_the_same_replies_after_a_reset():
    eliza = Eliza()
    lines = [line for line, _, _ in PUBLISHED]
    assert eliza.converse(lines) == eliza.converse(lines) == Eliza().converse(lines)


def test_the_example_of_the_paper_is_taken_apart_and_put_together():
    # p. 38: "It seems that you hate me" by (0 YOU 0 ME) into "WHAT MAKES YOU THINK I 3 YOU".
    parts = decompose("0 you 0 me", tokenize("It seems that you hate me"), DOCTOR)
    assert parts == ("it seems that", "you", "hate", "me")
    assert reassemble("what makes you think i 3 you", parts) == "what makes you think i hate you"


@pytest.mark.parametrize(
    ("pattern", "text", "parts"),
    [
        ("0", "", ("",)),
        ("0 a 0", "x a y a z", ("x", "a", "y a z")),  # a wildcard takes as little as it can
        ("0 a", "a x a", ("a x", "a")),  # the last item must reach the end
        ("a 0", "x a", None),
        ("2 a 0", "x y a", ("x y", "a", "")),
        ("2 a", "x a", None),
        ("0 a|b 1", "x b c", ("x", "b", "c")),
        ("0 /family 0", "the sister speaks", ("the", "sister", "speaks")),
        ("0 /nosuchtag 0", "the sister speaks", None),
        ("a+b", "aab", None),  # words are words, not regular expressions
    ],
)
def test_a_decomposition_catches_one_part_per_item(pattern, text, parts):
    assert decompose(pattern, text.split(), DOCTOR) == parts


def test_the_highest_rank_speaks_first_and_newkey_hands_over_to_the_next():
    eliza = Eliza(Script.parse(SMALL))
    assert eliza.explain("low then high").keystack == ("high", "low")
    replies = [eliza.respond("low then high") for _ in range(3)]
    assert replies == ["High reply", "Low reply", "High reply"]


def test_a_keyword_whose_patterns_do_not_fit_hands_over_too():
    assert Eliza(Script.parse(SMALL)).respond("low high then") == "Low reply"


def test_replies_are_used_in_turn_and_then_again_from_the_first():
    eliza = Eliza(Script.parse(SMALL))
    assert [eliza.respond("hm") for _ in range(3)] == ["Nothing", "Still nothing", "Nothing"]


def test_exact_counts_are_filled_in():
    assert Eliza(Script.parse(SMALL)).respond("left side exact right") == "Between left side and right"


def test_a_circle_of_links_ends_with_the_reply_for_no_keyword():
    assert Eliza(Script.parse(SMALL)).respond("loop") == "Nothing"


def test_memories_come_back_first_in_first_out_on_every_fourth_turn_only():
    eliza = Eliza(Script.parse(SMALL))
    eliza.respond("my cat")  # turn 2 of the count 1, 2, 3, 4
    eliza.respond("my dog")  # 3
    replies = [eliza.respond("hm") for _ in range(6)]
    wording = ("one", "two", "three", "four")
    first, second = wording[mid_square_hash("cat", 2)], wording[mid_square_hash("dog", 2)]
    assert [replies[0], replies[4]] == [f"{first.capitalize()} cat", f"{second.capitalize()} dog"]
    assert {"Nothing", "Still nothing"} == set(replies[1:4] + replies[5:])


def test_a_keyword_in_the_line_keeps_the_memory_for_later():
    eliza = Eliza(Script.parse(SMALL))
    for line in ("my cat", "hm"):
        eliza.respond(line)
    assert eliza.respond("low") == "Low reply"
    assert eliza.explain("hm").keyword == "none"


def test_hashes_are_those_of_the_paper_and_of_the_published_conversation():
    assert mid_square_hash("always", 7) == 14  # p. 38
    assert mid_square_hash("here", 2) == 3  # the fourth memory rule answers "Bullies."


def test_explaining_does_not_move_the_conversation_on():
    eliza, other = Eliza(), Eliza()
    for line, _, _ in PUBLISHED:
        assert eliza.explain(line) == eliza.explain(line)
        assert eliza.respond(line) == other.respond(line)


def test_a_trace_tells_links_from_the_keyword_that_was_typed():
    trace = Eliza().explain("Men are all alike.")
    assert (trace.keyword, trace.rank, trace.path) == ("alike", 10, ("alike", "dit"))
    assert trace.keystack[0] == "alike" and "are" in trace.keystack
    assert reassemble(trace.reassembly, trace.parts) == trace.response.lower()


def test_pronouns_are_turned_round_once():
    trace = Eliza().explain("I like you and your dog likes me")
    assert trace.words == "you like i and my dog likes you"


def test_pre_rewrites_the_line_before_the_next_keyword_sees_it():
    trace = Eliza().explain("You're clever")
    assert trace.path == ("you're", "you") and trace.parts[-1] == "clever"
    assert "I am clever" in trace.response


def test_digits_typed_by_the_user_are_words_not_part_numbers():
    assert "5 cats" in Eliza().respond("I am 5 cats")


def test_curly_apostrophes_read_like_straight_ones():
    assert Eliza().respond("I don’t know") == Eliza().respond("I don't know")


@pytest.mark.parametrize(
    "text", ["", "   ", "...", "?!", "\n\t", "😀", "漢字かな", "Ça va, ß?", "_", "'", "my", "i", "0"]
)
def test_every_string_gets_a_reply(text):
    eliza = Eliza()
    assert all(eliza.respond(text) for _ in range(9))


def test_words_of_any_alphabet_come_back_whole():
    assert Eliza().respond("I am Žofie") == Eliza().respond("I am Z\u030cofie")
    assert "naïve" in Eliza().respond("I am nai\u0308ve")


@pytest.mark.parametrize(
    "line", ["you " * 50_000, "i think " * 20_000, "x" * 200_000, "my mother " * 9_999 + "i"]
)
def test_a_very_long_line_gets_a_reply_of_bounded_length(line):
    reply = Eliza().respond(line)
    assert 0 < len(reply.split()) <= MAX_WORDS + 20


@pytest.mark.parametrize("text", [None, 3, b"hello", ["hello"]])
def test_anything_but_a_string_is_refused(text):
    with pytest.raises(ValueError, match="reads a string"):
        Eliza().respond(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("-> pool", "-> nowhere"), "nowhere"),
        (("-> my", "-> your"), "your"),
        (("none *", "nobody *"), "none"),
        (("  * 0 your 0 : four 3\n", ""), "four memory rules, got 3"),
        (("low 1", "low one"), "cannot read"),
        (("* 0 : low reply", "* 0"), "'low' has no reassembly"),
        (("none * 0 : nothing ; still nothing", "none * 0"), "'none' has no reassembly"),
        (("between 1 and 3", "between 1 and 4"), "'exact' asks for part 4; .* has parts 1 to 3"),
        (("between 1 and 3", "between 0 and 3"), "'exact' asks for part 0"),
        (("three 3", "three 5"), "'memory' asks for part 5"),
    ],
)
def test_a_broken_script_is_refused_with_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        Script.parse(SMALL.replace(*change))
