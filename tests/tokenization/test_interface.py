"""What all three tokenizers share: round trips, streams, special tokens, files, and what is refused."""

import json
import random
import sys

import pytest
import torch

from llmbook.core.text import corpora
from llmbook.tokenization import BPE, GPT2, Unigram, WordPiece, read_chunks
from llmbook.tokenization.interface import CACHED_WORDS, check_special_tokens

SPECIAL = ["[UNK]", "<|end of text|>"]
KINDS = [BPE, Unigram, WordPiece]
BYTE_LEVEL = [BPE, Unigram]


@pytest.fixture(scope="module")
def trained():
    text = corpora.plays_text("valid")[:100_000]
    return {kind: kind.train(text, 500, special_tokens=SPECIAL) for kind in KINDS}


def strange_texts(n=200):
    """Texts of characters from everywhere: letters, digits, spaces of all kinds, punctuation, emoji, controls."""
    rng = random.Random(0)
    pool = "aB é ñ 東京 ไทย हिन्दी 123 ٣ ½ \n\t\r\u00a0\u3000\u200d🙂👩‍🚀 .,!?'’\"-_<|>[]#@ \x00\x1c\x7f\ufffd\u2581ĠĊ"
    for _ in range(n):
        yield "".join(rng.choice(pool) for _ in range(rng.randrange(1, 60)))


# ---- round trips


@pytest.mark.parametrize("kind", BYTE_LEVEL)
def test_any_text_comes_back(trained, kind):
    for text in ["", " ", "\r\n", "a\ud7ff\ue000\U0010ffff", *strange_texts()]:
        assert trained[kind].decode(trained[kind].encode(text)) == text


@pytest.mark.parametrize("kind", BYTE_LEVEL)
def test_any_bytes_come_back(trained, kind):
    rng = random.Random(1)
    every = [bytes(range(256)), b"", b"\xff\xfe", "é".encode()[:1], b"to be \x80\x80 or not"]
    for data in [*every, *(rng.randbytes(rng.randrange(50)) for _ in range(200))]:
        assert trained[kind].decode_bytes(trained[kind].encode_bytes(data)) == data
    text = "naïve 東京 or not"
    assert trained[kind].encode_bytes(text.encode()) == trained[kind].encode(text)


@pytest.mark.parametrize("kind", BYTE_LEVEL)
def test_half_a_character_is_shown_as_a_replacement(trained, kind):
    ids = trained[kind].encode("東")
    assert len(ids) == 3 and trained[kind].decode(ids[:2]) == "\ufffd"


@pytest.mark.parametrize("kind", KINDS)
def test_encoding_twice_and_encoding_word_by_word_is_the_same(trained, kind):
    text = corpora.plays_text("test")[:5000]
    ids = trained[kind].encode(text)
    assert ids == trained[kind].encode(text)
    assert ids == [i for word in trained[kind].split.words(text) for i in trained[kind]._encode_word(word)]
    assert max(ids) < trained[kind].vocab_size == 500 and trained[kind].encode("") == []
    assert trained[kind].pieces(text) == [trained[kind].tokens[i] for i in ids]


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_may_come_as_a_tensor(trained, kind):
    ids = trained[kind].encode("to be or not")
    assert trained[kind].decode(torch.tensor(ids)) == trained[kind].decode(ids) == "to be or not"


# ---- the cache


@pytest.mark.parametrize("kind", KINDS)
def test_whoever_changes_what_encode_returned_does_not_change_the_cache(trained, kind):
    first = trained[kind].encode("hello")
    kept = list(first)
    first.clear()
    assert trained[kind].encode("hello") == kept != []


def test_the_cache_does_not_grow_without_end(monkeypatch):
    monkeypatch.setattr("llmbook.tokenization.interface.CACHED_WORDS", 10)
    bpe = BPE.train("to be", 258)
    for n in range(1000):
        assert bpe.decode(bpe.encode(f" {n}")) == f" {n}" and len(bpe._cache) <= 10
    assert CACHED_WORDS > 10_000


