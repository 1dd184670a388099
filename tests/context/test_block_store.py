from __future__ import annotations

import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from context.blocks import BYTES, SEGMENT, STRIDE, address, content, holds, known, opened, space_of, write
from spatz.context.block_store import BlockStore
from spatz.errors import OverloadedError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def bytes_of(folder: Path) -> bytes:
    """All that is in the folder's files."""
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def test_blocks_are_found_again_with_their_bytes(folder: Path) -> None:
    with opened(folder) as store:
        write(space_of(store), 20)
        assert all(holds(space_of(store), number) for number in range(20))
    with opened(folder) as store:
        assert all(holds(space_of(store), number) for number in range(20))
        assert not holds(space_of(store), 20)
        stats = store.stats()
    assert (stats.on_disk, stats.entries, stats.disk_bytes) == (True, 20, 20 * STRIDE)
    assert (stats.hits, stats.misses, stats.damaged, stats.evictions) == (40, 1, 0, 0)


def test_a_block_is_found_as_soon_as_it_is_committed_and_not_before(folder: Path) -> None:
    with opened(folder) as store:
        space = space_of(store)
        block = space.reserve()
        block.data[:] = content(0)
        assert space.find(address(0)) is None
        space.commit(block, address(0), b"")
        block.release()
        block.release()  # which changes nothing
        assert holds(space, 0)


def test_what_is_committed_is_not_written_any_more(folder: Path) -> None:
    with opened(folder) as store, space_of(store).reserve() as block:
        block.fill(content(0))
        space_of(store).commit(block, address(0), b"")
        with pytest.raises(ValueError, match="read-only"):
            block.data[0] = 1
        with pytest.raises(ValueError, match="not written any more"):
            block.fill(content(1))
        with pytest.raises(ValueError, match="committed already"):
            space_of(store).commit(block, address(1), b"")


@pytest.mark.parametrize("data", [np.zeros(BYTES - 1, np.uint8), np.zeros(BYTES, np.int8)])
def test_a_block_is_filled_as_a_whole(data: np.ndarray, folder: Path) -> None:
    with opened(folder) as store, space_of(store).reserve() as block, pytest.raises(ValueError, match="5000 bytes"):
        block.fill(data)


@pytest.mark.parametrize("digest", [b"", bytes(65)])
def test_addresses_have_bounds(digest: bytes, folder: Path) -> None:
    with opened(folder) as store, space_of(store).reserve() as block, pytest.raises(ValueError, match="1 to 64 bytes"):
        space_of(store).commit(block, digest, b"")


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A", "a.b", "x" * 65])
def test_a_space_has_a_plain_name(name: str) -> None:
    with opened(None) as store, pytest.raises(ValueError, match="no name of a space"):
        store.space(name, 1)


def test_of_two_blocks_with_one_address_the_first_stays(folder: Path) -> None:
    with opened(folder) as store:
        space = space_of(store)
        write(space, 1)
        with space.reserve() as second:
            second.fill(content(0))
            space.commit(second, address(0), b"")
            assert (second.read() == content(0)).all()
            assert store.stats().disk_bytes == 2 * STRIDE
        assert store.stats().disk_bytes == STRIDE
        assert holds(space, 0)


def test_a_chain_is_found_up_to_its_first_gap(folder: Path) -> None:
    with opened(folder) as store:
        space = space_of(store)
        write(space, 6)
        space.drop(address(4))
        found = space.find_all(address(number) for number in range(6))
        assert [block.digest for block in found] == [address(number) for number in range(4)]
        for block in found:
            block.release()


# --- limits ----------------------------------------------------------------------------------------------------------


def test_the_longest_unused_goes_first_and_of_a_chain_the_last(folder: Path) -> None:
    with opened(folder, blocks=6) as store:
        space = space_of(store)
        write(space, 3, "old")
        write(space, 3, "new")
        write(space, 2, "newest")
        assert (known(space, 3, "old"), known(space, 3, "new"), known(space, 2, "newest")) == ([0], [0, 1, 2], [0, 1])
        assert store.stats().evictions == 2


