"""A web search through the app: asked for in both APIs, found by a provider of the test's own, cited, stored, replayed.

What is searched and read is real but for the provider, which says what it finds; the model's answers are scripted.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from server import batching
from server.batching import Running
from server.conftest import WAIT
from server.contract import check
from server.fake import FakeModel
from server.responding import PATH, body, check_response, names, parse_stream
from spatz.config import Settings
from spatz.search.query import SearchQuery
from spatz.search.result import ProviderError, SearchResult
from spatz.server.web import Web
from spatz.server.web_search_item import SEARCH_RESULTS, SEARCH_SOURCES

CHAT = "/v1/chat/completions"
URL = "https://a.test/tower"
TITLE = "The tower of Brenn"
FACT = "The tower of Brenn is 312 metres high."
PAGE = SearchResult(URL, TITLE, "All of the tower.", text=f"# {TITLE}\n\n{FACT} It was built in 1874 by Otto Hahn.\n")
OTHER = SearchResult("https://b.test/", "Cats", "Of cats.", text="Cats are animals. They like milk and fish.\n")
ASKED = "How high is the tower of Brenn?"
SAID = ("Well. ", "The tower of Brenn is", " 312 metres high.")
TOOLS = {"input": ASKED, "tools": [{"type": "web_search"}]}
BOTH = [SEARCH_RESULTS, SEARCH_SOURCES]
FLAT = {"type": "url_citation", "url": URL, "title": TITLE, "start_index": 6, "end_index": 44}
NESTED = {"type": "url_citation", "url_citation": {key: value for key, value in FLAT.items() if key != "type"}}


class Scripted:
    """Finds the same for everybody, or fails."""

    name = "scripted"

    def __init__(self) -> None:
        self.queries: list[SearchQuery] = []
        self.results = [PAGE, OTHER]
        self.error = ""

    async def search(self, query: SearchQuery) -> list[SearchResult]:
        self.queries.append(query)
        if self.error:
            raise ProviderError(self.error)
        return self.results


@pytest.fixture
def provider() -> Scripted:
    return Scripted()


@pytest.fixture
async def running(model: FakeModel, settings: Settings, provider: Scripted) -> AsyncIterator[Running]:
    """With its services, as responses in the background and batches need them."""
    async with batching.running(model, settings) as running:
        state = running.app.state.spatz
        state.web = Web(settings, None, state.reader, providers=[provider])
        model.likely = lambda prompt, text: -100.0
        yield running


@pytest.fixture
def searching(running: Running, model: FakeModel) -> httpx.AsyncClient:
    model.answers.extend([SAID] * 4)
    return running.client


def kept_item(include: list[str]) -> dict[str, Any]:
    """As it is shown with that include, but for its id."""
    query = ASKED.rstrip("?")
    action: dict[str, Any] = {"type": "search", "query": query, "queries": [query]}
    item = {"type": "web_search_call", "status": "completed", "action": action}
    if SEARCH_SOURCES in include:
        action["sources"] = [{"type": "url", "url": URL}, {"type": "url", "url": OTHER.url}]
    if SEARCH_RESULTS in include:
        item["results"] = [
            {"type": "text_result", "url": found.url, "title": found.title, "snippet": found.snippet, "date": None}
            for found in (PAGE, OTHER)
        ]
    return item


def same(found: dict[str, Any], include: list[str]) -> bool:
    return {key: value for key, value in found.items() if key != "id"} == kept_item(include)


@pytest.mark.parametrize("include", [[], [SEARCH_SOURCES], BOTH])
async def test_a_response_with_its_sources(
    searching: httpx.AsyncClient, model: FakeModel, provider: Scripted, include: list[str]
) -> None:
    answer = await searching.post(PATH, json=body(**TOOLS, include=include))
    check(answer)
    found = check_response(answer.json(), openly=False)
    call, message = found["output"]
    assert same(call, include) and call["id"].startswith("ws_")
    assert message["content"][0]["text"] == "".join(SAID)
    assert message["content"][0]["annotations"] == [FLAT]
    assert message["content"][0]["text"][FLAT["start_index"] : FLAT["end_index"]] == FACT  # type: ignore[misc]
    prompt = bytes(model.requests[-1].prompt).decode()
    assert FACT in prompt and ASKED in prompt
    told = found["usage"]["spatz"]["search"]
    assert told["queries"] == [provider.queries[0].text] and told["failures"] == []
    assert [page["url"] for page in told["pages"] if page["passages"]] == [URL]
    for asked in ([], BOTH):
        again = await searching.get(f"{PATH}/{found['id']}", params={"include[]": asked})
        check(again)
        assert same(again.json()["output"][0], asked)
        assert again.json()["output"][1] == message


async def test_its_stream_ends_with_the_same(searching: httpx.AsyncClient) -> None:
    whole = (await searching.post(PATH, json=body(**TOOLS, include=BOTH))).json()
    answer = await searching.post(PATH, json=body(**TOOLS, include=BOTH, stream=True))
    check(answer)
    events = parse_stream(answer.text, openly=False)
    assert names(events)[2:7] == [
        "output_item.added",
        "web_search_call.in_progress",
        "web_search_call.searching",
        "web_search_call.completed",
        "output_item.done",
    ]
    streamed = events[-1]["response"]
    for response in (whole, streamed):
        assert response["usage"]["spatz"]["search"].pop("seconds") >= 0
        for provider in response["usage"]["spatz"]["search"].pop("providers"):
            assert provider["name"] == "scripted" and provider["results"] == 2 and provider["error"] is None
        for item in response["output"]:
            item["id"] = ""
        response["id"] = ""
        response["created_at"] = response["completed_at"] = 0
    assert whole == streamed


async def test_in_the_background_and_again(running: Running, model: FakeModel) -> None:
    model.answers.append(SAID)
    client = running.client
    begun = await client.post(PATH, json=body(**TOOLS, background=True, stream=True, include=[SEARCH_SOURCES]))
    events = parse_stream(begun.text, openly=False)
    id = events[-1]["response"]["id"]
    assert same(events[-1]["response"]["output"][0], [SEARCH_SOURCES])
    for after in (-1, 4):
        params = {"stream": "true"} | ({} if after < 0 else {"starting_after": str(after)})
        replay = await client.get(f"{PATH}/{id}", params=params)
        check(replay)
        assert parse_stream(replay.text, openly=False, first=after + 1) == events[after + 1 :]
    stored = await client.get(f"{PATH}/{id}", params={"include[]": BOTH})
    assert same(stored.json()["output"][0], BOTH)
    cancelled = await client.post(f"{PATH}/{id}/cancel", json={})  # it has ended: nothing changes
    check(cancelled)
    assert same(cancelled.json()["output"][0], [])


async def test_it_is_part_of_chains_and_conversations(searching: httpx.AsyncClient, model: FakeModel) -> None:
    talk = (await searching.post("/v1/conversations", json={})).json()
    made = (await searching.post(PATH, json=body(**TOOLS, conversation=talk["id"]))).json()
    items = await searching.get(f"/v1/conversations/{talk['id']}/items", params={"order": "asc", "include[]": BOTH})
    check(items)
    user, call, message = items.json()["data"]
    assert user["role"] == "user" and same(call, BOTH) and message == made["output"][1]
    follow = body(input="And who built it?", previous_response_id=made["id"])
    assert (await searching.post(PATH, json=follow)).status_code == 200
    roles = [item["role"] for item in model.turns[-1].messages]
    assert roles == ["user", "assistant", "user"]
    sent = [{"role": "user", "content": ASKED}, *made["output"], {"role": "user", "content": "And who built it?"}]
    assert (await searching.post(PATH, json=body(input=sent))).status_code == 200
    assert [item["role"] for item in model.turns[-1].messages] == roles


async def test_chat_whole_streamed_and_stored(searching: httpx.AsyncClient, provider: Scripted) -> None:
    asked = {
        "model": "gpt-4.1-nano",
        "messages": [{"role": "user", "content": ASKED}],
        "web_search_options": {"search_context_size": "low", "user_location": None},
        "n": 2,
        "store": True,
    }
    whole = await searching.post(CHAT, json=asked)
    check(whole)
    assert [choice["message"]["annotations"] for choice in whole.json()["choices"]] == [[NESTED], [NESTED]]
    assert whole.json()["usage"]["spatz"]["search"]["queries"] == [provider.queries[0].text]
    stored = await searching.get(f"{CHAT}/{whole.json()['id']}")
    check(stored)
    assert stored.json()["choices"] == whole.json()["choices"]
    streamed = await searching.post(CHAT, json={**asked, "stream": True, "stream_options": {"include_usage": True}})
    check(streamed)
    chunks = [json.loads(line[6:]) for line in streamed.text.split("\n\n") if line.startswith("data: {")]
    told = {
        chunk["choices"][0]["index"]: chunk["choices"][0]["delta"]["annotations"]
        for chunk in chunks[:-1]
        if "annotations" in chunk["choices"][0]["delta"]
    }
    assert told == {0: [NESTED], 1: [NESTED]}
    assert chunks[-1]["usage"]["spatz"]["search"]["pages"] == whole.json()["usage"]["spatz"]["search"]["pages"]
    listed = (await searching.get(CHAT)).json()["data"]
    assert [chat["choices"][0]["message"]["annotations"] for chat in listed] == [[NESTED], [NESTED]]


async def test_what_failed_is_told_and_the_answer_comes(
    searching: httpx.AsyncClient, model: FakeModel, provider: Scripted
) -> None:
    provider.error = "it is asleep"
    model.answers.clear()
    model.answers.append(["I found nothing about this."])
    answer = await searching.post(PATH, json=body(**TOOLS, include=BOTH))
    check(answer)
    found = check_response(answer.json(), openly=False)
    call, message = found["output"]
    assert call["status"] == "failed" and call["action"]["sources"] == [] and call["results"] == []
    assert message["content"][0]["annotations"] == []
    (told,) = found["usage"]["spatz"]["search"]["providers"]
    assert "it is asleep" in told["error"] and told["results"] == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_choice": "none"},
        {"tools": []},
        {
            "tools": [{"type": "web_search"}, {"type": "custom", "name": "f"}],
            "tool_choice": {"type": "custom", "name": "f"},
        },
    ],
)
async def test_nothing_is_searched_where_it_may_not_be(
    searching: httpx.AsyncClient, provider: Scripted, model: FakeModel, fields: dict[str, Any]
) -> None:
    if "tool_choice" in fields and fields["tool_choice"] != "none":
        model.answers.clear()
        model.answers.append(['{"name": "f", "input": <input>', "x", "</input>}"])
    answer = await searching.post(PATH, json=body(**{**TOOLS, **fields}))
    assert answer.status_code == 200, answer.text
    assert not provider.queries
    assert "search" not in answer.json()["usage"]["spatz"]


async def test_counting_tokens_searches_nothing(searching: httpx.AsyncClient, provider: Scripted) -> None:
    bare = await searching.post(f"{PATH}/input_tokens", json={"input": ASKED})
    with_tool = await searching.post(f"{PATH}/input_tokens", json=TOOLS)
    check(with_tool)
    assert with_tool.json() == bare.json() and not provider.queries


async def test_a_batch_searches_too(running: Running, model: FakeModel, provider: Scripted) -> None:
    model.answers.append(SAID)
    lines = batching.jsonl(batching.line(0, PATH, body={**TOOLS, "store": False}))
    begun = await running.begin(lines, PATH)
    ended = await running.until(begun, *batching.ENDED)
    assert ended["status"] == "completed"
    output = (await running.client.get(f"/v1/files/{ended['output_file_id']}/content")).json()
    call, message = output["response"]["body"]["output"]
    assert same(call, []) and message["content"][0]["annotations"] == [FLAT]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_server_without_providers_refuses(client: httpx.AsyncClient, model: FakeModel, stream: bool) -> None:
    for path, fields, param in (
        (PATH, body(**TOOLS), "tools"),
        (PATH, body(**TOOLS, background=True), "tools"),
        (CHAT, {"model": "m", "messages": [{"role": "user", "content": "x"}], "web_search_options": {}}, None),
    ):
        given = {**fields, "model": "gpt-4.1-nano", "stream": stream}
        error = (await client.post(path, json=given)).json()["error"]
        assert error["code"] == "unsupported_value" and error["param"] == (param or "web_search_options")
    assert not model.requests


class Slow(Scripted):
    """Does not find anything until it is given up."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.ended = asyncio.Event(), asyncio.Event()

    async def search(self, query: SearchQuery) -> list[SearchResult]:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()
        raise AssertionError("nothing ends it")


