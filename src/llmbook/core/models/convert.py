"""Pour published weights into our own Transformer.

One table of names per family is all it takes: the architectures differ in their ``Config``, not in code. The
names on the left are the checkpoints' own (transformers' layout), those on the right are ours. GPT-2 stores
its projections transposed and q, k, v in one matrix; everything else is renamed only.

Left out on purpose: heads that predict no words (BERT's pooler and next-sentence guess), and quantised checkpoints
(``pretrained`` dequantises those first).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from llmbook.core.models.config import Config
from llmbook.core.models.heads import MaskedHead, NoHead
from llmbook.core.models.transformer import EncoderDecoder, Transformer

ACTIVATION_NAMES = {
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu": "gelu",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}

LLAMA = {
    r"model\.embed_tokens": "embed",
    r"model\.norm": "stack.norm",
    r"model\.layers\.(\d+)\.input_layernorm": r"stack.blocks.\1.norm1",
    r"model\.layers\.(\d+)\.post_attention_layernorm": r"stack.blocks.\1.norm2",
    r"model\.layers\.(\d+)\.self_attn\.([qkv])_proj": r"stack.blocks.\1.attn.\2",
    r"model\.layers\.(\d+)\.self_attn\.o_proj": r"stack.blocks.\1.attn.out",
    r"model\.layers\.(\d+)\.mlp\.(gate|up|down)_proj": r"stack.blocks.\1.ff.\2",
    r"lm_head": "head",
}
GPT2 = {
    r"(?:transformer\.)?wte": "embed",
    r"(?:transformer\.)?wpe": "stack.position",
    r"(?:transformer\.)?ln_f": "stack.norm",
    r"(?:transformer\.)?h\.(\d+)\.ln_([12])": r"stack.blocks.\1.norm\2",
    r"(?:transformer\.)?h\.(\d+)\.attn\.([qkv])": r"stack.blocks.\1.attn.\2",  # after `split_gpt2`
    r"(?:transformer\.)?h\.(\d+)\.attn\.c_proj": r"stack.blocks.\1.attn.out",
    r"(?:transformer\.)?h\.(\d+)\.mlp\.c_fc": r"stack.blocks.\1.ff.up",
    r"(?:transformer\.)?h\.(\d+)\.mlp\.c_proj": r"stack.blocks.\1.ff.down",
    r"lm_head": "head",
}
BERT = {
    r"(?:bert\.)?embeddings\.word_embeddings": "embed",
    r"(?:bert\.)?embeddings\.position_embeddings": "stack.position",
    r"(?:bert\.)?embeddings\.token_type_embeddings": "token_type",
    r"(?:bert\.)?embeddings\.LayerNorm": "stack.embed_norm",
    r"(?:bert\.)?encoder\.layer\.(\d+)\.attention\.self\.(q|k|v)(?:uery|ey|alue)": r"stack.blocks.\1.attn.\2",
    r"(?:bert\.)?encoder\.layer\.(\d+)\.attention\.output\.dense": r"stack.blocks.\1.attn.out",
    r"(?:bert\.)?encoder\.layer\.(\d+)\.attention\.output\.LayerNorm": r"stack.blocks.\1.norm1",
    r"(?:bert\.)?encoder\.layer\.(\d+)\.intermediate\.dense": r"stack.blocks.\1.ff.up",
    r"(?:bert\.)?encoder\.layer\.(\d+)\.output\.dense": r"stack.blocks.\1.ff.down",
    r"(?:bert\.)?encoder\.layer\.(\d+)\.output\.LayerNorm": r"stack.blocks.\1.norm2",
    r"cls\.predictions\.transform\.dense": "head.dense",
    r"cls\.predictions\.transform\.LayerNorm": "head.norm",
    r"cls\.predictions(?:\.decoder)?": "head",  # the bias is stored under both names
}
_T5 = r"(encoder|decoder)\.block\.(\d+)\.layer"
T5 = {
    r"shared": "embed",
    r"(encoder|decoder)\.final_layer_norm": r"\1.norm",
    _T5 + r"\.0\.SelfAttention\.relative_attention_bias": r"\1.relative",
    _T5 + r"\.0\.SelfAttention\.([qkv])": r"\1.blocks.\2.attn.\3",
    _T5 + r"\.0\.SelfAttention\.o": r"\1.blocks.\2.attn.out",
    _T5 + r"\.0\.layer_norm": r"\1.blocks.\2.norm1",
    _T5 + r"\.1\.EncDecAttention\.([qkv])": r"\1.blocks.\2.cross.\3",
    _T5 + r"\.1\.EncDecAttention\.o": r"\1.blocks.\2.cross.out",
    r"decoder\.block\.(\d+)\.layer\.1\.layer_norm": r"decoder.blocks.\1.norm_cross",
    r"decoder\.block\.(\d+)\.layer\.2\.layer_norm": r"decoder.blocks.\1.norm2",
    r"encoder\.block\.(\d+)\.layer\.1\.layer_norm": r"encoder.blocks.\1.norm2",
    _T5 + r"\.[12]\.DenseReluDense\.wi": r"\1.blocks.\2.ff.up",
    _T5 + r"\.[12]\.DenseReluDense\.wi_0": r"\1.blocks.\2.ff.gate",
    _T5 + r"\.[12]\.DenseReluDense\.wi_1": r"\1.blocks.\2.ff.up",
    _T5 + r"\.[12]\.DenseReluDense\.wo": r"\1.blocks.\2.ff.down",
    r"lm_head": "head",
}
NAMES = {"llama": LLAMA, "gpt2": GPT2, "bert": BERT, "t5": T5}
# Options of these families that would change the result, and the one value of each that our model computes.
ONLY = {"scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False, "add_cross_attention": False,
        "is_decoder": False, "position_embedding_type": "absolute", "relative_attention_num_buckets": 32,
        "relative_attention_max_distance": 128, "attention_bias": False, "mlp_bias": False}  # fmt: skip
IGNORED = re.compile(
    r"pooler\.|position_ids|\.attn\.(masked_)?bias$|^cls\.seq_relationship\.|rotary_emb|(en|de)coder\.embed_tokens|EncDecAttention.relative"
)


def rename(name: str, table: Mapping[str, str]) -> str | None:
    """Our name for a checkpoint's ``name``, or None when nothing in ``table`` matches.

    >>> rename("model.layers.3.self_attn.q_proj.weight", LLAMA)
    'stack.blocks.3.attn.q.weight'
    """
    for pattern, ours in table.items():
        if match := re.fullmatch(pattern + r"\.(weight|bias)", name):
            return match.expand(ours) + "." + match[match.re.groups]
    return None


def split_gpt2(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """GPT-2's matrices are stored (in, out), q, k, v side by side: transpose them and take them apart."""
    result: dict[str, Tensor] = {}
    for name, tensor in state.items():
        matrix = re.search(r"\.(c_attn|c_proj|c_fc)\.weight$", name)
        tensor = tensor.t() if matrix else tensor
        if ".c_attn." in name:
            for letter, part in zip("qkv", tensor.chunk(3, dim=0), strict=True):
                result[name.replace("c_attn", letter)] = part
        else:
            result[name] = tensor
    return result


