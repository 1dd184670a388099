"""Blocks for the tests of the block store: each with bytes of its own that tell which one it is."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spatz.context.block_space import Space
from spatz.context.block_store import BlockStore

BYTES = 5000  # of a block, which is no whole number of pages
STRIDE = 8192
SEGMENT = 8 * STRIDE


def address(number: int, chain: str = "") -> bytes:
    return hashlib.blake2b(f"{chain}/{number}".encode(), digest_size=32).digest()


def content(number: int, chain: str = "", size: int = BYTES) -> NDArray[np.uint8]:
    return np.frombuffer(hashlib.shake_128(f"{chain}/{number}".encode()).digest(size), np.uint8)


def opened(folder: Path | None, *, blocks: int = 1000, in_memory: int = 0) -> BlockStore:
    """A store with room for so many blocks."""
    return BlockStore(
        folder, limit_bytes=blocks * STRIDE, memory_bytes=in_memory * STRIDE, segment_bytes=SEGMENT, spare_bytes=0
    )


def space_of(store: BlockStore) -> Space:
    return store.space("blocks", BYTES)


def write(space: Space, count: int, chain: str = "", *, start: int = 0, owner: str = "") -> None:
    """A chain of blocks, or its continuation."""
    for number in range(start, start + count):
        parent = address(number - 1, chain) if number else b""
        assert space.put(address(number, chain), parent, content(number, chain, space.block_bytes), owner)


def known(space: Space, count: int, chain: str = "") -> list[int]:
    """Which of the chain's blocks are there."""
    return [number for number in range(count) if address(number, chain) in space]


def holds(space: Space, number: int, chain: str = "") -> bool:
    """Whether the block is there; if so, it has to be the one that was written."""
    block = space.find(address(number, chain))
    if block is None:
        return False
    with block:
        assert (block.read() == content(number, chain, space.block_bytes)).all()
    return True
