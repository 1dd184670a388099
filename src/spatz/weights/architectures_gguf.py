"""GGUF metadata to a `Decoder`, and GGUF tensor names to the core's.

Only keys that are understood are let through: a key of the architecture's own that is not known here may change what
the model computes, so it is refused by name. Mistral's GGUF files say "llama". Tokenizer keys are read elsewhere.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from spatz.errors import WeightsError
from spatz.weights.architectures import MAX_CONTEXT, MAX_LAYERS, Decoder, Plan, Rope, bounded, match_tensors
from spatz.weights.gguf import GGUFFile

__all__ = ["plan_gguf"]

_GLOBAL_NAMES = {"embed": "token_embd.weight", "lm_head": "output.weight", "final_norm": "output_norm.weight"}
_LAYER_NAMES = {
    "attn_norm": "attn_norm.weight",
    "attn_q": "attn_q.weight",
    "attn_k": "attn_k.weight",
    "attn_v": "attn_v.weight",
    "attn_out": "attn_output.weight",
    "attn_q_bias": "attn_q.bias",
    "attn_k_bias": "attn_k.bias",
    "attn_v_bias": "attn_v.bias",
    "attn_out_bias": "attn_output.bias",
    "attn_q_norm": "attn_q_norm.weight",
    "attn_k_norm": "attn_k_norm.weight",
    "attn_post_norm": "post_attention_norm.weight",
    "ffn_norm": "ffn_norm.weight",
    "ffn_gate": "ffn_gate.weight",
    "ffn_up": "ffn_up.weight",
    "ffn_down": "ffn_down.weight",
    "ffn_post_norm": "post_ffw_norm.weight",
}
_ROPE_FACTORS = "rope_freqs.weight"

_KEYS = {
    "attention.causal",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.layer_norm_rms_epsilon",
    "attention.value_length",
    "block_count",
    "context_length",
    "embedding_length",
    "expert_count",
    "expert_used_count",
    "feed_forward_length",
    "final_logit_softcapping",
    "attn_logit_softcapping",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scale_linear",
    "rope.scaling.factor",
    "rope.scaling.finetuned",  # says how the model was made, not how it is run
    "rope.scaling.original_context_length",  # used by scalings that are refused below
    "rope.scaling.type",
    "tensor_data_layout",  # of the file that this one was converted from
    "vocab_size",
}
_MORE_KEYS = {
    "llama": {"attention.sliding_window"},
    "gemma3": {"attention.sliding_window", "attention.sliding_window_pattern", "rope.freq_base_swa"},
    "qwen2": set[str](),
    "qwen3": set[str](),
}

_GEMMA3_PERIOD = 6  # every sixth layer sees everything
_GEMMA3_LOCAL_THETA = 10_000.0
_GEMMA3_27B_LAYERS = 62  # the one Gemma 3 whose queries are scaled by hidden / heads; its files do not say so


class _Keys:
    """The metadata of one architecture, typed."""

    def __init__(self, file: GGUFFile, architecture: str) -> None:
        self._metadata = file.metadata
        self._prefix = architecture

    def get(self, name: str) -> Any:
        return self._metadata.get(f"{self._prefix}.{name}")

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number; an array per layer counts if all its numbers are the same."""
        value = self.get(name)
        if value is None:
            if default is None:
                raise WeightsError(f"the metadata key {self._prefix}.{name} is missing")
            return default
        if isinstance(value, np.ndarray) and value.dtype.kind in "iu" and value.size:
            if (value != value[0]).any():
                raise WeightsError(f"{self._prefix}.{name} differs between layers, which is not supported")
            value = int(value[0])
        if type(value) is not int:
            raise WeightsError(f"{self._prefix}.{name} is not a whole number")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        value = self.get(name)
        if value is None:
            if default is None:
                raise WeightsError(f"the metadata key {self._prefix}.{name} is missing")
            return default
        if type(value) not in (int, float):
            raise WeightsError(f"{self._prefix}.{name} is not a number")
        return float(value)

    def refuse_unknown(self) -> None:
        known = _KEYS | _MORE_KEYS[self._prefix]
        for key in self._metadata:
            prefix, _, name = key.partition(".")
            if prefix == self._prefix and name not in known:
                raise WeightsError(f"the metadata key {key} asks for something that is not supported")
        for name in ("expert_count", "expert_used_count"):
            if self.integer(name, 0):
                raise WeightsError(f"mixture-of-experts models are not supported ({self._prefix}.{name})")
        for name in ("final_logit_softcapping", "attn_logit_softcapping"):
            if self.number(name, 0.0):
                raise WeightsError(f"soft-capped logits are not supported ({self._prefix}.{name})")
        if self.get("attention.causal") not in (None, True):
            raise WeightsError(f"models without causal attention are not supported ({self._prefix}.attention.causal)")


