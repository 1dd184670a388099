"""Batches over HTTP, with the fake model: every state, every error, and what stops and restarts do to them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine

from postgres import Postgres
from server.batching import CHAT, ENDED, Running, jsonl, line, running
from server.conftest import WAIT
from server.fake import FakeModel
from spatz.config import Settings
from spatz.engine.request import FinishReason, Priority
from spatz.errors import OverloadedError, RequestError
from spatz.store.batches import Batches

TIMES = ("in_progress_at", "finalizing_at", "completed_at", "failed_at", "expired_at", "cancelling_at", "cancelled_at")


@pytest.fixture
async def app(model: FakeModel, settings: Settings) -> AsyncIterator[Running]:
    async with running(model, settings) as app:
        yield app


def times(batch: dict[str, Any]) -> set[str]:
    return {name for name in TIMES if batch[name] is not None}


async def held(model: FakeModel, count: int) -> list[Any]:
    """The streams of so many lines, which wait for the test."""
    async with asyncio.timeout(WAIT):
        return [await model.streams.get() for _ in range(count)]


def finish(stream: Any, text: str = "yes") -> None:
    stream.put(text, finish=FinishReason.STOP, last=True)
    stream.items.put_nowait(None)


async def test_a_batch_from_beginning_to_end(app: Running, model: FakeModel) -> None:
    batch = await app.begin(jsonl(*(line(i) for i in range(5))), metadata={"for": "a test"})
    assert batch == {
        "id": batch["id"],
        "object": "batch",
        "endpoint": CHAT,
        "model": None,
        "errors": None,
        "input_file_id": batch["input_file_id"],
        "completion_window": "24h",
        "status": "validating",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": batch["created_at"],
        "expires_at": batch["created_at"] + 86_400,
        **dict.fromkeys(TIMES),
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "usage": batch["usage"],
        "metadata": {"for": "a test"},
    }
    batch = await app.until(batch, *ENDED)
    assert batch["status"] == "completed"
    assert times(batch) == {"in_progress_at", "finalizing_at", "completed_at"}
    assert batch["model"] == "gpt-4.1-nano"
    assert batch["request_counts"] == {"total": 5, "completed": 5, "failed": 0}
    assert batch["error_file_id"] is None
    lines = await app.lines(batch["output_file_id"])
    assert [item["custom_id"] for item in lines] == [f"line-{i}" for i in range(5)]
    assert len({item["id"] for item in lines}) == 5
    for item in lines:
        assert set(item) == {"id", "custom_id", "response", "error"}
        assert item["error"] is None
        assert item["response"]["status_code"] == 200
        assert item["response"]["request_id"].startswith("req_")
        assert item["response"]["body"]["choices"][0]["message"]["content"] == "Hello wörld"
    usages = [item["response"]["body"]["usage"] for item in lines]
    assert batch["usage"] == {
        "input_tokens": sum(usage["prompt_tokens"] for usage in usages),
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": sum(usage["completion_tokens"] for usage in usages),
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": sum(usage["total_tokens"] for usage in usages),
    }
    assert {request.priority for request in model.requests} == {Priority.BACKGROUND}
    file = (await app.client.get(f"/v1/files/{batch['output_file_id']}")).json()
    assert (file["purpose"], file["filename"]) == ("batch_output", f"{batch['id']}_output.jsonl")


async def test_legacy_completions(app: Running) -> None:
    batch = await app.whole(jsonl(line(0, "/v1/completions")), "/v1/completions")
    [item] = await app.lines(batch["output_file_id"])
    assert item["response"]["body"]["object"] == "text_completion"
    assert batch["usage"]["total_tokens"] == item["response"]["body"]["usage"]["total_tokens"]


async def test_responses(app: Running) -> None:
    batch = await app.whole(jsonl(line(0, "/v1/responses"), line(1, "/v1/responses")), "/v1/responses")
    items = await app.lines(batch["output_file_id"])
    assert [item["response"]["body"]["object"] for item in items] == ["response"] * 2
    used = sum(item["response"]["body"]["usage"]["total_tokens"] for item in items)
    assert batch["usage"]["total_tokens"] == used > 0


async def test_lines_that_fail_go_to_the_error_file(app: Running, model: FakeModel) -> None:
    wrong = [line(1, body={"temperature": 9}), line(3, body={"party": True})]
    batch = await app.whole(jsonl(line(0), wrong[0], line(2), wrong[1]))
    assert batch["status"] == "completed"
    assert batch["request_counts"] == {"total": 4, "completed": 2, "failed": 2}
    assert [item["custom_id"] for item in await app.lines(batch["output_file_id"])] == ["line-0", "line-2"]
    errors = await app.lines(batch["error_file_id"])
    assert [item["custom_id"] for item in errors] == ["line-1", "line-3"]
    for item in errors:
        assert item["error"] is None
        assert item["response"]["status_code"] == 400
    assert errors[0]["response"]["body"]["error"]["param"] == "temperature"
    assert errors[1]["response"]["body"]["error"]["message"] == "Unrecognized request argument supplied: party"


async def test_the_log_names_the_batch(app: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="spatz.access"):
        batch = await app.whole(jsonl(line(0, body={"user": "somebody"})))
    [logged] = [item.getMessage() for item in caplog.records if "'/v1/chat/completions'" in item.getMessage()]
    assert f"batch='{batch['id']}' user='somebody'" in logged


async def test_a_batch_of_which_nothing_succeeds(app: Running, model: FakeModel) -> None:
    model.answers.append(ValueError("a bug"))
    batch = await app.whole(jsonl(line(0)))
    assert (batch["status"], batch["output_file_id"]) == ("completed", None)
    [item] = await app.lines(batch["error_file_id"])
    assert item["response"]["status_code"] == 500
    assert item["response"]["body"]["error"]["type"] == "server_error"


async def test_ids_and_answers_of_any_text(app: Running, model: FakeModel) -> None:
    names = ['"quoted"', "new\nline", "\u2028", "käse", "\x00", "x" * 512]
    model.answers.extend([('a "word"\n\u2028\x00',)] * len(names))
    batch = await app.whole(jsonl(*(line(0, custom_id=name) for name in names)))
    lines = await app.client.get(f"/v1/files/{batch['output_file_id']}/content")
    found = [json.loads(item) for item in lines.content.split(b"\n")[:-1]]
    assert [item["custom_id"] for item in found] == names
    assert {item["response"]["body"]["choices"][0]["message"]["content"] for item in found} == {'a "word"\n\u2028\x00'}


@pytest.mark.parametrize(
    ("content", "errors"),
    [
        (b"\n\n  \n", [("empty_file", None, None)]),
        (b'{"custom_id"', [("invalid_json_line", None, 1)]),
        (jsonl(line(0)) + b"\n[1]\n" + b"\xff\n", [("invalid_json_line", None, 3), ("invalid_json_line", None, 4)]),
        (jsonl(line(0), line(1, custom_id="line-0")), [("duplicate_custom_id", "custom_id", 2)]),
        (jsonl(line(0, custom_id=7)), [("invalid_value", "custom_id", 1)]),
        (jsonl(line(0, custom_id="")), [("invalid_value", "custom_id", 1)]),
        (jsonl(line(0, custom_id="x" * 513)), [("invalid_value", "custom_id", 1)]),
        (jsonl(line(0, method="GET")), [("invalid_method", "method", 1)]),
        (jsonl(line(0), line(1, "/v1/completions")), [("url_mismatch", "url", 2)]),
        (jsonl(line(0, body={"stream": True})), [("unsupported_parameter", "body.stream", 1)]),
        (jsonl(line(0, body={"background": True})), [("unsupported_parameter", "body.background", 1)]),
        (jsonl(line(0, body={"model": "gpt-9"})), [("model_not_found", "body.model", 1)]),
        (jsonl(line(0), line(1, body={"model": "fake-model"})), [("model_mismatch", "body.model", 2)]),
        (jsonl(line(0, body={"model": None})), [("missing_required_parameter", "body.model", 1)]),
        (jsonl({**line(0), "body": "x"}), [("invalid_type", "body", 1)]),
        (jsonl({**line(0), "priority": 1}), [("unknown_parameter", "priority", 1)]),
        (b"[" * 10_000 + b"\n", [("invalid_json_line", None, 1)]),
        (b'{"x":' * 10_000 + b"\n", [("invalid_json_line", None, 1)]),
        (jsonl(line(0, body={"user": "x" * (3 << 20)})), [("line_too_long", None, 1)]),
        (b"{}\n", [("missing_required_parameter", name, 1) for name in ("custom_id", "method", "url", "body")]),
        (jsonl(line(0, body={"seed": float("nan")})), [("invalid_json_line", None, 1)]),
    ],
)
async def test_input_that_is_no_batch(app: Running, content: bytes, errors: list[tuple[str, str | None, int]]) -> None:
    batch = await app.whole(content)
    assert batch["status"] == "failed"
    assert times(batch) == {"failed_at"}
    assert batch["errors"]["object"] == "list"
    assert [(item["code"], item["param"], item["line"]) for item in batch["errors"]["data"]] == errors
    assert all(item["message"] for item in batch["errors"]["data"])
    assert batch["output_file_id"] is batch["error_file_id"] is None


async def test_errors_are_told_up_to_a_bound(app: Running) -> None:
    batch = await app.whole(b"{\n" * 1000)
    assert [item["line"] for item in batch["errors"]["data"]] == list(range(1, 101))


async def test_too_many_lines(app: Running) -> None:
    content = b"".join(b'{"custom_id":"%d"}\n' % i for i in range(50_001))
    batch = await app.whole(content)
    assert [item["code"] for item in batch["errors"]["data"]] == ["too_many_tasks"]


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"endpoint": "/v1/embeddings"}, 400, "endpoint"),
        ({"completion_window": "1h"}, 400, "completion_window"),
        ({"input_file_id": "file-x"}, 404, "input_file_id"),
        ({"input_file_id": 5}, 400, "input_file_id"),
        ({"metadata": {str(i): "x" for i in range(17)}}, 400, "metadata"),
        ({"metadata": {"a": "x" * 513}}, 400, "metadata.a"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 1}}, 400, "output_expires_after.seconds"),
        ({"party": 1}, 400, None),
    ],
)
async def test_bad_requests(app: Running, fields: dict[str, object], status: int, param: str | None) -> None:
    body = {"input_file_id": await app.upload(jsonl(line(0))), "endpoint": CHAT, "completion_window": "24h", **fields}
    answer = await app.client.post("/v1/batches", json=body)
    assert answer.status_code == status
    assert answer.json()["error"]["param"] == param


async def test_a_file_for_something_else(app: Running) -> None:
    file_id = await app.upload(jsonl(line(0)), purpose="vision")
    body = {"input_file_id": file_id, "endpoint": CHAT, "completion_window": "24h"}
    answer = await app.client.post("/v1/batches", json=body)
    assert answer.status_code == 400
    assert "'vision'" in answer.json()["error"]["message"]


async def test_unknown_batches(app: Running) -> None:
    for batch_id in ("nothing", "batch_" + "0" * 24, "batch_%00"):
        for answer in (
            await app.client.get(f"/v1/batches/{batch_id}"),
            await app.client.post(f"/v1/batches/{batch_id}/cancel", json={}),
        ):
            assert answer.status_code == 404
            assert answer.json()["error"]["message"].startswith("No batch found with id '")


async def test_lists_are_pages(app: Running) -> None:
    ids = [(await app.whole(jsonl(line(i))))["id"] for i in range(3)]
    whole = (await app.client.get("/v1/batches")).json()
    assert [batch["id"] for batch in whole["data"]] == ids[::-1]
    assert (whole["object"], whole["has_more"], whole["first_id"], whole["last_id"]) == ("list", False, ids[2], ids[0])
    page = (await app.client.get("/v1/batches", params={"limit": 1, "after": ids[2]})).json()
    assert ([batch["id"] for batch in page["data"]], page["has_more"]) == ([ids[1]], True)
    for query in ("limit=0", "limit=101", "after=batch_x", "order=asc"):
        assert (await app.client.get(f"/v1/batches?{query}")).status_code == 400


async def test_owners_do_not_see_one_another(model: FakeModel, settings: Settings) -> None:
    async with running(model, replace(settings, api_key=("one", "two"))) as app:
        app.client.headers["authorization"] = "Bearer one"
        batch = await app.whole(jsonl(line(0)))
        app.client.headers["authorization"] = "Bearer two"
        assert (await app.client.get("/v1/batches")).json()["data"] == []
        assert (await app.client.get(f"/v1/batches/{batch['id']}")).status_code == 404
        assert (await app.client.post(f"/v1/batches/{batch['id']}/cancel", json={})).status_code == 404
        assert (await app.client.get(f"/v1/files/{batch['output_file_id']}/content")).status_code == 404
        body = {"input_file_id": batch["input_file_id"], "endpoint": CHAT, "completion_window": "24h"}
        assert (await app.client.post("/v1/batches", json=body)).status_code == 404


async def test_the_lines_fill_the_batch_and_no_more(model: FakeModel, settings: Settings) -> None:
    model.held = True
    async with running(model, replace(settings, max_batch=2)) as app:
        batch = await app.begin(jsonl(*(line(i) for i in range(10))))
        streams = await held(model, 4)  # twice what is computed at once
        assert len(model.requests) == 4
        for done in range(10):
            finish(streams.pop(0))
            if done < 6:
                streams += await held(model, 1)
        assert (await app.until(batch, *ENDED))["request_counts"]["completed"] == 10


async def test_a_small_batch_does_not_wait_for_a_large_one(model: FakeModel, settings: Settings) -> None:
    model.held = True
    async with running(model, replace(settings, max_batch=2)) as app:
        large = await app.begin(jsonl(*(line(i) for i in range(100))))
        streams = await held(model, 4)
        small = await app.begin(jsonl(*(line(i) for i in range(1000, 1003))))
        await app.until(small, "in_progress")
        ended = asyncio.create_task(app.until(small, *ENDED))
        while not ended.done():
            finish(streams.pop(0))
            streams += await held(model, 1)
        assert (await ended)["status"] == "completed"
        assert (await app.state(large))["request_counts"]["completed"] < 20
        await app.client.post(f"/v1/batches/{large['id']}/cancel", json={})
        await app.until(large, "cancelled")


async def test_cancelling(model: FakeModel, app: Running) -> None:
    model.held = True
    batch = await app.begin(jsonl(*(line(i) for i in range(200))))
    streams = await held(model, 64)
    for stream in streams[:3]:
        finish(stream)
    async with asyncio.timeout(WAIT):
        while (await app.state(batch))["request_counts"]["completed"] < 3:
            pass
    streams += await held(model, 3)
    answer = await app.client.post(f"/v1/batches/{batch['id']}/cancel", json={})
    assert answer.json()["status"] == "cancelling"
    async with asyncio.timeout(WAIT):
        for stream in streams:
            await stream.closed.wait()
    batch = await app.until(batch, *ENDED)
    assert batch["status"] == "cancelled"
    assert times(batch) == {"in_progress_at", "cancelling_at", "cancelled_at"}
    assert batch["request_counts"] == {"total": 200, "completed": 3, "failed": 197}
    assert [item["custom_id"] for item in await app.lines(batch["output_file_id"])] == [f"line-{i}" for i in range(3)]
    errors = await app.lines(batch["error_file_id"])
    assert [item["custom_id"] for item in errors] == [f"line-{i}" for i in range(3, 200)]
    assert all(item["response"] is None and item["error"]["code"] == "batch_cancelled" for item in errors)
    again = await app.client.post(f"/v1/batches/{batch['id']}/cancel")  # without a body, as some clients do
    assert again.json()["status"] == "cancelled"


async def test_what_has_ended_cannot_be_cancelled(app: Running) -> None:
    batch = await app.whole(jsonl(line(0)))
    answer = await app.client.post(f"/v1/batches/{batch['id']}/cancel", json={})
    assert answer.status_code == 409
    assert answer.json()["error"]["message"] == "Cannot cancel a batch with status 'completed'."


async def test_a_batch_that_is_cancelled_before_it_began(client: httpx.AsyncClient, model: FakeModel) -> None:
    """Without the service, which would begin it."""
    app = Running(client._transport.app, client)  # type: ignore[attr-defined]
    batch = await app.begin(b"no batch at all")
    await client.post(f"/v1/batches/{batch['id']}/cancel", json={})
    async with app.app.router.lifespan_context(app.app):
        batch = await app.until(batch, *ENDED)
    assert (batch["status"], batch["request_counts"]["total"]) == ("cancelled", 0)
    assert batch["output_file_id"] is batch["error_file_id"] is None


async def test_expiry(model: FakeModel, app: Running) -> None:
    model.held = True
    file_id = await app.upload(jsonl(*(line(i) for i in range(3))))
    created = await Batches(app.app.state.spatz.database).create(
        owner="", owner_name="", endpoint=CHAT, input_file_id=file_id, seconds=0
    )
    assert created is not None
    app.app.state.batches.wake()
    batch = await app.until({"id": created.id}, *ENDED)
    assert batch["status"] == "expired"
    assert times(batch) == {"in_progress_at", "finalizing_at", "expired_at"}
    errors = await app.lines(batch["error_file_id"])
    assert [item["error"]["code"] for item in errors] == ["batch_expired"] * 3
    assert not model.open


async def test_a_full_storage_ends_the_rest(model: FakeModel, settings: Settings) -> None:
    model.answers.extend([("x" * 300_000,)] * 8)
    async with running(model, replace(settings, max_storage_mb=1, max_batch=1, max_body_mb=8)) as app:
        batch = await app.whole(jsonl(*(line(i) for i in range(8))))
        counts = batch["request_counts"]
        assert 3 <= counts["completed"] < 8
        assert counts["completed"] + counts["failed"] == 8
        errors = await app.lines(batch["error_file_id"])
        assert {item["error"]["code"] for item in errors} == {"storage_limit_exceeded"}


async def test_busy_answers_are_tried_again(app: Running, model: FakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[float] = []

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    app.app.state.batches._pause = pause
    busy = [OverloadedError("later"), OverloadedError("stopping", status=503), RequestError("soon", status=429)]
    model.answers.extend([*busy, ("yes",)])
    batch = await app.whole(jsonl(line(0)))
    assert batch["request_counts"] == {"total": 1, "completed": 1, "failed": 0}
    assert batch["error_file_id"] is None
    assert len(paused) == 3
    assert all(0 < seconds <= 10 for seconds in paused)


async def test_a_file_that_is_being_read_stays(model: FakeModel, app: Running) -> None:
    model.held = True
    batch = await app.begin(jsonl(line(0)))
    [stream] = await held(model, 1)
    answer = await app.client.delete(f"/v1/files/{batch['input_file_id']}")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "file_in_use"
    finish(stream)
    batch = await app.until(batch, *ENDED)
    assert (await app.client.delete(f"/v1/files/{batch['input_file_id']}")).status_code == 200
    assert len(await app.lines(batch["output_file_id"])) == 1


async def test_output_expires(app: Running) -> None:
    batch = await app.whole(jsonl(line(0)), output_expires_after={"anchor": "created_at", "seconds": 3600})
    file = (await app.client.get(f"/v1/files/{batch['output_file_id']}")).json()
    assert file["expires_at"] == file["created_at"] + 3600


async def test_an_orderly_stop_and_a_new_start(model: FakeModel, settings: Settings) -> None:
    """Lines that run may end, and count; the others are run by the next process. Nothing is done twice."""
    model.held = True
    async with running(model, settings) as app:
        batch = await app.begin(jsonl(*(line(i) for i in range(100))))
        streams = await held(model, 64)
        for stream in streams[:10]:
            finish(stream, "first")
        await held(model, 10)
    assert not model.open
    model.held = False
    async with running(model, settings) as app:
        batch = await app.until(batch, *ENDED)
        assert batch["request_counts"] == {"total": 100, "completed": 100, "failed": 0}
        lines = await app.lines(batch["output_file_id"])
    assert [item["custom_id"] for item in lines] == [f"line-{i}" for i in range(100)]
    answers = [item["response"]["body"]["choices"][0]["message"]["content"] for item in lines]
    assert answers == ["first"] * 10 + ["Hello wörld"] * 90


async def test_a_draining_server_begins_no_lines(model: FakeModel, settings: Settings) -> None:
    model.held = True
    async with running(model, settings) as app:
        batch = await app.begin(jsonl(*(line(i) for i in range(100))))
        streams = await held(model, 64)
        app.app.state.spatz.draining = True
        for stream in streams:
            finish(stream)
        async with asyncio.timeout(WAIT):
            while (await app.state(batch))["request_counts"]["completed"] < 64:
                pass
        assert len(model.requests) == 64
    model.held = False
    async with running(model, settings) as app:
        assert (await app.until(batch, *ENDED))["request_counts"]["completed"] == 100
    assert len(model.requests) == 100


async def test_two_servers_share_the_work(settings: Settings) -> None:
    await share_the_work(settings)


async def share_the_work(settings: Settings) -> None:
    """Two servers on one database: each batch is run by one of them, and none twice."""
    models = [FakeModel(), FakeModel()]
    async with running(models[0], settings) as one, running(models[1], settings) as two:
        content = jsonl(*(line(i) for i in range(30)))
        batches = [await app.begin(content) for app in (one, two) * 3]
        for batch in batches:
            batch = await one.until(batch, *ENDED)
            assert batch["request_counts"] == {"total": 30, "completed": 30, "failed": 0}
            lines = await two.lines(batch["output_file_id"])
            assert [item["custom_id"] for item in lines] == [f"line-{i}" for i in range(30)]
    assert sum(len(model.requests) for model in models) == 180


async def test_two_servers_on_postgresql(postgres: Postgres, settings: Settings) -> None:
    engine = create_engine(postgres.url(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE batches")
    engine.dispose()
    await share_the_work(replace(settings, database_url=postgres.url("batches")))


async def test_another_server_cancels(settings: Settings) -> None:
    model, other = FakeModel(), FakeModel()
    model.held = True
    async with running(model, settings) as one:
        batch = await one.begin(jsonl(line(0)))
        [stream] = await held(model, 1)
        async with running(other, settings) as two:
            await two.client.post(f"/v1/batches/{batch['id']}/cancel", json={})
            async with asyncio.timeout(WAIT):
                await stream.closed.wait()
            assert (await two.until(batch, *ENDED))["status"] == "cancelled"
    assert not other.requests


async def test_an_input_that_is_lost(model: FakeModel, settings: Settings) -> None:
    async with running(model, settings) as app:
        file_id = await app.upload(jsonl(line(0)))
        (settings.data_dir / "files" / file_id).unlink()
        body = {"input_file_id": file_id, "endpoint": CHAT, "completion_window": "24h"}
        batch = (await app.client.post("/v1/batches", json=body)).json()
        batch = await app.until(batch, *ENDED)
        assert batch["errors"]["data"][0]["code"] == "file_not_found"
        answer = await app.client.get(f"/v1/files/{file_id}/content")
        assert answer.status_code == 404


async def test_an_input_that_is_lost_on_the_way(model: FakeModel, settings: Settings) -> None:
    model.held = True
    async with running(model, settings) as app:
        batch = await app.begin(jsonl(*(line(i) for i in range(100))))
        for stream in (await held(model, 64))[:2]:
            finish(stream)
        await held(model, 2)
    model.held = False
    (settings.data_dir / "files" / batch["input_file_id"]).unlink()
    async with running(model, settings) as app:
        batch = await app.until(batch, *ENDED)
        assert (batch["status"], batch["errors"]["data"][0]["code"]) == ("failed", "file_not_found")
        assert len(await app.lines(batch["output_file_id"])) == 2


async def test_a_number_of_batches_is_enough(client: httpx.AsyncClient) -> None:
    app = Running(client._transport.app, client)  # type: ignore[attr-defined]
    batch = await app.begin(jsonl(line(0)))
    body = {name: batch[name] for name in ("input_file_id", "endpoint", "completion_window")}
    answers = [await client.post("/v1/batches", json=body) for _ in range(100)]
    assert [answer.status_code for answer in answers] == [200] * 99 + [429]
    assert answers[-1].json()["error"]["code"] == "rate_limit_exceeded"
