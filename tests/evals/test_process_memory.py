from __future__ import annotations

import mmap
import os

import pytest

from spatz.errors import SpatzError
from spatz.evals.process_memory import Memory, MemoryWatch, memory, peak_memory


def test_own_memory_and_that_of_files_are_told_apart() -> None:
    before = memory(os.getpid())
    # Not of the heap, which may have so much left over that nothing is asked of the system.
    block = mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for page in range(0, len(block), mmap.PAGESIZE):
        block[page] = 1
    after = memory(os.getpid())
    assert after.anonymous - before.anonymous > 32 << 20
    assert abs(after.files - before.files) < 32 << 20
    assert peak_memory(os.getpid()) >= after.anonymous + after.files
    block.close()


def test_the_most_of_each_is_kept() -> None:
    assert Memory(1, 5, 3).at_least(Memory(2, 4, 3)) == Memory(2, 5, 3)
    with MemoryWatch(os.getpid()) as watch:
        assert watch.peak.anonymous > 0
    assert watch.peak.files > 0


def test_a_process_that_is_not_there() -> None:
    with pytest.raises(SpatzError, match="does not tell the memory"):
        MemoryWatch(2**22 + 1)
