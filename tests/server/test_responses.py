"""Stored responses over HTTP: round trips, chains, lists of input, truncation, references, and who may see them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from openai.types.responses import Response
from openai.types.responses.response_item_list import ResponseItemList

from server.conftest import WAIT
from server.fake import CONTEXT, FakeModel
from server.responding import PATH, body, call, check_response, function
from spatz.config import Settings
from spatz.server.app import create_app
from spatz.store import responses as store

Pair = tuple[httpx.AsyncClient, httpx.AsyncClient]


async def create(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    response = await client.post(PATH, json=body(**fields))
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def input_items(client: httpx.AsyncClient, id: str, **query: Any) -> dict[str, Any]:
    response = await client.get(f"{PATH}/{id}/input_items", params=query)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    if found["data"]:
        ResponseItemList.model_validate_json(response.text, strict=True)
    return found


def texts(items: dict[str, Any]) -> list[str]:
    return [item["content"][0]["text"] for item in items["data"]]


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_stored_response_is_the_one_that_was_given(client: httpx.AsyncClient, streamed: bool) -> None:
    if streamed:
        text = (await client.post(PATH, json=body(stream=True))).text
        id = text.partition('"id":"')[2].partition('"')[0]
    else:
        given = await create(client)
        id = given["id"]
    kept = check_response((await client.get(f"{PATH}/{id}")).json())
    assert kept["status"] == "completed" and kept["output"][0]["content"][0]["text"] == "Hello wörld"
    if not streamed:
        assert kept == given


async def test_deleted_is_gone(client: httpx.AsyncClient) -> None:
    id = (await create(client))["id"]
    assert (await client.delete(f"{PATH}/{id}")).json() == {"id": id, "object": "response", "deleted": True}
    for response in (
        await client.get(f"{PATH}/{id}"),
        await client.delete(f"{PATH}/{id}"),
        await client.get(f"{PATH}/{id}/input_items"),
        await client.post(f"{PATH}/{id}/cancel", json={}),
    ):
        assert response.status_code == 404
        assert response.json()["error"]["message"] == f"Response with id '{id}' not found."


@pytest.mark.parametrize("id", ["resp_none", "%00", "a%20b", "x" * 200, "%F0%9F%90%A6"])
async def test_unknown_ids(client: httpx.AsyncClient, id: str) -> None:
    for path in (f"{PATH}/{id}", f"{PATH}/{id}/input_items"):
        assert (await client.get(path)).status_code == 404


async def test_what_is_not_to_be_stored_is_not(client: httpx.AsyncClient) -> None:
    id = (await create(client, store=False))["id"]
    assert (await client.get(f"{PATH}/{id}")).status_code == 404
    refused = await client.post(PATH, json=body(previous_response_id=id))
    assert refused.json()["error"]["code"] == "previous_response_not_found"


async def test_logprobs_of_a_stored_response_are_included_on_demand(client: httpx.AsyncClient) -> None:
    given = await create(client, top_logprobs=1)
    plain = (await client.get(f"{PATH}/{given['id']}")).json()
    assert plain["output"][0]["content"][0]["logprobs"] == []
    for name in ("include", "include[]"):
        query = {name: "message.output_text.logprobs"}
        assert (await client.get(f"{PATH}/{given['id']}", params=query)).json() == given


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("starting_after=3", "starting_after"),
        ("stream=maybe", "stream"),
        ("include=x", "include"),
        ("include_obfuscation=true&stream=true", "include_obfuscation"),
        ("stream=true", "stream"),
        ("fields=x", None),
    ],
)
async def test_queries_that_cannot_be_served(client: httpx.AsyncClient, query: str, param: str | None) -> None:
    id = (await create(client))["id"]
    response = await client.get(f"{PATH}/{id}?{query}")
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


async def test_a_chain(client: httpx.AsyncClient, model: FakeModel) -> None:
    first = await create(client, input="one", instructions="Be brief.")
    model.answers.append(("second",))
    second = await create(client, input="two", previous_response_id=first["id"])
    assert second["previous_response_id"] == first["id"] and second["instructions"] is None
    third = await create(client, input=[{"role": "user", "content": "three"}], previous_response_id=second["id"])
    assert model.turns[-1].messages == [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "Hello wörld"},
        {"role": "user", "content": "two"},
        {"role": "assistant", "content": "second"},
        {"role": "user", "content": "three"},
    ]
    listed = await input_items(client, third["id"], order="asc")
    assert texts(listed) == ["one", "Hello wörld", "two", "second", "three"]
    # Two may continue the same response.
    await create(client, input="other", previous_response_id=first["id"])
    assert [message["content"] for message in model.turns[-1].messages] == ["one", "Hello wörld", "other"]
    # Without input of its own, too.
    assert (await client.post(PATH, json={"model": "fake-model", "previous_response_id": first["id"]})).is_success


async def test_a_chain_that_lost_a_part_is_not_continued_without_it(client: httpx.AsyncClient) -> None:
    first = await create(client)
    second = await create(client, previous_response_id=first["id"])
    await client.delete(f"{PATH}/{first['id']}")
    error = (await client.post(PATH, json=body(previous_response_id=second["id"]))).json()["error"]
    assert error["code"] == "previous_response_not_found" and "deleted" in error["message"]
    assert error["param"] == "previous_response_id"
    assert texts(await input_items(client, second["id"])) == ["hi"]


async def test_a_chain_has_a_bounded_length(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_CHAIN", 2)
    first = await create(client)
    second = await create(client, previous_response_id=first["id"])
    error = (await client.post(PATH, json=body(previous_response_id=second["id"]))).json()["error"]
    assert error["param"] == "previous_response_id" and "too long" in error["message"]


async def test_results_of_calls_continue_a_chain(client: httpx.AsyncClient, model: FakeModel) -> None:
    model.answers.append((call(),))
    first = await create(client, tools=[function()], tool_choice="required")
    made = check_response(first)["output"][0]
    missing = await client.post(PATH, json=body(previous_response_id=first["id"]))
    assert missing.status_code == 400
    assert missing.json()["error"]["message"] == f"No tool output found for function call {made['call_id']}."
    result = {"type": "function_call_output", "call_id": made["call_id"], "output": "sunny"}
    await create(client, input=[result], previous_response_id=first["id"])
    messages = model.turns[-1].messages
    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]
    assert messages[1]["tool_calls"][0].arguments == '{"city": "Paris"}'
    # The same without the store: what came out goes in again as it is.
    await create(client, input=[{"role": "user", "content": "hi"}, *first["output"], result])
    assert model.turns[-1].messages == messages


async def test_what_the_sdk_dumps_goes_in_again(client: httpx.AsyncClient, model: FakeModel) -> None:
    """With all the fields that its types have, also those that nobody set."""
    model.answers.append((call(),))
    made = await create(client, tools=[function()], tool_choice="required")
    answered = await create(client)
    outputs = [item for found in (made, answered) for item in Response.model_validate(found).output]
    result = {"type": "function_call_output", "call_id": made["output"][0]["call_id"], "output": "sunny"}
    dumped = [item.model_dump(by_alias=True) for item in outputs]
    assert any(value is None for item in dumped for value in item.values())
    again = await create(client, input=[dumped[0], result, dumped[1], {"role": "user", "content": "more"}])
    listed = await client.get(f"{PATH}/{again['id']}/input_items", params={"order": "asc"})
    items = [item.model_dump(by_alias=True) for item in ResponseItemList.model_validate_json(listed.text).data]
    assert [item["id"] for item in items if item["type"] != "function_call_output"][:2] == [
        made["output"][0]["id"],
        answered["output"][0]["id"],
    ]
    await create(client, input=items)
    assert [message["role"] for message in model.turns[-1].messages] == ["assistant", "tool", "assistant", "user"]


async def test_references_to_stored_items(client: httpx.AsyncClient, model: FakeModel) -> None:
    said = (await create(client))["output"][0]["id"]
    items = [{"type": "item_reference", "id": said}, {"id": said}, {"role": "user", "content": "more"}]
    await create(client, input=items)
    assert [message["content"] for message in model.turns[-1].messages] == ["Hello wörld", "Hello wörld", "more"]
    unstored = (await create(client, store=False))["output"][0]["id"]
    response = await client.post(PATH, json=body(input=[{"id": unstored}]))
    assert response.status_code == 404 and "not persisted" in response.json()["error"]["message"]


async def test_pages_of_input(client: httpx.AsyncClient) -> None:
    items = [{"role": "user", "content": str(number)} for number in range(25)]
    id = (await create(client, input=items))["id"]
    newest = await input_items(client, id)
    assert texts(newest) == [str(number) for number in range(24, 4, -1)] and newest["has_more"]
    assert newest["first_id"] == newest["data"][0]["id"] and newest["last_id"] == newest["data"][-1]["id"]
    rest = await input_items(client, id, after=newest["last_id"], limit=100)
    assert texts(rest) == ["4", "3", "2", "1", "0"] and not rest["has_more"]
    assert texts(await input_items(client, id, order="asc", limit=2)) == ["0", "1"]
    empty = await input_items(client, id, after=rest["last_id"])
    assert empty == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    for query in ("limit=0", "limit=101", "order=up", "after=msg_none", "include=x", "before=x"):
        assert (await client.get(f"{PATH}/{id}/input_items?{query}")).status_code == 400


async def test_an_item_that_is_there_twice_does_not_make_pages_endless(client: httpx.AsyncClient) -> None:
    item = {"role": "user", "content": "x", "id": "msg_twice"}
    id = (await create(client, input=[item, item, {"role": "user", "content": "y"}]))["id"]
    page = await input_items(client, id, order="asc", limit=1)
    assert texts(await input_items(client, id, order="asc", limit=1, after=page["last_id"])) == ["y"]


async def test_only_responses_in_the_background_can_be_cancelled(client: httpx.AsyncClient) -> None:
    id = (await create(client))["id"]
    response = await client.post(f"{PATH}/{id}/cancel", json={})
    assert response.status_code == 400
    assert response.json()["error"]["message"] == "Cannot cancel a synchronous response."


async def test_truncation_leaves_out_the_oldest(client: httpx.AsyncClient, model: FakeModel) -> None:
    items: list[dict[str, Any]] = [{"role": "developer", "content": "rules"}]
    items += [{"role": ("user", "assistant")[number % 2], "content": f"{number:02}" * 250} for number in range(11)]
    refused = await client.post(PATH, json=body(input=items, max_output_tokens=100))
    assert refused.status_code == 400
    error = refused.json()["error"]
    assert (error["code"], error["param"]) == ("context_length_exceeded", "input")
    assert f"maximum context length is {CONTEXT} tokens" in error["message"]
    found = await create(client, input=items, instructions="top", truncation="auto", max_output_tokens=100)
    assert found["truncation"] == "auto"
    contents = [message["content"][:5] for message in model.turns[-1].messages]
    assert contents[:2] == ["top", "rules"]
    kept = [int(content[:2]) for content in contents[2:]]
    assert kept == list(range(11 - len(kept), 11))
    # As many as fit, and one more would not.
    size = len(model.requests[-1].prompt)
    assert size + 100 <= CONTEXT < size + 100 + 500 + len("assistant:\n")
    # What is stored is what was sent, and the chain goes on from there.
    assert len((await input_items(client, found["id"], limit=100))["data"]) == len(items)
    await create(client, previous_response_id=found["id"], truncation="auto")


async def test_truncation_drops_a_call_with_its_result(client: httpx.AsyncClient, model: FakeModel) -> None:
    made = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}" + " " * 2500}
    result = {"type": "function_call_output", "call_id": "c", "output": "y" * 1500}
    items = [{"role": "user", "content": "go"}, made, result, {"role": "user", "content": "z" * 500}]
    await create(client, input=items, truncation="auto")
    assert [message["content"][:2] for message in model.turns[-1].messages] == ["zz"]


async def test_truncation_keeps_the_last_question(client: httpx.AsyncClient, model: FakeModel) -> None:
    question = {"role": "user", "content": "q" * 100}
    items = [{"role": "user", "content": "a" * 3000}, question, {"role": "assistant", "content": "b" * 3000}]
    await create(client, input=items, truncation="auto")
    kept = [message["content"][0] for message in model.turns[-1].messages]
    assert kept == ["q", "b"]
    too_much = [{"role": "user", "content": "q" * 5000}]
    error = (await client.post(PATH, json=body(input=too_much, truncation="auto"))).json()["error"]
    assert error["code"] == "context_length_exceeded"


async def test_counting_tokens(client: httpx.AsyncClient) -> None:
    path = f"{PATH}/input_tokens"
    counted = (await client.post(path, json={"model": "gpt-4.1-nano", "input": "hi"})).json()
    assert counted == {"object": "response.input_tokens", "input_tokens": len("user:hi\n")}
    first = await create(client)
    chained = (await client.post(path, json={"input": "x", "previous_response_id": first["id"]})).json()
    assert chained["input_tokens"] == len("user:hi\nassistant:Hello wörld\nuser:x\n".encode())
    long = {"input": [{"role": "user", "content": "x" * 3000}] * 3}
    assert (await client.post(path, json=long)).json()["input_tokens"] == 3 * 3006
    assert (await client.post(path, json={**long, "truncation": "auto"})).json()["input_tokens"] == 3006
    for wrong in ({"model": "none"}, {"stream": True}, {"personality": "p"}, {"input": None}):
        assert (await client.post(path, json={"input": "x", **wrong})).status_code in (400, 404)


async def test_compaction_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post(f"{PATH}/compact", json=body())
    assert response.status_code in (400, 404)
    assert "ompaction" in response.json()["error"]["message"]


@pytest.fixture
async def two_clients(model: FakeModel, settings: Settings) -> AsyncIterator[Pair]:
    transport = httpx.ASGITransport(create_app(model, replace(settings, api_key=("key-of-ada", "key-of-bob"))))
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=WAIT) as one,
        httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=WAIT) as two,
    ):
        one.headers["authorization"] = "Bearer key-of-ada"
        two.headers["authorization"] = "Bearer key-of-bob"
        yield one, two


async def test_another_key_sees_nothing(two_clients: Pair) -> None:
    ada, bob = two_clients
    mine = await create(ada)
    id = mine["id"]
    assert (await bob.get(f"{PATH}/{id}")).status_code == 404
    assert (await bob.get(f"{PATH}/{id}?stream=true")).status_code == 404
    assert (await bob.get(f"{PATH}/{id}/input_items")).status_code == 404
    assert (await bob.delete(f"{PATH}/{id}")).status_code == 404
    assert (await bob.post(f"{PATH}/{id}/cancel", json={})).status_code == 404
    refused = await bob.post(PATH, json=body(previous_response_id=id))
    assert refused.json()["error"]["code"] == "previous_response_not_found"
    assert (await bob.post(PATH, json=body(input=[{"id": mine["output"][0]["id"]}]))).status_code == 404
    talk = (await ada.post("/v1/conversations", json={"items": [{"role": "user", "content": "x"}]})).json()["id"]
    item = (await ada.get(f"/v1/conversations/{talk}/items")).json()["data"][0]["id"]
    for below in ("", "/items", f"/items/{item}"):
        path = f"/v1/conversations/{talk}{below}"
        assert (await bob.get(path)).status_code == 404
        assert (await bob.delete(path)).status_code in (404, 405)
    assert (await bob.post(f"/v1/conversations/{talk}", json={"metadata": {}})).status_code == 404
    added = await bob.post(f"/v1/conversations/{talk}/items", json={"items": [{"role": "user", "content": "y"}]})
    assert added.status_code == 404
    assert (await bob.post(PATH, json=body(conversation=talk))).status_code == 404
    assert (await bob.post(PATH, json=body(input=[{"id": item}]))).status_code == 404
    assert (await ada.get(f"{PATH}/{id}")).json() == mine
    assert len((await ada.get(f"/v1/conversations/{talk}/items")).json()["data"]) == 1


async def test_stored_responses_outlive_the_server(model: FakeModel, settings: Settings) -> None:
    kept: dict[str, Any] = {}
    for number in range(2):
        transport = httpx.ASGITransport(create_app(model, settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=WAIT) as client:
            if number == 0:
                kept = await create(client)
            else:
                assert (await client.get(f"{PATH}/{kept['id']}")).json() == kept
                await create(client, previous_response_id=kept["id"])
