"""The events and the item of a web search, and citations: the writer of responses is fed by hand with what happens."""

from __future__ import annotations

import json
from typing import Any

import pytest

from server.responding import names, parse_stream
from spatz.errors import RequestError
from spatz.prompt.turn import ToolCall
from spatz.search.result import SearchResult
from spatz.server.answer import Answer
from spatz.server.chat_answer import ChatChunks, chat_completion
from spatz.server.events import (
    CallArguments,
    CallDone,
    CallStarted,
    Cited,
    Event,
    Finished,
    SearchAction,
    SearchDone,
    SearchStarted,
    TextDelta,
)
from spatz.server.generate import Totals
from spatz.server.responses_answer import included, new_response
from spatz.server.responses_request import ResponseRequest
from spatz.server.responses_stream import ResponseWriter
from spatz.server.web_search_item import SEARCH_RESULTS, SEARCH_SOURCES

SOURCE = SearchResult("https://a.test/1", "One", "The tower is 312 m high.", "2025-01-02", providers=("local",))
BARE = SearchResult("https://b.test/", "Two")
SEARCH = SearchAction("search", ("height of the tower", "tower height"))
TEXT = "It is 312 m high 🐦. Nobody knows why."
EVENTS: tuple[Event, ...] = (
    SearchStarted("ws_1", SEARCH),
    SearchDone("ws_1", SEARCH, (SOURCE, BARE)),
    TextDelta(0, TEXT[:20]),
    Cited(0, SOURCE.url, SOURCE.title, 0, 19),
    TextDelta(0, TEXT[20:]),
    Cited(0, BARE.url, BARE.title, 20, len(TEXT)),
    Finished(0, "stop", Totals(10, 5)),
)
FLAT = [
    {"type": "url_citation", "url": SOURCE.url, "title": "One", "start_index": 0, "end_index": 19},
    {"type": "url_citation", "url": BARE.url, "title": "Two", "start_index": 20, "end_index": len(TEXT)},
]
SOURCES = [{"type": "url", "url": SOURCE.url}, {"type": "url", "url": BARE.url}]
RESULTS = [
    {
        "type": "text_result",
        "url": SOURCE.url,
        "title": "One",
        "snippet": "The tower is 312 m high.",
        "date": "2025-01-02",
    },
    {"type": "text_result", "url": BARE.url, "title": "Two", "snippet": "", "date": None},
]
SEARCHED = [
    "output_item.added",
    "web_search_call.in_progress",
    "web_search_call.searching",
    "web_search_call.completed",
    "output_item.done",
]


def writer(*include: str) -> ResponseWriter:
    body = ResponseRequest(model="m", input="How high?", tools=[{"type": "web_search"}], include=list(include))  # type: ignore[list-item]
    return ResponseWriter(new_response(body, "m", 0.0), logprobs=None, obfuscate=False, include=include)


def written(made: ResponseWriter, *events: Event, first: int = 0) -> list[dict[str, Any]]:
    data = made.begin() + b"".join(made.take(event) for event in events) + made.end()
    # The open specification has no searches: it is the SDK's types that count.
    return parse_stream(data.decode(), openly=False, first=first)


