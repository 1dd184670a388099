"""Thousands of damaged model files: each one loads, and then runs, or is refused with WeightsError; nothing else.

The damage is seeded: a failure names its number, and the same number does the same again.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from tiny_models import write_folder, write_gguf

from spatz import _core
from spatz.errors import WeightsError
from spatz.weights.load import LoadedModel, load_model

MEMORY_LIMIT_MB = 512  # above what the process had before; the files are smaller than 1 MB

_NUMBERS = [0, 1, 2, 3, 7, 31, 32, 33, 127, 128, 255, 256, 65_535, 65_536, 2**24, 2**31 - 1, 2**31, 2**32 - 1,
            2**32, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1]  # fmt: skip


def _flip(data: bytearray, at: int, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 2, 8))):
        data[min(at + rng.randrange(16), len(data) - 1)] ^= 1 << rng.randrange(8)


def _number(data: bytearray, at: int, rng: random.Random) -> None:
    layout = rng.choice(("<I", "<Q", "<Q"))
    data[at : at + struct.calcsize(layout)] = struct.pack(
        layout, rng.choice(_NUMBERS) % (1 << 8 * struct.calcsize(layout))
    )


def _noise(data: bytearray, at: int, rng: random.Random) -> None:
    data[at : at + 8] = rng.randbytes(rng.randrange(1, 9))


def _truncate(data: bytearray, at: int, rng: random.Random) -> None:
    del data[at:]


def _splice(data: bytearray, at: int, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    data[at : at + rng.randrange(64)] = data[start : start + rng.randrange(64)]


def _repeat(data: bytearray, at: int, rng: random.Random) -> None:
    data[at:at] = data[at : at + rng.randrange(1, 200)] * rng.randrange(1, 4)


def _remove(data: bytearray, at: int, rng: random.Random) -> None:
    del data[at : at + rng.randrange(1, 64)]


def _digits(data: bytearray, at: int, rng: random.Random) -> None:
    """Replace a number of a JSON text; elsewhere as good as noise."""
    while at < len(data) and not chr(data[at]).isdigit():
        at += 1
    end = at
    while end < len(data) and chr(data[end]).isdigit():
        end += 1
    data[at:end] = rng.choice(
        (b"-1", b"1e999", b"0.5", b"null", b"[]", b"{}", b'"1"', *(str(n).encode() for n in _NUMBERS))
    )


DAMAGE = [_flip, _flip, _number, _number, _noise, _truncate, _splice, _repeat, _remove, _digits]


def damage(content: bytes, interesting: int, seed: int) -> bytes:
    """The content after one to three accidents, most of them within its first interesting bytes."""
    rng = random.Random(seed)
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if not data:
            break
        reach = interesting if rng.random() < 0.9 else len(data)
        rng.choice(DAMAGE)(data, rng.randrange(min(reach, len(data))), rng)
    return bytes(data)


def _run(model: LoadedModel) -> None:
    """One step: what was accepted must also be safe to compute with, even if its numbers are nonsense."""
    cache = _core.KVCache(model.core, 1)
    model.core.logits(
        cache,
        np.array([0, 1, 2, 3], dtype=np.int32),
        np.array([0, 4], dtype=np.int32),
        np.zeros(1, dtype=np.int32),
        np.zeros((1, 1), dtype=np.int32),
        np.array([3], dtype=np.int32),
    )


def _peak_mb() -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) >> 10 for line in status.splitlines() if line.startswith("VmHWM"))


def _fuzz(content: bytes, interesting: int, seeds: range, write: Callable[[bytes], Path]) -> None:
    context = _core.Context(1)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    before = _peak_mb()
    accepted = refused = 0
    for seed in seeds:
        path = write(damage(content, interesting, seed))
        try:
            model = load_model(path, context)
            accepted += 1
            if accepted % 4 == 0:
                _run(model)
        except WeightsError as error:
            refused += 1
            assert "\n" not in str(error), f"seed {seed}"
        except BaseException as error:
            pytest.fail(f"seed {seed}: {type(error).__name__}: {error}")
    assert refused > len(seeds) // 4
    assert accepted > 0
    assert _peak_mb() - before < MEMORY_LIMIT_MB


@pytest.mark.parametrize(
    ("architecture", "dtype", "seeds"),
    [
        ("llama", Type.Q4_1, range(800)),
        ("gemma3", Type.Q8_0, range(1000, 1400)),
        ("qwen2", Type.F32, range(2000, 2200)),
    ],
)
def test_damaged_gguf_files(tmp_path: Path, architecture: str, dtype: Type, seeds: range) -> None:
    content = write_gguf(tmp_path / "good.gguf", architecture, dtype=dtype).read_bytes()
    path = tmp_path / "damaged.gguf"

    def write(data: bytes) -> Path:
        path.write_bytes(data)
        return path

    _fuzz(content, content.rindex(b"ffn_down.weight") + 64, seeds, write)


@pytest.mark.parametrize(
    ("name", "architecture", "shards", "seeds"),
    [
        ("model.safetensors", "llama", 1, range(3000, 3400)),
        ("model-00001-of-00002.safetensors", "qwen3", 2, range(4000, 4150)),
        ("model.safetensors.index.json", "llama", 2, range(5000, 5150)),
        ("config.json", "gemma3", 1, range(6000, 6300)),
        ("tokenizer.json", "llama", 1, range(7000, 7300)),
        ("tokenizer_config.json", "llama", 1, range(8000, 8050)),
        ("generation_config.json", "llama", 1, range(9000, 9050)),
        ("spatz.json", "llama", 1, range(10000, 10050)),
    ],
)
def test_damaged_folders(tmp_path: Path, name: str, architecture: str, shards: int, seeds: range) -> None:
    folder = write_folder(tmp_path / "m", architecture, shards=shards)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 7], "temperature": 0.5}))
    (folder / "spatz.json").write_text(json.dumps({"name": "tiny", "licence": "MIT", "source": "hf:a/b"}))
    content = (folder / name).read_bytes()
    interesting = struct.unpack("<Q", content[:8])[0] + 8 if name.endswith(".safetensors") else len(content)

    def write(data: bytes) -> Path:
        (folder / name).write_bytes(data)
        return folder

    _fuzz(content, interesting, seeds, write)
