"""Tiny random models for the tests of the weights: GGUF files and safetensors folders of every architecture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors.numpy import save_file

VOCAB, HIDDEN, INTERMEDIATE, LAYERS, HEADS, KV_HEADS, HEAD_DIM = 288, 64, 96, 2, 4, 2, 16
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def byte_tokens() -> list[str]:
    """The 256 bytes as byte-level BPE spells them."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    spelled = {byte: chr(byte) for byte in plain}
    extra = 256
    for byte in range(256):
        if byte not in spelled:
            spelled[byte] = chr(extra)
            extra += 1
    return [spelled[byte] for byte in range(256)]


MERGES = ["t h", "th e", "Ġ the", "i n", "a n", "e r", "o n", "Ġ a"]


def vocabulary() -> list[str]:
    words = [*SPECIAL, *byte_tokens(), *(merge.replace(" ", "") for merge in MERGES)]
    return words + [f"<unused{i}>" for i in range(VOCAB - len(words))]


def gguf_metadata(architecture: str = "llama") -> dict[str, Any]:
    """What a converter writes for a tiny model of the architecture."""
    values: dict[str, Any] = {
        "general.name": "Tiny",
        "general.license": "apache-2.0",
        f"{architecture}.block_count": LAYERS,
        f"{architecture}.context_length": 512,
        f"{architecture}.embedding_length": HIDDEN,
        f"{architecture}.feed_forward_length": INTERMEDIATE,
        f"{architecture}.attention.head_count": HEADS,
        f"{architecture}.attention.head_count_kv": KV_HEADS,
        f"{architecture}.attention.key_length": HEAD_DIM,
        f"{architecture}.attention.value_length": HEAD_DIM,
        f"{architecture}.rope.freq_base": 10000.0,
        f"{architecture}.attention.layer_norm_rms_epsilon": 1e-5,
    }
    if architecture == "gemma3":
        values["gemma3.attention.sliding_window"] = 32
    if architecture == "llama":
        values["llama.rope.dimension_count"] = HEAD_DIM
        values["llama.vocab_size"] = VOCAB
    tokens = vocabulary()
    control, unused, normal = 3, 5, 1
    values |= {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [
            control if token in SPECIAL else unused if token.startswith("<unused") else normal for token in tokens
        ],
        "tokenizer.ggml.merges": MERGES,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.chat_template": "{% for m in messages %}{{ m['content'] }}{% endfor %}",
    }
    return values


def gguf_tensors(architecture: str = "llama", seed: int = 1) -> dict[str, np.ndarray]:
    """Random weights under GGUF's names, float32."""
    rng = np.random.default_rng(seed)

    def matrix(rows: int, columns: int) -> np.ndarray:
        return (rng.standard_normal((rows, columns)) / np.sqrt(columns)).astype(np.float32)

    def norm(size: int) -> np.ndarray:
        return (1 + rng.standard_normal(size) / 10).astype(np.float32)

    tensors = {"token_embd.weight": matrix(VOCAB, HIDDEN), "output_norm.weight": norm(HIDDEN)}
    for i in range(LAYERS):
        layer = {
            "attn_norm.weight": norm(HIDDEN),
            "attn_q.weight": matrix(HEADS * HEAD_DIM, HIDDEN),
            "attn_k.weight": matrix(KV_HEADS * HEAD_DIM, HIDDEN),
            "attn_v.weight": matrix(KV_HEADS * HEAD_DIM, HIDDEN),
            "attn_output.weight": matrix(HIDDEN, HEADS * HEAD_DIM),
            "ffn_norm.weight": norm(HIDDEN),
            "ffn_gate.weight": matrix(INTERMEDIATE, HIDDEN),
            "ffn_up.weight": matrix(INTERMEDIATE, HIDDEN),
            "ffn_down.weight": matrix(HIDDEN, INTERMEDIATE),
        }
        if architecture == "qwen2":
            layer["attn_q.bias"] = norm(HEADS * HEAD_DIM) - 1
            layer["attn_k.bias"] = norm(KV_HEADS * HEAD_DIM) - 1
            layer["attn_v.bias"] = norm(KV_HEADS * HEAD_DIM) - 1
        if architecture in ("qwen3", "gemma3"):
            layer["attn_q_norm.weight"] = norm(HEAD_DIM)
            layer["attn_k_norm.weight"] = norm(HEAD_DIM)
        if architecture == "gemma3":
            layer["post_attention_norm.weight"] = norm(HIDDEN)
            layer["post_ffw_norm.weight"] = norm(HIDDEN)
        tensors |= {f"blk.{i}.{name}": tensor for name, tensor in layer.items()}
    return tensors


