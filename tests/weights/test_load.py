"""From files to a model that runs: every architecture, both kinds of files, every type, and what the card says."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from tiny_models import (
    SPECIAL,
    VOCAB,
    add_metadata,
    gguf_metadata,
    gguf_tensors,
    hf_tensors,
    write_folder,
    write_gguf,
)

from spatz import _core
from spatz.errors import ConfigError, WeightsError
from spatz.weights.load import LoadedModel, load_model
from spatz.weights.manifest import Manifest, write_manifest


@pytest.fixture(scope="module")
def context() -> _core.Context:
    return _core.Context(2)


def logits(model: LoadedModel, tokens: list[int]) -> np.ndarray:
    """Of the token after the last one."""
    cache = _core.KVCache(model.core, 2, "bf16")
    ids = np.array(tokens, dtype=np.int32)
    return model.core.logits(
        cache,
        ids,
        np.array([0, len(ids)], dtype=np.int32),
        np.zeros(1, dtype=np.int32),
        np.zeros((1, 2), dtype=np.int32),
        np.array([len(ids) - 1], dtype=np.int32),
    )[0]


TOKENS = [1, 40, 77, 103, 250, 9]


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3", "gemma3"])
def test_gguf_files_run(tmp_path: Path, context: _core.Context, architecture: str) -> None:
    model = load_model(write_gguf(tmp_path / "m.gguf", architecture), context)
    assert model.card.architecture == architecture
    assert np.isfinite(logits(model, TOKENS)).all()


def _unpermuted(architecture: str) -> dict[str, np.ndarray]:
    """The tensors of the GGUF file under the hub's names, as the hub would have them: llama's query and key rows in
    halves instead of pairs, Gemma's norms less one."""
    tensors = hf_tensors(architecture)
    if architecture in ("llama", "mistral"):
        for name in list(tensors):
            if "q_proj" in name or "k_proj" in name:
                weight = tensors[name]
                heads = weight.shape[0] // 16
                pairs = weight.reshape(heads, 8, 2, -1)
                tensors[name] = np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(weight.shape)
    if architecture == "gemma3":
        tensors = {name: array - 1 if "norm" in name else array for name, array in tensors.items()}
    return tensors


@pytest.mark.parametrize("architecture", ["llama", "mistral", "qwen2", "qwen3", "gemma3"])
@pytest.mark.parametrize("shards", [1, 2])
def test_a_folder_computes_what_the_gguf_file_of_the_same_weights_does(
    tmp_path: Path, context: _core.Context, architecture: str, shards: int
) -> None:
    kind = "llama" if architecture == "mistral" else architecture
    one = load_model(write_gguf(tmp_path / "m.gguf", kind), context)
    config: dict[str, Any] = {"rope_theta": 10000.0}
    folder = write_folder(tmp_path / "f", architecture, config=config, tensors=_unpermuted(architecture), shards=shards)
    other = load_model(folder, context)
    assert np.allclose(logits(one, TOKENS), logits(other, TOKENS), atol=0.06)
    assert other.card.parameters == one.card.parameters


@pytest.mark.parametrize("dtype", [Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1])
def test_every_type_runs_close_to_float(tmp_path: Path, context: _core.Context, dtype: Type) -> None:
    exact = logits(load_model(write_gguf(tmp_path / "exact.gguf"), context), TOKENS)
    model = load_model(write_gguf(tmp_path / "m.gguf", dtype=dtype), context)
    expected = {"Q4_0": "q4", "Q4_1": "q4", "F16": "bf16", "BF16": "bf16"}.get(dtype.name, "q8")
    assert model.card.format == f"{expected} ({dtype.name})"
    assert np.corrcoef(exact, logits(model, TOKENS))[0, 1] > 0.9  # 4 bits of random numbers lose most


@pytest.mark.parametrize("dtype", [Type.Q4_K, Type.Q5_K, Type.Q6_K])
def test_types_in_blocks_of_256_load(tmp_path: Path, context: _core.Context, dtype: Type) -> None:
    wide = {name: np.resize(array, _wide(name, array.shape)) for name, array in gguf_tensors().items()}
    path = _write_raw_blocks(tmp_path / "m.gguf", wide, dtype)
    model = load_model(path, context)
    assert dtype.name in model.card.format
    assert np.isfinite(logits(model, TOKENS)).all()


