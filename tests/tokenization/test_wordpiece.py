"""WordPiece: the merges, pieces and encoding of 🤗 tokenizers, and what it cannot spell."""

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from llmbook.core.text import corpora
from llmbook.tokenization import BERT, WordPiece, count_words
from llmbook.tokenization.wordpiece import alphabet


def theirs(texts, vocab_size, special=("[UNK]",)):
    """tokenizers' trainer numbers continuing letters in an order that changes from run to run, and breaks ties by
    it; listed as special tokens, the letters have our numbers."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    letters = alphabet(count_words(texts, BERT))
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size, special_tokens=[*special, *letters], show_progress=False
    )
    tokenizer.train_from_iterator([texts] if isinstance(texts, str) else texts, trainer)
    return tokenizer


def words_only(tokenizer, text):
    """Without the letters' being special: they would be found in any text."""
    fresh = Tokenizer(models.WordPiece(tokenizer.get_vocab(), unk_token="[UNK]"))
    fresh.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return fresh.encode(text).ids


@pytest.mark.parametrize("vocab_size", [1000, 6000])
def test_on_the_whole_of_the_plays_every_piece_and_number_is_that_of_tokenizers(vocab_size, record_property):
    plays = [corpora.plays_text(split) for split in corpora.SPLITS]
    ours, reference = WordPiece.train(plays, vocab_size), theirs(plays, vocab_size)
    assert ours.ids == reference.get_vocab() and ours.vocab_size == vocab_size
    record_property("parity", f"{vocab_size} pieces of WordPiece = 🤗 tokenizers'")
    fresh = "\n".join(count_words(plays, BERT)) + "\nzebra-crossing éclair 東京 don't!?"
    assert ours.encode(fresh) == words_only(reference, fresh)


@pytest.mark.parametrize(
    "text",
    ["aaaa aaa aa a", "abab, ababab! bababa?", "naïve café 東京 東京都 🙂", "x", "a-b_c $5 + <tag> ^`|~ «q»"],
)
def test_small_texts_learn_the_same(text):
    ours, reference = WordPiece.train(text, 60), theirs(text, 60)
    assert ours.ids == reference.get_vocab() and ours.encode(text) == words_only(reference, text)


def test_a_word_with_a_character_never_seen_is_unknown_as_a_whole():
    ours = WordPiece.train("low lower lowest", 20)
    assert ours.pieces("low zlow lozw") == ["low", "[UNK]", "[UNK]"]
    assert ours.pieces("ol") == ["[UNK]"]  # both seen, but l never within a word
    assert "".join(ours.pieces("o" * 101)) == "[UNK]"


def test_a_hundred_characters_are_encoded_and_one_more_is_unknown():
    ours = WordPiece.train("oo", 4)
    assert ours.pieces("o" * 100) == ["oo", *["##o"] * 98] and ours.pieces("o" * 101) == ["[UNK]"]


def test_spaces_are_lost_and_the_words_are_not():
    ours = WordPiece.train(corpora.plays_text("valid"), 1000)
    text = "What,  are you\n\nthere?"
    assert ours.decode(ours.encode(text)) == "What , are you there ?"
    assert ours.encode(ours.decode(ours.encode(text))) == ours.encode(text)


def test_a_vocabulary_smaller_than_the_alphabet_is_refused_with_the_size_that_is_needed():
    letters = alphabet(count_words("low lower", BERT))
    assert WordPiece.train("low lower", len(letters) + 1).vocab_size == len(letters) + 1
    with pytest.raises(ValueError, match=f"vocab_size is {len(letters)}; at least {len(letters) + 1}"):
        WordPiece.train("low lower", len(letters))


@pytest.mark.parametrize(
    "make",
    [
        lambda: WordPiece(["a", "a"]),
        lambda: WordPiece(["a", ""]),
        lambda: WordPiece(["##"]),
        lambda: WordPiece(["a", "[UNK]"]),
        lambda: WordPiece(["a"], special_tokens=["[PAD]"]),
        lambda: WordPiece(["a"]).decode([2]),
        lambda: WordPiece(["a"]).decode([-1]),
        lambda: WordPiece(["a"]).decode(["a"]),
    ],
)
def test_what_makes_no_sense_is_refused(make):
    with pytest.raises(ValueError):
        make()
