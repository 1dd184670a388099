"""GGUF files: metadata and tensors by name, over a read-only mapping, checked before use.

The lowest step of loading: bytes in, names, values and views out. Every count, length, type, offset and size is checked
against the file before anything is allocated or read: a damaged or hostile file gives one WeightsError, nothing else.
Versions 2 and 3, little-endian. It does not know architectures and does not decode weights.

Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import contextlib
import mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spatz.errors import WeightsError
from spatz.weights.gguf_values import Cursor, Metadata, Value, read_metadata
from spatz.weights.mapping import drop_pages, map_file
from spatz.weights.tensors import Tensor

__all__ = ["TYPES", "GGUFFile", "Metadata", "Value"]

TYPES: dict[int, tuple[str, int, int]] = {  # id: name, values in a block, bytes of a block
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    30: ("BF16", 1, 2),
}

_UNSUPPORTED = {  # only so that the error can name them
    9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
    20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64",
    29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4",
}  # fmt: skip

_MAX_TENSORS = 65_536
_MAX_NAME_BYTES = 256  # the format says 64; some converters write more
_MAX_DIMS = 4
_MAX_ELEMENTS = 1 << 48
_MAX_ALIGNMENT = 1 << 20


class GGUFFile:
    """An open GGUF file. Views of tensors must be dropped before it is closed."""

    def __init__(self, path: Path) -> None:
        """Map the file and check everything but the weights' values. Raises WeightsError."""
        self.path = path
        self._data: mmap.mmap = map_file(path, 24, "GGUF")
        try:
            self._parse()
        except WeightsError as error:
            self.close()
            raise WeightsError(f"{path.name}: {error}") from None
        except BaseException:
            self.close()
            raise

    def _parse(self) -> None:
        cursor = Cursor(self._data)
        magic = self._data[:4]
        if magic != b"GGUF":
            raise WeightsError("this is not a GGUF file")
        cursor.pos = 4
        self.version = cursor.u32("the header")
        if self.version and self.version & 0xFFFF == 0:
            raise WeightsError("big-endian GGUF files are not supported")
        if self.version not in (2, 3):
            raise WeightsError(f"GGUF version {self.version} is not supported (2 and 3 are)")
        tensor_count = cursor.u64("the header")
        key_count = cursor.u64("the header")
        if tensor_count > _MAX_TENSORS:
            raise WeightsError(f"the header claims {tensor_count} tensors, more than the {_MAX_TENSORS} that are sane")
        self.metadata = read_metadata(cursor, self.path.name, key_count)
        infos = [_read_info(cursor) for _ in range(tensor_count)]
        alignment = self._alignment()
        self.data_start = -(-cursor.pos // alignment) * alignment
        self.tensors = _place(infos, self.data_start, alignment, cursor.size)

    def _alignment(self) -> int:
        alignment = self.metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 0 < alignment <= _MAX_ALIGNMENT or alignment & (alignment - 1):
            raise WeightsError(f"general.alignment is {alignment!r}, not a power of two up to {_MAX_ALIGNMENT}")
        return alignment

    @property
    def size(self) -> int:
        return len(self._data)

    def view(self, tensor: Tensor) -> NDArray[np.uint8]:
        """The tensor's raw bytes in the mapping. Drop it before the file is closed."""
        return np.frombuffer(self._data, dtype=np.uint8, count=tensor.nbytes, offset=tensor.offset)

    def drop(self, tensor: Tensor) -> None:
        """Tell the system that the tensor's pages are not needed any more, so that they do not count as resident."""
        drop_pages(self._data, tensor.offset, tensor.nbytes)

    def close(self) -> None:
        with contextlib.suppress(BufferError):  # somebody still holds a view: the mapping ends with that
            self._data.close()


def _read_info(cursor: Cursor) -> Tensor:
    """One tensor's description, with its offset as in the file: from the start of the data."""
    name = cursor.string("a tensor's name", _MAX_NAME_BYTES)
    if not name.isprintable() or not name:
        raise WeightsError(f"a tensor is called {name[:80]!r}, which is not a name")
    what = f"the description of tensor {name}"
    dims = cursor.u32(what)
    if not 1 <= dims <= _MAX_DIMS:
        raise WeightsError(f"tensor {name} has {dims} dimensions (1 to {_MAX_DIMS} are supported)")
    sizes = [cursor.u64(what) for _ in range(dims)]
    elements = 1
    for size in sizes:
        elements *= size
        if not 0 < elements <= _MAX_ELEMENTS:
            raise WeightsError(f"tensor {name} has the shape {sizes}, which is not sane")
    kind = cursor.u32(what)
    if kind not in TYPES:
        known = _UNSUPPORTED.get(kind)
        raise WeightsError(f"tensor {name} has the {f'type {known}' if known else f'unknown type {kind}'}, "
                           "which is not supported")  # fmt: skip
    dtype, block, block_bytes = TYPES[kind]
    if sizes[0] % block:
        raise WeightsError(f"tensor {name} has rows of {sizes[0]} values, but {dtype} has blocks of {block}")
    return Tensor(name, dtype, tuple(reversed(sizes)), cursor.u64(what), elements // block * block_bytes)


def _place(infos: list[Tensor], data_start: int, alignment: int, file_size: int) -> dict[str, Tensor]:
    """Check that the tensors lie aligned inside the file, apart from each other, under different names."""
    tensors: dict[str, Tensor] = {}
    end, previous = data_start, ""
    for info in sorted(infos, key=lambda info: info.offset):
        start = data_start + info.offset
        if info.name in tensors:
            raise WeightsError(f"the tensor {info.name} appears twice")
        if info.offset % alignment:
            raise WeightsError(f"tensor {info.name} is not aligned to {alignment} bytes")
        if start < end:
            raise WeightsError(f"tensors {previous} and {info.name} overlap")
        end, previous = start + info.nbytes, info.name
        if end > file_size:
            raise WeightsError(f"the file ends inside tensor {info.name} ({file_size} bytes, {end} are needed)")
        tensors[info.name] = Tensor(info.name, info.dtype, info.shape, start, info.nbytes)
    return tensors
