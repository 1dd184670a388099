"""A read-only mapping of a weights file: opened without blocking, regular files only, pages given back on request.

Under the GGUF and the safetensors reader. It does not guard against another process that shortens the file meanwhile.
"""

from __future__ import annotations

import mmap
import os
import stat
from pathlib import Path

from spatz.errors import WeightsError

__all__ = ["drop_pages", "map_file", "open_regular"]


def open_regular(path: Path) -> tuple[int, int]:
    """Open a regular file for reading: its descriptor and size. Raises WeightsError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a FIFO must not block here
        info = os.fstat(fd)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise WeightsError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if not stat.S_ISREG(info.st_mode):
        os.close(fd)
        raise WeightsError(f"{path}: not a regular file")
    return fd, info.st_size


def map_file(path: Path, minimum: int, kind: str) -> mmap.mmap:
    """Map the whole file. minimum: bytes that any file of this kind has. Raises WeightsError."""
    fd, size = open_regular(path)
    try:
        if size < minimum:
            raise WeightsError(f"{path.name}: this is not a {kind} file (it has {size} bytes)")
        return mmap.mmap(fd, size, access=mmap.ACCESS_READ)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be mapped: {error.strerror or error}") from None
    finally:
        os.close(fd)


def drop_pages(data: mmap.mmap, offset: int, nbytes: int) -> None:
    """Tell the system that these bytes are not needed any more, so that their pages do not count as resident."""
    start = -(-offset // mmap.PAGESIZE) * mmap.PAGESIZE
    length = (offset + nbytes) // mmap.PAGESIZE * mmap.PAGESIZE - start
    if length > 0 and hasattr(mmap, "MADV_DONTNEED"):
        data.madvise(mmap.MADV_DONTNEED, start, length)
