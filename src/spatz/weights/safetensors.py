"""Safetensors: one file, or the shards that an index names, checked before use and mapped read-only.

The lowest step of loading a model folder: tensor names, types, shapes and views. Offsets must cover the data exactly,
as the format demands: no overlap, no hole, nothing behind the end. It reads no config.json and decodes no values.

Layout: https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import contextlib
import mmap
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatz.errors import WeightsError
from spatz.weights.jsonfile import parse_object, read_object
from spatz.weights.mapping import drop_pages, map_file
from spatz.weights.tensors import Tensor

__all__ = ["INDEX", "SINGLE", "SafetensorsFile", "SafetensorsFolder", "shard_names"]

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"

DTYPES = {"F32": 4, "F16": 2, "BF16": 2}

_OTHERS = {"F64", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F4"}
_MAX_HEADER = 16 << 20  # a model of 65,536 tensors has some 8 MB
_MAX_INDEX = 16 << 20
_MAX_TENSORS = 65_536
_MAX_DIMS = 8
_MAX_ELEMENTS = 1 << 48
_MAX_SHARDS = 1024
_SHARD_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}\.safetensors")


class SafetensorsFile:
    """One mapped file."""

    def __init__(self, path: Path) -> None:
        """Map the file and check everything but the weights' values. Raises WeightsError."""
        self._data: mmap.mmap = map_file(path, 8, "safetensors")
        try:
            self.tensors = self._parse()
        except WeightsError as error:
            self.close()
            raise WeightsError(f"{path.name}: {error}") from None
        except BaseException:
            self.close()
            raise

    def _parse(self) -> dict[str, Tensor]:
        length = int(struct.unpack_from("<Q", self._data)[0])
        if length > _MAX_HEADER:
            raise WeightsError(f"the header claims {length} bytes, more than the {_MAX_HEADER} that are sane")
        if length > self.size - 8:
            raise WeightsError("the file ends inside the header")
        header = parse_object(self._data[8 : 8 + length], "the header")
        header.pop("__metadata__", None)
        if len(header) > _MAX_TENSORS:
            raise WeightsError(f"the header has {len(header)} tensors, more than the {_MAX_TENSORS} that are sane")
        start = 8 + length
        tensors = [_tensor(name, info, start) for name, info in header.items()]
        tensors.sort(key=lambda tensor: (tensor.offset, tensor.nbytes))
        end = start
        for tensor in tensors:
            if tensor.offset != end:
                wrong = "overlaps another one" if tensor.offset < end else "leaves a hole in front of it"
                raise WeightsError(f"tensor {tensor.name} {wrong}")
            end += tensor.nbytes
        if end != self.size:
            raise WeightsError(f"the tensors end at byte {end}, but the file has {self.size} bytes")
        return {tensor.name: tensor for tensor in tensors}

    @property
    def size(self) -> int:
        return len(self._data)

    def view(self, tensor: Tensor) -> NDArray[np.uint8]:
        return np.frombuffer(self._data, dtype=np.uint8, count=tensor.nbytes, offset=tensor.offset)

    def drop(self, tensor: Tensor) -> None:
        drop_pages(self._data, tensor.offset, tensor.nbytes)

    def close(self) -> None:
        with contextlib.suppress(BufferError):  # somebody still holds a view: the mapping ends with that
            self._data.close()


class SafetensorsFolder:
    """All weights of a model folder: model.safetensors, or the shards of model.safetensors.index.json."""

    def __init__(self, folder: Path) -> None:
        """Map every file and check that index and shards say the same. Raises WeightsError."""
        self.tensors: dict[str, Tensor] = {}
        self._files: dict[str, SafetensorsFile] = {}  # by tensor name
        self.size = 0
        with contextlib.ExitStack() as opened:
            if (folder / INDEX).exists():
                self._open_shards(folder, opened)
            else:
                self._add(SafetensorsFile(folder / SINGLE), opened)
            self._close = opened.pop_all()

    def _open_shards(self, folder: Path, opened: contextlib.ExitStack) -> None:
        index = read_object(folder / INDEX, _MAX_INDEX)
        for name in shard_names(index):
            self._add(SafetensorsFile(folder / name), opened)
        places = index["weight_map"]
        if places.keys() != self.tensors.keys():
            odd = min(places.keys() ^ self.tensors.keys())
            where = "the index, but in no shard" if odd in places else "a shard, but not in the index"
            raise WeightsError(f"tensor {odd[:200]} is in {where}")

    def _add(self, file: SafetensorsFile, opened: contextlib.ExitStack) -> None:
        opened.callback(file.close)
        for name in file.tensors:
            if name in self.tensors:
                raise WeightsError(f"the tensor {name} is in two shards")
            self._files[name] = file
        self.tensors.update(file.tensors)
        self.size += file.size

    def view(self, tensor: Tensor) -> NDArray[np.uint8]:
        return self._files[tensor.name].view(tensor)

    def drop(self, tensor: Tensor) -> None:
        self._files[tensor.name].drop(tensor)

    def close(self) -> None:
        self._close.close()


def shard_names(index: dict[str, Any]) -> list[str]:
    """The files that an index names, sorted. Plain names only: nothing may lie outside the folder."""
    places = index.get("weight_map")
    if not isinstance(places, dict) or not places:
        raise WeightsError(f"{INDEX} has no weight_map")
    if len(places) > _MAX_TENSORS:
        raise WeightsError(f"{INDEX} has {len(places)} tensors, more than the {_MAX_TENSORS} that are sane")
    names: set[str] = set()
    for place in places.values():
        if not isinstance(place, str) or not _SHARD_NAME.fullmatch(place):
            raise WeightsError(f"{INDEX} names the file {str(place)[:200]!r}, which is not a plain .safetensors name")
        names.add(place)
    if len(names) > _MAX_SHARDS:
        raise WeightsError(f"{INDEX} names {len(names)} files, more than the {_MAX_SHARDS} that are sane")
    return sorted(names)


def _tensor(name: str, info: object, start: int) -> Tensor:
    label = f"tensor {name[:200]}"
    if not name or not name.isprintable() or len(name) > 512:
        raise WeightsError(f"a tensor is called {name[:80]!r}, which is not a name")
    if not isinstance(info, dict) or info.keys() != {"dtype", "shape", "data_offsets"}:
        raise WeightsError(f"{label} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = info["dtype"], info["shape"], info["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        kind = "type" if str(dtype) in _OTHERS else "unknown type"
        raise WeightsError(f"{label} has the {kind} {str(dtype)[:40]}, which is not supported (F32, F16 and BF16 are)")
    if not _sizes(shape) or len(shape) > _MAX_DIMS:
        raise WeightsError(f"{label} has no sane shape")
    elements = 1
    for size in shape:
        elements *= size
        if not 0 < elements <= _MAX_ELEMENTS:
            raise WeightsError(f"{label} has the shape {shape}, which is not sane")
    if not _sizes(offsets) or len(offsets) != 2:
        raise WeightsError(f"{label} has no sane data_offsets")
    begin, end = offsets
    nbytes = elements * DTYPES[dtype]
    if end - begin != nbytes:
        raise WeightsError(f"{label} of shape {shape} needs {nbytes} bytes, but has {end - begin}")
    return Tensor(name, dtype, tuple(shape), start + begin, nbytes)


def _sizes(value: object) -> bool:
    return isinstance(value, list) and all(type(size) is int and 0 <= size < 1 << 62 for size in value)
