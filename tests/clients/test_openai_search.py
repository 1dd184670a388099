"""Web search with the SDK: the tool of Responses, chat's options, citations whose offsets are right, sources on demand.

The server searches its local index, which holds tests/clients/pages.py.
"""

from __future__ import annotations

from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.chat.chat_completion_message import Annotation
from openai.types.responses import ResponseFunctionWebSearch
from openai.types.responses.response_function_web_search import ActionSearch
from openai.types.responses.response_output_text import AnnotationURLCitation

from clients.asking import MODEL
from clients.pages import FACT, QUESTION, RIVER, TOWER

LIMITS = {"temperature": 0, "max_output_tokens": 60}
SOURCES = "web_search_call.action.sources"
SEARCH_EVENTS = [
    "response.output_item.added",
    "response.web_search_call.in_progress",
    "response.web_search_call.searching",
    "response.web_search_call.completed",
    "response.output_item.done",
]


def check_cited(text: str, url: str, start: int, end: int) -> None:
    assert url == TOWER.url
    assert FACT in text[start:end]
    assert text[start:end] == text[start:end].strip()


@pytest.mark.parametrize("kind", ["web_search", "web_search_preview"])
def test_a_response(client: OpenAI, kind: str) -> None:
    response = client.responses.create(
        model=MODEL,
        input=QUESTION,
        tools=[{"type": kind, "search_context_size": "low"}],
        tool_choice={"type": kind},
        include=[SOURCES],
        **LIMITS,
    )
    call, message = response.output
    assert isinstance(call, ResponseFunctionWebSearch) and call.status == "completed"
    assert isinstance(call.action, ActionSearch) and call.action.queries == [call.action.query]
    assert TOWER.url in [source.url for source in call.action.sources]
    text = response.output_text
    assert FACT in text
    cited = message.content[0].annotations
    assert cited and all(isinstance(item, AnnotationURLCitation) and item.title for item in cited)
    for item in cited:
        check_cited(text, item.url, item.start_index, item.end_index)
    stored = client.responses.retrieve(response.id, include=[SOURCES])
    assert stored.output == response.output
    assert client.responses.retrieve(response.id).output[0].action.sources is None


def test_a_stream_of_events(client: OpenAI) -> None:
    asked = {"model": MODEL, "input": QUESTION, "tools": [{"type": "web_search"}], **LIMITS}
    with client.responses.stream(**asked, include=[SOURCES]) as stream:
        events = list(stream)
        final = stream.get_final_response()
    kinds = [event.type for event in events]
    assert kinds[2:7] == SEARCH_EVENTS
    assert kinds.index("response.output_text.delta") > 7
    told = [event.annotation for event in events if event.type == "response.output_text.annotation.added"]
    annotations = final.output[1].content[0].annotations
    assert told and [dict(item) for item in told] == [dict(item) for item in annotations]
    for item in annotations:
        check_cited(final.output_text, item.url, item.start_index, item.end_index)
    done = next(event.item for event in events if event.type == "response.output_item.done")
    assert done == final.output[0]


def test_an_answer_is_sent_back(client: OpenAI) -> None:
    asked: dict[str, Any] = {"model": MODEL, "tools": [{"type": "web_search"}], **LIMITS}
    first = client.responses.create(input=QUESTION, include=[SOURCES, "web_search_call.results"], **asked)
    again = [{"role": "user", "content": QUESTION}, *first.output, {"role": "user", "content": "Thank you."}]
    second = client.responses.create(input=again, tool_choice="none", **asked)
    assert second.output_text
    listed = client.responses.input_items.list(second.id, order="asc", include=[SOURCES]).data
    assert listed[1] == client.responses.retrieve(first.id, include=[SOURCES]).output[0]


def test_domains_are_kept_to(client: OpenAI) -> None:
    for filters, url in (
        ({"allowed_domains": ["rivers.example"]}, RIVER.url),
        ({"blocked_domains": ["towers.example", "food.example"]}, RIVER.url),
    ):
        response = client.responses.create(
            model=MODEL,
            input="How long is the river Osk that flows to Brenn?",
            tools=[{"type": "web_search", "filters": filters}],
            tool_choice="required",
            include=[SOURCES],
            **LIMITS,
        )
        assert [source.url for source in response.output[0].action.sources] == [url]
        assert {item.url for item in response.output[1].content[0].annotations} <= {url}


CHAT: dict[str, Any] = {
    "model": MODEL,
    "messages": [{"role": "user", "content": QUESTION}],
    "web_search_options": {
        "search_context_size": "low",
        "user_location": {"type": "approximate", "approximate": {"country": "DE", "city": "Berlin"}},
    },
    "temperature": 0,
    "max_tokens": 60,
}


def check_message(text: str, annotations: list[Annotation]) -> None:
    assert FACT in text and annotations
    for item in annotations:
        assert item.type == "url_citation" and item.url_citation.title == TOWER.title
        check_cited(text, item.url_citation.url, item.url_citation.start_index, item.url_citation.end_index)


def test_chat(client: OpenAI) -> None:
    answer = client.chat.completions.create(**CHAT)
    message = answer.choices[0].message
    check_message(message.content, message.annotations)
    assert answer.usage.spatz["search"]["pages"][0]["url"] == TOWER.url
    follow = [*CHAT["messages"], message, {"role": "user", "content": "Thank you."}]
    assert client.chat.completions.create(**{**CHAT, "messages": follow, "web_search_options": openai.omit}).choices


def test_chat_streams(client: OpenAI) -> None:
    text, annotations = "", []
    for chunk in client.chat.completions.create(**CHAT, stream=True):
        delta = chunk.choices[0].delta
        text += delta.content or ""
        annotations += [Annotation.model_validate(item) for item in (delta.model_extra or {}).get("annotations", ())]
    check_message(text, annotations)


def test_the_stream_helper_of_chat(client: OpenAI) -> None:
    with client.chat.completions.stream(**CHAT, n=2) as stream:
        final = stream.get_final_completion()
    assert len(final.choices) == 2
    for choice in final.choices:
        check_message(choice.message.content, choice.message.annotations)


def test_what_nothing_says(client: OpenAI) -> None:
    """An answer that says so, as true as it is short."""
    response = client.responses.create(
        model=MODEL,
        input="What is the name of the mayor of Zarnburg?",
        tools=[{"type": "web_search"}],
        tool_choice="required",
        **LIMITS,
    )
    assert response.output[1].content[0].annotations == []
    assert "nothing" in response.output_text


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        (
            {"tools": [{"type": "web_search", "filters": {"allowed_domains": ["https://a.test"]}}]},
            "tools[0].filters.allowed_domains[0]",
        ),
        ({"tools": [{"type": "web_search"}, {"type": "web_search_preview"}]}, "tools[1].type"),
        ({"tool_choice": {"type": "web_search"}}, "tool_choice"),
    ],
)
def test_refusals(client: OpenAI, fields: Any, param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input=QUESTION, **fields)
    assert caught.value.param == param
