"""Slots of one size in mapped memory: segments of a file each, or anonymous memory where there is no folder.

The bottom of the block store: it knows neither what is in a slot nor who uses it. A segment's file is sparse; a slot
gets its room on the disk when it is allocated, so that a full disk is an error there and never a signal at a later
write, and gives it back when it is wiped: a freed slot holds nothing of what was in it.
"""

from __future__ import annotations

import ctypes
import errno
import heapq
import mmap
import os
import re
import stat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["SEGMENT_BYTES", "BlockFile"]

SEGMENT_BYTES = 128 << 20
PAGE = 4096  # slots begin at whole pages, so that the system can take one back without touching its neighbours

_ZEROS = bytes(1 << 20)
_PUNCH = 0x01 | 0x02  # FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE
_POPULATE_READ = 22  # MADV_POPULATE_READ, Linux 5.14: what cannot be read is an error here and not a signal later
_NOT_SUPPORTED = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_longlong, ctypes.c_longlong]


class BlockFile:
    """Slots 0, 1, ... of block_bytes each. take and give need one caller at a time; the rest is thread-safe."""

    def __init__(
        self, block_bytes: int, folder: Path | None = None, name: str = "", segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        if block_bytes < 1:
            raise ValueError(f"a block has at least one byte, not {block_bytes}")
        self.block_bytes = block_bytes
        self.stride = -(-block_bytes // PAGE) * PAGE
        self.per_segment = max(1, segment_bytes // self.stride)
        self._folder = folder
        self._name = name
        self._segments: dict[int, _Segment] = {}
        self._free: list[int] = []  # a heap of slots below _end: low ones first keeps files short
        self._end = 0
        self._closed = False

    # --- which slots are free ----------------------------------------------------------------------------------------

    def take(self) -> int:
        """A free slot. It has no room yet: `allocate` gives it."""
        if self._free:
            return heapq.heappop(self._free)
        self._end += 1
        return self._end - 1

    def give(self, slot: int) -> None:
        heapq.heappush(self._free, slot)

    # --- what is in them ---------------------------------------------------------------------------------------------

    def allocate(self, slot: int) -> None:
        """Raises OSError where there is no room."""
        segment, offset = self._place(slot)
        if segment.descriptor is not None:
            os.posix_fallocate(segment.descriptor, offset, self.stride)

    def data(self, slot: int) -> NDArray[np.uint8]:
        """[block_bytes] The mapped memory."""
        segment, offset = self._place(slot)
        return segment.array[offset : offset + self.block_bytes]

    def fill(self, slot: int, data: NDArray[np.uint8]) -> None:
        """Copy data into the slot: ten times as fast as through a file's map, which faults at every page."""
        segment, offset = self._place(slot)
        if segment.descriptor is None:
            segment.array[offset : offset + self.block_bytes] = data
            return
        rest = np.ascontiguousarray(data).data.cast("B")
        while rest:
            count = os.pwrite(segment.descriptor, rest, offset)
            rest, offset = rest[count:], offset + count

    def let_go(self, slot: int) -> None:
        """It will hardly be read soon: what is mapped of it does not count as this process's memory any more."""
        segment, offset = self._place(slot)
        if segment.descriptor is not None:  # memory that is no file's would be lost
            _libc.madvise(segment.address + offset, self.stride, mmap.MADV_DONTNEED)

    def readable(self, slot: int) -> bool:
        """Bring the slot into memory. False: the disk cannot read it, or the file is shorter than it was."""
        segment, offset = self._place(slot)
        if segment.descriptor is None:
            return True
        if os.fstat(segment.descriptor).st_size < offset + self.stride:
            return False
        # An older kernel does not know this and says so.
        failed = _libc.madvise(segment.address + offset, self.stride, _POPULATE_READ)
        return not failed or ctypes.get_errno() in (errno.EINVAL, errno.ENOSYS)

    def wipe(self, first: int, count: int = 1) -> None:
        """Nothing is left of what was in these slots, and their room goes back to the system."""
        while count > 0 and not self._closed:
            segment, offset = self._place(first)
            many = min(count, self.per_segment - first % self.per_segment)
            segment.wipe(offset, many * self.stride)
            first, count = first + many, count - many

    # --- files -------------------------------------------------------------------------------------------------------

    def found(self) -> dict[int, int]:
        """Segment -> the bytes of its file, for those that there are. What is no plain file of ours is taken away."""
        assert self._folder is not None
        sizes: dict[int, int] = {}
        pattern = re.compile(re.escape(self._name) + r"\.(\d{5})\.blocks")
        for path in self._folder.iterdir():
            if match := pattern.fullmatch(path.name):
                status = path.lstat()
                if stat.S_ISREG(status.st_mode):
                    sizes[int(match[1])] = status.st_size
                else:
                    path.unlink()
        return sizes

    def restore(self, used: set[int]) -> None:
        """Begin with these slots in use; whatever else is in the files is wiped, and files without any are removed."""
        segments: dict[int, list[int]] = {}
        for slot in sorted(used):
            segments.setdefault(slot // self.per_segment, []).append(slot)
        for number in self.found().keys() - segments.keys():
            self._path(number).unlink()
        for number, slots in segments.items():
            start, end = number * self.per_segment, (number + 1) * self.per_segment
            for slot in [*slots, end]:
                if slot > start:
                    self.wipe(start, slot - start)
                start = slot + 1
        self._end = max(used, default=-1) + 1
        self._free = [slot for slot in range(self._end) if slot not in used]  # ascending, so it is a heap

    def remove(self) -> None:
        """Take the files away."""
        self.close()
        if self._folder is not None:
            for number in self.found():
                self._path(number).unlink()

    def close(self) -> None:
        """Arrays that were given out stay valid; their memory goes with the last of them."""
        self._closed = True
        for segment in self._segments.values():
            segment.close()
        self._segments.clear()

    def _path(self, number: int) -> Path:
        assert self._folder is not None
        return self._folder / f"{self._name}.{number:05d}.blocks"

    def _place(self, slot: int) -> tuple[_Segment, int]:
        number, index = divmod(slot, self.per_segment)
        segment = self._segments.get(number)
        if segment is None:
            if self._closed:
                raise ValueError("the blocks' files are closed")
            made = _Segment(None if self._folder is None else self._path(number), self.per_segment * self.stride)
            segment = self._segments.setdefault(number, made)  # of two threads that make one, one wins
            if segment is not made:
                made.close()
        return segment, index * self.stride


class _Segment:
    """One mapping, of a file or of memory of its own."""

    def __init__(self, path: Path | None, size: int) -> None:
        self.descriptor: int | None = None
        if path is None:
            self._map = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        else:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o600)
            try:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    raise OSError(errno.EINVAL, "not a plain file", str(path))
                os.fchmod(descriptor, 0o600)
                if status.st_size != size:
                    os.ftruncate(descriptor, size)
                self._map = mmap.mmap(descriptor, size)
            except BaseException:
                os.close(descriptor)
                raise
            self.descriptor = descriptor
        self.array: NDArray[np.uint8] = np.frombuffer(self._map, np.uint8)
        self.address = self.array.ctypes.data

    def wipe(self, offset: int, size: int) -> None:
        if self.descriptor is None:
            if _libc.madvise(self.address + offset, size, mmap.MADV_DONTNEED):
                self.array[offset : offset + size] = 0
            return
        if not _libc.fallocate(self.descriptor, _PUNCH, offset, size):
            return
        code = ctypes.get_errno()
        if code not in _NOT_SUPPORTED:
            raise OSError(code, os.strerror(code))
        for start in range(offset, offset + size, len(_ZEROS)):  # this file system knows no holes
            os.pwrite(self.descriptor, _ZEROS[: min(len(_ZEROS), offset + size - start)], start)

    def close(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None
