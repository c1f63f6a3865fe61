"""The table of milestones is sound, and the counts computed from it are those of the real networks."""

from __future__ import annotations

import dataclasses
import datetime as dt
import warnings

import pytest

from llmbook.core.models.config import Config
from llmbook.core.models.parameters import active_parameter_count, parameter_count
from llmbook.history import timeline
from llmbook.history.timeline import milestone, milestones, parse_milestones

ROWS = milestones()
WITH_CONFIG = [row for row in ROWS if row.config is not None]
SIZES = "vocab_size = 50257, block_size = 1024, n_layer = 12, n_head = 12, n_embd = 768"
ROW = """
[[milestone]]
name = "Tiny"
date = "2020-05"
dated_by = "release"
kind = "decoder"
source = { author = "A", year = 2020, title = "T", url = "https://example.org" }
"""


def unit(figure: int) -> int:
    """Place value of the last digit given: 124 million is given to the million."""
    place = 1
    while figure % (place * 10) == 0:
        place *= 10
    return place


def changed(name: str, **changes: object) -> Config:
    config = milestone(name).config
    assert config is not None
    return dataclasses.replace(config, **changes)


def hf(model_type: str, head: bool = True, **settings: object) -> int:
    """Parameters of transformers' own network, built without memory on the meta device."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config = transformers.AutoConfig.for_model(model_type, **settings)
    auto = transformers.AutoModel
    if head:
        auto = (
            transformers.AutoModelForSeq2SeqLM
            if config.is_encoder_decoder
            else transformers.AutoModelForCausalLM
        )
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore")
        model = auto.from_config(config)
    model.tie_weights()
    return sum(weight.numel() for weight in model.parameters())


def hf_decoder(c: Config, model_type: str, **settings: object) -> int:
    """The same architecture in transformers' names for LLaMA and its descendants."""
    names = {
        "hidden_size": c.n_embd,
        "num_hidden_layers": c.n_layer,
        "num_attention_heads": c.n_head,
        "num_key_value_heads": c.n_kv_head,
        "intermediate_size": c.d_ff,
        "vocab_size": c.vocab_size,
        "max_position_embeddings": c.block_size,
        "tie_word_embeddings": c.tied,
        "head_dim": c.head_dim,
        "pad_token_id": None,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    return hf(model_type, **{**names, **settings})


# the table


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_has_a_source_a_past_date_and_no_impossible_number(row):
    assert row.source.url.startswith("https://") and " " not in row.source.url
    assert row.source.title and row.source.author
    assert row.day <= dt.date.today()
    assert abs(row.source.year - row.day.year) <= 1
    assert row.active is None or (row.kind == "moe" and row.active < row.parameters)
    assert (
        row.corpus is None
        or row.tokens_seen is None
        or row.kind == "statistical"
        or row.tokens_seen > row.corpus
    )


def test_rows_are_sorted_and_named_once_and_begin_with_shannon():
    assert [row.day for row in ROWS] == sorted(row.day for row in ROWS)
    assert len({row.name for row in ROWS}) == len(ROWS) > 70
    assert ROWS[0].source.author == "Shannon" and ROWS[0].day.year == 1948


def test_every_kind_of_model_occurs():
    assert {row.kind for row in ROWS} == set(timeline.KINDS)


@pytest.mark.parametrize("row", WITH_CONFIG, ids=lambda row: row.name)
def test_the_kind_of_a_row_is_the_family_of_its_config(row):
    assert row.config.family == ("decoder" if row.kind == "moe" else row.kind)
    assert (row.config.experts is not None) == (row.kind == "moe")


@pytest.mark.parametrize("row", WITH_CONFIG, ids=lambda row: row.name)
def test_the_published_size_is_the_computed_size_rounded(row):
    """Within one unit of the last digit given: figures are rounded or cut off, rarely said which."""
    assert abs(row.computed - row.parameters) <= unit(row.parameters)
    assert row.size == row.computed  # which is exact


@pytest.mark.parametrize("row", [row for row in WITH_CONFIG if row.kind == "moe"], ids=lambda row: row.name)
def test_the_published_active_size_is_the_computed_one_with_or_without_the_embedding(row):
    both = [active_parameter_count(row.config, embedding=keep) for keep in (True, False)]
    assert min(abs(count - row.active) for count in both) <= unit(row.active)
    assert both[0] < row.computed


@pytest.mark.parametrize("name", ["ChatGPT", "GPT-4", "Claude", "GPT-4o", "o1-preview", "GPT-5"])
def test_an_undisclosed_size_stays_unknown(name):
    row = milestone(name)
    assert (row.size, row.tokens_seen, row.flops, row.open) == (None, None, None, False)
    assert row.kind == "undisclosed"


def test_what_is_undisclosed_is_closed_and_the_rest_says_its_kind():
    for row in ROWS:
        assert row.kind != "undisclosed" or not (row.open or row.config or row.parameters)


@pytest.mark.parametrize("name", ["BERT-base", "BERT-large", "RoBERTa", "Megatron-LM", "GPT-NeoX-20B"])
def test_tokens_that_nobody_published_say_of_what_they_are_the_product(name):
    row = milestone(name)
    assert " steps x " in row.tokens_computed and ("at most" in row.tokens_computed) == name.startswith(
        "BERT"
    )


def test_a_date_is_of_a_release_or_a_paper():
    assert {row.dated_as for row in ROWS} == {"release", "paper"}
    assert [milestone(n).dated_as for n in ("ChatGPT", "GPT-3", "LSTM")] == ["release", "paper", "paper"]


def test_kaplans_n_leaves_out_embeddings_which_matters_for_small_models_alone():
    small, large = milestone("GPT-2 small"), milestone("GPT-3")
    assert small.non_embedding == 124_439_808 - 50257 * 768 - 1024 * 768
    # the paper: N is about 12 layers width^2; biases and norms are in ours
    assert small.non_embedding == pytest.approx(12 * 12 * 768**2, rel=2e-3)
    assert small.non_embedding / small.computed < 0.7 and large.non_embedding / large.computed > 0.99
    assert milestone("ChatGPT").non_embedding is None


def test_llama_went_past_the_ratio_that_chinchilla_found():
    ratio = {
        n: milestone(n).tokens_seen / milestone(n).parameters for n in ("Chinchilla", "LLaMA-7B", "LLaMA-65B")
    }
    assert (
        ratio["Chinchilla"] == pytest.approx(20) and ratio["LLaMA-7B"] > 140 and 20 < ratio["LLaMA-65B"] < 22
    )


@pytest.mark.parametrize(
    ("name", "flops"),
    [
        ("GPT-3", 3.14e23),  # Brown et al. 2020, table D.1
        ("PaLM", 2.527e24),  # Chowdhery et al. 2022, table 21 (appendix B)
        ("Llama 3.1 405B", 3.8e25),  # Llama Team 2024, section 1
    ],
)
def test_six_n_d_gives_the_training_compute_the_authors_published(name, flops):
    assert milestone(name).flops == pytest.approx(flops, rel=0.01)


def test_a_mixture_of_experts_pays_for_its_active_parameters_alone():
    rows = [row for row in WITH_CONFIG if row.kind == "moe" and row.tokens_seen]
    assert len(rows) > 1
    for row in rows:
        assert (
            row.flops == pytest.approx(6 * row.active * row.tokens_seen, rel=0.1)
            and row.active < row.size / 2
        )


def test_n_gram_tables_get_no_training_compute():
    assert milestone("Stupid Backoff").tokens_seen and milestone("Stupid Backoff").flops is None


def test_attention_reached_arxiv_before_seq2seq():
    assert milestone("Bahdanau attention").day < milestone("seq2seq").day


# exact counts


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("GPT-2 small", 124_439_808),
        ("GPT-2", 1_557_611_200),
        ("BERT-base", 109_482_240),
        ("BERT-large", 335_141_888),
        ("T5", 11_307_321_344),
        ("BLOOM", 176_247_271_424),
        ("LLaMA-7B", 6_738_415_616),
        ("Llama 3 8B", 8_030_261_248),
        ("Mistral 7B", 7_241_732_096),
        ("Mixtral 8x7B", 46_702_792_704),
        ("SmolLM2-135M", 134_515_008),
        ("Qwen2.5-72B", 72_706_203_648),
        ("Llama 3.1 405B", 405_853_388_800),
    ],
)
def test_counts_of_released_weights_are_exact(name, count):
    assert milestone(name).computed == count


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"n_layer": 6, "n_embd": 512, "n_head": 8, "head_dim": 64, "d_ff": 2048}, 60_506_624),
        ({"n_layer": 12, "n_embd": 768, "n_head": 12, "head_dim": 64, "d_ff": 3072}, 222_903_552),
    ],
)
def test_t5_counts_are_exact(changes, count):
    layers, head = changes["n_layer"], changes["head_dim"]
    config = changed("T5", n_encoder_layer=layers, n_kv_head=0, **changes)
    assert parameter_count(config) == count
    assert (
        hf(
            "t5",
            d_model=changes["n_embd"],
            d_kv=head,
            d_ff=changes["d_ff"],
            num_layers=layers,
            num_heads=changes["n_head"],
            vocab_size=32128,
        )
        == count
    )


