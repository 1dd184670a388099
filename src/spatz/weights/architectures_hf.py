"""config.json of a model folder to a `Decoder`, and its safetensors' names to the core's.

Defaults are those of the reference implementation (transformers), whose files leave them out. Keys that it does not
read for these architectures are no business of ours; of those that it does read, each is honoured or refused. Two
spellings of rotary settings exist, `rope_theta` + `rope_scaling` and the newer `rope_parameters`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from spatz.errors import WeightsError
from spatz.weights.architectures import (
    ARCHITECTURES,
    MAX_CONTEXT,
    MAX_HIDDEN,
    MAX_LAYERS,
    Decoder,
    Plan,
    Rope,
    bounded,
    match_tensors,
)
from spatz.weights.tensors import Tensor
from spatz.weights.vision import HF_KINDS, is_vision_tensor

__all__ = ["describe_config", "plan_hf"]

_LAYER_NAMES = {
    "attn_norm": "input_layernorm.weight",
    "attn_q": "self_attn.q_proj.weight",
    "attn_k": "self_attn.k_proj.weight",
    "attn_v": "self_attn.v_proj.weight",
    "attn_out": "self_attn.o_proj.weight",
    "attn_q_bias": "self_attn.q_proj.bias",
    "attn_k_bias": "self_attn.k_proj.bias",
    "attn_v_bias": "self_attn.v_proj.bias",
    "attn_out_bias": "self_attn.o_proj.bias",
    "attn_q_norm": "self_attn.q_norm.weight",
    "attn_k_norm": "self_attn.k_norm.weight",
    "ffn_norm": "post_attention_layernorm.weight",
    "ffn_gate": "mlp.gate_proj.weight",
    "ffn_up": "mlp.up_proj.weight",
    "ffn_down": "mlp.down_proj.weight",
}
_GEMMA3_LAYER_NAMES = _LAYER_NAMES | {
    "attn_post_norm": "post_attention_layernorm.weight",
    "ffn_norm": "pre_feedforward_layernorm.weight",
    "ffn_post_norm": "post_feedforward_layernorm.weight",
}

_LLAMA = {
    "vocab_size": 32_000,
    "hidden_size": 4096,
    "intermediate_size": 11_008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": None,  # as many as heads
    "head_dim": None,  # hidden / heads
    "hidden_act": "silu",
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10_000.0,
    "tie_word_embeddings": False,
    "attention_bias": False,
    "mlp_bias": False,
    "sliding_window": None,
    "use_sliding_window": False,
    "max_window_layers": 28,
}
_QWEN2 = _LLAMA | {
    "vocab_size": 151_936,
    "intermediate_size": 22_016,
    "num_key_value_heads": 32,
    "max_position_embeddings": 32_768,
    "sliding_window": 4096,
}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "llama": _LLAMA,
    "mistral": _LLAMA
    | {
        "intermediate_size": 14_336,
        "num_key_value_heads": 8,
        "max_position_embeddings": 131_072,
        "sliding_window": 4096,
    },
    "qwen2": _QWEN2,
    "qwen3": _QWEN2 | {"head_dim": 128},
    "gemma3": _LLAMA
    | {
        "vocab_size": 262_208,
        "hidden_size": 2304,
        "intermediate_size": 9216,
        "num_hidden_layers": 26,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "hidden_activation": "gelu_pytorch_tanh",
        "max_position_embeddings": 131_072,
        "rope_theta": 1_000_000.0,
        "rope_local_base_freq": 10_000.0,
        "query_pre_attn_scalar": 256,
        "sliding_window": 4096,
        "sliding_window_pattern": 6,
        "tie_word_embeddings": True,
    },
}
_FALSY_ONLY = (  # keys that ask for something that the decoder does not do, unless they are null, false or 0
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "mlp_bias",
    "num_experts",
    "num_local_experts",
    "quantization_config",
    "use_bidirectional_attention",
)


class _Config:
    """config.json with the defaults of its model type, typed."""

    def __init__(self, values: Mapping[str, Any], architecture: str) -> None:
        self._values = values
        self._defaults = _DEFAULTS[architecture]

    def get(self, name: str) -> Any:
        return self._values.get(name, self._defaults.get(name))

    def integer(self, name: str) -> int:
        value = self.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is not int:
            raise WeightsError(f"{name} in config.json is not a whole number")
        return value

    def number(self, name: str) -> float:
        return _number(self.get(name), name)

    def flag(self, name: str) -> bool:
        value = self.get(name)
        if type(value) is not bool:
            raise WeightsError(f"{name} in config.json is not true or false")
        return value


def plan_hf(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Plan:
    """The decoder that config.json describes and its tensors. Raises WeightsError."""
    decoder = describe_config(config)
    body, head = _prefixes(tensors)
    names = {
        "embed": f"{body}embed_tokens.weight",
        "final_norm": f"{body}norm.weight",
        "lm_head": f"{head}lm_head.weight",
    }
    for target, name in (_GEMMA3_LAYER_NAMES if decoder.architecture == "gemma3" else _LAYER_NAMES).items():
        names.update({f"layers.{i}.{target}": f"{body}layers.{i}.{name}" for i in range(decoder.layers)})
    return match_tensors(decoder, names, tensors, _leftovers(decoder, tensors, names["lm_head"], config["model_type"]))


def describe_config(config: Mapping[str, Any]) -> Decoder:
    """The decoder that config.json describes. Raises WeightsError."""
    kind = config.get("model_type")
    values: Mapping[str, Any] = config
    if kind == "gemma3" and "text_config" in config:
        values = config["text_config"]
        if not isinstance(values, Mapping):
            raise WeightsError("text_config in config.json is not an object")
    if kind in HF_KINDS:
        own = config.get("text_config")
        if not isinstance(own, Mapping):
            raise WeightsError("text_config in config.json is not an object")
        # Which of the two ties the head is a matter of the whole model.
        values = {**own, "tie_word_embeddings": config.get("tie_word_embeddings", False)}
        kind = own.get("model_type", "llama")
    architecture = "gemma3" if kind == "gemma3_text" else kind
    if architecture not in ARCHITECTURES:
        raise WeightsError(f"the model type {str(kind)[:60]!r} is not supported ({', '.join(ARCHITECTURES)} are)")
    _refuse_unsupported(config, architecture)
    _refuse_unsupported(values, architecture)
    return _decoder(_Config(values, architecture), architecture)


def _refuse_unsupported(values: Mapping[str, Any], architecture: str) -> None:
    for name in _FALSY_ONLY:
        if values.get(name):
            raise WeightsError(f"config.json asks for {name}, which is not supported")
    classes = values.get("architectures")
    for name in classes if isinstance(classes, list) else []:
        if not isinstance(name, str) or not name.endswith(("ForCausalLM", "ForConditionalGeneration")):
            raise WeightsError(f"config.json describes a {str(name)[:60]}, which does not generate text")
    act = values.get("hidden_activation") or values.get("hidden_act")
    allowed = ("gelu_pytorch_tanh",) if architecture == "gemma3" else ("silu", "swish")
    if act is not None and act not in allowed:
        raise WeightsError(f"the activation {str(act)[:40]!r} is not supported for {architecture}")


def _prefixes(tensors: Mapping[str, Tensor]) -> tuple[str, str]:
    """What stands before the names of the body and of the head: models with a vision part nest the text model."""
    for body, head in (
        ("language_model.model.", "language_model."),
        ("model.language_model.", ""),
        ("model.text_model.", ""),
    ):
        if f"{body}embed_tokens.weight" in tensors:
            return body, head
    return "model.", ""


def _leftovers(decoder: Decoder, tensors: Mapping[str, Tensor], head: str, kind: object) -> frozenset[str]:
    """Tensors that a decoder has no use for: a copy of the tied head, old rope tables, a vision part."""
    left = {head} if decoder.tied else set[str]()
    left |= {name for name in tensors if name.endswith("rotary_emb.inv_freq")}
    if kind == "gemma3":
        vision = ("vision_tower.", "multi_modal_projector.", "model.vision_tower.", "model.multi_modal_projector.")
        left |= {name for name in tensors if name.startswith(vision)}
    if kind in HF_KINDS:
        left |= {name for name in tensors if is_vision_tensor(name)}
    return frozenset(left)


def _decoder(config: _Config, architecture: str) -> Decoder:
    layers = bounded("number of layers", config.integer("num_hidden_layers"), 1, MAX_LAYERS)
    hidden = bounded("hidden size", config.integer("hidden_size"), 1, MAX_HIDDEN)
    heads = bounded("number of heads", config.integer("num_attention_heads"), 1, MAX_HIDDEN)
    gemma = architecture == "gemma3"
    local = _local_layers(config, architecture, layers)
    window = bounded("sliding window", config.integer("sliding_window"), 1, MAX_CONTEXT) if any(local) else 0
    context = config.integer("max_position_embeddings")
    if gemma:
        theta, rope, local_theta = _gemma3_rope(config, context)
        scalar = config.number("query_pre_attn_scalar")
        if not 0 < scalar <= MAX_HIDDEN:
            raise WeightsError(f"query_pre_attn_scalar in config.json is {scalar}, not between 0 and {MAX_HIDDEN}")
        query_scale = scalar**-0.5
    else:
        theta, rope = _plain_rope(config, context)
        local_theta, query_scale = theta, 0.0
    bias = architecture != "mistral" and architecture != "qwen2" and config.flag("attention_bias")
    return Decoder(
        architecture=architecture,
        vocab=config.integer("vocab_size"),
        hidden=hidden,
        intermediate=config.integer("intermediate_size"),
        layers=layers,
        heads=heads,
        kv_heads=heads if config.get("num_key_value_heads") is None else config.integer("num_key_value_heads"),
        head_dim=hidden // heads if config.get("head_dim") is None else config.integer("head_dim"),
        context_length=context,
        norm_eps=config.number("rms_norm_eps"),
        rope_theta=tuple(local_theta if here else theta for here in local),
        rope_scaled=tuple(not (gemma and here) for here in local),
        window=tuple(window if here else 0 for here in local),
        rope=rope,
        activation="gelu_tanh" if gemma else "silu",
        embedding_scale=math.sqrt(hidden) if gemma else 1.0,
        query_scale=query_scale,
        norm_add=1.0 if gemma else 0.0,
        tied=config.flag("tie_word_embeddings"),
        qkv_bias=architecture == "qwen2" or bias,
        out_bias=bias,
        qk_norm=architecture in ("gemma3", "qwen3"),
        post_norms=gemma,
    )


def _local_layers(config: _Config, architecture: str, layers: int) -> tuple[bool, ...]:
    """Which layers have a sliding window."""
    if architecture == "gemma3":
        named = "sliding_window_pattern" if config.get("_sliding_window_pattern") is None else "_sliding_window_pattern"
        period = bounded(named, config.integer(named), 1, MAX_LAYERS)
        by_default = tuple((i + 1) % period != 0 for i in range(layers))
    elif architecture in ("qwen2", "qwen3"):
        used = config.flag("use_sliding_window") and config.get("sliding_window") is not None
        by_default = tuple(used and i >= config.integer("max_window_layers") for i in range(layers))
    else:
        by_default = (architecture == "mistral" and config.get("sliding_window") is not None,) * layers
    types = config.get("layer_types")
    if types is None:
        return by_default
    if not isinstance(types, list) or len(types) != layers:
        raise WeightsError(f"layer_types in config.json does not name each of the {layers} layers")
    for name in types:
        if name not in ("full_attention", "sliding_attention"):
            raise WeightsError(f"layers of type {str(name)[:40]!r} are not supported")
    local = tuple(name == "sliding_attention" for name in types)
    if architecture in ("llama", "mistral") and local != by_default:
        raise WeightsError(f"layer_types in config.json is not what {architecture} models do")
    if architecture in ("qwen2", "qwen3") and any(local) and not config.flag("use_sliding_window"):
        raise WeightsError("config.json has sliding layers, but use_sliding_window is not true")
    return local


def _plain_rope(config: _Config, context: int) -> tuple[float, Rope]:
    """Theta and scaling of models whose layers are all alike."""
    return _theta_and_scaling(
        _table(config.get("rope_scaling"), "rope_scaling") or _table(config.get("rope_parameters"), "rope_parameters"),
        config.number("rope_theta"),
        _partial(config),
        context,
    )


def _gemma3_rope(config: _Config, context: int) -> tuple[float, Rope, float]:
    """Theta and scaling of the global layers, theta of the local ones."""
    parameters = _table(config.get("rope_parameters"), "rope_parameters")
    if parameters.keys() - {"full_attention", "sliding_attention"}:
        raise WeightsError("rope_parameters in config.json must be given for full_attention and sliding_attention")
    full = _table(parameters.get("full_attention"), "rope_parameters")
    full = full | _table(config.get("rope_scaling"), "rope_scaling")
    theta, rope = _theta_and_scaling(full, config.number("rope_theta"), _partial(config), context)
    sliding = _table(parameters.get("sliding_attention"), "rope_parameters")
    local_theta, local_rope = _theta_and_scaling(
        sliding, config.number("rope_local_base_freq"), _partial(config), context
    )
    if local_rope != Rope():
        raise WeightsError("rope scaling of sliding layers is not supported")
    return theta, rope, local_theta


def _theta_and_scaling(table: dict[str, Any], theta: float, partial: Any, context: int) -> tuple[float, Rope]:
    theta = _number(table.get("rope_theta", theta), "rope_theta")
    if table.get("partial_rotary_factor", partial) not in (None, 1, 1.0):
        raise WeightsError("partial_rotary_factor in config.json is not supported")
    kind = table.get("rope_type", table.get("type", "default"))
    if kind == "default":
        return theta, Rope()
    if kind == "linear":
        return theta, Rope("linear", _number(table.get("factor"), "the rope scaling's factor"))
    if kind != "llama3":
        raise WeightsError(f"rope scaling of type {str(kind)[:40]!r} is not supported")
    original = table.get("original_max_position_embeddings", context)
    if type(original) is not int:
        raise WeightsError("original_max_position_embeddings in config.json is not a whole number")
    return theta, Rope(
        "llama3",
        _number(table.get("factor"), "the rope scaling's factor"),
        _number(table.get("low_freq_factor"), "the rope scaling's low_freq_factor"),
        _number(table.get("high_freq_factor"), "the rope scaling's high_freq_factor"),
        original,
    )


def _partial(config: _Config) -> Any:
    return config.get("partial_rotary_factor")


def _table(value: object, name: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise WeightsError(f"{name} in config.json is not an object")
    return value


def _number(value: object, name: str) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or abs(value) > 1e30:
        raise WeightsError(f"{name} in config.json is not a sane number")
    return float(value)