# ---- streams


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("special", [False, True])
def test_a_stream_gives_what_the_whole_gives_wherever_it_is_cut(trained, kind, special):
    rng = random.Random(2)
    for text in [
        *strange_texts(150),
        "don't 'rest '  re 12 3a\n\n b <|end of text|>x<|end of <|end of text|> text|>",
    ]:
        text = text.replace("#", "<|end of text|>")
        whole = trained[kind].encode(text, special=special)
        for _ in range(5):
            cuts = sorted(rng.randrange(len(text) + 1) for _ in range(rng.randrange(8)))
            chunks = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
            got = [i for ids in trained[kind].encode_stream(chunks, special=special) for i in ids]
            assert got == whole, chunks
        one_by_one = [i for ids in trained[kind].encode_stream(text, special=special) for i in ids]
        assert one_by_one == whole


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_in_chunks_gives_what_its_text_gives(trained, kind, tmp_path, monkeypatch):
    text = corpora.plays_text("test")[:30_000].replace("\n", "\r\n") + "東京" * 100
    (tmp_path / "x.txt").write_bytes(text.encode())
    read = read_chunks(tmp_path / "x.txt", size=999)
    monkeypatch.setattr("llmbook.tokenization.interface.read_chunks", lambda path, encoding: read)
    parts = list(trained[kind].encode_file(tmp_path / "x.txt"))
    assert len(parts) > 20 and [i for part in parts for i in part] == trained[kind].encode(text)


def test_a_stream_holds_back_little_and_a_file_is_not_read_at_once(trained, tmp_path):
    held = []

    def chunks():
        for _ in range(200):
            held.append(1)
            yield "to be or not " * 100

    stream = trained[BPE].encode_stream(chunks())
    next(stream)
    assert len(held) == 1  # the first numbers come before the second chunk is asked for
    (tmp_path / "x.txt").write_text("to be " * 1_000_000)
    first = next(iter(trained[BPE].encode_file(tmp_path / "x.txt")))
    assert len(trained[BPE].decode(first)) < 1_100_000 and sys.getsizeof(first) < 20_000_000


def test_training_on_the_chunks_of_a_file_learns_from_all_of_it(tmp_path):
    text = "to be or not to be\n" * 200
    (tmp_path / "x.txt").write_text(text)
    # chunks end with lines here; a chunk that ends within a word would make two words of it
    assert BPE.train(read_chunks(tmp_path / "x.txt", size=19), 280).merges == BPE.train(text, 280).merges


# ---- special tokens


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_are_text_unless_asked_for(trained, kind):
    text = "to be<|end of text|>or not"
    number = trained[kind].ids["<|end of text|>"]
    assert number == 1 and number not in trained[kind].encode(text)
    assert trained[kind].encode(text, special=True).count(number) == 1
    assert "<|end of text|>" in trained[kind].decode(trained[kind].encode(text, special=True))


@pytest.mark.parametrize(
    ("special", "complaint"),
    [
        ([""], "is empty"),
        (["  "], "is empty"),
        (["<|a|>", "<|b|>", "<|a|>"], "is given 2 times"),
        (["word"], "is a word"),
        (["<"], "is a word"),
        ("<|a|>", "give a list"),
        ([3], "of type int"),
        (["<|\ud800|>"], "surrogate"),
    ],
)
def test_a_special_token_that_is_empty_doubled_or_a_word_is_refused(special, complaint):
    for kind in BYTE_LEVEL:
        with pytest.raises(ValueError, match=complaint):
            kind.train("to be", 300, special_tokens=special)
    assert check_special_tokens(["<|a|>"], GPT2) == ("<|a|>",)


# ---- files


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_tokenizer_is_the_same_when_loaded(trained, kind, tmp_path):
    trained[kind].save(tmp_path / "t.json")
    loaded = kind.load(tmp_path / "t.json")
    assert (loaded.tokens, loaded.special_tokens) == (trained[kind].tokens, trained[kind].special_tokens)
    assert loaded.split == trained[kind].split
    for text in [*strange_texts(50), corpora.plays_text("test")[:5000]]:
        assert loaded.encode(text, special=True) == trained[kind].encode(text, special=True)


def test_options_other_than_the_default_survive(tmp_path):
    from llmbook.tokenization import SMOLLM2
    from llmbook.tokenization.byte_level import ALPHABET

    bpe = BPE([("1", "2")], ["<|x|>"], SMOLLM2, ALPHABET[::-1][50:])
    bpe.save(tmp_path / "t.json")
    loaded = BPE.load(tmp_path / "t.json")
    assert loaded.tokens == bpe.tokens and loaded.split == SMOLLM2 and loaded.pieces("12") == ["1", "2"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_file_is_refused_wherever_it_ends(trained, kind, tmp_path):
    trained[kind].save(tmp_path / "t.json")
    content = (tmp_path / "t.json").read_bytes()
    for length in (0, 1, 100, len(content) // 2, len(content) - 3):
        (tmp_path / "t.json").write_bytes(content[:length])
        with pytest.raises(ValueError, match="truncated"):
            kind.load(tmp_path / "t.json")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"version": 2}, "has version 2; this code reads version 1"),
        ({"version": None}, "has version None"),
        ({"format": "other"}, "no file of a llmbook tokenizer"),
        ({"kind": "wordpiece"}, "of kind 'wordpiece', not 'bpe'"),
        ({"split": "unknown"}, "do not fit together"),
        ({"merges": [["x", "yz"]]}, "do not fit together"),
        ({"merges": None}, "do not fit together"),
        ({"merges": [["x"]]}, "do not fit together"),
        ({"special_tokens": ["", "<|a|>"]}, "do not fit together"),
        ({"more": 1}, "do not fit together"),
    ],
)
def test_a_file_of_another_version_kind_or_content_is_refused(trained, tmp_path, change, complaint):
    trained[BPE].save(tmp_path / "t.json")
    state = json.loads((tmp_path / "t.json").read_text())
    (tmp_path / "t.json").write_text(json.dumps(state | change))
    with pytest.raises(ValueError, match=complaint):
        BPE.load(tmp_path / "t.json")


