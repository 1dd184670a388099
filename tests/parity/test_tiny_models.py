"""Tiny random models of every architecture, written by transformers and read by us, on every instruction set.

The models have what real ones of their family have and the embedded one lacks: grouped queries, windows shorter than
the prompt, norms of queries and keys, biases, stretched rotary frequencies, an output matrix of their own, sizes that
are no multiple of a block. Norms and biases are random, too: initialized to ones and zeros they would hide that they
are not applied.

The bound for bf16. Rounding to 8 bits of mantissa is an error of 0.11 % root mean square and of 0.2 % at most. Weights
are stored in bf16, so a matrix product sees one such rounding, of its input; independent errors average out over the
sum, whose relative error stays at 0.11 % however long it is. Some 15 products and roundings lie one after another in
these models, and sqrt(15) * 0.11 % = 0.43 %, which is what is found (0.36 to 0.74 %). Twice that is allowed, and no
more than transformers itself is off in bf16. An operator that is wrong, be it a window too long by one, is off by far
more: the last test shows it. Quantizing random weights costs what it costs, about 2 % in 8 bits and 20 % in 4 (trained
ones lose less, see the real weights); the bound there only tells a wrong operator from a coarse one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from parity.oracle import Logits, compare, spatz_logits, torch_logits
from spatz import _core
from spatz.weights.load import load_model
from weights.tiny_models import tokenizer_json

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

VOCAB = 300  # 12 more than the tokenizer has
TOKENS = 200  # more than a page and than every window

PLAIN = {"rope_type": "default", "rope_theta": 10_000.0}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
LINEAR = {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 4.0}

COMMON = {
    "vocab_size": VOCAB,
    "hidden_size": 96,
    "intermediate_size": 176,  # no multiple of 32
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {"rope_parameters": PLAIN, "tie_word_embeddings": True}),
    "llama-untied-llama3": ("Llama", {"rope_parameters": LLAMA3, "tie_word_embeddings": False}),
    "llama-linear": ("Llama", {"rope_parameters": LINEAR}),
    "llama-biases": ("Llama", {"rope_parameters": PLAIN, "attention_bias": True}),
    "llama-wide-heads": ("Llama", {"rope_parameters": PLAIN, "head_dim": 48, "num_key_value_heads": 6}),
    "mistral": ("Mistral", {"rope_parameters": PLAIN, "sliding_window": 48}),
    "mistral-full": ("Mistral", {"rope_parameters": PLAIN, "sliding_window": None, "tie_word_embeddings": True}),
    "qwen2": ("Qwen2", {"rope_parameters": PLAIN | {"rope_theta": 1e6}, "tie_word_embeddings": True}),
    "qwen2-windows": (
        "Qwen2",
        {"rope_parameters": PLAIN, "use_sliding_window": True, "sliding_window": 40, "max_window_layers": 1},
    ),
    "qwen3": ("Qwen3", {"rope_parameters": PLAIN | {"rope_theta": 1e6}, "tie_word_embeddings": True, "head_dim": 32}),
    "gemma3": (
        "Gemma3",
        {
            "rope_parameters": {
                "full_attention": LINEAR | {"rope_theta": 1e6},
                "sliding_attention": PLAIN,
            },
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            "sliding_window": 37,
            "query_pre_attn_scalar": 24,
            "tie_word_embeddings": True,
            "num_key_value_heads": 1,
        },
    ),
}


@pytest.fixture(scope="session")
def ids() -> NDArray[np.int32]:
    return np.random.default_rng(11).integers(3, VOCAB, TOKENS).astype(np.int32)


class Tiny:
    """A model as a folder on disk, and its logits in float32 and in transformers' bf16."""

    def __init__(self, name: str, folder: Path, ids: NDArray[np.int32]) -> None:
        family, changes = MODELS[name]
        text = "Text" if family == "Gemma3" else ""
        config = getattr(transformers, f"{family}{text}Config")(**COMMON | changes)
        with torch.random.fork_rng():
            torch.manual_seed(5)
            model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
            for tensor_name, tensor in model.named_parameters():
                base, scale = 0.0, 0.3
                if tensor.ndim == 2:
                    # Outputs of matrices of order 1, so that attention is neither uniform nor one-hot: sharp attention
                    # over random keys is chaotic, and would measure itself.
                    scale = 1.0 if "embed" in tensor_name and family != "Gemma3" else 1.0 / tensor.shape[-1] ** 0.5
                elif "norm" in tensor_name:
                    base = 1.0 if family != "Gemma3" else 0.0  # Gemma's norms hold w - 1
                tensor.data.normal_(base, scale)
        # What is stored is bf16, as almost all published models are: only the arithmetic is compared.
        model.to(torch.bfloat16).save_pretrained(folder)
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer_json()))
        self.folder = folder
        self.bf16 = torch_logits(model, ids)
        self.exact: Logits = torch_logits(model.float(), ids)


@pytest.fixture(scope="module", params=list(MODELS))
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, ids: NDArray[np.int32]) -> Tiny:
    return Tiny(request.param, tmp_path_factory.mktemp("tiny"), ids)


BOUNDS = {"bf16": (0.01, 0.9999), "q8": (0.03, 0.9995), "q4": (0.3, 0.95)}  # rms, correlation


@pytest.mark.parametrize("isa", _core.supported_isas())
@pytest.mark.parametrize("format", list(BOUNDS))
def test_logits(tiny: Tiny, ids: NDArray[np.int32], isa: str, format: str) -> None:
    model = load_model(tiny.folder, _core.Context(2, isa), format=format)
    assert model.vocab == VOCAB > model.tokenizer.vocab_size
    assert model.kv_kind() == ("bf16" if format == "bf16" else "int8")
    found = compare(spatz_logits(model, ids, chunk=70), tiny.exact, ids)
    rms, correlation = BOUNDS[format]
    assert found.rms < rms and found.correlation > correlation
    if format == "bf16":
        assert found.rms < 1.2 * compare(tiny.bf16, tiny.exact, ids).rms


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("mistral", {"sliding_window": 49}),
        ("gemma3", {"sliding_window": 38}),
        ("gemma3", {"query_pre_attn_scalar": 16}),
        ("qwen2-windows", {"layer_types": ["full_attention", "full_attention", "sliding_attention"]}),
        ("llama-untied-llama3", {"rope_parameters": LLAMA3 | {"high_freq_factor": 3.5}}),
        ("llama-linear", {"rope_parameters": LINEAR | {"factor": 4.2}}),
    ],
)
def test_the_bound_sees_small_mistakes(
    tmp_path: Path, ids: NDArray[np.int32], core: _core.Context, name: str, change: dict[str, Any]
) -> None:
    tiny = Tiny(name, tmp_path, ids)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    assert compare(spatz_logits(load_model(tmp_path, core), ids), tiny.exact, ids).rms > 2 * BOUNDS["bf16"][0]
