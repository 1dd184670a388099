"""Conversations: their life, their items, and responses that are part of one."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from openai.types.conversations import Conversation, ConversationDeletedResource, ConversationItemList

from server.fake import FakeModel
from server.responding import PATH as RESPONSES
from server.responding import body, call, check_response, function, names, parse_stream
from spatz.errors import RequestError
from spatz.store import conversations as store

PATH = "/v1/conversations"


def said(text: str, **fields: Any) -> dict[str, Any]:
    return {"role": "user", "content": text, **fields}


async def create(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    response = await client.post(PATH, json=fields)
    assert response.status_code == 200, response.text
    Conversation.model_validate_json(response.text, strict=True)
    found: dict[str, Any] = response.json()
    return found


async def items(client: httpx.AsyncClient, id: str, **query: Any) -> list[dict[str, Any]]:
    response = await client.get(f"{PATH}/{id}/items", params={"order": "asc", "limit": 100, **query})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    if found["data"]:
        ConversationItemList.model_validate_json(response.text, strict=True)
    data: list[dict[str, Any]] = found["data"]
    return data


def texts(found: list[dict[str, Any]]) -> list[str]:
    return [item["content"][0]["text"] for item in found]


async def test_the_life_of_one(client: httpx.AsyncClient) -> None:
    made = await create(client, metadata={"a": "b"})
    assert set(made) == {"id", "object", "created_at", "metadata"}
    assert made["object"] == "conversation" and made["id"].startswith("conv_") and made["metadata"] == {"a": "b"}
    path = f"{PATH}/{made['id']}"
    assert (await client.get(path)).json() == made
    changed = (await client.post(path, json={"metadata": {"c": "d"}})).json()
    assert changed == {**made, "metadata": {"c": "d"}} == (await client.get(path)).json()
    assert (await client.post(path, json={"metadata": None})).json()["metadata"] == {}
    gone = await client.delete(path)
    ConversationDeletedResource.model_validate_json(gone.text, strict=True)
    assert gone.json() == {"id": made["id"], "object": "conversation.deleted", "deleted": True}
    for response in (
        await client.get(path),
        await client.delete(path),
        await client.post(path, json={"metadata": {}}),
        await client.get(f"{path}/items"),
        await client.post(f"{path}/items", json={"items": [said("x")]}),
        await client.post(RESPONSES, json=body(conversation=made["id"])),
    ):
        assert response.status_code == 404
        assert response.json()["error"]["message"] == f"Conversation with id '{made['id']}' not found."


async def test_items(client: httpx.AsyncClient) -> None:
    id = (await create(client, items=[said("one")]))["id"]
    path = f"{PATH}/{id}/items"
    added = await client.post(path, json={"items": [said("two"), {"role": "assistant", "content": "three"}]})
    ConversationItemList.model_validate_json(added.text, strict=True)
    assert texts(added.json()["data"]) == ["two", "three"]
    found = await items(client, id)
    assert texts(found) == ["one", "two", "three"]
    assert [item["content"][0]["type"] for item in found] == ["input_text", "input_text", "output_text"]
    one = found[0]
    assert (await client.get(f"{path}/{one['id']}")).json() == one
    assert texts((await client.get(path)).json()["data"]) == ["three", "two", "one"]
    page = (await client.get(path, params={"limit": 1, "after": found[2]["id"]})).json()
    assert texts(page["data"]) == ["two"] and page["has_more"] and page["first_id"] == page["last_id"]
    deleted = await client.delete(f"{path}/{one['id']}")
    Conversation.model_validate_json(deleted.text, strict=True)
    assert deleted.json()["id"] == id
    assert texts(await items(client, id)) == ["two", "three"]
    for response in (await client.get(f"{path}/{one['id']}"), await client.delete(f"{path}/{one['id']}")):
        assert response.status_code == 404 and one["id"] in response.json()["error"]["message"]


async def test_an_item_that_comes_again_is_another_one(client: httpx.AsyncClient) -> None:
    id = (await create(client, items=[said("one", id="msg_1"), said("two", id="msg_1")]))["id"]
    await client.post(f"{PATH}/{id}/items", json={"items": [{"type": "item_reference", "id": "msg_1"}]})
    found = await items(client, id)
    assert texts(found) == ["one", "two", "one"]
    assert len({item["id"] for item in found}) == 3 and found[0]["id"] == "msg_1"


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        ("", {"items": [said("x")] * 21}, "items"),
        ("", {"items": [{"type": "reasoning"}]}, "input"),
        ("", {"items": [{"role": "user"}]}, "items[0].content"),
        ("", {"metadata": {"a": 1}}, "metadata.a"),
        ("", {"name": "x"}, "name"),
        ("/{id}", {}, "metadata"),
        ("/{id}", {"metadata": "x"}, "metadata"),
        ("/{id}/items", {}, "items"),
        ("/{id}/items", {"items": []}, "items"),
        ("/{id}/items", {"items": [said("x")] * 21}, "items"),
        ("/{id}/items?include=x", {"items": [said("x")]}, "include"),
        ("/{id}/items", {"items": [{"id": "msg_none"}]}, "input"),
    ],
)
async def test_refusals(client: httpx.AsyncClient, path: str, fields: dict[str, Any], param: str) -> None:
    id = (await create(client))["id"]
    response = await client.post(PATH + path.format(id=id), json=fields)
    assert response.status_code in (400, 404)
    assert response.json()["error"]["param"] == param
    assert await items(client, id) == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "order=up", "after=msg_none", "after=%00", "include=x", "x=1"]
)
async def test_queries_that_cannot_be_served(client: httpx.AsyncClient, query: str) -> None:
    id = (await create(client, items=[said("x")]))["id"]
    assert (await client.get(f"{PATH}/{id}/items?{query}")).status_code == 400


async def test_responses_are_part_of_one(client: httpx.AsyncClient, model: FakeModel) -> None:
    id = (await create(client, items=[{"role": "developer", "content": "Rules."}]))["id"]
    for conversation in (id, {"id": id}):
        response = await client.post(RESPONSES, json=body(conversation=conversation, instructions="Now."))
        found = check_response(response.json())
        assert found["conversation"] == {"id": id} and found["previous_response_id"] is None
    assert [message["content"] for message in model.turns[-1].messages] == ["Now.", "Rules.", "hi", "Hello wörld", "hi"]
    found_items = await items(client, id)
    assert texts(found_items) == ["Rules.", "hi", "Hello wörld", "hi", "Hello wörld"]
    assert found_items[-1] == found["output"][0]
    counted = await client.post(f"{RESPONSES}/input_tokens", json={"conversation": id})
    assert counted.json()["input_tokens"] > len("Hello wörld") * 2


@pytest.mark.parametrize("fields", [{"stream": True}, {"store": False}])
async def test_however_it_is_answered(client: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    id = (await create(client))["id"]
    response = await client.post(RESPONSES, json=body(conversation=id, **fields))
    if "stream" in fields:
        assert names(parse_stream(response.text))[-1] == "completed"
    assert texts(await items(client, id)) == ["hi", "Hello wörld"]


async def test_what_failed_is_not_part_of_it(client: httpx.AsyncClient, model: FakeModel) -> None:
    id = (await create(client))["id"]
    model.answers.append(RequestError("Gone wrong.", status=500))
    assert (await client.post(RESPONSES, json=body(conversation=id))).status_code == 500
    assert await items(client, id) == []


async def test_calls_and_their_results(client: httpx.AsyncClient, model: FakeModel) -> None:
    id = (await create(client))["id"]
    model.answers.append((call(),))
    tools = {"tools": [function()], "tool_choice": "required"}
    made = (await client.post(RESPONSES, json=body(conversation=id, **tools))).json()["output"][0]
    missing = await client.post(RESPONSES, json=body(conversation=id))
    assert "No tool output found" in missing.json()["error"]["message"]
    result = {"type": "function_call_output", "call_id": made["call_id"], "output": "sunny"}
    assert (await client.post(RESPONSES, json=body(conversation=id, input=[result]))).status_code == 200
    assert [item["type"] for item in await items(client, id)] == [
        "message",
        "function_call",
        "function_call_output",
        "message",
    ]


async def test_one_has_a_bounded_length(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    id = (await create(client, items=[said("x")]))["id"]
    monkeypatch.setattr(store, "MAX_ITEMS", 2)
    added = await client.post(f"{PATH}/{id}/items", json={"items": [said("y"), said("z")]})
    assert added.status_code == 400 and "is full" in added.json()["error"]["message"]
    answered = await client.post(RESPONSES, json=body(conversation=id))
    assert answered.status_code == 400 and answered.json()["error"]["param"] == "conversation"
    assert texts(await items(client, id)) == ["x"]