def test_what_is_touched_stays_longer(folder: Path) -> None:
    with opened(folder, blocks=6) as store:
        space = space_of(store)
        write(space, 3, "old")
        write(space, 3, "new")
        blocks = space.find_all(address(number, "old") for number in range(3))
        space.touch(blocks)
        for block in blocks:
            block.release()
        write(space, 2, "newest")
        assert (known(space, 3, "old"), known(space, 3, "new")) == ([0, 1, 2], [0])


def test_the_order_of_use_outlives_a_restart(folder: Path) -> None:
    with opened(folder, blocks=6) as store:
        space = space_of(store)
        write(space, 3, "old")
        write(space, 3, "new")
        blocks = space.find_all(address(number, "old") for number in range(3))
        space.touch(blocks)
        for block in blocks:
            block.release()
    with opened(folder, blocks=6) as store:
        write(space_of(store), 2, "newest")
        assert (known(space_of(store), 3, "old"), known(space_of(store), 3, "new")) == ([0, 1, 2], [0])


def test_spaces_share_the_limit(folder: Path) -> None:
    with opened(folder, blocks=4) as store:
        write(space_of(store), 4)
        write(store.space("large", 2 * STRIDE), 1)
        assert known(space_of(store), 4) == [0, 1]
        assert store.stats().disk_bytes == 4 * STRIDE


def test_what_is_in_use_stays_and_what_has_no_room_beside_it_lies_in_memory(folder: Path) -> None:
    with opened(folder, blocks=3, in_memory=2) as store:
        space = space_of(store)
        write(space, 3)
        held = space.find_all(address(number) for number in range(3))
        write(space, 2, "more")
        more = space.find_all(address(number, "more") for number in range(2))
        assert known(space, 3) == [0, 1, 2] and store.stats().memory_bytes == 2 * STRIDE
        with pytest.raises(OverloadedError) as refused:
            space.reserve()
        assert (refused.value.status, refused.value.retry_after) == (503, 5)
        for number, block in enumerate(more):
            assert (block.read() == content(number, "more")).all()
            block.release()
        write(space, 1, "last")  # which takes the place of what is used no more
        assert known(space, 2, "more") == [0]
        for block in held:
            block.release()
        write(space, 1, "again")
        assert known(space, 3) == [0, 1]
    with opened(folder) as store:
        assert (known(space_of(store), 3), known(space_of(store), 2, "more")) == ([0, 1], [])


def test_a_lower_limit_holds_from_the_start(folder: Path) -> None:
    with opened(folder) as store:
        write(space_of(store), 20)
    with opened(folder, blocks=5) as store:
        assert known(space_of(store), 20) == [0, 1, 2, 3, 4]


def test_room_is_had_again_and_again(folder: Path) -> None:
    """Slots are used anew: files do not grow beyond the limit."""
    with opened(folder, blocks=8) as store:
        write(space_of(store), 200)
        assert store.stats().entries == 8
        assert all(holds(space_of(store), number) for number in known(space_of(store), 200))
    assert sum(path.stat().st_size for path in folder.glob("*.blocks")) <= 2 * SEGMENT


# --- deletion --------------------------------------------------------------------------------------------------------


def test_an_owners_entries_are_deleted_and_nothing_is_left_of_them(folder: Path) -> None:
    with opened(folder) as store:
        space = space_of(store)
        write(space, 5, "mine", owner="key_1")
        write(space, 5, "other", owner="key_2")
        store.flush()
        assert content(2, "mine").tobytes()[:64] in bytes_of(folder)
        assert store.clear(owner="key_1") == 5
        store.flush()
        assert (known(space, 5, "mine"), known(space, 5, "other")) == ([], [0, 1, 2, 3, 4])
        left = bytes_of(folder)
        for number in range(5):
            data = content(number, "mine").tobytes()
            assert not any(data[at : at + 32] in left for at in range(0, BYTES - 32, 500))
            assert address(number, "mine") not in left
            assert content(number, "other").tobytes() in left
        assert b"key_1" not in left and b"key_2" in left
        assert store.stats().owners.keys() == {"key_2"}
    with opened(folder) as store:
        assert (known(space_of(store), 5, "mine"), known(space_of(store), 5, "other")) == ([], [0, 1, 2, 3, 4])