@pytest.fixture
def slow(running: Running, settings: Settings) -> Slow:
    state, provider = running.app.state.spatz, Slow()
    state.web = Web(settings, None, state.reader, providers=[provider])
    return provider


async def test_a_request_that_is_given_up_ends_its_search(running: Running, slow: Slow) -> None:
    task = asyncio.create_task(running.client.post(PATH, json=body(**TOOLS)))
    async with asyncio.timeout(WAIT):
        await slow.asked.wait()
        task.cancel()
        await slow.ended.wait()
        await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


async def test_a_response_that_is_cancelled_while_it_searches(running: Running, slow: Slow) -> None:
    client = running.client
    id = (await client.post(PATH, json=body(**TOOLS, background=True))).json()["id"]
    async with asyncio.timeout(WAIT):
        await slow.asked.wait()
        under_way = await client.get(f"{PATH}/{id}")
        check(under_way)
        assert under_way.json()["status"] == "in_progress"
        cancelled = await client.post(f"{PATH}/{id}/cancel", json={})
        await slow.ended.wait()
    check(cancelled)
    assert cancelled.json()["status"] == "cancelled"
    assert [item["status"] for item in cancelled.json()["output"]] == ["incomplete"]
    assert "sources" not in cancelled.json()["output"][0]["action"]
