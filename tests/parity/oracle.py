"""The reference computation of the parity tests: transformers in float32, and how two sets of logits compare.

The weights come out of the model's own file, dequantized by the `gguf` package, so that what is measured is our
arithmetic and not what quantizing the weights has cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spatz import _core
from spatz.weights.gguf import GGUFFile

if TYPE_CHECKING:
    from spatz.weights.load import LoadedModel

Logits = NDArray[np.float32]  # [tokens, vocab]


@dataclass(frozen=True)
class Agreement:
    perplexity_ratio: float  # ours over the reference's
    top1: float  # share of the tokens after which both think the same token likeliest
    rms: float  # of the difference, in units of the reference's standard deviation
    correlation: float


def compare(ours: Logits, reference: Logits, ids: NDArray[np.int32]) -> Agreement:
    """ids: the text itself, whose tokens 1.. the rows 0.. predict."""
    assert ours.shape == reference.shape and len(ids) == len(ours)
    squares = np.zeros(4)  # of ours, of the reference, of both, of their difference
    for mine, its in zip(ours, reference, strict=True):  # row by row: the whole text's logits are half a gigabyte
        a, b = mine.astype(np.float64), its.astype(np.float64)
        a, b = a - a.mean(), b - b.mean()
        squares += a @ a, b @ b, a @ b, (a - b) @ (a - b)
    return Agreement(
        perplexity_ratio=float(np.exp(_nats(ours, ids) - _nats(reference, ids))),
        top1=float((ours.argmax(-1) == reference.argmax(-1)).mean()),
        rms=float(np.sqrt(squares[3] / squares[1])),
        correlation=float(squares[2] / np.sqrt(squares[0] * squares[1])),
    )


def _nats(logits: Logits, ids: NDArray[np.int32]) -> float:
    """Mean negative log-likelihood of a token."""
    total = 0.0
    for row, target in zip(logits[:-1], ids[1:].tolist(), strict=True):
        shifted = row.astype(np.float64) - row.max()
        total += float(np.log(np.exp(shifted).sum()) - shifted[target])
    return total / (len(ids) - 1)


def spatz_logits(model: LoadedModel, ids: NDArray[np.int32], *, chunk: int = 512, last: int = 0) -> Logits:
    """Of every token (or of the last ones), run as a prompt in chunks (chunk=1: decode steps)."""
    first = len(ids) - last if last else 0
    pages = np.arange(-(-len(ids) // _core.PAGE_TOKENS), dtype=np.int32)[None]  # [1, pages]
    cache = _core.KVCache(model.core, pages.size, model.kv_kind())
    parts = []
    for start in range(0, len(ids), chunk):
        part = ids[start : start + chunk].copy()
        parts.append(
            model.core.logits(
                cache,
                part,
                np.array([0, len(part)], np.int32),
                np.array([start], np.int32),
                pages,
                np.arange(min(max(first - start, 0), len(part)), len(part), dtype=np.int32),
            )
        )
    return np.concatenate(parts)


def torch_logits(model: Any, ids: NDArray[np.int32], *, last: int = 0) -> Logits:
    import torch

    with torch.inference_mode():
        tokens = torch.from_numpy(ids[None].astype(np.int64))  # logits_to_keep=0: all
        logits: Logits = model(tokens, use_cache=False, logits_to_keep=last).logits[0].float().numpy()
    return logits


_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_NORMS = {
    "llama": {"ffn_norm": "post_attention_layernorm"},
    "gemma3": {
        "ffn_norm": "pre_feedforward_layernorm",
        "post_attention_norm": "post_attention_layernorm",
        "post_ffw_norm": "post_feedforward_layernorm",
    },
}


def torch_model(path: Path) -> Any:
    """The GGUF file of a llama or gemma3 model as transformers' model in float32."""
    import gguf
    import torch
    from transformers import initialization

    file = GGUFFile(path)  # found by our reader, which takes a tenth of a second for it, read by theirs
    architecture = str(file.metadata["general.architecture"])

    def number(name: str) -> Any:
        return file.metadata[f"{architecture}.{name}"]

    heads = {"attn_q": int(number("attention.head_count")), "attn_k": int(number("attention.head_count_kv"))}
    weights: dict[str, Any] = {}
    for tensor in file.tensors.values():
        kind = gguf.GGMLQuantizationType[tensor.dtype]
        values = gguf.quants.dequantize(file.view(tensor), kind)
        array = values.astype(np.float32).reshape(tensor.shape)
        name = tensor.name.removesuffix(".weight")
        if name == "token_embd":
            target = "embed_tokens"
        elif name == "output_norm":
            target = "norm"
        else:
            _, layer, own = name.split(".")
            target = f"layers.{layer}.{(_NAMES | _NORMS[architecture])[own]}"
            if architecture == "llama" and own in heads:  # GGUF has the rotated pairs side by side, transformers apart
                rows = array.shape[0] // heads[own]
                array = array.reshape(heads[own], rows // 2, 2, -1).swapaxes(1, 2).reshape(array.shape)
        if architecture == "gemma3" and target.endswith("norm"):  # transformers adds the one that GGUF holds
            array = array - 1
        weights[f"model.{target}.weight"] = torch.from_numpy(np.ascontiguousarray(array))

    common = {
        "vocab_size": weights["model.embed_tokens.weight"].shape[0],
        "hidden_size": int(number("embedding_length")),
        "intermediate_size": int(number("feed_forward_length")),
        "num_hidden_layers": int(number("block_count")),
        "num_attention_heads": heads["attn_q"],
        "num_key_value_heads": heads["attn_k"],
        "rms_norm_eps": float(number("attention.layer_norm_rms_epsilon")),
        "max_position_embeddings": int(number("context_length")),
        "tie_word_embeddings": True,
    }
    theta = float(number("rope.freq_base"))
    with initialization.no_init_weights():  # random numbers for what is read from the file take longer than reading it
        model = (_llama if architecture == "llama" else _gemma)(common, theta, number)
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert set(missing) <= {"lm_head.weight"} and not unexpected, (missing, unexpected)
    model.tie_weights()
    return model.eval()


def _llama(common: dict[str, Any], theta: float, number: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    rope = {"rope_type": "default", "rope_theta": theta}
    return LlamaForCausalLM(LlamaConfig(**common, rope_parameters=rope))


def _gemma(common: dict[str, Any], theta: float, number: Any) -> Any:
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    size = int(number("attention.key_length"))
    return Gemma3ForCausalLM(
        Gemma3TextConfig(
            **common,
            head_dim=size,
            query_pre_attn_scalar=size,
            sliding_window=int(number("attention.sliding_window")),
            rope_parameters={
                "full_attention": {"rope_type": "default", "rope_theta": theta},
                "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
            },
        )
    )
