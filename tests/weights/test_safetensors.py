"""The safetensors reader: whole and sharded models of the reference writer are read, damaged ones are refused."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from tiny_models import hf_tensors, write_folder

from spatz.errors import WeightsError
from spatz.weights.safetensors import SafetensorsFile, SafetensorsFolder


def _bytes(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _tensor(dtype: object = "F32", shape: object = (2,), offsets: object = (0, 8)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def test_values_are_those_of_the_writer(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.arange(4, dtype=np.float16)}
    save_file(arrays, tmp_path / "m.safetensors", metadata={"format": "pt"})
    file = SafetensorsFile(tmp_path / "m.safetensors")
    assert {name: (tensor.dtype, tensor.shape) for name, tensor in file.tensors.items()} == {
        "a": ("F32", (2, 3)),
        "b": ("F16", (4,)),
    }
    assert file.view(file.tensors["a"]).tobytes() == arrays["a"].tobytes()
    assert file.view(file.tensors["b"]).tobytes() == arrays["b"].tobytes()
    file.drop(file.tensors["a"])
    file.close()


def test_bf16_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(_bytes({"w": _tensor("BF16", [2, 2], [0, 8])}, bytes(range(8))))
    file = SafetensorsFile(path)
    assert (file.tensors["w"].dtype, file.tensors["w"].nbytes) == ("BF16", 8)
    assert file.view(file.tensors["w"]).tolist() == list(range(8))
    file.close()


@pytest.mark.parametrize("shards", [1, 3])
def test_folders_are_read_whole_or_in_shards(tmp_path: Path, shards: int) -> None:
    arrays = hf_tensors()
    folder = SafetensorsFolder(write_folder(tmp_path / "m", shards=shards))
    assert folder.tensors.keys() == arrays.keys()
    for name, tensor in folder.tensors.items():
        assert folder.view(tensor).tobytes() == arrays[name].tobytes()
        folder.drop(tensor)
    assert folder.size > sum(array.nbytes for array in arrays.values())
    folder.close()


HOSTILE = {
    "empty": (b"", "not a safetensors file"),
    "huge header": (_bytes({}, length=(1 << 64) - 1), "claims"),
    "header past the end": (_bytes({}, length=1000), "ends inside the header"),
    "not JSON": (_bytes(b"{nope"), "not valid JSON"),
    "not UTF-8": (_bytes(b'{"\xff": 1}'), "UTF-8"),
    "a list": (_bytes([]), "not a JSON object"),
    "deep nesting": (_bytes(b"[" * 200_000), "nested too deeply"),
    "number of 10,000 digits": (_bytes(b'{"w": ' + b"9" * 10_000 + b"}"), "not valid JSON"),
    "key twice": (_bytes(b'{"w": 1, "w": 2}'), "twice"),
    "no description": (_bytes({"w": 5}), "described"),
    "missing offsets": (_bytes({"w": {"dtype": "F32", "shape": [2]}}), "described"),
    "unknown key": (_bytes({"w": _tensor() | {"x": 1}}, bytes(8)), "described"),
    "unsupported type": (_bytes({"w": _tensor("F8_E4M3", [8])}, bytes(8)), "type F8_E4M3"),
    "unknown type": (_bytes({"w": _tensor("Q9")}, bytes(8)), "unknown type Q9"),
    "type is a list": (_bytes({"w": _tensor(["F32"])}, bytes(8)), "unknown type"),
    "negative size": (_bytes({"w": _tensor(shape=[-2])}, bytes(8)), "no sane shape"),
    "size of 0": (_bytes({"w": _tensor(shape=[0], offsets=[0, 0])}), "not sane"),
    "size is a float": (_bytes({"w": _tensor(shape=[2.0])}, bytes(8)), "no sane shape"),
    "size is true": (_bytes({"w": _tensor(shape=[True, 2])}, bytes(8)), "no sane shape"),
    "many dimensions": (_bytes({"w": _tensor(shape=[1] * 100)}, bytes(4)), "no sane shape"),
    "product overflows": (_bytes({"w": _tensor(shape=[1 << 40, 1 << 40])}, bytes(8)), "not sane"),
    "three offsets": (_bytes({"w": _tensor(offsets=[0, 4, 8])}, bytes(8)), "data_offsets"),
    "offsets in reverse": (_bytes({"w": _tensor(offsets=[8, 0])}, bytes(8)), "needs 8 bytes"),
    "offsets too far apart": (_bytes({"w": _tensor(offsets=[0, 12])}, bytes(12)), "needs 8 bytes"),
    "past the end": (_bytes({"w": _tensor()}, bytes(7)), "the file has"),
    "bytes behind the end": (_bytes({"w": _tensor()}, bytes(9)), "the file has"),
    "hole": (_bytes({"v": _tensor(), "w": _tensor(offsets=[12, 20])}, bytes(20)), "hole"),
    "overlap": (_bytes({"v": _tensor(), "w": _tensor(offsets=[4, 12])}, bytes(12)), "overlaps"),
    "the same place twice": (_bytes({"v": _tensor(), "w": _tensor()}, bytes(8)), "overlaps"),
    "name of control characters": (_bytes({"\n\x1b": _tensor()}, bytes(8)), "not a name"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    content, said = HOSTILE[name]
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=said) as caught:
        SafetensorsFile(path)
    assert "\n" not in str(caught.value)
    assert "m.safetensors" in str(caught.value)


@pytest.mark.parametrize(
    "place",
    [
        "../m.safetensors",
        "/etc/m.safetensors",
        "sub/m.safetensors",
        "..",
        ".hidden.safetensors",
        "m.bin",
        7,
        "a\\b.safetensors",
    ],
)
def test_shards_outside_the_folder_are_refused(tmp_path: Path, place: object) -> None:
    folder = write_folder(tmp_path / "m", shards=2)
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    index["weight_map"]["model.norm.weight"] = place
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(WeightsError, match="not a plain"):
        SafetensorsFolder(folder)


def test_index_and_shards_must_say_the_same(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m", shards=2)
    path = folder / "model.safetensors.index.json"
    whole = json.loads(path.read_text())
    wrong = [
        ({"weight_map": {}}, "no weight_map"),
        ({"weight_map": []}, "no weight_map"),
        ({"weight_map": whole["weight_map"] | {"extra": "model-00001-of-00002.safetensors"}}, "in no shard"),
        ({"weight_map": whole["weight_map"] | {"extra": "model-00009-of-00002.safetensors"}}, "No such file"),
        ({"weight_map": {"model.norm.weight": "model-00001-of-00002.safetensors"}}, "not in the index"),
    ]
    for index, said in wrong:
        path.write_text(json.dumps(index))
        with pytest.raises(WeightsError, match=said):
            SafetensorsFolder(folder)


def test_a_tensor_in_two_shards_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m", shards=2)
    save_file(hf_tensors(), folder / "model-00002-of-00002.safetensors")
    with pytest.raises(WeightsError, match="two shards"):
        SafetensorsFolder(folder)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="No such file"):
        SafetensorsFolder(tmp_path)
