"""A process that dies at any of its writes, before it or after it: the next one brings the batch to the same end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from server.batching import ENDED, Running, jsonl, line, running
from server.conftest import WAIT
from server.fake import FakeModel
from spatz.config import Settings
from spatz.store.batches import Batches
from spatz.store.db import Database

LINES = 3


class Dead(Exception):
    """Nothing that this process would still have done is done."""


class Dying:
    """The database of a process that dies at its last write."""

    def __init__(self, database: Database, last: int, *, written: bool) -> None:
        self._database = database
        self._left = last
        self._written = written
        self.dead = asyncio.Event()

    async def run(self, work: Callable[[Any], Any]) -> Any:
        self._left -= 1
        if self._left > 0:
            return await self._database.run(work)
        if self._left == 0 and self._written:
            await self._database.run(work)
        self.dead.set()
        raise Dead

    async def read(self, work: Callable[[Any], Any]) -> Any:
        if self.dead.is_set():
            raise Dead
        return await self._database.read(work)


async def begun(app: Running, database: Any) -> dict[str, Any]:
    """A batch that the app runs on that database; its service itself has the sound one."""
    app.app.state.batches._batches = Batches(database)
    return await app.begin(jsonl(*(line(i) for i in range(LINES)), line(LINES, body={"temperature": 9})))


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("last", range(1, 9))
async def test_a_crash_at_every_write(model: FakeModel, settings: Settings, last: int, written: bool) -> None:
    async with running(model, settings) as app:
        dying = Dying(app.app.state.spatz.database, last, written=written)
        batch = await begun(app, dying)
        async with asyncio.timeout(WAIT):
            ended = asyncio.create_task(app.until(batch, *ENDED))
            dead = asyncio.create_task(dying.dead.wait())
            await asyncio.wait({ended, dead}, return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
            await asyncio.gather(ended, return_exceptions=True)
            await dead  # at the latest when it gives the lease back
    async with running(model, settings) as app:
        app.app.state.spatz.files.directory.instance.lives = lambda name: False  # as the kernel would tell of a kill
        app.app.state.batches.wake()
        batch = await app.until(batch, *ENDED)
        assert batch["status"] == "completed"
        assert batch["request_counts"] == {"total": LINES + 1, "completed": LINES, "failed": 1}
        lines = await app.lines(batch["output_file_id"])
        assert [item["custom_id"] for item in lines] == [f"line-{i}" for i in range(LINES)]
        [wrong] = await app.lines(batch["error_file_id"])
        assert wrong["custom_id"] == f"line-{LINES}"
        used = sum(item["response"]["body"]["usage"]["total_tokens"] for item in lines)
        assert batch["usage"]["total_tokens"] == used
        named = [file["id"] for file in (await app.client.get("/v1/files")).json()["data"]]
        assert sorted(named) == sorted([batch[f"{name}_file_id"] for name in ("input", "output", "error")])
