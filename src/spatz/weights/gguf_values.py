"""The metadata of a GGUF file: keys and typed values, read one after another and never past the end of the file.

The lower half of the GGUF reader. Counts, lengths, types and nesting are checked before anything is allocated. It knows
no key's meaning.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatz.errors import WeightsError

__all__ = ["Cursor", "Metadata", "Value", "read_metadata"]

Value = bool | int | float | str | list["Value"] | NDArray[np.generic]
"""A metadata value. Arrays of strings are lists of str, arrays of numbers are numpy arrays."""

_MAX_KEYS = 4096  # real files have 20 to 60
_MAX_KEY_BYTES = 1024
_MAX_STRING_BYTES = 16 << 20  # the longest real ones are chat templates, some 20 KB
_MAX_STRINGS = 4 << 20  # in one array; Gemma has 262,144 tokens and 514,906 merges
_MAX_NESTING = 2  # arrays of arrays
_MAX_NESTED_ARRAYS = 65_536

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_STRING, _ARRAY, _BOOL = 8, 9, 7
_SCALARS: dict[int, tuple[struct.Struct, str]] = {
    0: (struct.Struct("<B"), "<u1"),
    1: (struct.Struct("<b"), "<i1"),
    2: (struct.Struct("<H"), "<u2"),
    3: (struct.Struct("<h"), "<i2"),
    4: (struct.Struct("<I"), "<u4"),
    5: (struct.Struct("<i"), "<i4"),
    6: (struct.Struct("<f"), "<f4"),
    _BOOL: (struct.Struct("<B"), "<u1"),
    10: (struct.Struct("<Q"), "<u8"),
    11: (struct.Struct("<q"), "<i8"),
    12: (struct.Struct("<d"), "<f8"),
}


@dataclass(frozen=True, slots=True)
class _StringArray:
    """Where the strings of an array lie; decoded when they are asked for, which many callers never do."""

    blob: bytes
    starts: NDArray[np.int64]  # [count] of each string's length field in blob; the string follows after 8 bytes

    def decode(self, key: str) -> list[Value]:
        if not len(self.starts):
            return []
        # All at once, five times as fast as one by one: of each length field only the last byte stays, which is zero
        # (no string is 2^56 bytes long) and so parts the strings, unless one of them has a NUL of its own.
        keep = np.ones(len(self.blob), dtype=np.bool_)
        keep[(self.starts[:, None] + np.arange(7)).ravel()] = False
        joined = np.frombuffer(self.blob, dtype=np.uint8)[keep].tobytes()
        if joined.count(0) == len(self.starts):
            try:
                return list[Value](joined.decode().split("\0")[1:])
            except UnicodeDecodeError:
                pass  # the slow way can say which one
        strings: list[Value] = []
        for start, end in zip(self.starts.tolist(), [*self.starts[1:].tolist(), len(self.blob)], strict=True):
            try:
                strings.append(self.blob[start + 8 : end].decode())
            except UnicodeDecodeError:
                raise WeightsError(f"string {len(strings)} of {key} is not valid UTF-8") from None
        return strings


class Metadata(Mapping[str, Value]):
    """The file's key-value pairs. Arrays of strings are decoded at the first access."""

    def __init__(self, raw: dict[str, Value | _StringArray], origin: str) -> None:
        self._raw = raw
        self._origin = origin

    def __getitem__(self, key: str) -> Value:
        value = self._raw[key]
        if isinstance(value, _StringArray):
            try:
                value = self._raw[key] = value.decode(key)
            except WeightsError as error:
                raise WeightsError(f"{self._origin}: {error}") from None
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def __contains__(self, key: object) -> bool:
        return key in self._raw