def plan_gguf(file: GGUFFile) -> Plan:
    """The decoder of an open file and its tensors. Raises WeightsError."""
    architecture = file.metadata.get("general.architecture")
    if not isinstance(architecture, str):
        raise WeightsError("the metadata key general.architecture is missing")
    if architecture not in _MORE_KEYS:
        known = ", ".join(sorted(_MORE_KEYS))
        raise WeightsError(f"the architecture {architecture[:60]!r} is not supported ({known} are)")
    if file.metadata.get("split.count", 1) not in (0, 1):
        raise WeightsError("this is one part of a split GGUF file; merge the parts into one file first")
    keys = _Keys(file, architecture)
    keys.refuse_unknown()
    decoder = _decoder(file, keys, architecture)
    names = dict(_GLOBAL_NAMES)
    for target, name in _LAYER_NAMES.items():
        names.update({f"layers.{i}.{target}": f"blk.{i}.{name}" for i in range(decoder.layers)})
    ignored = frozenset({_ROPE_FACTORS}) if decoder.rope.kind == "factors" else frozenset[str]()
    return match_tensors(decoder, names, file.tensors, ignored)


def _decoder(file: GGUFFile, keys: _Keys, architecture: str) -> Decoder:
    layers = bounded("number of layers", keys.integer("block_count"), 1, MAX_LAYERS)
    hidden = keys.integer("embedding_length")
    heads = bounded("number of heads", keys.integer("attention.head_count"), 1, 1 << 16)
    head_dim = keys.integer("attention.key_length", hidden // heads)
    if keys.integer("attention.value_length", head_dim) != head_dim:
        raise WeightsError("keys and values of different sizes are not supported")
    embed = file.tensors.get(_GLOBAL_NAMES["embed"])
    if embed is None or len(embed.shape) != 2:
        raise WeightsError(f"the tensor {_GLOBAL_NAMES['embed']} is missing or no matrix")
    theta = keys.number("rope.freq_base", 10_000.0)
    gemma = architecture == "gemma3"
    window = keys.integer("attention.sliding_window") if gemma else keys.integer("attention.sliding_window", 0)
    local = _gemma3_local(keys, layers) if gemma else (True,) * layers
    local_theta = keys.number("rope.freq_base_swa", _GEMMA3_LOCAL_THETA) if gemma else theta
    return Decoder(
        architecture=architecture,
        vocab=embed.shape[0],
        hidden=hidden,
        intermediate=keys.integer("feed_forward_length"),
        layers=layers,
        heads=heads,
        kv_heads=keys.integer("attention.head_count_kv", heads),
        head_dim=head_dim,
        context_length=keys.integer("context_length"),
        norm_eps=keys.number("attention.layer_norm_rms_epsilon"),
        rope_theta=tuple(local_theta if here else theta for here in local),
        rope_scaled=tuple(not here for here in local) if gemma else (True,) * layers,
        window=tuple(
            bounded("sliding window", window, 1 if gemma else 0, MAX_CONTEXT) if here else 0 for here in local
        ),
        rope=_rope(file, keys, architecture),
        rope_interleaved=architecture == "llama",
        rope_dims=keys.integer("rope.dimension_count", head_dim),
        activation="gelu_tanh" if gemma else "silu",
        embedding_scale=math.sqrt(bounded("hidden size", hidden, 1, 1 << 16)) if gemma else 1.0,
        query_scale=(hidden / heads) ** -0.5 if gemma and layers == _GEMMA3_27B_LAYERS else 0.0,
        tied=_GLOBAL_NAMES["lm_head"] not in file.tensors,
        qkv_bias=architecture == "qwen2" or "blk.0.attn_q.bias" in file.tensors,
        out_bias="blk.0.attn_output.bias" in file.tensors,
        qk_norm=architecture in ("gemma3", "qwen3"),
        post_norms=gemma,
    )


def _gemma3_local(keys: _Keys, layers: int) -> tuple[bool, ...]:
    """Which layers have a sliding window: all but every sixth, or as the file says."""
    pattern = keys.get("attention.sliding_window_pattern")
    if isinstance(pattern, np.ndarray) and pattern.dtype == np.bool_:
        if pattern.size != layers:
            raise WeightsError(f"the sliding window pattern names {pattern.size} layers, but there are {layers}")
        return tuple(bool(local) for local in pattern)
    period = keys.integer("attention.sliding_window_pattern", _GEMMA3_PERIOD)
    bounded("sliding window pattern", period, 1, MAX_LAYERS)
    return tuple((i + 1) % period != 0 for i in range(layers))


def _rope(file: GGUFFile, keys: _Keys, architecture: str) -> Rope:
    kind = keys.get("rope.scaling.type")
    if kind not in (None, "none", "linear"):
        raise WeightsError(f"rope scaling of type {str(kind)[:40]!r} is not supported")
    factor = keys.number("rope.scaling.factor", keys.number("rope.scale_linear", 1.0))
    if kind == "none":
        factor = 1.0
    tensor = file.tensors.get(_ROPE_FACTORS) if architecture == "llama" else None
    if tensor is None:
        return Rope("linear", factor) if factor != 1.0 else Rope()
    if factor != 1.0:
        raise WeightsError(f"rope scaling by a factor and by {_ROPE_FACTORS} at once is not supported")
    if tensor.dtype != "F32" or len(tensor.shape) != 1 or tensor.shape[0] > 1024:
        raise WeightsError(f"the tensor {_ROPE_FACTORS} is not a short vector of type F32")
    return Rope("factors", factors=tuple(file.view(tensor).view("<f4").astype(float).tolist()))
