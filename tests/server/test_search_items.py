"""The item of a web search where it comes back: sent as input, referred to, listed, in conversations and in chat."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from server.contract import check
from server.fake import FakeModel
from server.responding import PATH, body
from spatz.server.web_search_item import SEARCH_RESULTS, SEARCH_SOURCES

SOURCES = [{"type": "url", "url": "https://a.test/"}, {"type": "api", "name": "weather"}]
SEARCH = {"type": "search", "query": "a", "queries": ["a", "b"], "sources": SOURCES}
RESULTS = [{"type": "text_result", "url": "https://a.test/", "title": "A", "snippet": "b", "date": None}]
CALL = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": SEARCH, "results": RESULTS}
CITED = {"type": "url_citation", "url": "https://a.test/", "title": "A", "start_index": 0, "end_index": 3}
ANSWER = {
    "type": "message",
    "role": "assistant",
    "id": "msg_1",
    "status": "completed",
    "content": [{"type": "output_text", "text": "It is.", "annotations": [CITED], "logprobs": []}],
}
ASKED = {"role": "user", "content": "Is it?"}
BOTH = {"include[]": [SEARCH_RESULTS, SEARCH_SOURCES]}
SHOWN = {"id": "ws_1", "type": "web_search_call", "status": "completed"}
BARE = {**SHOWN, "action": {"type": "search", "query": "a", "queries": ["a", "b"]}}

ITEMS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (CALL, CALL),
    (BARE, BARE),
    ({**CALL, "results": None, "action": {**SEARCH, "sources": None}}, BARE),
    ({**SHOWN, "status": None, "action": {"type": "search"}}, {**SHOWN, "action": {"type": "search"}}),
    (SHOWN, {**SHOWN, "action": {"type": "search"}}),
    (
        {**SHOWN, "status": "failed", "action": {"type": "open_page", "url": None}},
        {**SHOWN, "status": "failed", "action": {"type": "open_page"}},
    ),
    *(
        ({**SHOWN, "action": action}, {**SHOWN, "action": action})
        for action in (
            {"type": "open_page", "url": "https://a.test/"},
            {"type": "find_in_page", "url": "https://a.test/", "pattern": "x"},
        )
    ),
]


@pytest.mark.parametrize(("sent", "kept"), ITEMS, ids=range(len(ITEMS)))
async def test_it_is_kept_and_listed_and_the_model_is_not_told_of_it(
    client: httpx.AsyncClient, model: FakeModel, sent: dict[str, Any], kept: dict[str, Any]
) -> None:
    response = await client.post(PATH, json=body(input=[ASKED, sent, ANSWER, ASKED]))
    assert response.status_code == 200, response.text
    assert [message["role"] for message in model.turns[-1].messages] == ["user", "assistant", "user"]
    listing = await client.get(f"{PATH}/{response.json()['id']}/input_items", params={**BOTH, "order": "asc"})
    check(listing)
    assert listing.json()["data"][1] == kept
    assert listing.json()["data"][2]["content"][0]["annotations"] == [CITED]


async def test_its_sources_and_results_are_listed_on_demand(client: httpx.AsyncClient) -> None:
    made = await client.post(PATH, json=body(input=[CALL, ASKED]))
    path = f"{PATH}/{made.json()['id']}/input_items"
    for include, wanted in (
        ([], BARE),
        ([SEARCH_SOURCES], {**BARE, "action": SEARCH}),
        ([SEARCH_RESULTS], {**BARE, "results": RESULTS}),
        ([SEARCH_RESULTS, SEARCH_SOURCES], CALL),
    ):
        listing = await client.get(path, params={"include[]": include})
        assert listing.json()["data"][-1] == wanted


async def test_it_gets_an_id(client: httpx.AsyncClient) -> None:
    made = await client.post(PATH, json=body(input=[{**BARE, "id": None}, ASKED]))
    listing = await client.get(f"{PATH}/{made.json()['id']}/input_items")
    assert listing.json()["data"][-1]["id"].startswith("ws_")


async def test_it_is_referred_to_and_followed(client: httpx.AsyncClient, model: FakeModel) -> None:
    first = (await client.post(PATH, json=body(input=[ASKED, CALL, ANSWER]))).json()
    referring = body(input=[{"type": "item_reference", "id": "ws_1"}, ASKED])
    assert (await client.post(PATH, json=referring)).status_code == 200
    assert [message["role"] for message in model.turns[-1].messages] == ["user"]
    assert (await client.post(PATH, json=body(previous_response_id=first["id"]))).status_code == 200
    assert [message["role"] for message in model.turns[-1].messages] == ["user", "assistant", "assistant", "user"]


async def test_it_is_an_item_of_a_conversation(client: httpx.AsyncClient) -> None:
    talk = (await client.post("/v1/conversations", json={"items": [ASKED, CALL, ANSWER]})).json()
    path = f"/v1/conversations/{talk['id']}/items"
    for params, wanted in (({}, BARE), (BOTH, CALL)):
        one = await client.get(f"{path}/ws_1", params=params)
        check(one)
        assert one.json() == wanted
        assert wanted in (await client.get(path, params=params)).json()["data"]
    again = await client.post(path, json={"items": [CALL]}, params=BOTH)
    check(again)
    assert again.json()["data"][0] == {**CALL, "id": again.json()["data"][0]["id"]}
    assert again.json()["data"][0]["id"].startswith("ws_") and again.json()["data"][0]["id"] != "ws_1"


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"status": "done"}, ".status", "invalid_value"),
    ({"action": "search"}, ".action", "invalid_type"),
    ({"action": {}}, ".action.type", "missing_required_parameter"),
    ({"action": {"type": "click"}}, ".action.type", "invalid_value"),
    ({"action": {"type": []}}, ".action.type", "invalid_value"),
    (
        {"action": {"type": "search", "sources": [{"type": "url"}]}},
        ".action.sources[0].url",
        "missing_required_parameter",
    ),
    ({"action": {"type": "search", "queries": ["a"] * 101}}, ".action.queries", "array_above_max_length"),
    ({"action": {"type": "search", "sources": SOURCES * 501}}, ".action.sources", "array_above_max_length"),
    ({"action": {"type": "open_page", "query": "x"}}, ".action.query", "unknown_parameter"),
    ({"action": {"type": "open_page", "url": "x" * 10_001}}, ".action.url", "string_above_max_length"),
    ({"results": [1]}, ".results[0]", "invalid_type"),
    ({"id": "a b"}, ".id", "invalid_value"),
    ({"content": []}, ".content", "unknown_parameter"),
]


@pytest.mark.parametrize(("fields", "param", "code"), REFUSED, ids=lambda value: str(value)[:50])
async def test_what_is_wrong_with_it(client: httpx.AsyncClient, fields: dict[str, Any], param: str, code: str) -> None:
    error = (await client.post(PATH, json=body(input=[ASKED, {**BARE, **fields}]))).json()["error"]
    assert (error["param"], error["code"]) == (f"input[1]{param}", code), error


NESTED = {"type": "url_citation", "url_citation": {key: value for key, value in CITED.items() if key != "type"}}


async def test_chat_takes_annotations_back(client: httpx.AsyncClient, model: FakeModel) -> None:
    answer = {"role": "assistant", "content": "It is.", "refusal": None, "annotations": [NESTED]}
    for sent in ([NESTED], [], None):
        messages = [ASKED, {**answer, "annotations": sent}, ASKED]
        response = await client.post("/v1/chat/completions", json={"model": "gpt-4.1-nano", "messages": messages})
        assert response.status_code == 200, response.text
        assert model.turns[-1].messages[1] == {"role": "assistant", "content": "It is."}


@pytest.mark.parametrize(
    ("annotation", "param"),
    [
        ({}, ".type"),
        (CITED, ".url_citation"),
        ({"type": "file_citation"}, ".type"),
        ({**NESTED, "url_citation": {**NESTED["url_citation"], "start_index": -1}}, ".url_citation.start_index"),
    ],
)
async def test_annotations_that_are_none(client: httpx.AsyncClient, annotation: Any, param: str) -> None:
    messages = [ASKED, {"role": "assistant", "content": "It is.", "annotations": [annotation]}, ASKED]
    response = await client.post("/v1/chat/completions", json={"model": "gpt-4.1-nano", "messages": messages})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == f"messages[1].annotations[0]{param}"