def test_one_entry_or_all_are_deleted(folder: Path) -> None:
    with opened(folder) as store:
        space = space_of(store)
        write(space, 5)
        assert store.clear(digest=address(1)) == 1
        assert known(space, 5) == [0, 2, 3, 4]
        assert store.clear(digest=address(7)) == 0
        assert store.clear() == 4
        assert known(space, 5) == [] and store.stats().disk_bytes == 0
        write(space, 3)
    with opened(folder) as store:
        assert known(space_of(store), 5) == [0, 1, 2]


def test_what_is_deleted_while_it_is_used_is_wiped_when_it_is_released(folder: Path) -> None:
    with opened(folder) as store:
        space = space_of(store)
        write(space, 1)
        store.flush()
        block = space.find(address(0))
        assert block is not None
        assert store.clear() == 1
        assert space.find(address(0)) is None
        assert (block.read() == content(0)).all()
        assert content(0).tobytes() in bytes_of(folder)
        block.release()
        assert content(0).tobytes()[:64] not in bytes_of(folder)


def test_evicted_and_unfinished_blocks_leave_nothing(folder: Path) -> None:
    with opened(folder, blocks=2) as store:
        for chain in "abcde":
            write(space_of(store), 1, chain)
        with space_of(store).reserve() as block:
            block.fill(content(99))
        left = bytes_of(folder)
        assert store.stats().disk_bytes == STRIDE
    for number, chain in [(0, "a"), (0, "b"), (0, "c"), (0, "d"), (99, "")]:
        assert content(number, chain).tobytes()[:64] not in left
    assert content(0, "e").tobytes() in left


def test_a_space_of_another_size_begins_anew(folder: Path) -> None:
    with opened(folder) as store:
        write(space_of(store), 3)
        write(store.space("other", BYTES), 1)
    with opened(folder) as store:
        space = store.space("blocks", BYTES + 1)
        assert known(space, 3) == []
        write(space, 2)
        assert content(2).tobytes()[:64] not in bytes_of(folder)
        assert known(store.space("other", BYTES), 1) == [0]
    with opened(folder) as store:
        assert known(store.space("blocks", BYTES + 1), 3) == [0, 1]


# --- processes, threads, files ---------------------------------------------------------------------------------------


def test_files_are_private(folder: Path) -> None:
    with opened(folder) as store:
        write(space_of(store), 3)
        store.flush()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        names = {path.name for path in folder.iterdir()}
        assert names == {"blocks.00000.blocks", "index.db", "index.db-shm", "index.db-wal"}
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_without_a_folder_everything_lies_in_memory() -> None:
    with opened(None, in_memory=4) as store:
        write(space_of(store), 3, "old")
        write(space_of(store), 3, "new")
        assert (known(space_of(store), 3, "old"), known(space_of(store), 3, "new")) == ([0], [0, 1, 2])
        assert holds(space_of(store), 0, "old") and holds(space_of(store), 2, "new")
        assert store.clear() == 4
        stats = store.stats()
        assert (stats.on_disk, stats.memory_bytes, stats.disk_bytes, stats.evictions) == (False, 0, 0, 2)


@pytest.mark.parametrize("on_disk", [True, False])
def test_what_is_let_go_is_still_there(folder: Path, on_disk: bool) -> None:
    with opened(folder if on_disk else None, in_memory=0 if on_disk else 100) as store:
        space = space_of(store)
        write(space, 3)
        for entry in space.entries.values():
            entry.file.let_go(entry.slot)
        assert all(holds(space, number) for number in range(3))


