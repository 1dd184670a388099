"""Responses in the background: queued at once, run without a client, resumed, cancelled, and what a restart finds."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.conftest import WAIT, Live, serving
from server.fake import FakeModel, FakeStream
from server.responding import PATH, body, check_response, names, parse_stream
from spatz.config import Settings
from spatz.engine.request import FinishReason
from spatz.errors import RequestError
from spatz.store import responses as store
from spatz.store.db import Database
from spatz.store.responses import Stored

QUEUED = ["created", "queued", "in_progress"]
TEXT = [
    "output_item.added",
    "content_part.added",
    "output_text.delta",
    "output_text.done",
    "content_part.done",
    "output_item.done",
]


@asynccontextmanager
async def connected(live: Live) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=live.url, timeout=WAIT) as client:
        yield client


@pytest.fixture
async def there(live: Live) -> AsyncIterator[httpx.AsyncClient]:
    async with connected(live) as client:
        yield client


async def start(client: httpx.AsyncClient, **fields: Any) -> str:
    response = await client.post(PATH, json=body(background=True, **fields))
    assert response.status_code == 200, response.text
    found = check_response(response.json())
    assert found["status"] == "queued" and found["background"] is True and found["output"] == []
    id: str = found["id"]
    return id


async def ended(client: httpx.AsyncClient, id: str) -> dict[str, Any]:
    """Polled, as clients do it."""
    async with asyncio.timeout(WAIT):
        while True:
            found: dict[str, Any] = (await client.get(f"{PATH}/{id}")).json()
            if found["status"] not in ("queued", "in_progress"):
                return check_response(found)


async def under_way(model: FakeModel, text: str = "Hel") -> FakeStream:
    async with asyncio.timeout(WAIT):
        stream = await model.streams.get()
    stream.put(text)
    return stream


def finish(stream: FakeStream, text: str = "lo") -> None:
    stream.put(text)
    stream.put("", finish=FinishReason.STOP, last=True)
    stream.items.put_nowait(None)


async def test_it_is_queued_at_once_and_answered_without_a_client(there: httpx.AsyncClient, model: FakeModel) -> None:
    model.held = True
    id = await start(there)
    stream = await under_way(model)
    running = check_response((await there.get(f"{PATH}/{id}")).json())
    assert running["status"] == "in_progress" and running["completed_at"] is None
    assert (await there.get(f"{PATH}/{id}/input_items")).json()["data"][0]["content"][0]["text"] == "hi"
    finish(stream)
    found = await ended(there, id)
    assert found["status"] == "completed" and found["background"] is True
    assert found["output"][0]["content"][0]["text"] == "Hello"
    assert found["usage"]["output_tokens"] == 5


async def test_one_that_runs_cannot_be_continued_yet(there: httpx.AsyncClient, model: FakeModel) -> None:
    model.held = True
    id = await start(there)
    stream = await under_way(model)
    error = (await there.post(PATH, json=body(previous_response_id=id))).json()["error"]
    assert error["param"] == "previous_response_id" and "in_progress" in error["message"]
    finish(stream)
    await ended(there, id)
    model.held = False
    assert (await there.post(PATH, json=body(previous_response_id=id))).status_code == 200


async def test_errors_before_it_is_queued_are_plain_errors(there: httpx.AsyncClient) -> None:
    response = await there.post(PATH, json=body(background=True, input="x" * 5000))
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"


async def test_errors_of_the_answer_are_its_result(there: httpx.AsyncClient, model: FakeModel) -> None:
    model.answers.append(RequestError("Gone wrong.", status=500, type="server_error"))
    found = await ended(there, await start(there))
    assert found["status"] == "failed"
    assert found["error"] == {"code": "server_error", "message": "Gone wrong."}


async def test_cancelling(there: httpx.AsyncClient, model: FakeModel) -> None:
    model.held = True
    id = await start(there)
    stream = await under_way(model)
    found = check_response((await there.post(f"{PATH}/{id}/cancel", json={})).json())
    assert found["status"] == "cancelled"
    assert stream.closed.is_set()
    # Again, it is as it was; and without a body, as some clients send it.
    again = await there.post(f"{PATH}/{id}/cancel")
    assert again.status_code == 200 and again.json() == found
    assert (await there.get(f"{PATH}/{id}")).json() == found


async def test_cancelling_what_has_ended_changes_nothing(there: httpx.AsyncClient) -> None:
    id = await start(there)
    found = await ended(there, id)
    assert (await there.post(f"{PATH}/{id}/cancel", json={})).json() == found


async def test_deleting_ends_it(there: httpx.AsyncClient, model: FakeModel) -> None:
    model.held = True
    id = await start(there)
    stream = await under_way(model)
    assert (await there.delete(f"{PATH}/{id}")).json()["deleted"] is True
    assert stream.closed.is_set()
    assert (await there.get(f"{PATH}/{id}")).status_code == 404


async def test_a_client_that_goes_does_not_end_it_and_another_resumes(
    there: httpx.AsyncClient, live: Live, model: FakeModel
) -> None:
    model.held = True
    seen = b""
    async with (
        httpx.AsyncClient(timeout=WAIT) as first,
        first.stream("POST", live.url + PATH, json=body(background=True, stream=True)) as response,
    ):
        stream = await under_way(model)
        async for chunk in response.aiter_bytes():
            seen += chunk
            if b"Hel" in seen:
                break
    before = parse_stream(seen.decode())
    assert names(before) == [*QUEUED, *TEXT[:3]]
    id = before[0]["response"]["id"]
    last = before[-1]["sequence_number"]
    query = f"{PATH}/{id}?stream=true&starting_after={last}"
    resumed = asyncio.create_task(there.get(query))
    whole = asyncio.create_task(there.get(f"{PATH}/{id}?stream=true"))
    finish(stream)
    after = parse_stream((await resumed).text, first=last + 1)
    assert names(after) == [*TEXT[2:], "completed"]
    assert "".join(event["delta"] for event in [*before, *after] if "delta" in event) == "Hello"
    assert parse_stream((await whole).text) == [*before, *after]
    # When it has ended, the same events come from the store.
    assert parse_stream((await there.get(query)).text, first=last + 1) == after
    assert parse_stream((await there.get(f"{PATH}/{id}?stream=true")).text) == [*before, *after]
    assert (await there.get(f"{PATH}/{id}?stream=true&starting_after=1000")).text == ""
    assert after[-1]["response"] == (await there.get(f"{PATH}/{id}")).json()


async def test_what_was_not_streamed_has_no_stream(there: httpx.AsyncClient, model: FakeModel) -> None:
    model.held = True
    id = await start(there)
    stream = await under_way(model)
    for _ in range(2):
        response = await there.get(f"{PATH}/{id}?stream=true")
        assert response.status_code == 400 and "stream=true" in response.json()["error"]["message"]
        if not stream.closed.is_set():
            finish(stream)
            await ended(there, id)


async def test_a_stream_of_one_that_is_cancelled_ends(there: httpx.AsyncClient, live: Live, model: FakeModel) -> None:
    model.held = True
    reading = asyncio.create_task(there.post(PATH, json=body(background=True, stream=True)))
    await under_way(model)
    with_id = live.server.config.app.state.background  # type: ignore[union-attr]
    id = next(iter(with_id._running))
    assert (await there.post(f"{PATH}/{id}/cancel")).json()["status"] == "cancelled"
    assert names(parse_stream((await reading).text)) == [*QUEUED, *TEXT[:3]]


async def test_as_many_run_as_there_is_room_for_and_as_many_wait(model: FakeModel, settings: Settings) -> None:
    model.held = True
    async with serving(model, replace(settings, max_batch=2, max_queue=3)) as live, connected(live) as client:
        ids = [await start(client) for _ in range(3)]
        stream = await under_way(model)
        full = await client.post(PATH, json=body(background=True))
        assert full.status_code == 429 and full.json()["error"]["code"] == "rate_limit_exceeded"
        statuses = [(await client.get(f"{PATH}/{id}")).json()["status"] for id in ids]
        assert statuses == ["in_progress", "queued", "queued"]
        # One that waits is cancelled without ever having run.
        assert (await client.post(f"{PATH}/{ids[1]}/cancel")).json()["status"] == "cancelled"
        finish(stream)
        assert (await ended(client, ids[0]))["status"] == "completed"
        finish(await under_way(model))
        assert (await ended(client, ids[2]))["status"] == "completed"
        assert len(model.requests) == 2


@pytest.mark.parametrize("orderly", [True, False])
async def test_a_server_that_stops_says_so(model: FakeModel, settings: Settings, orderly: bool) -> None:
    model.held = True
    settings = replace(settings, max_batch=2, drain_seconds=0)
    async with serving(model, settings) as live, connected(live) as client:
        ids = [await start(client) for _ in range(2)]
        await under_way(model)
        if orderly:
            live.server.stop(signal.SIGTERM)
            async with asyncio.timeout(WAIT):
                await live.task
    async with serving(FakeModel(), settings) as live, connected(live) as client:
        first, second = [await ended(client, id) for id in ids]
    for found in (first, second):
        assert found["status"] == "failed" and found["error"]["code"] == "server_error"
        assert "server" in found["error"]["message"]
    assert first["output"][0]["content"][0]["text"] == "Hel" and first["output"][0]["status"] == "incomplete"
    assert second["output"] == []


async def test_what_a_killed_server_left_behind_is_failed(model: FakeModel, settings: Settings, tmp_path: Path) -> None:
    async with serving(model, settings) as live, connected(live) as client:
        done = await ended(client, await start(client))
        instance = live.server.config.app.state.spatz.files.directory.instance  # type: ignore[union-attr]
        left = {**done, "id": "resp_left", "status": "in_progress", "output": [], "completed_at": None}
        elsewhere = {**left, "id": "resp_elsewhere", "status": "queued"}
        database = Database.open("", tmp_path)
        with database.transaction() as connection:
            for response, runner in ((left, "of-the-dead"), (elsewhere, instance.name)):
                row = Stored(response["id"], response["status"], json.dumps(response))
                store.add(connection, "", row, [], expires_at=1 << 40, runner=runner)
        database.close()
        # Another server on the same data starts: it touches nothing that a living one runs.
        async with serving(model, settings) as other, connected(other) as second:
            found = await ended(second, "resp_left")
            assert found["status"] == "failed" and "stopped" in found["error"]["message"]
            assert (await second.get(f"{PATH}/resp_elsewhere")).json()["status"] == "queued"
            # It can be cancelled here all the same, and then stays so.
            assert (await second.post(f"{PATH}/resp_elsewhere/cancel")).json()["status"] == "cancelled"
            assert (await client.get(f"{PATH}/resp_elsewhere")).json()["status"] == "cancelled"
            assert (await second.get(f"{PATH}/{done['id']}")).json() == done


@pytest.mark.parametrize(
    ("kind", "lives", "age", "left"),
    [
        ("sqlite", True, 0, False),
        ("sqlite", False, 0, True),
        ("sqlite", None, 0, True),
        ("postgresql", True, 90_000, False),
        ("postgresql", False, 0, True),
        ("postgresql", None, 0, False),  # another machine may run it
        ("postgresql", None, 90_000, True),  # but not for a day
    ],
)
async def test_who_may_still_run_one(
    live: Live, monkeypatch: pytest.MonkeyPatch, kind: str, lives: bool | None, age: int, left: bool
) -> None:
    app = live.server.config.app
    state = app.state.spatz  # type: ignore[union-attr]
    with monkeypatch.context() as patched:
        patched.setattr(state.files.directory.instance, "lives", lambda runner: lives)
        patched.setattr(state.database, "kind", kind)
        assert app.state.background.is_left("someone", int(time.time()) - age) is left  # type: ignore[union-attr]
