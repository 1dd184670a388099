"""Descriptions of models to the one decoder: GGUF metadata and config.json, honoured in full or refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import (
    HEAD_DIM,
    HEADS,
    HIDDEN,
    KV_HEADS,
    LAYERS,
    VOCAB,
    gguf_tensors,
    hf_config,
    hf_tensors,
    write_gguf,
)

from spatz.errors import WeightsError
from spatz.weights.architectures import Plan, Rope
from spatz.weights.architectures_gguf import plan_gguf
from spatz.weights.architectures_hf import plan_hf
from spatz.weights.gguf import GGUFFile
from spatz.weights.tensors import Tensor


def _gguf(tmp_path: Path, architecture: str = "llama", **options: Any) -> Plan:
    file = GGUFFile(write_gguf(tmp_path / "m.gguf", architecture, **options))
    try:
        return plan_gguf(file)
    finally:
        file.close()


def _tensors(arrays: dict[str, np.ndarray]) -> dict[str, Tensor]:
    return {name: Tensor(name, "F32", array.shape, 0, array.nbytes) for name, array in arrays.items()}


def _hf(architecture: str = "llama", config: dict[str, Any] | None = None, **more: np.ndarray) -> Plan:
    return plan_hf(hf_config(architecture) | (config or {}), _tensors(hf_tensors(architecture) | more))


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3", "gemma3"])
def test_gguf_switches(tmp_path: Path, architecture: str) -> None:
    plan = _gguf(tmp_path, architecture)
    decoder = plan.decoder
    gemma = architecture == "gemma3"
    assert (decoder.vocab, decoder.hidden, decoder.layers) == (VOCAB, HIDDEN, LAYERS)
    assert (decoder.heads, decoder.kv_heads, decoder.head_dim) == (HEADS, KV_HEADS, HEAD_DIM)
    assert decoder.context_length == 512
    assert decoder.rope_interleaved is (architecture == "llama")
    assert decoder.activation == ("gelu_tanh" if gemma else "silu")
    assert decoder.embedding_scale == (8.0 if gemma else 1.0)
    assert decoder.norm_add == 0.0  # already in the file
    assert decoder.tied
    assert decoder.qkv_bias is (architecture == "qwen2")
    assert decoder.qk_norm is (architecture in ("qwen3", "gemma3"))
    assert decoder.post_norms is gemma
    assert decoder.window == ((32, 32) if gemma else (0, 0))
    assert plan.tensors.keys() == decoder.shapes().keys()
    assert plan.parameters == sum(array.size for array in gguf_tensors(architecture).values())


@pytest.mark.parametrize("architecture", ["llama", "mistral", "qwen2", "qwen3", "gemma3"])
def test_config_switches(architecture: str) -> None:
    plan = _hf(architecture)
    decoder = plan.decoder
    gemma = architecture == "gemma3"
    assert decoder.architecture == architecture
    assert not decoder.rope_interleaved
    assert decoder.activation == ("gelu_tanh" if gemma else "silu")
    assert decoder.norm_add == (1.0 if gemma else 0.0)
    assert decoder.embedding_scale == (8.0 if gemma else 1.0)
    assert decoder.query_scale == (HEAD_DIM**-0.5 if gemma else 0.0)
    assert decoder.qkv_bias is (architecture == "qwen2")
    assert not decoder.out_bias
    assert decoder.qk_norm is (architecture in ("qwen3", "gemma3"))
    assert decoder.post_norms is gemma
    assert plan.tensors.keys() == decoder.shapes().keys()
    if gemma:
        assert plan.tensors["layers.1.ffn_norm"].name == "model.layers.1.pre_feedforward_layernorm.weight"
        assert plan.tensors["layers.1.attn_post_norm"].name == "model.layers.1.post_attention_layernorm.weight"
    else:
        assert plan.tensors["layers.1.ffn_norm"].name == "model.layers.1.post_attention_layernorm.weight"


def _layers(count: int) -> Any:
    """A Gemma of so many layers, described alone: names and shapes are checked elsewhere."""
    base = hf_tensors("gemma3")
    arrays = {name: array for name, array in base.items() if ".layers." not in name}
    for i in range(count):
        arrays |= {name.replace(".0.", f".{i}."): array for name, array in base.items() if ".layers.0." in name}
    return _tensors(arrays)


def test_every_sixth_gemma_layer_is_global() -> None:
    config = hf_config("gemma3") | {"num_hidden_layers": 12, "rope_scaling": {"rope_type": "linear", "factor": 8.0}}
    decoder = plan_hf(config, _layers(12)).decoder
    globals_ = [i for i, window in enumerate(decoder.window) if window == 0]
    assert globals_ == [5, 11]
    assert [i for i, theta in enumerate(decoder.rope_theta) if theta == 1e6] == globals_
    assert [i for i, scaled in enumerate(decoder.rope_scaled) if scaled] == globals_
    assert {theta for i, theta in enumerate(decoder.rope_theta) if i not in globals_} == {1e4}
    assert decoder.rope == Rope("linear", 8.0)


def test_gemma_layer_types_and_newer_rope_parameters() -> None:
    types = ["full_attention", "sliding_attention", "sliding_attention"]
    config = hf_config("gemma3") | {
        "num_hidden_layers": 3,
        "layer_types": types,
        "rope_parameters": {
            "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 5e5},
            "sliding_attention": {"rope_type": "default", "rope_theta": 2e4},
        },
    }
    decoder = plan_hf(config, _layers(3)).decoder
    assert decoder.window == (0, 32, 32)
    assert decoder.rope_theta == (5e5, 2e4, 2e4)
    assert decoder.rope_scaled == (True, False, False)
    assert decoder.rope == Rope("linear", 4.0)


def test_gemma_in_gguf_has_two_thetas_and_scales_only_global_layers(tmp_path: Path) -> None:
    metadata = {
        "gemma3.block_count": 6,
        "gemma3.rope.freq_base": 1e6,
        "gemma3.rope.scaling.type": "linear",
        "gemma3.rope.scaling.factor": 8.0,
    }
    decoder = _gguf(tmp_path, "gemma3", metadata=metadata, tensors=_repeated(6)).decoder
    assert decoder.rope_theta == (1e4, 1e4, 1e4, 1e4, 1e4, 1e6)
    assert decoder.rope_scaled == (False,) * 5 + (True,)
    assert decoder.window == (32,) * 5 + (0,)
    assert decoder.rope == Rope("linear", 8.0)
    pattern = [True, False, True, True, True, True]
    metadata |= {"gemma3.attention.sliding_window_pattern": pattern, "gemma3.rope.freq_base_swa": 5e3}
    decoder = _gguf(tmp_path, "gemma3", metadata=metadata, tensors=_repeated(6)).decoder
    assert decoder.window == (32, 0, 32, 32, 32, 32)
    assert decoder.rope_theta == (5e3, 1e6, 5e3, 5e3, 5e3, 5e3)


def test_gemma_with_a_vision_part_is_read_as_text() -> None:
    for prefix, vision in (
        ("language_model.model.", "vision_tower.x.weight"),
        ("model.language_model.", "model.vision_tower.x.weight"),
    ):
        arrays = hf_tensors("gemma3", prefix) | {vision: np.zeros((2, 2), dtype=np.float32)}
        config = {
            "model_type": "gemma3",
            "architectures": ["Gemma3ForConditionalGeneration"],
            "text_config": hf_config("gemma3"),
            "vision_config": {},
        }
        plan = plan_hf(config, _tensors(arrays))
        assert plan.tensors["embed"].name == f"{prefix}embed_tokens.weight"


def test_missing_keys_have_the_reference_defaults() -> None:
    config = hf_config("gemma3")
    for key in ("tie_word_embeddings", "rms_norm_eps"):
        del config[key]
    decoder = plan_hf(config, _tensors(hf_tensors("gemma3"))).decoder
    assert decoder.tied
    assert decoder.norm_eps == 1e-6
    config = hf_config("llama")
    del config["num_key_value_heads"]
    with pytest.raises(WeightsError, match=r"k_proj.weight has the shape \[32, 64\], not \[64, 64\]"):
        plan_hf(config, _tensors(hf_tensors()))
    config = hf_config("llama") | {"head_dim": None}
    assert plan_hf(config, _tensors(hf_tensors())).decoder.head_dim == HIDDEN // HEADS


def test_untied_heads_are_found(tmp_path: Path) -> None:
    head = np.ones((VOCAB, HIDDEN), dtype=np.float32)
    plan = _gguf(tmp_path, tensors=gguf_tensors() | {"output.weight": head})
    assert not plan.decoder.tied
    assert plan.tensors["lm_head"].name == "output.weight"
    plan = _hf("llama", {"tie_word_embeddings": False}, **{"lm_head.weight": head})
    assert plan.tensors["lm_head"].name == "lm_head.weight"
    with pytest.raises(WeightsError, match=r"lm_head.weight is missing"):
        _hf("llama", {"tie_word_embeddings": False})
    assert "lm_head" not in _hf("llama", {}, **{"lm_head.weight": head}).tensors  # a copy of the tied one


def test_attention_bias_of_llama_covers_the_output_too() -> None:
    bias = {}
    for i in range(LAYERS):
        for name, size in (("q", 64), ("k", 32), ("v", 32), ("o", 64)):
            bias[f"model.layers.{i}.self_attn.{name}_proj.bias"] = np.zeros(size, dtype=np.float32)
    decoder = _hf("llama", {"attention_bias": True}, **bias).decoder
    assert decoder.qkv_bias
    assert decoder.out_bias
    with pytest.raises(WeightsError, match="belong to nothing"):
        _hf("llama", {}, **bias)


LLAMA3 = {
    "rope_type": "llama3",
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


@pytest.mark.parametrize(
    ("config", "theta", "rope"),
    [
        ({}, 10_000.0, Rope()),
        ({"rope_theta": 5e5}, 5e5, Rope()),
        ({"rope_scaling": None, "rope_theta": 7.0}, 7.0, Rope()),
        ({"rope_scaling": {"type": "linear", "factor": 2}}, 10_000.0, Rope("linear", 2.0)),
        ({"rope_theta": 5e5, "rope_scaling": LLAMA3}, 5e5, Rope("llama3", 32.0, 1.0, 4.0, 8192)),
        ({"rope_parameters": LLAMA3 | {"rope_theta": 3e5}}, 3e5, Rope("llama3", 32.0, 1.0, 4.0, 8192)),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 9.0}}, 9.0, Rope()),
    ],
)
def test_rope_of_a_config(config: dict[str, Any], theta: float, rope: Rope) -> None:
    decoder = _hf("llama", config).decoder
    assert decoder.rope_theta == (theta, theta)
    assert decoder.rope == rope
    assert decoder.rope_scaled == (True, True)


def test_rope_factors_of_gguf_are_read(tmp_path: Path) -> None:
    factors = np.linspace(1, 8, HEAD_DIM // 2, dtype=np.float32)
    decoder = _gguf(tmp_path, tensors=gguf_tensors() | {"rope_freqs.weight": factors}).decoder
    assert decoder.rope.kind == "factors"
    assert np.allclose(decoder.rope.factors, factors)
    with pytest.raises(WeightsError, match="rope factors for 16"):
        _gguf(tmp_path, tensors=gguf_tensors() | {"rope_freqs.weight": factors[:3]})
    for bad in (np.nan, 0.0, -1.0, np.inf):
        wrong = factors.copy()
        wrong[2] = bad
        with pytest.raises(WeightsError, match="rope factor"):
            _gguf(tmp_path, tensors=gguf_tensors() | {"rope_freqs.weight": wrong})


def test_sliding_windows_of_mistral_and_qwen() -> None:
    assert _hf("mistral", {"sliding_window": 64}).decoder.window == (64, 64)
    assert _hf("mistral", {"sliding_window": None}).decoder.window == (0, 0)
    assert _hf("qwen2", {"sliding_window": 64}).decoder.window == (0, 0)
    on = {"sliding_window": 64, "use_sliding_window": True, "max_window_layers": 1}
    assert _hf("qwen2", on).decoder.window == (0, 64)
    types = {"layer_types": ["sliding_attention", "full_attention"]}
    assert _hf("qwen3", on | types).decoder.window == (64, 0)
    with pytest.raises(WeightsError, match="use_sliding_window"):
        _hf("qwen3", types)


REFUSED_CONFIG: dict[str, tuple[str, dict[str, Any], str]] = {
    "unknown type": ("llama", {"model_type": "mamba"}, "'mamba' is not supported"),
    "no type": ("llama", {"model_type": None}, "is not supported"),
    "type is a list": ("llama", {"model_type": ["llama"]}, "is not supported"),
    "classifier": ("llama", {"architectures": ["LlamaForSequenceClassification"]}, "does not generate text"),
    "experts": ("llama", {"num_local_experts": 8}, "num_local_experts"),
    "quantized": ("llama", {"quantization_config": {"quant_method": "gptq"}}, "quantization_config"),
    "attention softcap": ("gemma3", {"attn_logit_softcapping": 50.0}, "attn_logit_softcapping"),
    "final softcap": ("gemma3", {"final_logit_softcapping": 30.0}, "final_logit_softcapping"),
    "bidirectional": ("gemma3", {"use_bidirectional_attention": True}, "use_bidirectional_attention"),
    "mlp bias": ("llama", {"mlp_bias": True}, "mlp_bias"),
    "activation": ("llama", {"hidden_act": "gelu"}, "activation 'gelu'"),
    "gemma activation": ("gemma3", {"hidden_activation": "silu"}, "activation 'silu'"),
    "yarn": ("llama", {"rope_scaling": {"rope_type": "yarn", "factor": 4}}, "'yarn' is not supported"),
    "dynamic": ("llama", {"rope_scaling": {"type": "dynamic", "factor": 4}}, "'dynamic' is not supported"),
    "partial rotary": ("llama", {"partial_rotary_factor": 0.5}, "partial_rotary_factor"),
    "flat gemma rope": ("gemma3", {"rope_parameters": {"rope_theta": 1e4}}, "full_attention"),
    "scaled local gemma rope": (
        "gemma3", {"rope_parameters": {"sliding_attention": {"rope_type": "linear", "factor": 2}}}, "sliding layers",
    ),
    "llama3 without factors": ("llama", {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "low_freq_factor"),
    "llama3 upside down": (
        "llama", {"rope_scaling": LLAMA3 | {"low_freq_factor": 9.0}}, "is not above",
    ),
    "unknown layer type": ("qwen3", {"layer_types": ["linear_attention"] * 2}, "'linear_attention'"),
    "too few layer types": ("qwen3", {"layer_types": ["full_attention"]}, "each of the 2 layers"),
    "mistral with mixed layers": (
        "mistral", {"layer_types": ["full_attention", "sliding_attention"]}, "not what mistral models do",
    ),
    "text_config is a number": ("gemma3", {"model_type": "gemma3", "text_config": 4}, "not an object"),
    "no layers": ("llama", {"num_hidden_layers": 0}, "number of layers is 0"),
    "a billion layers": ("llama", {"num_hidden_layers": 10**9}, "number of layers"),
    "half a layer": ("llama", {"num_hidden_layers": 2.5}, "not a whole number"),
    "layers as text": ("llama", {"num_hidden_layers": "2"}, "not a whole number"),
    "layers as a flag": ("llama", {"num_hidden_layers": True}, "not a whole number"),
    "no heads": ("llama", {"num_attention_heads": 0}, "number of heads"),
    "negative heads": ("llama", {"num_attention_heads": -4}, "number of heads"),
    "uneven heads": ("llama", {"num_key_value_heads": 3}, "evenly"),
    "more key heads than heads": ("llama", {"num_key_value_heads": 8}, "key-value heads"),
    "odd head": ("llama", {"head_dim": 15}, "odd"),
    "huge head": ("llama", {"head_dim": 1 << 20}, "head size"),
    "huge hidden": ("llama", {"hidden_size": 1 << 40}, "hidden size"),
    "huge vocabulary": ("llama", {"vocab_size": 1 << 40}, "vocabulary"),
    "other vocabulary": ("llama", {"vocab_size": VOCAB + 1}, "embed_tokens.weight has the shape"),
    "no context": ("llama", {"max_position_embeddings": 0}, "context length"),
    "eps of 0": ("llama", {"rms_norm_eps": 0}, "norm epsilon"),
    "eps is a text": ("llama", {"rms_norm_eps": "1e-5"}, "not a sane number"),
    "eps is huge": ("llama", {"rms_norm_eps": 10**400}, "not a sane number"),
    "theta of 0": ("llama", {"rope_theta": 0}, "rope theta"),
    "theta is not a number": ("llama", {"rope_theta": math.nan}, "rope theta"),
    "negative scaling": ("llama", {"rope_scaling": {"type": "linear", "factor": -1}}, "rope scaling factor"),
    "scaling is a text": ("llama", {"rope_scaling": "linear"}, "not an object"),
    "negative window": ("mistral", {"sliding_window": -5}, "sliding window"),
    "window pattern of 0": ("gemma3", {"sliding_window_pattern": 0}, "sliding_window_pattern"),
    "query scalar of 0": ("gemma3", {"query_pre_attn_scalar": 0}, "query_pre_attn_scalar"),
    "tie is a number": ("llama", {"tie_word_embeddings": 1}, "not true or false"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED_CONFIG)
def test_configs_that_are_refused(name: str) -> None:
    architecture, config, said = REFUSED_CONFIG[name]
    with pytest.raises(WeightsError, match=said) as caught:
        _hf(architecture, config)
    assert "\n" not in str(caught.value)


REFUSED_GGUF: dict[str, tuple[str, dict[str, Any], str]] = {
    "unknown architecture": ("mamba", {}, "'mamba' is not supported"),
    "unknown key": ("llama", {"llama.logit_scale": 2.0}, "llama.logit_scale"),
    "experts": ("llama", {"llama.expert_count": 8}, "mixture-of-experts"),
    "softcap": ("gemma3", {"gemma3.final_logit_softcapping": 30.0}, "soft-capped"),
    "yarn": ("llama", {"llama.rope.scaling.type": "yarn"}, "'yarn'"),
    "split": ("llama", {"split.count": 3}, "split"),
    "not causal": ("llama", {"llama.attention.causal": False}, "causal"),
    "different value heads": ("llama", {"llama.attention.value_length": 32}, "different sizes"),
    "no layers": ("llama", {"llama.block_count": 0}, "number of layers"),
    "many layers": ("llama", {"llama.block_count": 4_000_000_000}, "number of layers"),
    "layers missing": ("llama", {"llama.block_count": None}, "block_count is missing"),
    "layers as text": ("llama", {"llama.block_count": "2"}, "not a whole number"),
    "different heads": ("llama", {"llama.attention.head_count": [4, 2]}, "differs between layers"),
    "no heads": ("llama", {"llama.attention.head_count": 0}, "number of heads"),
    "uneven heads": ("llama", {"llama.attention.head_count_kv": 3}, "evenly"),
    "odd rotation": ("llama", {"llama.rope.dimension_count": 7}, "odd"),
    "wide rotation": ("llama", {"llama.rope.dimension_count": 64}, "rotated dimensions"),
    "eps as text": ("llama", {"llama.attention.layer_norm_rms_epsilon": "x"}, "not a number"),
    "theta of 0": ("llama", {"llama.rope.freq_base": 0.0}, "rope theta"),
    "theta not a number": ("llama", {"llama.rope.freq_base": math.nan}, "rope theta"),
    "scaling of 0": ("llama", {"llama.rope.scaling.factor": 0.0}, "rope scaling factor"),
    "other width": ("llama", {"llama.embedding_length": 96}, "shape"),
    "more layers than there are": ("llama", {"llama.block_count": 3}, "blk.2.attn_norm.weight is missing"),
    "fewer layers than there are": ("llama", {"llama.block_count": 1}, "belong to nothing"),
    "gemma without a window": ("gemma3", {"gemma3.attention.sliding_window": None}, "sliding_window is missing"),
    "short pattern": ("gemma3", {"gemma3.attention.sliding_window_pattern": [True]}, "names 1 layers"),
}


@pytest.mark.parametrize("name", REFUSED_GGUF)
def test_gguf_files_that_are_refused(tmp_path: Path, name: str) -> None:
    architecture, metadata, said = REFUSED_GGUF[name]
    tensors = gguf_tensors() if architecture == "mamba" else None
    with pytest.raises(WeightsError, match=said) as caught:
        _gguf(tmp_path, architecture, metadata=metadata, tensors=tensors)
    assert "\n" not in str(caught.value)


def test_tensors_of_another_shape_or_type_are_refused(tmp_path: Path) -> None:
    good = gguf_tensors()
    with pytest.raises(WeightsError, match=r"blk.1.ffn_up.weight has the shape \[96, 32\], not \[96, 64\]"):
        _gguf(tmp_path, tensors=good | {"blk.1.ffn_up.weight": good["blk.1.ffn_up.weight"][:, :32].copy()})
    with pytest.raises(WeightsError, match="missing"):
        _gguf(tmp_path, tensors={name: array for name, array in good.items() if name != "blk.0.attn_v.weight"})
    with pytest.raises(WeightsError, match=r"token_embd.weight is missing"):
        _gguf(tmp_path, tensors={"output_norm.weight": good["output_norm.weight"]})
    with pytest.raises(WeightsError, match=r"belong to nothing.*blk.0.ffn_gate_inp.weight"):
        _gguf(tmp_path, tensors=good | {"blk.0.ffn_gate_inp.weight": np.zeros((8, HIDDEN), dtype=np.float32)})


def _repeated(layers: int) -> dict[str, np.ndarray]:
    base = gguf_tensors("gemma3")
    tensors = {name: array for name, array in base.items() if not name.startswith("blk.")}
    for i in range(layers):
        tensors |= {f"blk.{i}.{name[6:]}": array for name, array in base.items() if name.startswith("blk.0.")}
    return tensors


def test_gemma_27b_scales_its_queries_by_width_over_heads(tmp_path: Path) -> None:
    decoder = _gguf(tmp_path, "gemma3", metadata={"gemma3.block_count": 62}, tensors=_repeated(62)).decoder
    assert decoder.query_scale == (HIDDEN / HEADS) ** -0.5
    assert _gguf(tmp_path, "gemma3").decoder.query_scale == 0.0


@pytest.mark.parametrize("architecture", ["llama", "mistral", "qwen2", "qwen3", "gemma3"])
def test_configs_of_the_reference_implementation_are_understood(architecture: str) -> None:
    transformers = pytest.importorskip("transformers")
    kinds = {
        "llama": transformers.LlamaConfig,
        "mistral": transformers.MistralConfig,
        "qwen2": transformers.Qwen2Config,
        "qwen3": transformers.Qwen3Config,
        "gemma3": transformers.Gemma3TextConfig,
    }
    values = {
        key: value for key, value in hf_config(architecture).items() if key not in ("model_type", "architectures")
    }
    written = kinds[architecture](**values).to_dict()
    decoder = plan_hf(written, _tensors(hf_tensors(architecture))).decoder
    mine = _hf(architecture).decoder
    assert decoder == mine