def _wide(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shapes of a model that is 256 wide, with 16 heads."""
    if "attn_k" in name or "attn_v" in name:
        return (32, 256)
    return tuple(256 if size in (64, 96) else size for size in shape)


def _write_raw_blocks(path: Path, tensors: dict[str, np.ndarray], dtype: Type) -> Path:
    block, size = gguf.GGML_QUANT_SIZES[dtype]
    rng = np.random.default_rng(7)
    metadata = {"llama.embedding_length": 256, "llama.feed_forward_length": 256, "llama.attention.head_count": 16}
    plain = {name: array for name, array in tensors.items() if array.ndim == 1}
    blocks = {name: rng.integers(0, 256, (array.shape[0], array.shape[1] // block * size), dtype=np.uint8)
              for name, array in tensors.items() if array.ndim == 2}  # fmt: skip
    for raw in blocks.values():  # halves that are finite and small: 0x1400 is about 0.001
        view = raw.reshape(raw.shape[0], -1, size)
        at = (0, 2) if dtype != Type.Q6_K else (208,)
        for start in at:
            view[:, :, start : start + 2] = (0x00, 0x14)
    writer = gguf.GGUFWriter(path, "llama")
    add_metadata(writer, gguf_metadata() | metadata)
    for name, array in plain.items():
        writer.add_tensor(name, array)
    for name, raw in blocks.items():
        writer.add_tensor(name, raw, raw_dtype=dtype)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("format", ["q4", "q8", "bf16"])
def test_the_format_can_be_chosen(tmp_path: Path, context: _core.Context, format: str) -> None:
    path = write_gguf(tmp_path / "m.gguf")
    chosen = load_model(path, context, format=format)
    assert chosen.card.format == f"{format} (F32)"
    assert chosen.core.formats.keys() == {format}
    assert load_model(path, context, format="").card.format == "bf16 (F32)"


def test_an_unknown_format_is_the_operators_mistake(tmp_path: Path, context: _core.Context) -> None:
    with pytest.raises(ConfigError, match="'q3' is unknown"):
        load_model(write_gguf(tmp_path / "m.gguf"), context, format="q3")


def test_the_card_describes_the_model(tmp_path: Path, context: _core.Context) -> None:
    path = write_gguf(tmp_path / "Tiny Model.Q4_1.gguf")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    model = load_model(path, context)
    card = model.card
    assert (card.name, card.path, card.architecture) == ("Tiny-Model.Q4_1", path, "llama")
    assert (card.context_length, card.licence, card.created) == (512, "apache-2.0", 1_700_000_000)
    assert card.parameters == sum(array.size for array in gguf_tensors().values())
    assert model.chat_template == "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    assert model.tokenizer.vocab_size == VOCAB


def test_the_fingerprint_names_weights_and_format(tmp_path: Path, context: _core.Context) -> None:
    one = load_model(write_gguf(tmp_path / "one.gguf"), context).card.fingerprint
    assert one.startswith("fp_")
    assert len(one) < 30
    assert load_model(write_gguf(tmp_path / "same.gguf"), context).card.fingerprint == one
    assert load_model(tmp_path / "one.gguf", context, format="q8").card.fingerprint != one
    changed = gguf_tensors(seed=2)
    assert load_model(write_gguf(tmp_path / "m.gguf", tensors=changed), context).card.fingerprint != one
    theta = {"llama.rope.freq_base": 5000.0}
    assert load_model(write_gguf(tmp_path / "m.gguf", metadata=theta), context).card.fingerprint != one


def test_a_manifest_gives_name_licence_and_template(tmp_path: Path, context: _core.Context) -> None:
    path = write_gguf(tmp_path / "m.gguf")
    write_manifest(tmp_path, Manifest("tiny", "tiny", "m.gguf", None, "MIT", "{{ 'other' }}"))
    model = load_model(path, context)
    assert (model.card.name, model.card.licence, model.chat_template) == ("tiny", "MIT", "{{ 'other' }}")


def test_end_tokens_come_from_everywhere(tmp_path: Path, context: _core.Context) -> None:
    ends = {SPECIAL.index("<|endoftext|>"), SPECIAL.index("<|im_end|>")}
    assert load_model(write_gguf(tmp_path / "m.gguf"), context).eos_ids == ends
    eot = {"tokenizer.ggml.eot_token_id": 200}
    assert load_model(write_gguf(tmp_path / "m.gguf", metadata=eot), context).eos_ids == ends | {200}
    folder = write_folder(tmp_path / "f", config={"eos_token_id": 100})
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [150, 151]}))
    assert load_model(folder, context).eos_ids == ends | {100, 150, 151}
    for wrong in (VOCAB, -1, "2", 2.0, [[2]], True):
        (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": wrong}))
        with pytest.raises(WeightsError, match="eos_token_id"):
            load_model(folder, context)


def test_templates_of_a_folder(tmp_path: Path, context: _core.Context) -> None:
    folder = write_folder(tmp_path / "f")
    assert load_model(folder, context).chat_template is None
    config = folder / "tokenizer_config.json"
    for template, expected in (
        ("one", "one"),
        ([{"name": "tool_use", "template": "t"}, {"name": "default", "template": "two"}], "two"),
        ([{"name": "rag", "template": "t"}], None),
    ):
        config.write_text(json.dumps({"chat_template": template}))
        assert load_model(folder, context).chat_template == expected
    for wrong in (5, {"a": 1}, [{"name": "default", "template": 7}]):
        config.write_text(json.dumps({"chat_template": wrong}))
        with pytest.raises(WeightsError, match="chat_template"):
            load_model(folder, context)
    (folder / "chat_template.jinja").write_text("own file")
    assert load_model(folder, context).chat_template == "own file"
    (folder / "chat_template.jinja").write_bytes(b"\xff")
    with pytest.raises(WeightsError, match="UTF-8"):
        load_model(folder, context)


def test_a_folder_with_one_gguf_file_means_that_file(tmp_path: Path, context: _core.Context) -> None:
    path = write_gguf(tmp_path / "m.gguf")
    assert load_model(tmp_path, context).card.path == path
    write_gguf(tmp_path / "n.gguf")
    with pytest.raises(WeightsError, match="2 GGUF files"):
        load_model(tmp_path, context)
    with pytest.raises(WeightsError, match="neither"):
        (tmp_path / "empty").mkdir()
        load_model(tmp_path / "empty", context)
    with pytest.raises(WeightsError, match="No such file"):
        load_model(tmp_path / "none.gguf", context)


def test_a_vocabulary_larger_than_the_model_is_refused(tmp_path: Path, context: _core.Context) -> None:
    small = gguf_tensors()
    small["token_embd.weight"] = small["token_embd.weight"][:256].copy()
    with pytest.raises(WeightsError, match="the tokenizer has 288 tokens, the model 256"):
        load_model(write_gguf(tmp_path / "m.gguf", tensors=small), context)


def test_files_are_closed_and_not_resident_afterwards(tmp_path: Path, context: _core.Context) -> None:
    path = write_gguf(tmp_path / "unmistakable.gguf")
    model = load_model(path, context)
    assert "unmistakable" not in Path("/proc/self/maps").read_text()
    assert not any("unmistakable" in target for target in _open_files())
    assert model.core.weight_bytes > 0
    damaged = tmp_path / "damaged-unmistakable.gguf"
    damaged.write_bytes(path.read_bytes()[:-50_000])
    with pytest.raises(WeightsError):
        load_model(damaged, context)
    assert "unmistakable" not in Path("/proc/self/maps").read_text()


def _open_files() -> list[str]:
    targets = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            targets.append(str(entry.readlink()))
    return targets


def test_rope_scaling_reaches_the_core(tmp_path: Path, context: _core.Context) -> None:
    plain = logits(load_model(write_gguf(tmp_path / "m.gguf"), context), TOKENS)
    linear = {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0}
    assert not np.allclose(plain, logits(load_model(write_gguf(tmp_path / "m.gguf", metadata=linear), context), TOKENS))
    factors = gguf_tensors() | {"rope_freqs.weight": np.full(8, 4.0, dtype=np.float32)}
    same = logits(load_model(write_gguf(tmp_path / "m.gguf", tensors=factors), context), TOKENS)
    assert np.allclose(same, logits(load_model(write_gguf(tmp_path / "n.gguf", metadata=linear), context), TOKENS))
