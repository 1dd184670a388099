"""The GGUF reader: files of the reference writer are read as it wrote them, damaged ones are refused in one line."""

from __future__ import annotations

import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from tiny_models import write_gguf

from spatz.errors import WeightsError
from spatz.weights.gguf import TYPES, GGUFFile

QUANTS = [Type.F32, Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q4_K, Type.Q5_K,
          Type.Q6_K]  # fmt: skip


def _text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def _key(name: str, kind: int, value: bytes) -> bytes:
    return _text(name) + struct.pack("<I", kind) + value


def _info(name: str, shape: list[int], kind: int = 0, offset: int = 0) -> bytes:
    sizes = b"".join(struct.pack("<Q", size) for size in shape)
    return _text(name) + struct.pack("<I", len(shape)) + sizes + struct.pack("<IQ", kind, offset)


def _file(
    keys: list[bytes],
    infos: list[bytes],
    data: bytes = b"",
    *,
    version: int = 3,
    counts: tuple[int, int] | None = None,
) -> bytes:
    tensors, pairs = counts or (len(infos), len(keys))
    head = b"GGUF" + struct.pack("<IQQ", version, tensors, pairs) + b"".join(keys) + b"".join(infos)
    return head + bytes(-len(head) % 32) + data


def _open(tmp_path: Path, content: bytes) -> GGUFFile:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    return GGUFFile(path)


