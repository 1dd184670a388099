"""What happens to the block store's files happens here: whatever it is, no read gives a wrong byte."""

from __future__ import annotations

import errno
import logging
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from context.blocks import BYTES, STRIDE, address, content, holds, known, opened, space_of, write
from spatz.context.block import DamagedBlock
from spatz.context.block_index import VERSION, BlockIndex
from spatz.context.block_store import BlockStore

COUNT = 12  # blocks, in two segments
KINDS = ("blocks.00000.blocks", "blocks.00001.blocks", "index.db", "index.db-wal", "index.db-shm")
TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a server that was killed leaves: half of it in the index's log."""
    base = tmp_path_factory.mktemp("crashed")
    with opened(base / "live") as store:
        write(space_of(store), COUNT // 2, owner="key_1")
    with opened(base / "live") as store:
        write(space_of(store), COUNT - COUNT // 2, start=COUNT // 2, owner="key_2")
        store.flush()
        shutil.copytree(base / "live", base / "dead")
    assert {path.name for path in (base / "dead").iterdir()} == set(KINDS)
    return base / "dead"


@pytest.fixture
def folder(crashed: Path, tmp_path: Path) -> Path:
    return shutil.copytree(crashed, tmp_path / "cache")


def sound(store: BlockStore) -> int:
    """How many blocks are there. Each has to be the one that was written, or to be known as damaged."""
    space, count = space_of(store), 0
    for number in range(COUNT):
        try:
            count += holds(space, number)
        except DamagedBlock:
            assert address(number) not in space
    return count


def works(store: BlockStore) -> None:
    """It takes new blocks and finds them again."""
    write(space_of(store), 3, "new")
    assert all(holds(space_of(store), number, "new") for number in range(3))


def test_what_was_committed_before_a_crash_is_found(folder: Path) -> None:
    with opened(folder) as store:
        assert sound(store) == COUNT
        assert store.stats().owners.keys() == {"key_1", "key_2"}
        works(store)


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bytes_give_no_wrong_block(kind: str, crashed: Path, tmp_path: Path) -> None:
    source = random.Random(kind)
    size = (crashed / kind).stat().st_size
    for turn in range(40):
        folder = shutil.copytree(crashed, tmp_path / f"cache{turn}")
        with (folder / kind).open("r+b") as file:
            for _ in range(source.choice((1, 1, 8, 200))):
                at = source.randrange(size) if turn % 2 else source.randrange(min(size, 4096))
                file.seek(at)
                old = file.read(1)[0]
                file.seek(at)
                file.write(bytes([old ^ source.randrange(1, 256)]))
        with opened(folder) as store:
            sound(store)
            works(store)
        with opened(folder) as store:
            assert sound(store) == len(known(space_of(store), COUNT))  # what was damaged has been dropped
            assert known(space_of(store), 3, "new") == [0, 1, 2]
        shutil.rmtree(folder)


def test_every_block_is_checked(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(COUNT):
        segment, place = divmod(number, 8)
        with (folder / KINDS[segment]).open("r+b") as file:
            file.seek(place * STRIDE + number * 400)
            file.write(b"\0\1\2")
    with opened(folder) as store:
        for number in range(COUNT):
            with pytest.raises(DamagedBlock):
                holds(space_of(store), number)
        assert store.stats().damaged == COUNT and store.stats().disk_bytes == 0
        works(store)
    assert caplog.text.count("is damaged and dropped") == 1
    with opened(folder) as store:
        assert (sound(store), store.stats().damaged) == (0, COUNT)


def test_a_block_in_the_wrong_place_is_damaged(folder: Path) -> None:
    with (folder / KINDS[0]).open("r+b") as file:
        first, second = file.read(STRIDE), file.read(STRIDE)
        file.seek(0)
        file.write(second + first)
    with opened(folder) as store:
        assert sound(store) == COUNT - 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_file_gives_no_wrong_block(kind: str, crashed: Path, tmp_path: Path) -> None:
    size = (crashed / kind).stat().st_size
    for turn, length in enumerate({0, 1, 99, 100, 4095, 4096, 8192, 10_000, size // 2, size - 1} & set(range(size))):
        folder = shutil.copytree(crashed, tmp_path / f"cache{turn}")
        os.truncate(folder / kind, length)
        with opened(folder) as store:
            count = sound(store)
            works(store)
        if kind.endswith(".blocks"):
            used = 8 if kind == KINDS[0] else COUNT - 8
            assert count == COUNT - used + min(used, length // STRIDE)
        shutil.rmtree(folder)


def test_a_file_that_is_truncated_while_it_is_used_is_no_signal(folder: Path) -> None:
    with opened(folder) as store:
        os.truncate(folder / KINDS[0], STRIDE)
        assert sound(store) == COUNT - 7
        os.truncate(folder / KINDS[0], 8 * STRIDE)  # what is mapped can be wiped again


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["gone", "empty", "noise", "larger", "folder", "link"])
def test_a_file_that_is_something_else(kind: str, what: str, folder: Path, tmp_path: Path) -> None:
    path, target = folder / kind, tmp_path / "target"
    size = path.stat().st_size
    target.write_bytes(b"of somebody else")
    if what == "larger":
        with path.open("ab") as file:
            file.write(bytes(5000))
    else:
        path.unlink()
    if what == "noise":
        path.write_bytes(random.Random(1).randbytes(size))
    elif what == "empty":
        path.touch()
    elif what == "folder":
        path.mkdir()
    elif what == "link":
        path.symlink_to(target)
    with opened(folder, in_memory=9) as store:
        sound(store)
        works(store)
    assert target.read_bytes() == b"of somebody else"


def change_version(folder: Path) -> None:
    connection = sqlite3.connect(folder / "index.db")
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()


def change_application(folder: Path) -> None:
    connection = sqlite3.connect(folder / "index.db")
    connection.execute("PRAGMA application_id = 1")
    connection.close()


def drop_a_table(folder: Path) -> None:
    connection = sqlite3.connect(folder / "index.db")
    connection.execute("DROP TABLE entries")
    connection.close()


def rename_the_space(folder: Path) -> None:
    connection = sqlite3.connect(folder / "index.db", isolation_level=None)
    connection.execute("UPDATE spaces SET name = '../blocks'")
    connection.close()


@pytest.mark.parametrize("change", [change_version, change_application, drop_a_table, rename_the_space])
def test_a_cache_that_is_not_ours_begins_anew(
    change: Callable[[Path], None], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    change(folder)
    with opened(folder) as store:
        assert store.on_disk and store.stats().entries == 0
        for path in folder.iterdir():
            assert content(0).tobytes()[:64] not in path.read_bytes()
        works(store)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "begins anew" in caplog.text
    with opened(folder) as store:
        assert known(space_of(store), 3, "new") == [0, 1, 2]


def test_rows_that_do_not_fit_are_dropped(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of the right types or not: a seal is over all that a row says."""
    connection = sqlite3.connect(folder / "index.db", isolation_level=None)
    for slot, change in enumerate(
        (
            "slot = 10000",
            "owner = 'other'",
            "digest = x'00'",
            "parent = 7",
            "used = -1",
            "checksum = 'text'",
            "space = 9",
        )
    ):
        connection.execute(f"UPDATE entries SET {change} WHERE slot = {slot}")
    connection.close()
    with opened(folder) as store:
        assert known(space_of(store), COUNT) == list(range(7, COUNT))
        assert sound(store) == COUNT - 7
    assert caplog.text.count("has lost 7 blocks") == 1
    caplog.clear()
    with opened(folder) as store:
        assert sound(store) == COUNT - 7
        for number in range(7):  # what no row speaks of is wiped
            assert content(number).tobytes()[:64] not in (folder / KINDS[0]).read_bytes()
    assert not caplog.records


def test_files_that_no_row_speaks_of_are_removed(folder: Path) -> None:
    (folder / "blocks.00007.blocks").write_bytes(bytes(100))
    (folder / "unknown.00000.blocks").write_bytes(bytes(100))
    with opened(folder) as store:
        assert sound(store) == COUNT
    assert not (folder / "blocks.00007.blocks").exists() and not (folder / "unknown.00000.blocks").exists()


# --- a full disk -----------------------------------------------------------------------------------------------------


def test_on_a_full_disk_the_oldest_make_room_and_then_memory_does(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The disk has no room but for what is freed."""
    real, room = os.posix_fallocate, [0]

    def full(descriptor: int, offset: int, size: int) -> None:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        room[0] -= 1
        real(descriptor, offset, size)

    with opened(folder, in_memory=2) as store:
        space = space_of(store)
        monkeypatch.setattr(os, "posix_fallocate", full)
        assert space.put(address(0, "new"), b"", content(0, "new"))  # in memory, after some evictions
        assert len(known(space, COUNT)) == COUNT - 4
        assert store.stats().memory_bytes == STRIDE
        room[0] = 1
        assert space.put(address(1, "new"), b"", content(1, "new"))
        assert store.stats().memory_bytes == STRIDE
        assert all(holds(space, number, "new") for number in range(2))
    assert caplog.text.count("gives no more room") == 1


def test_a_disk_is_not_filled_to_the_brim(tmp_path: Path) -> None:
    with BlockStore(tmp_path, limit_bytes=1 << 30, memory_bytes=2 * STRIDE, spare_bytes=1 << 60) as store:
        write(space_of(store), 2)
        assert (store.stats().disk_bytes, store.stats().memory_bytes) == (0, 2 * STRIDE)


def test_files_that_may_not_grow(tmp_path: Path) -> None:
    """A real limit, in a process of its own."""
    code = (
        "import sys; from pathlib import Path; from context.blocks import *\n"
        "store = opened(Path(sys.argv[1]), in_memory=3); space = space_of(store)\n"
        "write(space, 1, 'before')\n"
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "kept = [space.put(address(n, 'more'), b'', content(n, 'more')) for n in range(9)]\n"
        "blocks = [space.find(address(n, 'more')) for n in range(9)]\n"
        "assert all((block.read() == content(n, 'more')).all() for n, block in enumerate(blocks) if block)\n"
        "print(any(kept), sum(block is not None for block in blocks)); store.flush()\n"
        "import os; sys.stdout.flush(); os._exit(0)"
    )
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 0
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "cache")], cwd=TESTS, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    anything, count = done.stdout.split()
    assert anything == "True" and int(count) >= 3
    with opened(tmp_path / "cache") as store:
        for number in known(space_of(store), 9, "more"):
            holds(space_of(store), number, "more")


def test_an_index_that_cannot_be_written_costs_the_next_process_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with opened(folder) as store:
        with monkeypatch.context() as patch:
            patch.setattr(BlockIndex, "put", fail)
            works(store)
            store.flush()
            store.space("another", BYTES)
        write(space_of(store), 1, "later")
    assert caplog.text.count("the cache's index cannot be written") == 1
    with opened(folder) as store:
        assert (known(space_of(store), 3, "new"), known(space_of(store), 1, "later")) == ([], [0])
        assert sound(store) == COUNT


# --- killed ----------------------------------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from context.blocks import *
store = opened(Path(sys.argv[1]), blocks=40)
space = space_of(store)
number = 0
while True:
    for _ in range(3):
        space.put(address(number), b"", content(number))
        number += 1
    store.flush()
    print(number, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 2, 3, 5, 9, 14, 23, 40])
def test_a_writer_that_is_killed_loses_at_most_what_it_is_writing(lines: int, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], cwd=TESTS, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    for _ in range(lines):
        told = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    rest = writer.stdout.read().split()
    writer.stdout.close()
    writer.wait()
    told = int(rest[-1]) if rest else told
    with opened(folder, blocks=40) as store:
        space = space_of(store)
        there = known(space, told + 4)
        # Of what it said was written, that which its last steps may have evicted is gone; all else is there.
        assert set(range(max(0, told - 40 + 4), told)) <= set(there)
        assert len(there) <= 40
        for number in there:
            if number < told and number >= told - 40 + 4:
                assert holds(space, number)
        works(store)
    with opened(folder, blocks=40) as store:
        assert known(space_of(store), 3, "new") == [0, 1, 2]
