"""The decoder that a model file describes: its switches, its bounds and the tensors it must have.

Between the readers (gguf, safetensors) and the core: `architectures_gguf` and `architectures_hf` translate the two
kinds of description into a `Decoder`, `load` hands it to the core. Everything is bounded here, before anything is
allocated for it. It holds no weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from spatz.errors import WeightsError
from spatz.weights.tensors import Tensor

__all__ = ["ARCHITECTURES", "Decoder", "Plan", "Rope", "bounded", "match_tensors"]

ARCHITECTURES = ("llama", "mistral", "qwen2", "qwen3", "gemma3")

MAX_LAYERS = 512
MAX_HEADS = 1024
MAX_HIDDEN = 65_536
MAX_INTERMEDIATE = 1 << 20
MAX_VOCAB = 1 << 20
MAX_HEAD_DIM = 1024
MAX_CONTEXT = 1 << 27


@dataclass(frozen=True, slots=True)
class Rope:
    """How rotary frequencies are stretched: the core's RopeScaling in plain numbers."""

    kind: str = "none"  # "none", "linear", "llama3", "factors"
    factor: float = 1.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_context: int = 8192
    factors: tuple[float, ...] = ()  # [rope_dims / 2]


@dataclass(frozen=True, slots=True)
class Decoder:
    """The switches of the one decoder, as the core's ModelConfig, and which optional tensors it has."""

    architecture: str  # one of ARCHITECTURES
    vocab: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    context_length: int  # tokens that the model was trained on
    norm_eps: float
    rope_theta: tuple[float, ...]  # [layers]
    rope_scaled: tuple[bool, ...]  # [layers]
    window: tuple[int, ...]  # [layers], 0: full attention
    rope: Rope = Rope()
    rope_interleaved: bool = False
    rope_dims: int = 0  # 0: head_dim
    activation: str = "silu"
    embedding_scale: float = 1.0
    query_scale: float = 0.0  # 0: 1/sqrt(head_dim)
    norm_add: float = 0.0  # what norm weights lack; Gemma's safetensors hold w - 1
    tied: bool = False
    qkv_bias: bool = False
    out_bias: bool = False
    qk_norm: bool = False
    post_norms: bool = False  # norms after attention and feed-forward, before the residual is added

    def __post_init__(self) -> None:
        """Raise WeightsError for numbers that no model has."""
        bounded("number of layers", self.layers, 1, MAX_LAYERS)
        bounded("vocabulary", self.vocab, 1, MAX_VOCAB)
        bounded("hidden size", self.hidden, 1, MAX_HIDDEN)
        bounded("feed-forward size", self.intermediate, 1, MAX_INTERMEDIATE)
        bounded("number of heads", self.heads, 1, MAX_HEADS)
        bounded("number of key-value heads", self.kv_heads, 1, self.heads)
        bounded("head size", self.head_dim, 2, MAX_HEAD_DIM)
        bounded("context length", self.context_length, 1, MAX_CONTEXT)
        if self.heads % self.kv_heads:
            raise WeightsError(f"{self.heads} heads cannot share {self.kv_heads} key-value heads evenly")
        rope_dims = bounded("number of rotated dimensions", self.rope_dims or self.head_dim, 2, self.head_dim)
        if self.head_dim % 2 or rope_dims % 2:
            raise WeightsError(f"the head size {self.head_dim} or its {rope_dims} rotated dimensions are odd")
        _positive("norm epsilon", self.norm_eps, 1.0)
        _positive("embedding scale", self.embedding_scale, 1e6)
        if self.query_scale:
            _positive("query scale", self.query_scale, 1e3)
        for theta in self.rope_theta:
            _positive("rope theta", theta, 1e15)
        for window in self.window:
            bounded("sliding window", window, 0, MAX_CONTEXT)
        if not self.layers == len(self.rope_theta) == len(self.rope_scaled) == len(self.window):
            raise WeightsError("the description of the layers does not name each of them once")
        _check_rope(self.rope, rope_dims)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The tensors that the decoder must have, by their names in the core, with their shapes."""
        hidden, queries, keys = (self.hidden,), self.heads * self.head_dim, self.kv_heads * self.head_dim
        layer: dict[str, tuple[int, ...]] = {
            "attn_norm": hidden,
            "attn_q": (queries, self.hidden),
            "attn_k": (keys, self.hidden),
            "attn_v": (keys, self.hidden),
            "attn_out": (self.hidden, queries),
            "ffn_norm": hidden,
            "ffn_gate": (self.intermediate, self.hidden),
            "ffn_up": (self.intermediate, self.hidden),
            "ffn_down": (self.hidden, self.intermediate),
        }
        if self.qkv_bias:
            layer |= {"attn_q_bias": (queries,), "attn_k_bias": (keys,), "attn_v_bias": (keys,)}
        if self.out_bias:
            layer["attn_out_bias"] = hidden
        if self.qk_norm:
            layer |= {"attn_q_norm": (self.head_dim,), "attn_k_norm": (self.head_dim,)}
        if self.post_norms:
            layer |= {"attn_post_norm": hidden, "ffn_post_norm": hidden}
        table: dict[str, tuple[int, ...]] = {"embed": (self.vocab, self.hidden), "final_norm": hidden}
        if not self.tied:
            table["lm_head"] = (self.vocab, self.hidden)
        return table | {f"layers.{i}.{name}": shape for i in range(self.layers) for name, shape in layer.items()}


@dataclass(frozen=True, slots=True)
class Plan:
    """A decoder and where each of its tensors lies."""

    decoder: Decoder
    tensors: Mapping[str, Tensor]  # by the name in the core

    @property
    def parameters(self) -> int:
        return sum(math.prod(tensor.shape) for tensor in self.tensors.values())


def match_tensors(
    decoder: Decoder, names: Mapping[str, str], tensors: Mapping[str, Tensor], ignored: frozenset[str]
) -> Plan:
    """Find each tensor of the decoder. names: the core's names to the file's. ignored: names that may be left over.

    A tensor that is missing, has another shape, or belongs to something that the decoder does not do is a WeightsError:
    the model would answer, but wrongly.
    """
    found: dict[str, Tensor] = {}
    for target, shape in decoder.shapes().items():
        tensor = tensors.get(names[target])
        if tensor is None:
            raise WeightsError(f"the tensor {names[target]} is missing")
        if tensor.shape != shape:
            raise WeightsError(f"tensor {tensor.name} has the shape {list(tensor.shape)}, not {list(shape)}")
        if len(shape) == 1 and tensor.dtype not in ("F32", "F16", "BF16"):
            raise WeightsError(
                f"tensor {tensor.name} is a vector of type {tensor.dtype} (F32, F16 or BF16 are possible)"
            )
        found[target] = tensor
    extra = tensors.keys() - {tensor.name for tensor in found.values()} - ignored
    if extra:
        raise WeightsError(
            f"{len(extra)} tensors belong to nothing that {decoder.architecture} models have here, one is {min(extra)}"
        )
    return Plan(decoder, found)


def bounded(what: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise WeightsError(f"the {what} is {value}, not between {low} and {high}")
    return value


def _positive(what: str, value: float, limit: float) -> None:
    if not math.isfinite(value) or not 0 < value <= limit:
        raise WeightsError(f"the {what} is {value}, not between 0 and {limit:g}")


def _check_rope(rope: Rope, rope_dims: int) -> None:
    _positive("rope scaling factor", rope.factor, 1e6)
    if rope.kind == "llama3":
        _positive("rope scaling's low_freq_factor", rope.low_freq_factor, 1e6)
        _positive("rope scaling's high_freq_factor", rope.high_freq_factor, 1e6)
        bounded("rope scaling's original context", rope.original_context, 1, MAX_CONTEXT)
        if rope.high_freq_factor <= rope.low_freq_factor:
            raise WeightsError("the rope scaling's high_freq_factor is not above its low_freq_factor")
    if rope.kind == "factors":
        if len(rope.factors) != rope_dims // 2:
            raise WeightsError(f"there are {len(rope.factors)} rope factors for {rope_dims} rotated dimensions")
        for factor in rope.factors:
            _positive("rope factor", factor, 1e6)