def test_a_search_comes_before_the_message() -> None:
    events = written(writer(), *EVENTS)
    assert names(events) == [
        "created",
        "in_progress",
        *SEARCHED,
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.annotation.added",
        "output_text.delta",
        "output_text.annotation.added",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    added, *steps = events[2:7]
    action = {"type": "search", "query": "height of the tower", "queries": ["height of the tower", "tower height"]}
    assert added["item"] == {"id": "ws_1", "type": "web_search_call", "status": "in_progress", "action": action}
    assert {(step.get("item_id", "ws_1"), step["output_index"]) for step in steps} == {("ws_1", 0)}
    assert steps[-1]["item"] == {**added["item"], "status": "completed"}
    assert events[-1]["response"]["output"][0] == steps[-1]["item"]
    assert events[-1]["response"]["tools"][0]["type"] == "web_search"


def test_citations_are_told_at_once_and_in_the_message() -> None:
    events = written(writer(), *EVENTS)
    told = [event for event in events if event["type"] == "response.output_text.annotation.added"]
    assert [event["annotation"] for event in told] == FLAT
    assert [event["annotation_index"] for event in told] == [0, 1]
    message = events[-1]["response"]["output"][1]
    assert {(event["item_id"], event["output_index"], event["content_index"]) for event in told} == {
        (message["id"], 1, 0)
    }
    part = next(event for event in events if event["type"] == "response.content_part.done")["part"]
    assert part == message["content"][0] == {"type": "output_text", "text": TEXT, "annotations": FLAT, "logprobs": []}


@pytest.mark.parametrize("include", [(), (SEARCH_SOURCES,), (SEARCH_RESULTS,), (SEARCH_RESULTS, SEARCH_SOURCES)])
def test_sources_and_results_are_told_on_demand_and_kept_in_any_case(include: tuple[str, ...]) -> None:
    made = writer(*include)
    events = written(made, *EVENTS)
    done = next(event["item"] for event in events if event["type"] == "response.output_item.done")
    last = events[-1]["response"]["output"][0]
    kept = made.response["output"][0]
    assert done == last == included([json.loads(json.dumps(kept))], include)[0]
    assert last["action"].get("sources") == (SOURCES if SEARCH_SOURCES in include else None)
    assert last.get("results") == (RESULTS if SEARCH_RESULTS in include else None)
    assert kept["action"]["sources"] == SOURCES and kept["results"] == RESULTS


def test_an_opened_page_and_what_was_found_in_it() -> None:
    opened = SearchAction("open_page", url=SOURCE.url)
    found = SearchAction("find_in_page", url=SOURCE.url, pattern="312")
    events = written(
        writer(SEARCH_SOURCES),
        SearchStarted("ws_1", opened),
        SearchDone("ws_1", opened, (SOURCE,)),
        SearchStarted("ws_2", found),
        SearchDone("ws_2", found, (SOURCE,)),
        *EVENTS[2:],
    )
    assert [name for name in names(events) if "search" in name] == [*SEARCHED[1:4], *SEARCHED[1:4]]
    items = events[-1]["response"]["output"]
    assert [item["type"] for item in items] == ["web_search_call", "web_search_call", "message"]
    assert items[0]["action"] == {"type": "open_page", "url": SOURCE.url}
    assert items[1]["action"] == {"type": "find_in_page", "url": SOURCE.url, "pattern": "312"}


def test_a_search_that_failed_says_so() -> None:
    events = written(
        writer(SEARCH_SOURCES),
        SearchStarted("ws_1", SEARCH),
        SearchDone("ws_1", SEARCH, failed=True),
        TextDelta(0, "I found nothing."),
        Finished(0, "stop", Totals(1, 1)),
    )
    assert names(events)[2:7] == [*SEARCHED[:3], "output_item.done", "output_item.added"]
    item = events[-1]["response"]["output"][0]
    assert item["status"] == "failed" and item["action"]["sources"] == []


def test_a_search_without_a_text_has_an_empty_message() -> None:
    events = written(writer(), *EVENTS[:2], Finished(0, "length", Totals(1, 0)))
    assert [item["type"] for item in events[-1]["response"]["output"]] == ["web_search_call", "message"]
    assert events[-1]["type"] == "response.incomplete"


def test_a_search_that_was_broken_off_stays_incomplete() -> None:
    made = writer()
    data = made.begin() + made.take(EVENTS[0]) + made.fail(RequestError("Gone wrong."))
    events = parse_stream(data.decode(), openly=False)
    assert names(events) == ["created", "in_progress", *SEARCHED[:3], "error", "failed"]
    assert events[-1]["response"]["output"][0]["status"] == "incomplete"


def chunks(*events: Event, choices: int = 1, obfuscate: bool = False) -> list[dict[str, Any]]:
    head = {"id": "chatcmpl-1", "created": 1, "model": "m", "system_fingerprint": "fp"}
    made = ChatChunks(head, choices, include_usage=False, obfuscate=obfuscate, top_logprobs=None)
    data = b""
    for event in events:
        if isinstance(event, TextDelta):
            data += made.text(event.index, event.text, ())
        elif isinstance(event, Cited):
            made.cite(event)
        elif isinstance(event, CallStarted):
            data += made.call(event)
        elif isinstance(event, CallArguments):
            data += made.arguments(event)
        elif isinstance(event, Finished):
            data += made.finish(event.index, event.reason)
    return [json.loads(block.removeprefix("data: ")) for block in data.decode().split("\n\n") if block]


NESTED = [{"type": "url_citation", "url_citation": {k: v for k, v in item.items() if k != "type"}} for item in FLAT]


def test_chat_streams_the_citations_of_a_choice_in_one_chunk_before_its_end() -> None:
    """In two, the SDK for Python raises and that for JavaScript forgets the first."""
    found = chunks(*EVENTS)
    assert [bool(chunk["choices"][0]["delta"].get("annotations")) for chunk in found] == [False] * 3 + [True, False]
    assert found[-2]["choices"][0]["delta"] == {"annotations": NESTED}
    assert found[-2]["choices"][0]["finish_reason"] is None and found[-1]["choices"][0]["finish_reason"] == "stop"


def test_chat_streams_the_citations_of_each_choice() -> None:
    found = chunks(
        TextDelta(0, "a"),
        TextDelta(1, "b"),
        Cited(1, "u", "t", 0, 1),
        Finished(0, "stop"),
        Finished(1, "stop"),
        choices=2,
        obfuscate=True,
    )
    cited = [chunk["choices"][0]["index"] for chunk in found if "annotations" in chunk["choices"][0]["delta"]]
    assert cited == [1]
    assert all(chunk["obfuscation"] for chunk in found)


def test_chat_tells_citations_nested() -> None:
    answer = Answer(TEXT, citations=[event for event in EVENTS if isinstance(event, Cited)])
    head = {"id": "chatcmpl-1", "created": 1, "model": "m", "system_fingerprint": "fp"}
    found = chat_completion(head, [answer, Answer("x")], Totals(), None)
    assert [choice["message"]["annotations"] for choice in found["choices"]] == [NESTED, []]


def test_a_call_after_a_search_is_no_message() -> None:
    call = ToolCall("call_1", "f", "{}")
    events = written(
        writer(),
        *EVENTS[:2],
        CallStarted(0, 0, "call_1", "f", "function"),
        CallArguments(0, 0, "{}"),
        CallDone(0, 0, call),
        Finished(0, "tool_calls", Totals(1, 1)),
    )
    assert [item["type"] for item in events[-1]["response"]["output"]] == ["web_search_call", "function_call"]
