"""Responses and conversations with the SDK: whole, streamed, parsed, stored, continued, in the background."""

from __future__ import annotations

import json

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from clients.asking import ASKED, MODEL, NAME, WAIT
from clients.things import CITIES, RESPONSES_TOOL, SENTENCE, Person

LIMITS = {"temperature": 0, "max_output_tokens": 30}
ORDER = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
]
ENDS = {"response.completed", "response.incomplete"}


def test_whole(client: OpenAI) -> None:
    response = client.responses.create(model=MODEL, input=ASKED, **LIMITS)
    assert "Paris" in response.output_text
    assert response.model == NAME
    assert response.status in ("completed", "incomplete")
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    part = response.output[0].content[0]
    assert part.annotations == []
    assert part.logprobs == []
    assert response._request_id.startswith("req_")


def test_the_same_as_chat(client: OpenAI) -> None:
    response = client.responses.create(model=MODEL, instructions="You are helpful.", input=ASKED, **LIMITS)
    chat = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "system", "content": "You are helpful."}, {"role": "user", "content": ASKED}],
        temperature=0,
        max_tokens=30,
    )
    assert response.output_text == chat.choices[0].message.content
    assert response.usage.input_tokens == chat.usage.prompt_tokens


def test_events_in_order(client: OpenAI) -> None:
    whole = client.responses.create(model=MODEL, input=ASKED, **LIMITS)
    events = list(client.responses.create(model=MODEL, input=ASKED, **LIMITS, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    assert list(dict.fromkeys(kinds[:-1])) == ORDER
    assert kinds[-1] in ENDS
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == whole.output_text == events[-1].response.output_text
    assert events[-1].response.usage.output_tokens == whole.usage.output_tokens


def test_the_stream_helper(client: OpenAI) -> None:
    with client.responses.stream(model=MODEL, input=ASKED, **LIMITS) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert final.output_text == text


async def test_async(base_url: str) -> None:
    async with AsyncOpenAI(base_url=base_url, api_key="none", timeout=WAIT) as client:
        stream = await client.responses.create(model=MODEL, input=ASKED, **LIMITS, stream=True)
        events = [event async for event in stream]
    assert "Paris" in events[-1].response.output_text


def test_parse(client: OpenAI) -> None:
    response = client.responses.parse(model=MODEL, input=SENTENCE, text_format=Person, temperature=0)
    assert isinstance(response.output_parsed, Person)
    assert response.status == "completed"


def test_the_stream_helper_parses(client: OpenAI) -> None:
    with client.responses.stream(model=MODEL, input=SENTENCE, text_format=Person, temperature=0) as stream:
        done = [event.parsed for event in stream if event.type == "response.output_text.done"]
        final = stream.get_final_response()
    assert final.output_parsed == done[0]
    assert isinstance(done[0], Person)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "get_weather"}])
def test_tools(client: OpenAI, choice: object) -> None:
    asked = {"model": MODEL, "tools": [RESPONSES_TOOL], "parallel_tool_calls": False}
    first = client.responses.create(input="How is the weather in Paris?", tool_choice=choice, temperature=0, **asked)
    (call,) = first.output
    assert call.type == "function_call"
    assert json.loads(call.arguments)["city"] in CITIES
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "Sunny, 21 degrees."}
    second = client.responses.create(
        previous_response_id=first.id, input=[result], tool_choice="none", **asked, **LIMITS
    )
    assert second.output_text
    assert second.previous_response_id == first.id


def test_streamed_tools(client: OpenAI) -> None:
    asked = {"model": MODEL, "input": "How is the weather in Rome?", "tools": [RESPONSES_TOOL], "temperature": 0}
    with client.responses.stream(**asked, tool_choice="required", parallel_tool_calls=False) as stream:
        events = list(stream)
        final = stream.get_final_response()
    pieces = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
    (done,) = [event for event in events if event.type == "response.function_call_arguments.done"]
    assert "".join(pieces) == done.arguments == final.output[0].arguments
    assert done.name == "get_weather"


