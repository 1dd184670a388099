"""Stored files: rows and bytes together, what crashes leave behind, and when it is swept away."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from spatz.store.batches import Batches
from spatz.store.db import Database
from spatz.store.drafts import STRAY_SECONDS, Directory, StorageFull
from spatz.store.files import File, FileInUse, Files, files


@pytest.fixture
def stored(database: Database, tmp_path: Path) -> Iterator[Files]:
    stored = Files(database, tmp_path / "files", limit=1000, days=0)
    yield stored
    stored.directory.instance.close()


async def put(stored: Files, content: bytes = b"abc", owner: str = "me", seconds: int | None = None) -> File:
    draft = await stored.draft()
    draft.write(content)
    return await stored.keep(draft, owner, "name", "batch", seconds)


def on_disk(stored: Files, tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "files").iterdir() if path.suffix != ".lock"}


async def test_a_file(stored: Files, tmp_path: Path) -> None:
    file = await put(stored)
    assert (file.bytes, file.filename, file.purpose, file.expires_at) == (3, "name", "batch", None)
    assert file.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert await stored.find("me", file.id) == file
    assert await stored.find("you", file.id) is None
    assert stored.directory.path(file.id).read_bytes() == b"abc"
    assert not await stored.delete("you", file.id)
    assert await stored.delete("me", file.id)
    assert await stored.find("me", file.id) is None
    assert on_disk(stored, tmp_path) == set()


async def test_the_limit_counts_what_is_being_written(stored: Files, tmp_path: Path) -> None:
    await put(stored, bytes(400))
    one, two = await stored.draft(), await stored.draft()
    one.write(bytes(400))
    with pytest.raises(StorageFull):
        two.write(bytes(400))
    two.discard()
    file = await stored.keep(one, "me", "one", "batch")
    late = await stored.draft()
    late.write(bytes(200))
    with pytest.raises(StorageFull):
        late.write(b"x")
    late.discard()
    assert on_disk(stored, tmp_path) >= {file.id}
    assert len(on_disk(stored, tmp_path)) == 2
    await put(stored, bytes(200))
    with pytest.raises(StorageFull):
        await stored.draft()


async def test_files_have_a_number(stored: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spatz.store.files.MOST_FILES", 2)
    file = await put(stored)
    await put(stored, owner="you")
    with pytest.raises(StorageFull):
        await stored.draft()
    await stored.delete("me", file.id)
    await put(stored)


async def test_expired_files_are_gone_and_then_swept(stored: Files, tmp_path: Path) -> None:
    old, new = await put(stored, seconds=3600), await put(stored, seconds=3600)
    with stored._database.transaction() as connection:
        connection.execute(update(files).where(files.c.id == old.id).values(expires_at=int(time.time())))
    assert await stored.find("me", old.id) is None
    listed, more = await stored.list("me", purpose=None, after=None, limit=10, descending=True)
    assert ([file.id for file in listed], more) == ([new.id], False)
    assert await stored.sweep() == 1
    assert on_disk(stored, tmp_path) == {new.id}


async def test_the_input_of_a_batch_outlives_its_time(stored: Files, tmp_path: Path) -> None:
    file = await put(stored, seconds=0)
    batch = await Batches(stored._database).create(
        owner="me", owner_name="", endpoint="/v1/completions", input_file_id=file.id
    )
    assert batch is not None
    assert await stored.sweep() == 0
    assert on_disk(stored, tmp_path) == {file.id}
    await Batches(stored._database).cancel("me", batch.id)
    assert await stored.sweep() == 0  # until it has ended
    taken = await Batches(stored._database).claim("process", lambda name: True)
    assert taken is not None
    await taken[1].end(status="cancelled")
    assert await stored.sweep() == 1


async def test_an_input_in_use_is_not_deleted(stored: Files) -> None:
    file = await put(stored)
    batch = await Batches(stored._database).create(
        owner="me", owner_name="", endpoint="/v1/completions", input_file_id=file.id
    )
    assert batch is not None
    with pytest.raises(FileInUse, match=batch.id):
        await stored.delete("me", file.id)


async def test_what_the_dead_leave_behind(stored: Files, tmp_path: Path) -> None:
    """An upload of this process, one of another that lives, one of one that was killed, and files without rows."""
    kept = await put(stored)
    mine = await stored.draft()
    other = Directory(tmp_path / "files")
    theirs = other.draft()
    lock = tmp_path / "files" / "0123456789abcdef.lock"
    lock.touch()  # of a process that is no more: nobody holds it
    orphan = tmp_path / "files" / "0123456789abcdef.aa.part"
    orphan.touch()
    gone = tmp_path / "files" / "fedcba9876543210.aa.part"  # of one that left in order
    gone.touch()
    young, old = (tmp_path / "files" / f"file-{digit * 24}" for digit in "01")
    young.touch()
    old.touch()
    past = time.time() - STRAY_SECONDS - 1
    os.utime(old, (past, past))
    assert await stored.sweep() == 3
    assert not any(path.exists() for path in (orphan, gone, old))
    assert await stored.sweep() == 1  # the sign of its end stays for a while, for those who take over its work
    assert not lock.exists()
    for draft in (mine, theirs):
        draft.write(b"x")
        draft.place("file-" + "2" * 24)
    assert {kept.id, young.name} < on_disk(stored, tmp_path)
    other.instance.close()


async def test_nothing_is_made_before_it_is_needed(stored: Files, tmp_path: Path) -> None:
    assert await stored.sweep() == 0
    assert not (tmp_path / "files").exists()


async def test_a_disk_that_is_full(stored: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = await stored.draft()
    draft.write(b"x")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull):
        await stored.keep(draft, "me", "name", "batch")
    draft.discard()
    monkeypatch.undo()
    assert (await stored.list("me", purpose=None, after=None, limit=1, descending=True))[0] == []
    await put(stored, bytes(1000))  # the draft counts no more
