"""The processes that read: their answers, their failures, their bounds and their end."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from spatz.errors import OverloadedError
from spatz.inputs.document import Document, InputError, Note, ReadOptions
from spatz.inputs.pool import ReaderPool

COMMAND = (sys.executable, "-P", str(Path(__file__).with_name("fake_worker.py")))
OPTIONS = ReadOptions(filename="a.png", pages=(2, 5))


@pytest.fixture
async def make() -> AsyncIterator[Callable[..., ReaderPool]]:
    pools = []

    def start(**settings: object) -> ReaderPool:
        pools.append(ReaderPool(command=COMMAND, **{"workers": 1, "seconds": 60.0, **settings}))  # type: ignore[arg-type]
        return pools[-1]

    yield start
    for pool in pools:
        await pool.close()


async def ask(pool: ReaderPool, words: str) -> Document:
    return await pool.read(words.encode(), OPTIONS, "image")


def process(document: Document) -> int:
    return int(document.markdown.split()[0])


async def gone(pid: int) -> None:
    """Returns when the process has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(handle, ended.set)
    try:
        async with asyncio.timeout(60):
            await ended.wait()
    finally:
        asyncio.get_running_loop().remove_reader(handle)
        os.close(handle)


async def test_a_document_comes_whole_and_the_process_stays(make: Callable[..., ReaderPool]) -> None:
    pool = make()
    assert pool.running == 0
    first = await ask(pool, "say hello")
    pid, nice, *rest = first.markdown.split(" ", 2)
    assert rest == ["a.png (2, 5) image hello"]
    assert int(nice) >= min(os.nice(0) + 10, 19)
    assert first.notes == (Note("low_confidence", "It is blurred."),)
    assert (first.confidence, first.size, first.kind) == (0.5, (3, 4), "image")
    assert process(await ask(pool, "print it")) == int(pid)
    assert pool.running == 1


async def test_large_data_and_progress(make: Callable[..., ReaderPool]) -> None:
    pool, told = make(), list[tuple[int, int]]()
    size = 5 << 20
    found = await pool.read(b"say " + b"x" * size, OPTIONS, "image")
    assert found.markdown.endswith("x" * size)
    await pool.read(b"pages 3", OPTIONS, "file", lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


async def test_errors_are_the_readers_own(make: Callable[..., ReaderPool]) -> None:
    pool = make()
    pid = process(await ask(pool, "say x"))
    with pytest.raises(InputError, match="it is refused") as refused:
        await ask(pool, "refuse")
    assert (refused.value.code, refused.value.status) == ("invalid_image", 400)
    with pytest.raises(InputError, match="damaged") as failed:
        await ask(pool, "fail with a secret")
    assert "secret" not in failed.value.message
    assert process(await ask(pool, "say x")) == pid
    assert (await ask(pool, "half")).markdown == "half of a pair: �"


async def test_a_crash_costs_one_answer(make: Callable[..., ReaderPool]) -> None:
    pool = make()
    pid = process(await ask(pool, "say x"))
    with pytest.raises(InputError, match="damaged"):
        await ask(pool, "die")
    assert process(await ask(pool, "say x")) != pid


async def test_one_that_somebody_else_ended_is_replaced(make: Callable[..., ReaderPool]) -> None:
    pool = make()
    pid = process(await ask(pool, "say x"))
    os.kill(pid, 9)
    await gone(pid)
    assert process(await ask(pool, "say x")) != pid


async def test_what_takes_too_long_is_killed(make: Callable[..., ReaderPool]) -> None:
    pool = make(seconds=0.2)
    with pytest.raises(InputError, match=r"longer than the 0\.2 seconds") as late:
        await ask(pool, "hang")
    assert late.value.code == "input_timeout"


async def test_memory_is_bounded(make: Callable[..., ReaderPool]) -> None:
    pool = make(memory_mb=600)
    pid = process(await ask(pool, "say x"))
    with pytest.raises(InputError, match="more memory") as large:
        await ask(pool, "grow 1000")
    assert large.value.code == "file_too_large"
    assert process(await ask(pool, "say x")) != pid  # what else failed in it, nobody knows


async def test_who_goes_away_ends_the_reading(make: Callable[..., ReaderPool]) -> None:
    pool = make()
    pid = process(await ask(pool, "say x"))
    reading = asyncio.create_task(ask(pool, "hang"))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(ask(pool, "say y"))
    reading.cancel()
    assert process(await waiting) != pid
    await gone(pid)
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_the_queue_is_bounded_and_fair(make: Callable[..., ReaderPool]) -> None:
    pool = make(workers=2, most_waiting=3)
    asked = [asyncio.create_task(ask(pool, f"say {number}")) for number in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError, match="Too many images and files"):
        await ask(pool, "say more")
    asked[2].cancel()  # it waits, and its place is somebody else's
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(found[2], asyncio.CancelledError)
    assert [item.markdown[-1] for item in found if isinstance(item, Document)] == ["0", "1", "3", "4"]
    assert pool.running == 2


async def test_one_without_work_is_ended(make: Callable[..., ReaderPool]) -> None:
    pool = make(idle_seconds=0.01)
    pid = process(await ask(pool, "say x"))
    await gone(pid)
    assert process(await ask(pool, "say x")) != pid


async def test_the_end(make: Callable[..., ReaderPool]) -> None:
    pool = make(workers=2)
    reading = asyncio.create_task(ask(pool, "hang"))
    pid = process(await ask(pool, "say x"))
    await pool.close()
    await gone(pid)
    with pytest.raises(InputError):
        await reading
    with pytest.raises(OverloadedError):
        await ask(pool, "say x")
    assert pool.running == 0


async def test_a_process_ends_with_its_server() -> None:
    """Also while it reads: a killed server leaves nothing behind."""
    code = (
        "import asyncio, sys; from spatz.inputs.pool import ReaderPool; from spatz.inputs.document import ReadOptions\n"
        f"async def main():\n    pool = ReaderPool(workers=2, command={COMMAND!r})\n"
        "    print((await pool.read(b'say x', ReadOptions(), 'image')).markdown.split()[0], flush=True)\n"
        "    await pool.read(b'hang', ReadOptions(), 'image')\n"
        "asyncio.run(main())"
    )
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert server.stdout is not None
    pid = int(await server.stdout.readline())
    server.kill()
    await server.wait()
    await gone(pid)


async def test_secrets_do_not_reach_it(make: Callable[..., ReaderPool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPATZ_API_KEY", "hunter2")
    pid = process(await ask(make(), "say x"))
    environment = await asyncio.to_thread(Path(f"/proc/{pid}/environ").read_bytes)
    assert b"PATH=" in environment
    assert b"hunter2" not in environment