@pytest.mark.parametrize("dtype", QUANTS, ids=lambda dtype: dtype.name)
def test_every_type_has_the_size_and_bytes_that_the_writer_gave_it(tmp_path: Path, dtype: Type) -> None:
    block, block_bytes = gguf.GGML_QUANT_SIZES[dtype]
    rows, columns = 3, 512
    size = rows * columns // block * block_bytes
    raw = np.random.default_rng(dtype).integers(0, 256, size, dtype=np.uint8)
    writer = gguf.GGUFWriter(tmp_path / "model.gguf", "llama")
    writer.add_tensor("a", raw.reshape(rows, -1), raw_dtype=dtype)
    writer.add_tensor("b", np.arange(5, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    file = GGUFFile(tmp_path / "model.gguf")
    tensor = file.tensors["a"]
    assert (tensor.dtype, tensor.shape, tensor.nbytes) == (dtype.name, (rows, columns), size)
    assert file.view(tensor).tobytes() == raw.tobytes()
    file.drop(tensor)
    assert file.view(file.tensors["b"]).view("<f4").tolist() == [0, 1, 2, 3, 4]
    file.close()


def test_sizes_are_the_reference_ones() -> None:
    for kind, (name, block, block_bytes) in TYPES.items():
        assert Type(kind).name == name
        assert gguf.GGML_QUANT_SIZES[Type(kind)] == (block, block_bytes)


def test_metadata_has_the_written_values(tmp_path: Path) -> None:
    tokens = ["", "a", "ü" * 40, "x" * 300, "with\0nul", "🐦"]
    file = GGUFFile(write_gguf(tmp_path / "m.gguf", metadata={
        "x.tokens": tokens, "x.flag": True, "x.numbers": [1, -2, 3], "x.nested": [[1, 2], [3]], "x.floats": [0.5, 1.5],
        "x.flags": [True, False],
    }))  # fmt: skip
    metadata = file.metadata
    file.close()
    assert metadata["general.architecture"] == "llama"
    assert metadata["x.tokens"] == tokens
    assert metadata["x.flag"] is True
    assert np.array_equal(metadata["x.numbers"], [1, -2, 3])
    assert [part.tolist() for part in metadata["x.nested"]] == [[1, 2], [3]]
    assert metadata["x.floats"].tolist() == [0.5, 1.5]
    assert metadata["x.flags"].tolist() == [True, False]
    assert "x.flag" in metadata
    assert len(metadata) == len(list(metadata))
    assert "x.none" not in metadata


def test_strings_of_all_lengths_are_found_by_the_quick_and_the_whole_walk(tmp_path: Path) -> None:
    short = [chr(97 + i % 26) * (i % 200) for i in range(2000)]
    for strings in (short, [*short, "y" * 256], ["z" * 70_000, *short], []):
        array = struct.pack("<IQ", 8, len(strings)) + b"".join(map(_text, strings))
        file = _open(tmp_path, _file([_key("a", 9, array), _key("b", 4, struct.pack("<I", 7))], []))
        assert file.metadata["a"] == strings
        assert file.metadata["b"] == 7
        file.close()


def test_version_2_is_read(tmp_path: Path) -> None:
    file = _open(tmp_path, _file([], [_info("w", [8, 2])], bytes(64), version=2))
    assert file.tensors["w"].shape == (2, 8)
    file.close()


def test_alignment_of_the_metadata_is_used(tmp_path: Path) -> None:
    head = _file([_key("general.alignment", 4, struct.pack("<I", 256))], [_info("w", [4])])
    file = _open(tmp_path, head + bytes(-len(head) % 256) + np.arange(4, dtype="<f4").tobytes())
    assert file.tensors["w"].offset % 256 == 0
    assert file.view(file.tensors["w"]).view("<f4").tolist() == [0, 1, 2, 3]
    file.close()


HUGE = (1 << 64) - 1
HOSTILE = {
    "empty": (b"", "not a GGUF file"),
    "other magic": (b"GGML" + bytes(40), "not a GGUF file"),
    "version 1": (_file([], [], version=1), "version 1 is not supported"),
    "version 99": (_file([], [], version=99), "version 99 is not supported"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
    "huge tensor count": (_file([], [], counts=(HUGE, 0)), "tensors"),
    "huge key count": (_file([], [], counts=(0, HUGE)), "metadata keys"),
    "more keys than there are": (_file([], [], counts=(0, 3))[:24], "the file ends"),
    "huge key": (_file([struct.pack("<Q", HUGE)], []), "claims"),
    "empty key": (_file([_key("", 0, b"\0")], []), "not a name"),
    "key twice": (_file([_key("k", 0, b"\0"), _key("k", 0, b"\0")], []), "twice"),
    "key not UTF-8": (_file([_text(b"\xff\xfe") + struct.pack("<IB", 0, 0)], []), "UTF-8"),
    "value not UTF-8": (_file([_key("k", 8, _text(b"\xc3\x28"))], []), "UTF-8"),
    "unknown value type": (_file([_key("k", 77, b"\0" * 8)], []), "unknown value type 77"),
    "boolean of 2": (_file([_key("k", 7, b"\2")], []), "boolean"),
    "array of booleans of 2": (_file([_key("k", 9, struct.pack("<IQ", 7, 1) + b"\2")], []), "booleans"),
    "huge array": (_file([_key("k", 9, struct.pack("<IQ", 4, 1 << 62))], []), "the file ends"),
    "huge array of strings": (_file([_key("k", 9, struct.pack("<IQ", 8, 1 << 62))], []), "strings"),
    "more strings than there are": (_file([_key("k", 9, struct.pack("<IQ", 8, 4_000_000))], []), "the file ends"),
    "string past the end": (_file([_key("k", 9, struct.pack("<IQQ", 8, 1, HUGE))], []), "the file ends"),
    "short string past the end": (_file([_key("k", 9, struct.pack("<IQQ", 8, 1, 200))], []), "the file ends"),
    "huge array of arrays": (_file([_key("k", 9, struct.pack("<IQ", 9, 1 << 62))], []), "arrays"),
    "deep nesting": (_file([_key("k", 9, struct.pack("<IQ", 9, 1) * 50)], []), "nests"),
    "array of unknown type": (_file([_key("k", 9, struct.pack("<IQ", 99, 1) + b"\0" * 8)], []), "unknown value type"),
    "alignment of 0": (_file([_key("general.alignment", 4, struct.pack("<I", 0))], []), "alignment"),
    "alignment of 24": (_file([_key("general.alignment", 4, struct.pack("<I", 24))], []), "alignment"),
    "alignment of 2^31": (_file([_key("general.alignment", 4, struct.pack("<I", 1 << 31))], []), "alignment"),
    "alignment of text": (_file([_key("general.alignment", 8, _text("32"))], []), "alignment"),
    "no dimensions": (_file([], [_info("w", [])]), "dimensions"),
    "five dimensions": (_file([], [_info("w", [1] * 5)]), "dimensions"),
    "2^32 dimensions": (_file([], [_text("w") + struct.pack("<I", 0xFFFFFFFF)]), "dimensions"),
    "dimension of 0": (_file([], [_info("w", [4, 0])]), "not sane"),
    "product overflows": (_file([], [_info("w", [1 << 32, 1 << 32])]), "not sane"),
    "unsupported type": (_file([], [_info("w", [256], 10)], bytes(84)), "type Q2_K"),
    "unknown type": (_file([], [_info("w", [4], 1234)], bytes(16)), "unknown type 1234"),
    "row is no multiple of the block": (_file([], [_info("w", [33, 2], 8)], bytes(99)), "blocks of 32"),
    "tensor past the end": (_file([], [_info("w", [8])], bytes(31)), "the file ends inside tensor w"),
    "offset past the end": (_file([], [_info("w", [8], 0, 1 << 63)], bytes(32)), "the file ends inside tensor w"),
    "offset not aligned": (_file([], [_info("w", [1], 0, 4)], bytes(32)), "aligned"),
    "overlap": (_file([], [_info("v", [16]), _info("w", [8], 0, 32)], bytes(64)), "overlap"),
    "tensor twice": (_file([], [_info("w", [8]), _info("w", [8], 0, 32)], bytes(64)), "twice"),
    "nameless tensor": (_file([], [_info("", [8])], bytes(32)), "not a name"),
    "long tensor name": (_file([], [_info("w" * 5000, [8])], bytes(32)), "claims 5000 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    content, said = HOSTILE[name]
    with pytest.raises(WeightsError, match=said) as caught:
        _open(tmp_path, content)
    assert "\n" not in str(caught.value)
    assert "model.gguf" in str(caught.value)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    content = write_gguf(tmp_path / "whole.gguf").read_bytes()
    for length in [*range(400), *range(400, len(content) - 1, 997), len(content) - 1]:
        with pytest.raises(WeightsError):
            _open(tmp_path, content[:length])


def test_strings_that_are_not_utf8_are_refused_when_they_are_read(tmp_path: Path) -> None:
    array = struct.pack("<IQ", 8, 3) + _text("a") + _text(b"\xc3") + _text("c")
    file = _open(tmp_path, _file([_key("k", 9, array)], []))
    with pytest.raises(WeightsError, match="string 1 of k is not valid UTF-8"):
        file.metadata["k"]
    file.close()


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="regular"):
        GGUFFile(tmp_path)
    with pytest.raises(WeightsError, match="No such file"):
        GGUFFile(tmp_path / "none.gguf")