def test_a_pydantic_tool_is_parsed(client: OpenAI) -> None:
    response = client.responses.parse(
        model=MODEL,
        input=SENTENCE,
        tools=[openai.pydantic_function_tool(Person)],
        tool_choice="required",
        temperature=0,
    )
    assert isinstance(response.output[0].parsed_arguments, Person)


def test_stored(client: OpenAI) -> None:
    made = client.responses.create(model=MODEL, input=ASKED, metadata={"test": "stored"}, **LIMITS)
    found = client.responses.retrieve(made.id)
    assert found.output_text == made.output_text
    assert found.metadata == {"test": "stored"}
    (item,) = client.responses.input_items.list(made.id)
    assert item.content[0].text == ASKED
    next_one = client.responses.create(
        model=MODEL, previous_response_id=made.id, input="Say that again.", store=False, **LIMITS
    )
    assert next_one.usage.input_tokens > made.usage.input_tokens
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(next_one.id)
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)
    with pytest.raises(openai.BadRequestError) as unknown:
        client.responses.create(model=MODEL, previous_response_id=made.id, input="And now?")
    assert unknown.value.code == "previous_response_not_found"


def test_in_the_background(client: OpenAI) -> None:
    made = client.responses.create(model=MODEL, input=ASKED, background=True, **LIMITS)
    assert made.status in ("queued", "in_progress")
    found = made
    for _ in range(100_000):  # every look is a whole request
        if found.status not in ("queued", "in_progress"):
            break
        found = client.responses.retrieve(made.id)
    assert found.status in ("completed", "incomplete")
    assert "Paris" in found.output_text


def test_cancelled(client: OpenAI) -> None:
    endless = {
        "type": "object",
        "properties": {"text": {"type": "string", "pattern": "^[a-z ]{20000}$"}},
        "required": ["text"],
        "additionalProperties": False,
    }
    made = client.responses.create(
        model=MODEL,
        input="Write a novel.",
        background=True,
        text={"format": {"type": "json_schema", "name": "novel", "strict": True, "schema": endless}},
    )
    assert client.responses.cancel(made.id).status == "cancelled"
    assert client.responses.retrieve(made.id).status == "cancelled"


def test_input_tokens(client: OpenAI) -> None:
    counted = client.responses.input_tokens.count(model=MODEL, input=ASKED)
    assert counted.input_tokens == client.responses.create(model=MODEL, input=ASKED, **LIMITS).usage.input_tokens


def test_conversations(client: OpenAI) -> None:
    conversation = client.conversations.create(
        metadata={"test": "conversations"}, items=[{"type": "message", "role": "user", "content": "My name is Ada."}]
    )
    first = client.responses.create(model=MODEL, conversation=conversation.id, input=ASKED, **LIMITS)
    assert first.conversation.id == conversation.id
    items = list(client.conversations.items.list(conversation.id, order="asc"))
    assert [item.role for item in items] == ["user", "user", "assistant"]
    assert items[2].content[0].text == first.output_text
    assert client.conversations.items.retrieve(items[1].id, conversation_id=conversation.id).id == items[1].id
    client.conversations.items.delete(items[0].id, conversation_id=conversation.id)
    assert len(list(client.conversations.items.list(conversation.id))) == 2
    assert client.conversations.update(conversation.id, metadata={"a": "b"}).metadata == {"a": "b"}
    assert client.conversations.retrieve(conversation.id).metadata == {"a": "b"}
    assert client.conversations.delete(conversation.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.conversations.retrieve(conversation.id)


def test_errors(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as reasoning:
        client.responses.create(model=MODEL, input=ASKED, reasoning={"effort": "low"})
    assert (reasoning.value.param, reasoning.value.code) == ("reasoning.effort", "unsupported_parameter")
    with pytest.raises(openai.BadRequestError) as long:
        client.responses.create(model=MODEL, input="heron " * 20_000, extra_body={"spatz": {"context": "exact"}})
    assert (long.value.param, long.value.code) == ("input", "context_length_exceeded")
    with pytest.raises(openai.BadRequestError) as schema:
        client.responses.create(
            model=MODEL,
            input=ASKED,
            text={"format": {"type": "json_schema", "name": "x", "strict": True, "schema": {"type": "object"}}},
        )
    assert schema.value.code == "invalid_json_schema"