PARITY = {
    "GPT": lambda c: hf("openai-gpt", vocab_size=40478, n_positions=512),
    "GPT-2 small": lambda c: hf("gpt2"),
    "GPT-2": lambda c: hf("gpt2", n_layer=48, n_embd=1600, n_head=25),
    "GPT-3": lambda c: hf("gpt2", n_layer=96, n_embd=12288, n_head=96, n_positions=2048),
    "BERT-base": lambda c: hf("bert", head=False),
    "BERT-large": lambda c: hf(
        "bert",
        head=False,
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
    ),
    "RoBERTa": lambda c: hf(
        "roberta",
        head=False,
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        vocab_size=50265,
        max_position_embeddings=514,
        type_vocab_size=1,
    ),
    "ALBERT-base": lambda c: hf(
        "albert",
        head=False,
        hidden_size=768,
        num_attention_heads=12,
        intermediate_size=3072,
        num_hidden_layers=12,
    ),
    "DistilBERT": lambda c: hf("distilbert", head=False),
    "ELECTRA-large": lambda c: hf(
        "electra",
        head=False,
        embedding_size=1024,
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
    ),
    "T5": lambda c: hf(
        "t5", d_model=1024, d_kv=128, d_ff=65536, num_layers=24, num_heads=128, vocab_size=32128
    ),
    # transformers 5 ties T5's output layer always; the released T5 v1.1 weights hold one of their own
    "Flan-T5-XXL": lambda c: (
        hf(
            "t5",
            d_model=4096,
            d_kv=64,
            d_ff=10240,
            num_layers=24,
            num_heads=64,
            vocab_size=32128,
            feed_forward_proj="gated-gelu",
        )
        + 32128 * 4096
    ),
    "BART": lambda c: hf("bart", head=False),
    "OPT-175B": lambda c: hf(
        "opt",
        hidden_size=12288,
        ffn_dim=49152,
        num_hidden_layers=96,
        num_attention_heads=96,
        word_embed_proj_dim=12288,
    ),
    "GPT-NeoX-20B": lambda c: hf("gpt_neox", tie_word_embeddings=False),
    "BLOOM": lambda c: hf("bloom", hidden_size=14336, n_layer=70, n_head=112),
    "LLaMA-7B": lambda c: hf_decoder(c, "llama"),
    "LLaMA-65B": lambda c: hf_decoder(c, "llama"),
    "Llama 2 70B": lambda c: hf_decoder(c, "llama"),
    "Mistral 7B": lambda c: hf_decoder(c, "mistral"),
    "Mixtral 8x7B": lambda c: hf_decoder(c, "mixtral"),
    "Gemma 7B": lambda c: hf_decoder(c, "gemma"),
    "Llama 3 8B": lambda c: hf_decoder(c, "llama"),
    "Phi-3-mini": lambda c: hf_decoder(c, "phi3"),
    "Llama 3.1 405B": lambda c: hf_decoder(c, "llama"),
    "Qwen2.5-72B": lambda c: hf_decoder(c, "qwen2"),
    "SmolLM2-135M": lambda c: hf_decoder(c, "llama"),
    "SmolLM2-1.7B": lambda c: hf_decoder(c, "llama"),
    "OLMo 2 7B": lambda c: hf_decoder(c, "olmo2"),
    "Phi-4": lambda c: hf_decoder(c, "phi3"),
    "DeepSeek-V3": lambda c: hf_decoder(
        c,
        "deepseek_v3",
        head_dim=64,
        n_routed_experts=256,
        n_shared_experts=1,
        moe_intermediate_size=2048,
        num_experts_per_tok=8,
        first_k_dense_replace=3,
        q_lora_rank=1536,
        kv_lora_rank=512,
        qk_nope_head_dim=128,
        qk_rope_head_dim=64,
        v_head_dim=128,
    ),
    "Kimi K2": lambda c: hf_decoder(
        c,
        "deepseek_v3",
        head_dim=64,
        n_routed_experts=384,
        n_shared_experts=1,
        moe_intermediate_size=2048,
        num_experts_per_tok=8,
        first_k_dense_replace=1,
        q_lora_rank=1536,
        kv_lora_rank=512,
        qk_nope_head_dim=128,
        qk_rope_head_dim=64,
        v_head_dim=128,
        n_group=1,
        topk_group=1,
    ),
    "Gemma 3 27B": lambda c: hf_decoder(c, "gemma3_text"),
    "Qwen3-8B": lambda c: hf_decoder(c, "qwen3"),
    "Qwen3-235B-A22B": lambda c: hf_decoder(
        c, "qwen3_moe", num_experts=128, num_experts_per_tok=8, moe_intermediate_size=1536
    ),
    "gpt-oss-120b": lambda c: hf_decoder(c, "gpt_oss", num_local_experts=128, num_experts_per_tok=4),
    "OLMo 3 32B": lambda c: hf_decoder(c, "olmo3"),
}
SAME_AS = {"DeepSeek-R1": "DeepSeek-V3", "InstructGPT": "GPT-3"}
CLOSED = {
    "Megatron-LM",
    "Turing-NLG",
    "Megatron-Turing NLG",
    "Gopher",
    "Chinchilla",
    "PaLM",
    "U-PaLM",
    "InstructGPT",
}


