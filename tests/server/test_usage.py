"""Usage, right to the token: what is counted of which request, how it is written, and how it is listed to whom."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from openai import AsyncOpenAI
from sqlalchemy.exc import OperationalError

from server.batching import jsonl, line, running
from server.conftest import WAIT, serving
from server.fake import FakeModel
from server.test_gate import check_error
from spatz.config import Settings
from spatz.engine.request import Usage
from spatz.server.app import create_app
from spatz.server.caller import Caller
from spatz.server.keyring import KeyRing
from spatz.server.usage import UsageRecorder
from spatz.store.db import Database
from spatz.store.keys import add_key, all_keys
from spatz.store.usage import DAY_SECONDS, DAYS_KEPT, Counts, UsageKey, add_usage, read_usage

Body = Callable[..., dict[str, Any]]
CHAT = "/v1/chat/completions"
LIST = "/v1/organization/usage/completions"
MODEL = "fake-model"
LAST = 10**6  # a day far away


@pytest.fixture
def app(model: FakeModel, settings: Settings) -> Iterator[FastAPI]:
    app = create_app(model, settings)
    yield app
    app.state.spatz.database.close()


@asynccontextmanager
async def client_of(app: Any, key: str = "none") -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://localhost",
        timeout=WAIT,
        headers={"authorization": f"Bearer {key}"},
    ) as client:
        yield client


def sum_of(page: dict[str, Any]) -> tuple[int, int, int]:
    """(requests, input, output)"""
    results = [result for bucket in page["data"] for result in bucket["results"]]
    names = ("num_model_requests", "input_tokens", "output_tokens")
    requests, given, made = (sum(result[name] for result in results) for name in names)
    return requests, given, made


async def today(client: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    response = await client.get(LIST, params={"start_time": int(time.time()) - 5, **query})
    assert response.status_code == 200, response.text
    page: dict[str, Any] = response.json()
    return page


async def test_whole_and_streamed_answers(app: FastAPI, chat: Body) -> None:
    async with client_of(app) as client:
        given = made = 0
        for sent in (chat(), chat(n=3), chat(max_tokens=2), chat(stop="wö")):
            usage = (await client.post(CHAT, json=sent)).json()["usage"]
            given, made = given + usage["prompt_tokens"], made + usage["completion_tokens"]
            await client.post(CHAT, json={**sent, "stream": True})  # the same again
            given, made = given + usage["prompt_tokens"], made + usage["completion_tokens"]
        assert sum_of(await today(client)) == (8, given, made)


async def test_several_prompts_are_one_request(app: FastAPI) -> None:
    async with client_of(app) as client:
        body = {"model": MODEL, "prompt": ["one", "and two"], "n": 2, "best_of": 3}
        usage = (await client.post("/v1/completions", json=body)).json()["usage"]
        assert sum_of(await today(client)) == (1, usage["prompt_tokens"], usage["completion_tokens"])


async def test_what_fails_is_not_counted(app: FastAPI, chat: Body, model: FakeModel) -> None:
    async with client_of(app) as client:
        assert (await client.post(CHAT, json=chat(n=0))).status_code == 400
        long = [{"role": "user", "content": "x" * 5000}]
        assert (await client.post(CHAT, json=chat(messages=long))).status_code == 400
        model.answers.append(ValueError("broken"))
        assert (await client.post(CHAT, json=chat())).status_code == 500
        assert sum_of(await today(client)) == (0, 0, 0)


async def test_answers_whose_clients_have_gone(settings: Settings, model: FakeModel) -> None:
    model.held = True
    async with (
        serving(model, settings) as live,
        AsyncOpenAI(base_url=live.url + "/v1", api_key="none", max_retries=0, timeout=WAIT) as client,
        httpx.AsyncClient(base_url=live.url, timeout=WAIT) as plain,
    ):
        asked = asyncio.create_task(
            client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hi"}], stream=True)
        )
        held = await model.streams.get()
        held.put("four")
        stream = await asked
        await anext(aiter(stream))
        await stream.close()
        await held.closed.wait()
        whole = asyncio.create_task(
            client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hi"}])
        )
        second = await model.streams.get()
        second.put("sixsix")
        whole.cancel()
        await second.closed.wait()
        prompt = len(held.request.prompt)
        assert sum_of(await today(plain)) == (2, 2 * prompt, 4 + 6)


async def test_batches_are_counted_apart(model: FakeModel, settings: Settings, chat: Body) -> None:
    async with running(model, settings) as app:
        client = app.client
        usage = (await client.post(CHAT, json=chat())).json()["usage"]
        one = (1, usage["prompt_tokens"], usage["completion_tokens"])
        batch = await app.whole(jsonl(*(line(number) for number in range(7))))
        answers = [item["response"]["body"]["usage"] for item in await app.lines(batch["output_file_id"])]
        names = ("prompt_tokens", "completion_tokens")
        lines = (7, *(sum(answer[name] for answer in answers) for name in names))
        assert sum_of(await today(client)) == tuple(map(sum, zip(one, lines, strict=True)))
        assert sum_of(await today(client, batch="true")) == lines
        assert sum_of(await today(client, batch="false")) == one
        (bucket,) = (await today(client, group_by="batch"))["data"]
        assert {result["batch"]: result["num_model_requests"] for result in bucket["results"]} == {False: 1, True: 7}


async def test_a_key_sees_its_own(app: FastAPI, chat: Body) -> None:
    state = app.state.spatz
    with state.database.transaction() as connection:
        (ada, ada_key), (bob, bob_key), (root, _) = (
            add_key(connection, name, admin=name == "root") for name in ("ada", "bob", "root")
        )
    state.keys._tried_at = -1e9  # the second that a server may take to see them has passed
    async with client_of(app, ada) as of_ada, client_of(app, bob) as of_bob, client_of(app, root) as of_root:
        for client, times in ((of_ada, 1), (of_bob, 2)):
            for _ in range(times):
                assert (await client.post(CHAT, json=chat())).status_code == 200
        assert sum_of(await today(of_ada))[0] == 1
        assert sum_of(await today(of_bob))[0] == 2
        assert sum_of(await today(of_root))[0] == 3
        everybody = {"api_key_ids": [ada_key.id, bob_key.id, "key_nobody"], "group_by[]": "api_key_id"}
        for client, wanted in (
            (of_ada, {ada_key.id: 1}),
            (of_bob, {bob_key.id: 2}),
            (of_root, {ada_key.id: 1, bob_key.id: 2}),
        ):
            (bucket,) = (await today(client, **everybody))["data"]
            assert {row["api_key_id"]: row["num_model_requests"] for row in bucket["results"]} == wanted
        assert (await today(of_ada, api_key_ids=bob_key.id))["data"][0]["results"] == []
        assert sum_of(await today(of_root, api_key_ids=bob_key.id))[0] == 2
    # The listing has written when the keys were used, too.
    with state.database.transaction() as connection:
        assert all(key.last_used_at is not None for key in all_keys(connection))


def fill(app: FastAPI) -> int:
    """Ten days with usage, but for the fourth; gives the first."""
    first = 20_000
    rows = {}
    for day in range(10):
        for number, name in enumerate(("m", "n")):
            if day != 3:
                rows[UsageKey("", first + day, name, False)] = Counts(1, 100 + day, day, 10 * number)
    with app.state.spatz.database.transaction() as connection:
        add_usage(connection, rows)
    return first


async def test_paging_through_the_sdk(app: FastAPI) -> None:
    first = fill(app)
    async with client_of(app) as http:
        client = AsyncOpenAI(
            base_url="http://localhost/v1", api_key="none", admin_api_key="none", http_client=http, max_retries=0
        )
        asked = client.admin.organization.usage.completions
        start, end = first * DAY_SECONDS, (first + 10) * DAY_SECONDS
        buckets, page = [], None
        for size in (4, 4, 2):
            given = {} if page is None else {"page": page}
            found = await asked(start_time=start, end_time=end, limit=4, group_by=["model"], **given)
            assert found.object == "page"
            assert len(found.data) == size
            assert found.has_more == (size == 4)
            buckets += found.data
            page = found.next_page
        assert page is None
        assert [bucket.start_time for bucket in buckets] == [start + day * DAY_SECONDS for day in range(10)]
        assert all(bucket.end_time == bucket.start_time + DAY_SECONDS for bucket in buckets)
        assert buckets[3].results == []
        assert [(row.model, row.input_tokens, row.output_tokens) for row in buckets[9].results] == [
            ("m", 109, 0),
            ("n", 109, 10),
        ]
        # The API's default: a week. Without groups a day is one sum.
        week = await asked(start_time=start, end_time=end)
        assert len(week.data) == 7
        assert week.has_more
        (row,) = week.data[1].results
        assert (row.input_tokens, row.input_cached_tokens, row.output_tokens) == (202, 2, 10)
        assert (row.num_model_requests, row.model, row.api_key_id, row.batch) == (2, None, None, None)
        assert row.object == "organization.usage.completions.result"
        # Days are whole: one that a time falls into is part of it.
        inside = await asked(start_time=start + 5, end_time=start + DAY_SECONDS + 1, models=["n"])
        assert [bucket.start_time for bucket in inside.data] == [start, start + DAY_SECONDS]
        assert [bucket.results[0].output_tokens for bucket in inside.data] == [10, 10]
        both = await asked(start_time=start, limit=1, group_by=["batch", "api_key_id", "model"])
        assert [(row.batch, row.api_key_id, row.model) for row in both.data[0].results] == [
            (False, None, "m"),
            (False, None, "n"),
        ]


async def test_an_alias_is_the_model(app: FastAPI, chat: Body) -> None:
    async with client_of(app) as client:
        await client.post(CHAT, json=chat())
        for name in ("gpt-4.1-nano", "fake-model"):
            assert sum_of(await today(client, models=name))[0] == 1
        assert sum_of(await today(client, models="other"))[0] == 0


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ("", "start_time", "missing_required_parameter"),
        ("start_time=x", "start_time", None),
        ("start_time=-1", "start_time", "integer_below_min_value"),
        ("start_time=99999999999999", "start_time", "integer_above_max_value"),
        ("start_time=1&start_time=2", "start_time", "invalid_value"),
        ("start_time=5&end_time=5", "end_time", "invalid_value"),
        ("start_time=1&bucket_width=1m", "bucket_width", "invalid_value"),
        ("start_time=1&bucket_width=1h", "bucket_width", "invalid_value"),
        ("start_time=1&bucket_width=2d", "bucket_width", "invalid_value"),
        ("start_time=1&limit=0", "limit", "integer_below_min_value"),
        ("start_time=1&limit=32", "limit", "integer_above_max_value"),
        ("start_time=1&group_by=colour", "group_by[0]", "invalid_value"),
        ("start_time=1&group_by[]=project_id", "group_by[0]", "invalid_value"),
        ("start_time=1&project_ids=p", "project_ids", "unsupported_parameter"),
        ("start_time=1&user_ids[]=p", "user_ids", "unsupported_parameter"),
        ("start_time=1&batch=maybe", "batch", None),
        ("start_time=1&page=page_0", "page", "invalid_value"),
        ("start_time=1&page=2", "page", "invalid_value"),
        ("start_time=1&page=page_99999999", "page", "invalid_value"),
        ("start_time=1&page=page_9999999", "page", "invalid_value"),
        ("start_time=1&nonsense=1", "nonsense", None),
    ],
)
async def test_bad_queries(app: FastAPI, query: str, param: str, code: str | None) -> None:
    async with client_of(app) as client:
        response = await client.get(f"{LIST}?{query}")
        error = check_error(response, 400, code or response.json()["error"]["code"])
        if param != "nonsense":
            assert error["param"] == param
        assert param.partition("[")[0] in error["message"] or code == "invalid_value"


async def test_the_widths_that_are_refused_say_why(app: FastAPI) -> None:
    async with client_of(app) as client:
        error = (await client.get(f"{LIST}?start_time=1&bucket_width=1h")).json()["error"]
        assert error["message"] == "Invalid value: '1h'. Usage is kept by day: the only width is '1d'."


async def test_many_items(app: FastAPI) -> None:
    async with client_of(app) as client:
        many = "&".join(f"api_key_ids[]=key_{number}" for number in range(101))
        response = await client.get(f"{LIST}?start_time=1&{many}")
        assert response.status_code == 400


# --- the recorder ----------------------------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open("", tmp_path)
    yield database
    database.close()


def rows_of(database: Database) -> dict[UsageKey, Counts]:
    with database.transaction() as connection:
        return dict(read_usage(connection, 0, LAST))


class Clock:
    now = 20_000.0 * DAY_SECONDS + 86_399

    def __call__(self) -> float:
        return self.now


async def test_days_end_at_midnight_utc(database: Database) -> None:
    clock = Clock()
    recorder = UsageRecorder(database, "m", KeyRing(database), clock)
    recorder.count(Caller("key_a"), Usage(5, 6, 1), 1)
    clock.now += 1
    recorder.count(Caller("key_a"), Usage(50, 60, 10), 1)
    assert await recorder.flush()
    assert rows_of(database) == {
        UsageKey("key_a", 20_000, "m", False): Counts(1, 5, 1, 6),
        UsageKey("key_a", 20_001, "m", False): Counts(1, 50, 10, 60),
    }
    clock.now += DAYS_KEPT * DAY_SECONDS
    recorder.count(Caller("key_a"), Usage(1, 1, 0), 1)
    assert await recorder.flush()
    assert [key.day for key in rows_of(database)] == [20_001 + DAYS_KEPT]


async def test_the_writer_writes_by_itself_and_at_the_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spatz.server.usage.WRITE_SECONDS", 0.0)
    recorder = UsageRecorder(database, "m", KeyRing(database), Clock())
    key = UsageKey("key_a", 20_000, "m", False)
    written = asyncio.Event()
    run = database.run

    async def note(work: Any) -> Any:
        result = await run(work)
        written.set()
        return result

    monkeypatch.setattr(database, "run", note)
    async with recorder.running():
        for number in range(1, 4):
            recorder.count(Caller("key_a"), Usage(5, 6, 1), 1)
            async with asyncio.timeout(WAIT):
                await written.wait()
            written.clear()
            assert rows_of(database) == {key: Counts(number, 5 * number, number, 6 * number)}
        recorder.count(Caller("key_a"), Usage(5, 6, 1), 1)
    assert rows_of(database) == {key: Counts(4, 20, 4, 24)}


async def test_what_cannot_be_written_is_kept(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = UsageRecorder(database, "m", KeyRing(database), Clock())

    async def fail(work: object) -> None:
        raise OperationalError("INSERT", {}, Exception("disk full"))

    with monkeypatch.context() as patch:
        patch.setattr(database, "run", fail)
        for _ in range(3):
            recorder.count(Caller("key_a"), Usage(5, 6, 1), 1)
            assert not await recorder.flush()
    assert "usage cannot be written" in caplog.text
    assert rows_of(database) == {}
    recorder.count(Caller("key_a"), Usage(5, 6, 1), 0)
    assert await recorder.flush()
    assert rows_of(database) == {UsageKey("key_a", 20_000, "m", False): Counts(3, 20, 4, 24)}


async def test_the_writer_tries_again(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("spatz.server.usage.WRITE_SECONDS", 0.0)
    recorder = UsageRecorder(database, "m", KeyRing(database), Clock())
    run, failures, written = database.run, [RuntimeError("no thread"), OSError("no disk")], asyncio.Event()

    async def stumble(work: Any) -> Any:
        if failures:
            raise failures.pop()
        result = await run(work)
        written.set()
        return result

    monkeypatch.setattr(database, "run", stumble)
    async with recorder.running():
        recorder.count(Caller("key_a"), Usage(5, 6, 1), 1)
        async with asyncio.timeout(WAIT):
            await written.wait()
    assert caplog.text.count("usage cannot be written") == 2
    assert rows_of(database) == {UsageKey("key_a", 20_000, "m", False): Counts(1, 5, 1, 6)}


async def test_a_stop_writes_what_is_left(
    settings: Settings, model: FakeModel, chat: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spatz.server.usage.WRITE_SECONDS", 1e6)
    async with serving(model, settings) as live, httpx.AsyncClient(base_url=live.url, timeout=WAIT) as client:
        usage = (await client.post(CHAT, json=chat())).json()["usage"]
        live.server.stop()
        async with asyncio.timeout(WAIT):
            await live.task
    database = Database.open("", settings.data_dir)
    (counts,) = rows_of(database).values()
    assert counts == Counts(1, usage["prompt_tokens"], 0, usage["completion_tokens"])
    database.close()