def write_gguf(
    path: Path,
    architecture: str = "llama",
    *,
    metadata: Mapping[str, Any] | None = None,
    tensors: Mapping[str, np.ndarray] | None = None,
    dtype: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
) -> Path:
    """A GGUF file by the reference writer. metadata: replaces entries, None removes one. dtype: of all matrices."""
    writer = gguf.GGUFWriter(path, architecture)
    values = gguf_metadata(architecture) if architecture in ("llama", "qwen2", "qwen3", "gemma3") else {}
    add_metadata(writer, values | dict(metadata or {}))
    for name, tensor in (gguf_tensors(architecture) if tensors is None else tensors).items():
        if tensor.ndim == 2 and dtype != gguf.GGMLQuantizationType.F32:
            writer.add_tensor(name, gguf.quants.quantize(tensor, dtype), raw_dtype=dtype)
        else:
            writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def add_metadata(writer: gguf.GGUFWriter, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        elif isinstance(value, str):
            writer.add_string(key, value)
        elif isinstance(value, list):
            writer.add_array(key, value)


_HF_NAMES = {
    "attn_norm.weight": "input_layernorm.weight",
    "attn_q.weight": "self_attn.q_proj.weight",
    "attn_k.weight": "self_attn.k_proj.weight",
    "attn_v.weight": "self_attn.v_proj.weight",
    "attn_output.weight": "self_attn.o_proj.weight",
    "attn_q.bias": "self_attn.q_proj.bias",
    "attn_k.bias": "self_attn.k_proj.bias",
    "attn_v.bias": "self_attn.v_proj.bias",
    "attn_q_norm.weight": "self_attn.q_norm.weight",
    "attn_k_norm.weight": "self_attn.k_norm.weight",
    "ffn_gate.weight": "mlp.gate_proj.weight",
    "ffn_up.weight": "mlp.up_proj.weight",
    "ffn_down.weight": "mlp.down_proj.weight",
}


def hf_tensors(architecture: str = "llama", prefix: str = "model.") -> dict[str, np.ndarray]:
    """The same weights under the hub's names, without the reordering of llama's rows."""
    gemma = architecture == "gemma3"
    names = _HF_NAMES | {
        "ffn_norm.weight": "pre_feedforward_layernorm.weight" if gemma else "post_attention_layernorm.weight",
        "post_attention_norm.weight": "post_attention_layernorm.weight",
        "post_ffw_norm.weight": "post_feedforward_layernorm.weight",
    }
    tensors: dict[str, np.ndarray] = {}
    for name, tensor in gguf_tensors("llama" if architecture == "mistral" else architecture).items():
        if name == "token_embd.weight":
            tensors[f"{prefix}embed_tokens.weight"] = tensor
        elif name == "output_norm.weight":
            tensors[f"{prefix}norm.weight"] = tensor
        else:
            _, layer, rest = name.split(".", 2)
            tensors[f"{prefix}layers.{layer}.{names[rest]}"] = tensor
    return tensors


def hf_config(architecture: str = "llama") -> dict[str, Any]:
    values: dict[str, Any] = {
        "model_type": "gemma3_text" if architecture == "gemma3" else architecture,
        "architectures": [f"{architecture.title()}ForCausalLM"],
        "vocab_size": VOCAB,
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD_DIM,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": True,
        "eos_token_id": 2,
    }
    if architecture == "gemma3":
        values |= {"query_pre_attn_scalar": HEAD_DIM, "sliding_window": 32}
    if architecture == "mistral":
        values["sliding_window"] = None
    return values


def tokenizer_json() -> dict[str, Any]:
    """A byte-level BPE tokenizer with the vocabulary of the GGUF files."""
    tokens = vocabulary()
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": i,
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for i, token in enumerate(SPECIAL)
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Digits", "individual_digits": True},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            ],
        },
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": MERGES,
        },
    }


def write_folder(
    folder: Path,
    architecture: str = "llama",
    *,
    config: Mapping[str, Any] | None = None,
    tensors: Mapping[str, np.ndarray] | None = None,
    shards: int = 1,
) -> Path:
    """A safetensors folder. config: replaces entries of config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(hf_config(architecture) | dict(config or {})))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_json()))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>"}))
    named = dict(hf_tensors(architecture) if tensors is None else tensors)
    if shards == 1:
        save_file(named, folder / "model.safetensors")
        return folder
    places: dict[str, str] = {}
    for i in range(shards):
        part = {name: named[name] for name in sorted(named)[i::shards]}
        file = f"model-{i + 1:05}-of-{shards:05}.safetensors"
        save_file(part, folder / file)
        places |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": sum(tensor.nbytes for tensor in named.values())}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder
