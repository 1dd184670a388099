from __future__ import annotations

import os

import pytest

from spatz.bench.memory import Memory, MemoryWatch, memory, peak_memory
from spatz.errors import SpatzError


def test_own_memory_and_that_of_files_are_told_apart() -> None:
    before = memory(os.getpid())
    block = bytearray(b"x" * (64 << 20))
    after = memory(os.getpid())
    assert after.anonymous - before.anonymous > 32 << 20
    assert abs(after.files - before.files) < 32 << 20
    assert peak_memory(os.getpid()) >= after.anonymous + after.files
    del block


def test_the_most_of_each_is_kept() -> None:
    assert Memory(1, 5, 3).at_least(Memory(2, 4, 3)) == Memory(2, 5, 3)
    with MemoryWatch(os.getpid()) as watch:
        assert watch.peak.anonymous > 0
    assert watch.peak.files > 0


def test_a_process_that_is_not_there() -> None:
    with pytest.raises(SpatzError, match="does not tell the memory"):
        MemoryWatch(2**22 + 1)