def test_a_limit_of_nothing_leaves_the_folder_alone(folder: Path) -> None:
    with opened(folder, blocks=0, in_memory=1) as store:
        write(space_of(store), 1)
    assert not folder.exists()


def test_a_second_process_keeps_its_own_in_memory(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(folder) as store:
        write(space_of(store), 3)
        code = (
            "import logging, sys; from pathlib import Path; from context.blocks import *; "
            "logging.basicConfig(level=logging.INFO); "
            "store = opened(Path(sys.argv[1]), in_memory=9); write(space_of(store), 2, 'second'); "
            "print(store.on_disk, store.stats().entries, all(holds(space_of(store), n, 'second') for n in range(2)))"
        )
        tests = Path(__file__).parents[1]
        command = [sys.executable, "-c", code, str(folder)]
        done = subprocess.run(command, cwd=tests, capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout.split() == ["False", "2", "True"]
        assert "another process has the cache" in done.stderr
        assert known(space_of(store), 3) == [0, 1, 2]
    with opened(folder) as store:  # which is free again
        assert store.on_disk and known(space_of(store), 3) == [0, 1, 2]


def test_a_folder_that_cannot_be_had(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "cache").write_text("a file")
    with opened(tmp_path / "cache", in_memory=2) as store:
        assert not store.on_disk
        write(space_of(store), 1)
        assert holds(space_of(store), 0)
    assert "cannot be used" in caplog.text


def test_a_closed_store_gives_no_blocks(folder: Path) -> None:
    store = opened(folder, in_memory=1)
    space = space_of(store)
    store.close()
    store.close()
    with pytest.raises(OverloadedError):
        space.reserve()


def test_many_threads(folder: Path) -> None:
    """Each thread writes, reads and drops; what a thread reads is what was written."""
    failures: list[BaseException] = []
    with opened(folder, blocks=24, in_memory=8) as store:
        space = space_of(store)

        def work(name: str) -> None:
            try:
                for number in range(60):
                    space.put(address(number % 10, name), b"", content(number % 10, name))
                    for other in "abcd":
                        block = space.find(address(number % 7, other))
                        if block is not None:
                            with block:
                                space.touch([block])
                                assert (block.read() == content(number % 7, other)).all()
                    if number % 9 == 0:
                        space.drop(address(number % 5, name))
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        stats = store.stats()
        assert stats.entries * STRIDE == stats.disk_bytes + stats.memory_bytes
        assert stats.disk_bytes <= 24 * STRIDE and stats.memory_bytes <= 8 * STRIDE
    with opened(folder) as store:
        for name in "abcd":
            assert all(holds(space_of(store), number, name) for number in known(space_of(store), 10, name))
        assert store.stats().damaged == 0


def test_wishes_of_another_process_are_fulfilled(folder: Path) -> None:
    from spatz.context.block_index import BlockIndex

    with opened(folder) as store:
        write(space_of(store), 3, owner="key_1")
        write(space_of(store), 3, "other")
        store.flush()
        beside = BlockIndex.wishing(folder)
        assert beside is not None
        number = beside.wish("key_1", None)
    # The writer's last look comes before the store is closed.
    assert beside.fulfilled(number) == 3
    assert beside.fulfilled(number) is None  # it is told once
    number = beside.wish(None, address(1, "other"))
    beside.close()
    with opened(folder) as store:
        store.flush()
        assert (known(space_of(store), 3), known(space_of(store), 3, "other")) == ([], [0, 2])


def test_a_store_of_many_blocks_is_whole_after_it_was_opened(tmp_path: Path) -> None:
    with BlockStore(tmp_path, limit_bytes=1 << 30, memory_bytes=0, spare_bytes=0) as store:
        write(store.space("small", 16), 5000)
    with BlockStore(tmp_path, limit_bytes=1 << 30, memory_bytes=0, spare_bytes=0) as store:
        found = store.space("small", 16).find_all(address(number) for number in range(5000))
        assert len(found) == 5000
        for number, block in enumerate(found):
            assert (block.read() == content(number, size=16)).all()
            block.release()