class Cursor:
    """Reads values one after another, never past the end of the mapping."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.size = len(data)
        self.pos = 0

    def need(self, count: int, what: str) -> int:
        """Claim count bytes and give the position where they start."""
        start = self.pos
        if count > self.size - start:
            raise WeightsError(f"the file ends inside {what}")
        self.pos = start + count
        return start

    def u32(self, what: str) -> int:
        return int(_U32.unpack_from(self.data, self.need(4, what))[0])

    def u64(self, what: str) -> int:
        return int(_U64.unpack_from(self.data, self.need(8, what))[0])

    def string(self, what: str, limit: int) -> str:
        length = self.u64(what)
        if length > limit:
            raise WeightsError(f"{what} claims {length} bytes, more than the {limit} that are sane")
        start = self.need(length, what)
        try:
            return self.data[start : start + length].decode()
        except UnicodeDecodeError:
            raise WeightsError(f"{what} is not valid UTF-8") from None

    def value(self, kind: int, what: str, depth: int = 0) -> Value | _StringArray:
        if kind == _STRING:
            return self.string(what, _MAX_STRING_BYTES)
        if kind == _ARRAY:
            return self.array(what, depth)
        if kind not in _SCALARS:
            raise WeightsError(f"{what} has the unknown value type {kind}")
        layout, _ = _SCALARS[kind]
        number: int | float = layout.unpack_from(self.data, self.need(layout.size, what))[0]
        if kind == _BOOL:
            if number not in (0, 1):
                raise WeightsError(f"{what} is a boolean with the value {number}")
            return bool(number)
        return number

    def array(self, what: str, depth: int) -> Value | _StringArray:
        kind = self.u32(what)
        count = self.u64(what)
        if kind == _STRING:
            return self.strings(count, what)
        if kind == _ARRAY:
            if depth >= _MAX_NESTING:
                raise WeightsError(f"{what} nests arrays more than {_MAX_NESTING} deep")
            if count > min(_MAX_NESTED_ARRAYS, (self.size - self.pos) // 12):
                raise WeightsError(f"{what} claims {count} arrays")
            nested: list[Value] = []
            for _ in range(count):
                value = self.array(what, depth + 1)
                nested.append(value.decode(what) if isinstance(value, _StringArray) else value)
            return nested
        if kind not in _SCALARS:
            raise WeightsError(f"{what} is an array of the unknown value type {kind}")
        layout, dtype = _SCALARS[kind]
        start = self.need(count * layout.size, what)
        numbers = np.frombuffer(self.data[start : self.pos], dtype=dtype)  # a copy: it outlives the mapping
        if kind != _BOOL:
            return numbers
        if numbers.size and int(numbers.max()) > 1:
            raise WeightsError(f"{what} is an array of booleans with other values than 0 and 1")
        return numbers.astype(np.bool_)

    def strings(self, count: int, what: str) -> _StringArray:
        if count > _MAX_STRINGS:
            raise WeightsError(f"{what} claims {count} strings, more than the {_MAX_STRINGS} that are sane")
        if count > (self.size - self.pos) // 8:
            raise WeightsError(f"the file ends inside {what}")
        starts, length = self.walk_short(count) or self.walk(count, what)
        start = self.need(length, what)
        return _StringArray(self.data[start : start + length], starts)

    def walk_short(self, count: int) -> tuple[NDArray[np.int64], int] | None:
        """Where the strings of an array start, and the bytes of it all, if each is shorter than 256 bytes; else None.

        The one hot loop of the reader (100,000 strings in the embedded model): one byte a string is a quarter of the
        time that the whole length takes. The other seven bytes are checked afterwards, all at once.
        """
        window = self.data[self.pos : self.pos + 64 * count + 4096]
        starts, pos = [], 0
        try:
            for _ in range(count):
                starts.append(pos)
                pos += 8 + window[pos]
        except IndexError:
            return None
        if pos > len(window):
            return None
        offsets = np.array(starts, dtype=np.int64)
        if np.frombuffer(window, dtype=np.uint8)[offsets[:, None] + np.arange(1, 8)].any():
            return None
        return offsets, pos

    def walk(self, count: int, what: str) -> tuple[NDArray[np.int64], int]:
        """The same with whole lengths."""
        starts, pos, room = [], 0, self.size - self.pos
        for _ in range(count):
            starts.append(pos)
            if pos + 8 > room:
                raise WeightsError(f"the file ends inside {what}")
            pos += 8 + int(_U64.unpack_from(self.data, self.pos + pos)[0])
        return np.array(starts, dtype=np.int64), pos


def read_metadata(cursor: Cursor, origin: str, count: int) -> Metadata:
    if count > _MAX_KEYS:
        raise WeightsError(f"the header claims {count} metadata keys, more than the {_MAX_KEYS} that are sane")
    pairs: dict[str, Value | _StringArray] = {}
    for index in range(count):
        key = cursor.string(f"metadata key {index}", _MAX_KEY_BYTES)
        if not key.isprintable() or not key:
            raise WeightsError(f"metadata key {index} is {key[:80]!r}, which is not a name")
        if key in pairs:
            raise WeightsError(f"the metadata key {key} appears twice")
        pairs[key] = cursor.value(cursor.u32(key), key)
    return Metadata(pairs, origin)