def to_ours(family: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a whole checkpoint.

    Raises ``ValueError`` for an unknown family, and for a tensor that has no place in our model: silently
    dropping one would give a model that runs and is wrong.
    """
    if family not in NAMES:
        raise ValueError(f"no table of names for {family!r}; there is one for {', '.join(NAMES)}")
    if family == "gpt2":
        state = split_gpt2(state)
    result = {}
    for name, tensor in state.items():
        ours = rename(name, NAMES[family])
        if ours is None and not IGNORED.search(name):
            raise ValueError(f"{family} checkpoint has a tensor {name!r} that this model has no place for")
        if ours is not None:
            result[ours] = tensor
    return result


def read_config(config: Mapping[str, Any]) -> Config:
    """Our ``Config`` from a checkpoint's ``config.json`` (GPT-2, BERT, T5 or LLaMA layout).

    Raises ``ValueError`` for another family, or an option this model does not have (scaled rotary positions).
    """
    family = config.get("model_type")
    readers = {"gpt2": _gpt2_config, "bert": _bert_config, "t5": _t5_config, "llama": _llama_config}
    if family not in readers:
        raise ValueError(f"model_type is {family!r}; this reader knows {', '.join(readers)}")
    for name, value in ONLY.items():
        if config.get(name, value) not in (value, None):
            raise ValueError(f"{name} is {config[name]!r}; this model computes {name} = {value!r} only")
    return readers[family](config)


def _activation(name: str) -> str:
    if name not in ACTIVATION_NAMES:
        raise ValueError(f"activation is {name!r}; this model has {', '.join(ACTIVATION_NAMES)}")
    return ACTIVATION_NAMES[name]


def _llama_config(c: Mapping[str, Any]) -> Config:
    rope = c.get("rope_parameters") or c.get("rope_scaling") or {}
    if rope.get("rope_type", rope.get("type", "default")) != "default":
        raise ValueError(f"rotary positions of type {rope} are not supported, only the plain ones")
    return Config(
        vocab_size=c["vocab_size"], block_size=c["max_position_embeddings"], n_layer=c["num_hidden_layers"],
        n_head=c["num_attention_heads"], n_kv_head=c.get("num_key_value_heads") or 0, n_embd=c["hidden_size"],
        head_dim=c.get("head_dim") or 0, d_ff=c["intermediate_size"], norm="rms", norm_eps=c["rms_norm_eps"],
        position="rope", rope_theta=c.get("rope_theta") or rope.get("rope_theta", 10_000.0),
        activation=_activation(c["hidden_act"]), gated=True, bias=False,
        tied=c.get("tie_word_embeddings", False),
    )  # fmt: skip


def _gpt2_config(c: Mapping[str, Any]) -> Config:
    return Config(
        vocab_size=c["vocab_size"], block_size=c["n_positions"], n_layer=c["n_layer"], n_head=c["n_head"],
        n_embd=c["n_embd"], d_ff=c.get("n_inner") or 0, norm_eps=c["layer_norm_epsilon"],
        activation=_activation(c["activation_function"]), tied=c.get("tie_word_embeddings", True),
    )  # fmt: skip


def _bert_config(c: Mapping[str, Any]) -> Config:
    return Config(
        vocab_size=c["vocab_size"], block_size=c["max_position_embeddings"], n_layer=c["num_hidden_layers"],
        n_head=c["num_attention_heads"], n_embd=c["hidden_size"], d_ff=c["intermediate_size"],
        norm_eps=c["layer_norm_eps"], norm_first=False, embed_norm=True, token_types=c["type_vocab_size"],
        activation=_activation(c["hidden_act"]), mask="full", tied=c.get("tie_word_embeddings", True),
    )  # fmt: skip


def _t5_config(c: Mapping[str, Any]) -> Config:
    gated = c.get("feed_forward_proj", "relu").startswith("gated-")
    name = c.get("feed_forward_proj", "relu").removeprefix("gated-")
    # T5 v1.1's "gated-gelu" means the tanh approximation.
    activation = "gelu_tanh" if gated and name == "gelu" else _activation(name)
    return Config(
        vocab_size=c["vocab_size"], block_size=c.get("n_positions") or 512,
        n_layer=c.get("num_decoder_layers") or c["num_layers"],
        n_encoder_layer=c["num_layers"], n_head=c["num_heads"], n_embd=c["d_model"], head_dim=c["d_kv"],
        d_ff=c["d_ff"], norm="rms", norm_eps=c["layer_norm_epsilon"], position="relative",
        activation=activation, gated=gated, bias=False, scaled=False, tied=c.get("tie_word_embeddings", True),
        scale_output=c.get("scale_decoder_outputs", c.get("tie_word_embeddings", True)),
    )  # fmt: skip


def build(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Transformer | EncoderDecoder:
    """Our model with a checkpoint's weights, ready to run: ``config`` as in its config.json.

    Weights are taken over, not copied, so a memory-mapped checkpoint costs no second copy. A BERT gets the output
    layer that guesses masked words if the checkpoint has one; otherwise it has ``hidden`` and no logits.
    Raises ``ValueError`` when a weight is missing, left over, or of another shape.
    """
    ours, weights = read_config(config), to_ours(config["model_type"], state)
    with torch.device("meta"):
        model: Transformer | EncoderDecoder = (
            EncoderDecoder(ours) if ours.n_encoder_layer else Transformer(ours)
        )
        if config["model_type"] == "bert":
            model.head = MaskedHead(ours) if any(name.startswith("head.") for name in weights) else NoHead()
    tied = ours.tied and not isinstance(model.head, NoHead)
    if tied and "embed.weight" in weights:
        weights["head.weight"] = weights["embed.weight"]
    problems = compare(model, weights)
    if problems:
        raise ValueError("this checkpoint does not fit its configuration: " + "; ".join(problems[:5]))
    model.load_state_dict(weights, assign=True)
    if tied:
        model.head.weight = model.embed.weight
    return model.eval()


def compare(model: nn.Module, weights: Mapping[str, Tensor]) -> list[str]:
    """What is missing, unknown or of the wrong shape, in words."""
    wanted = {name: tuple(t.shape) for name, t in model.state_dict().items()}
    problems = [f"{name} is missing" for name in wanted if name not in weights]
    problems += [f"{name} is left over" for name in weights if name not in wanted]
    problems += [
        f"{name} is {tuple(t.shape)}, expected {wanted[name]}"
        for name, t in weights.items()
        if name in wanted and tuple(t.shape) != wanted[name]
    ]
    return problems
