"""Stored chat completions: kept on demand, listed, changed and deleted, for their key alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx
import openai
import pytest

from server.conftest import WAIT
from server.contract import check
from server.fake import FakeModel
from spatz.config import Settings
from spatz.server.app import create_app

Body = Callable[..., dict[str, Any]]
PATH = "/v1/chat/completions"


@pytest.fixture
async def sdk(client: httpx.AsyncClient) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url="http://localhost/v1", api_key="x", http_client=client) as sdk:
        yield sdk


async def store(client: httpx.AsyncClient, chat: Body, **fields: Any) -> dict[str, Any]:
    response = await client.post(PATH, json=chat(store=True, **fields))
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_what_is_stored_comes_back(client: httpx.AsyncClient, chat: Body) -> None:
    fields = {"metadata": {"color": "blue"}, "temperature": 0.5, "seed": 7, "user": "ada"}
    made = await store(client, chat, **fields)
    response = await client.get(f"{PATH}/{made['id']}")
    check(response)
    found = response.json()
    assert {key: found[key] for key in made} == made
    assert found["metadata"] == {"color": "blue"} and found["temperature"] == 0.5 and found["seed"] == 7
    assert found["input_user"] == "ada" and found["request_id"].startswith("req_")


async def test_what_is_not_to_be_stored_is_not(client: httpx.AsyncClient, chat: Body) -> None:
    for fields in ({}, {"store": False}, {"store": None}):
        made = (await client.post(PATH, json=chat(**fields))).json()
        assert (await client.get(f"{PATH}/{made['id']}")).status_code == 404
    assert (await client.get(PATH)).json()["data"] == []


async def test_a_stream_is_stored_whole_before_its_end(client: httpx.AsyncClient, chat: Body, model: FakeModel) -> None:
    model.answers.append(["Hel", "lo"])
    text = (await client.post(PATH, json=chat(store=True, stream=True))).text
    assert text.endswith("data: [DONE]\n\n")
    (found,) = (await client.get(PATH)).json()["data"]
    assert found["id"] in text
    assert found["object"] == "chat.completion"
    assert found["choices"][0]["message"]["content"] == "Hello"
    assert found["choices"][0]["finish_reason"] == "stop" and found["usage"]["completion_tokens"] == 5


async def test_an_answer_that_failed_is_not_stored(client: httpx.AsyncClient, chat: Body, model: FakeModel) -> None:
    model.answers.append(RuntimeError("gone wrong"))
    assert (await client.post(PATH, json=chat(store=True))).status_code == 500
    assert (await client.get(PATH)).json()["data"] == []


async def test_the_life_of_one(sdk: openai.AsyncOpenAI) -> None:
    messages: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]
    made = await sdk.chat.completions.create(
        model="gpt-4.1-nano", messages=messages, store=True, metadata={"a": "b", "c": "d"}
    )
    assert (await sdk.chat.completions.retrieve(made.id)).choices == made.choices
    changed = await sdk.chat.completions.update(made.id, metadata={"e": "f"})
    assert changed.metadata == {"e": "f"}  # type: ignore[attr-defined]
    cleared = await sdk.chat.completions.update(made.id, metadata=None)
    assert cleared.metadata == {}  # type: ignore[attr-defined]
    asked = [message async for message in sdk.chat.completions.messages.list(made.id)]
    assert [(message.role, message.content) for message in asked] == [("system", "Be brief."), ("user", "hi")]
    gone = await sdk.chat.completions.delete(made.id)
    assert gone.deleted and gone.id == made.id
    with pytest.raises(openai.NotFoundError):
        await sdk.chat.completions.retrieve(made.id)


async def test_lists_are_pages_in_both_orders(sdk: openai.AsyncOpenAI, client: httpx.AsyncClient, chat: Body) -> None:
    made = [(await store(client, chat, metadata={"even": str(number % 2 == 0)}))["id"] for number in range(5)]
    assert [item.id async for item in sdk.chat.completions.list(limit=2)] == made
    assert [item.id async for item in sdk.chat.completions.list(limit=2, order="desc")] == made[::-1]
    even = sdk.chat.completions.list(metadata={"even": "True"}, limit=1)
    assert [item.id async for item in even] == made[::2]
    for name in ("gpt-4.1-nano", "fake-model"):
        assert len([item async for item in sdk.chat.completions.list(model=name)]) == 5
    assert [item async for item in sdk.chat.completions.list(model="other")] == []
    page = (await client.get(PATH, params={"limit": 2, "after": made[0]})).json()
    assert page["has_more"] and (page["first_id"], page["last_id"]) == (made[1], made[2])


async def test_pages_of_messages(client: httpx.AsyncClient, chat: Body) -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    messages = [
        {"role": "user", "content": parts, "name": "Ada"},
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": "d"},
    ]
    made = await store(client, chat, messages=messages)
    path = f"{PATH}/{made['id']}/messages"
    response = await client.get(path, params={"limit": 2})
    check(response)
    page = response.json()
    first, second = page["data"]
    assert first["content"] is None and first["content_parts"] == parts and first["name"] == "Ada"
    assert second["content"] == "c" and second["content_parts"] is None
    assert page["has_more"] and page["last_id"] == second["id"] == f"{made['id']}-1"
    rest = (await client.get(path, params={"after": second["id"]})).json()
    assert [item["content"] for item in rest["data"]] == ["d"] and not rest["has_more"]
    turned = (await client.get(path, params={"order": "desc", "limit": 1})).json()
    assert turned["data"][0]["content"] == "d"
    assert (await client.get(path, params={"after": "nothing"})).json()["error"]["param"] == "after"


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ("limit=0", "limit", "integer_below_min_value"),
        ("limit=101", "limit", "integer_above_max_value"),
        ("limit=many", "limit", "invalid_value"),
        ("limit=" + "9" * 5000, "limit", "invalid_value"),
        ("order=sideways", "order", "invalid_value"),
        ("after=chatcmpl-unknown", "after", "invalid_value"),
        ("after=a&after=b", "after", "invalid_value"),
        ("metadata=a", "metadata", "invalid_type"),
        ("metadata[a]=b&metadata[a]=c", "metadata[a]", "invalid_value"),
        ("colour=red", None, None),
        ("&".join(f"metadata[{n}]=x" for n in range(17)), "metadata", "object_above_max_properties"),
        ("&".join("limit=1" for _ in range(101)), None, "invalid_value"),
    ],
)
async def test_bad_queries(client: httpx.AsyncClient, query: str, param: str | None, code: str | None) -> None:
    response = await client.get(f"{PATH}?{query}")
    check(response)
    error = response.json()["error"]
    assert (response.status_code, error["param"], error["code"]) == (400, param, code)


@pytest.mark.parametrize("name", ["chatcmpl-unknown", "%00", "x" * 1000, "%F0%9F%90%A6", "'; DROP TABLE x --"])
async def test_unknown_ids(client: httpx.AsyncClient, name: str) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", ""), ("GET", "/messages")):
        response = await client.request(method, f"{PATH}/{name}{path}", json={"metadata": {}})
        assert response.status_code == 404, response.text
        assert response.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, "metadata", "missing_required_parameter"),
        ({"metadata": {"a": 1}}, "metadata.a", "invalid_type"),
        ({"metadata": []}, "metadata", "invalid_type"),
        ({"metadata": {"a" * 65: ""}}, "metadata", "invalid_property_name"),
        ({"metadata": {"a": "\x00"}}, "metadata", "invalid_value"),
        ({"metadata": {}, "model": "x"}, None, None),
    ],
)
async def test_bad_changes(
    client: httpx.AsyncClient, chat: Body, body: dict[str, Any], param: str | None, code: str | None
) -> None:
    made = await store(client, chat)
    error = (await client.post(f"{PATH}/{made['id']}", json=body)).json()["error"]
    assert (error["param"], error["code"]) == (param, code)


async def test_another_key_sees_nothing(model: FakeModel, settings: Settings, chat: Body) -> None:
    settings = replace(settings, api_key=("ada", "bob"))
    transport = httpx.ASGITransport(create_app(model, settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=WAIT) as client:
        ada, bob = ({"authorization": f"Bearer {key}"} for key in ("ada", "bob"))
        made = (await client.post(PATH, json=chat(store=True), headers=ada)).json()
        one = f"{PATH}/{made['id']}"
        assert (await client.get(one, headers=ada)).status_code == 200
        for method, path in (("GET", one), ("POST", one), ("DELETE", one), ("GET", f"{one}/messages")):
            assert (await client.request(method, path, headers=bob, json={"metadata": {}})).status_code == 404
        assert (await client.get(PATH, headers=bob)).json()["data"] == []
        assert (await client.get(PATH, headers=bob, params={"after": made["id"]})).status_code == 400
        assert len((await client.get(PATH, headers=ada)).json()["data"]) == 1


async def test_what_is_stored_outlives_the_server(model: FakeModel, settings: Settings, chat: Body) -> None:
    for number in range(2):
        transport = httpx.ASGITransport(create_app(model, settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=WAIT) as client:
            assert len((await client.get(PATH)).json()["data"]) == number
            await store(client, chat)
