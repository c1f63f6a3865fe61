"""Tests of llmbook.core.models.lm: bits per byte count the bytes that the scored tokens stand for."""

import pytest
import torch
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from llmbook.core.models.config import Config
from llmbook.core.models.lm import LanguageModel
from llmbook.core.models.transformer import Transformer


@pytest.fixture(scope="module")
def lm():
    return LanguageModel.load()


def own_bytes(lm, token):
    """The bytes of one token, by the table of byte-level BPE (GPT-2): 188 bytes are themselves, 68 are moved up."""
    themselves = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = [b for b in range(256) if b not in themselves]
    table = {chr(b): b for b in themselves} | {chr(256 + i): b for i, b in enumerate(moved)}
    return bytes(table[c] for c in lm.tokenizer.convert_ids_to_tokens(token))


@pytest.mark.parametrize(
    ("text", "first"),
    [("鱷魚 swims", b"\xe9"), ("🫠 it melts", b"\xf0\x9f"), (" 鱷", b" \xe9"), ("\ufffd?", b"\xef\xbf\xbd")],
)
def test_a_text_whose_first_character_is_split_over_tokens_loses_only_the_bytes_of_the_first(lm, text, first):
    ids = lm.encode(text)[0].tolist()
    assert b"".join(own_bytes(lm, i) for i in ids) == text.encode()
    assert own_bytes(lm, ids[0]) == first
    rest = sum(len(own_bytes(lm, i)) for i in ids[1:])
    assert lm.bits_per_byte(text) == pytest.approx(float(lm.surprise(text).sum()) / rest)


def test_a_byte_token_of_sentencepiece_is_one_byte():
    vocabulary = {"<unk>": 0, **{f"<0x{b:02X}>": b + 1 for b in range(256)}}
    fast = Tokenizer(models.BPE(vocabulary, [], byte_fallback=True, unk_token="<unk>"))
    fast.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    torch.manual_seed(0)
    model = Transformer(Config(257, 16, n_layer=1, n_head=2, n_embd=8))
    lm = LanguageModel(model, PreTrainedTokenizerFast(tokenizer_object=fast), torch.device("cpu"))
    assert lm.encode("é!")[0].tolist() == [0xC3 + 1, 0xA9 + 1, 0x21 + 1]
    assert lm.bits_per_byte("é!") == pytest.approx(float(lm.surprise("é!").sum()) / 2)