@pytest.mark.parametrize("content", [b"[1, 2]", b"\xff\xfe", b"3", b"null"])
def test_a_file_that_is_no_tokenizer_is_refused(tmp_path, content):
    (tmp_path / "t.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"no file of|no JSON"):
        BPE.load(tmp_path / "t.json")
    with pytest.raises(ValueError, match="there is no tokenizer file"):
        BPE.load(tmp_path / "none.json")


def test_a_save_that_fails_leaves_the_old_file(trained, tmp_path, monkeypatch):
    trained[BPE].save(tmp_path / "t.json")
    before = (tmp_path / "t.json").read_bytes()

    def full(path, text, encoding):
        path.write_bytes(text[:100].encode())
        raise OSError("No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(OSError, match="No space left"):
        trained[Unigram].save(tmp_path / "t.json")
    assert (tmp_path / "t.json").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


# ---- bad input


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", [b"to be", None, 3, ["to be"]])
def test_what_is_no_text_is_refused_by_its_type(trained, kind, text):
    with pytest.raises(ValueError, match="of type"):
        trained[kind].encode(text)
    with pytest.raises(ValueError, match="of type"):
        kind.train([text], 600, special_tokens=SPECIAL)


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_are_refused_with_what_to_do(trained, kind):
    with pytest.raises(ValueError, match=r"decode it first"):
        kind.train(b"to be", 600, special_tokens=SPECIAL)
    with pytest.raises(ValueError, match="character 2 is '\\\\ud800'"):
        trained[kind].encode("ab\ud800")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("texts", ["", [], ["", ""]])
def test_an_empty_corpus_is_refused(kind, texts):
    with pytest.raises(ValueError, match="the corpus is empty"):
        kind.train(texts, 600, special_tokens=SPECIAL)


@pytest.mark.parametrize("kind", BYTE_LEVEL)
@pytest.mark.parametrize("vocab_size", [257, 255, 0, -1, 300.0, "300", True, None])
def test_a_vocabulary_without_room_for_the_bytes_is_refused_before_reading_the_text(kind, vocab_size):
    def never():
        raise AssertionError("the text was read")
        yield ""

    with pytest.raises(ValueError, match=r"vocab_size is .*258"):
        kind.train(never(), vocab_size, special_tokens=SPECIAL)


@pytest.mark.parametrize("kind", BYTE_LEVEL)
def test_the_smallest_vocabulary_is_the_bytes(kind):
    assert kind.train("to be or not to be", 258, special_tokens=SPECIAL).vocab_size == 258


@pytest.mark.parametrize("kind", BYTE_LEVEL)
@pytest.mark.parametrize("ids", [[500], [-1], ["a"], [[1]], [1.5]])
def test_numbers_outside_the_vocabulary_are_refused(trained, kind, ids):
    with pytest.raises(ValueError, match="from 0 to 499"):
        trained[kind].decode(ids)
    with pytest.raises(ValueError, match="give bytes"):
        trained[kind].encode_bytes("to be")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_file_in_another_encoding_is_refused_and_read_once_it_is_given(trained, tmp_path, encoding):
    text = "un café à Orléans\n" * 3
    (tmp_path / "x.txt").write_bytes(text.encode(encoding))
    with pytest.raises(ValueError, match=r"not utf-8 text: it has a byte 0x.*encoding="):
        list(trained[BPE].encode_file(tmp_path / "x.txt"))
    parts = trained[BPE].encode_file(tmp_path / "x.txt", encoding=encoding)
    assert trained[BPE].decode([i for part in parts for i in part]) == text
    with pytest.raises(ValueError, match="there is no file"):
        list(trained[BPE].encode_file(tmp_path / "none.txt"))