@pytest.mark.parametrize("name", PARITY)
def test_the_count_equals_that_of_the_network_transformers_builds(name):
    config = milestone(name).config
    assert parameter_count(config) == PARITY[name](config)


def test_every_open_config_is_compared_with_transformers():
    """Except GLM-130B, whose architecture transformers does not have."""
    expected = {row.name for row in WITH_CONFIG} - CLOSED - set(SAME_AS)
    assert expected - set(PARITY) == {"GLM-130B"}
    for name, twin in SAME_AS.items():
        assert milestone(name).config == milestone(twin).config


# properties


def test_fewer_key_value_heads_only_shrink_keys_and_values():
    change = parameter_count(changed("Llama 3 8B", n_kv_head=32)) - milestone("Llama 3 8B").computed
    assert change == 32 * 2 * 4096 * (4096 - 1024)


def test_the_number_of_active_experts_changes_only_the_active_count():
    experts = milestone("Mixtral 8x7B").config.experts
    one, two = (changed("Mixtral 8x7B", experts=dataclasses.replace(experts, n_active=n)) for n in (1, 2))
    assert parameter_count(one) == parameter_count(two)
    assert active_parameter_count(two) - active_parameter_count(one) == 32 * 3 * 4096 * 14336


# errors


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"2020-05"', '"2020-13"', "'Tiny': date='2020-13'"),
        ('"2020-05"', '"May 2020"', "YYYY-MM"),
        ('"2020-05"', "2020-05-01", "in quotes"),
        ('kind = "decoder"', 'kind = "magic"', "kind='magic': choose one of rule"),
        ('"release"', '"rumour"', "dated_by='rumour'"),
        ("https://", "ftp://", "must begin with https"),
        ('kind = "decoder"', 'kind = "decoder"\nparameters = 0', "leave it out when undisclosed"),
        ('kind = "decoder"', 'kind = "decoder"\nparameters = 1.5e9', "whole number"),
        ('kind = "decoder"', 'kind = "decoder"\nsise = 3', "unknown sise"),
        (
            'kind = "decoder"',
            'kind = "decoder"\ntokens_seen = 7\ntokens_computed = "2 steps x 3 tokens"',
            "tokens_seen=7 is not the product of '2 steps x 3 tokens'",
        ),
        ('name = "Tiny"\n', "", "missing name"),
        (", year = 2020", "", "missing year"),
        (
            'kind = "decoder"',
            'kind = "decoder"\nconfig = { n_layer = 1 }',
            "'Tiny', config: missing vocab_size, block_size, n_head, n_embd",
        ),
        (
            'kind = "decoder"',
            f'kind = "decoder"\nconfig = {{ {SIZES}, family = "decoder" }}',
            "'Tiny', config: unknown family; known are vocab_size",
        ),
        (
            'kind = "decoder"',
            f'kind = "decoder"\nconfig = {{ {SIZES}, n_kv_head = 5 }}',
            "'Tiny', config: n_head = 12 is not a multiple of n_kv_head = 5",
        ),
        (
            'kind = "decoder"',
            f'kind = "decoder"\nconfig = {{ {SIZES}, experts = {{ n_expert = 4 }} }}',
            "'Tiny', config: experts: missing n_active, d_expert",
        ),
        ('kind = "decoder"', 'kind = "decoder"\nconfig = 3', "expected a table"),
    ],
)
def test_a_bad_row_is_refused_saying_which_and_why(old, new, message):
    assert len(parse_milestones(ROW)) == 1
    with pytest.raises(ValueError, match=message):
        parse_milestones(ROW.replace(old, new))


def test_unsorted_and_repeated_rows_are_refused():
    with pytest.raises(ValueError, match=r"'Small' .* stands below 'Tiny'.*sort by date"):
        parse_milestones(ROW + ROW.replace("Tiny", "Small").replace("2020-05", "2019"))
    with pytest.raises(ValueError, match="repeated: Tiny"):
        parse_milestones(ROW + ROW)


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="no milestone 'GPT-7'"):
        milestone("GPT-7")


def test_a_non_ascii_row_is_read():
    assert parse_milestones(ROW.replace("Tiny", "Modèle é 語"))[0].name == "Modèle é 語"
