"""Our Transformer beside transformers', on tiny random models and on published weights."""

from __future__ import annotations

import pytest
import torch

from llmbook import architecture
from llmbook.architecture import parity
from llmbook.core.models import pretrained
from llmbook.core.models.transformer import Transformer
from llmbook.core.text import corpora


@pytest.mark.parametrize("seed", [0, 1])
def test_every_family_gives_transformers_numbers(seed, parity_report):
    differences = architecture.tiny_parity(seed)
    assert set(differences) == {"gpt2", "bert", "t5", "t5-gated", "llama"}
    for family, difference in differences.items():
        parity_report(f"tiny random {family}, seed {seed}: {difference:.1e}")
        assert difference <= 1e-5, family


def test_smollm2_gives_transformers_logits_on_1000_tokens_of_real_text(parity_report):
    ours, reference = architecture.real_pair("smollm2")
    assert isinstance(ours, Transformer)
    text = corpora.plays_text("test")[:20_000]
    tokens = reference.tokenizer(text, return_tensors="pt").input_ids[0, :1000]
    assert len(tokens) == 1000 and len(tokens.unique()) > 150
    agreement = architecture.logit_agreement(ours, reference.model, tokens)
    for cache in ("", ", cache on"):
        difference, top = agreement[f"largest difference{cache}"], agreement[f"same top token{cache}"]
        parity_report(f"SmolLM2-135M, 1,000 tokens{cache or ', cache off'}: "
                      f"largest logit difference {difference:.1e}, same top token {top:.2%}")  # fmt: skip
        assert difference <= 1e-3
        assert top == 1.0


def sentences(n):
    """``n`` different sentences from the news, short and long."""
    found = dict.fromkeys(part.strip() for a in corpora.news() for part in a.text.split(". ") if part.strip())
    return list(found)[:n]


def test_minilm_gives_transformers_sentence_vectors_on_100_sentences(parity_report):
    ours, reference = architecture.real_pair("minilm")
    texts = sentences(100)
    assert len(texts) == 100 and len({len(t.split()) for t in texts}) > 10
    batches = [texts[i : i + 20] for i in range(0, 100, 20)]
    mine = torch.cat([architecture.our_embeddings(ours, reference.tokenizer, batch) for batch in batches])
    theirs = pretrained.sentence_embeddings(reference, texts)
    cosine = (mine * theirs).sum(-1)
    parity_report(f"MiniLM-L6, 100 sentences: smallest cosine {float(cosine.min()):.7f}")
    assert mine.shape == (100, 384) and cosine.min() >= 0.99999
    assert (mine @ mine.T).fill_diagonal_(0).max() < 0.999  # the sentences do differ


@pytest.mark.parametrize("seed", [0, 1])
def test_every_setting_of_every_family_can_be_wrong(seed):
    found = architecture.tiny_control(seed)
    assert len(found) == 5 * len(architecture.SETTINGS)
    assert min(found.values()) > 1e-4, min(found, key=found.get)


def test_an_unknown_setting_is_refused():
    ours, _ = parity.tiny_pair("llama", 0)
    with pytest.raises(ValueError, match="setting is 'colour'; choose one of a token sees"):
        parity.wrongly(ours, "colour")
