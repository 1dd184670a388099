"""litellm: chat with tools and formats, streams, and Responses."""

from __future__ import annotations

import json
from typing import Any

import litellm
import pytest

from clients.asking import ASKED, MODEL, QUESTION, WAIT
from clients.things import CHAT_TOOL, CITIES, RESPONSES_TOOL, SENTENCE, Person


@pytest.fixture
def at(base_url: str) -> dict[str, Any]:
    """Where and how to ask."""
    return {
        "model": f"openai/{MODEL}",
        "api_base": base_url,
        "api_key": "none",
        "temperature": 0,
        "timeout": WAIT,
        "num_retries": 0,
    }


def test_completion(at: dict[str, Any]) -> None:
    answer = litellm.completion(messages=QUESTION, max_tokens=30, **at)
    assert "Paris" in answer.choices[0].message.content
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


async def test_stream(at: dict[str, Any]) -> None:
    whole = await litellm.acompletion(messages=QUESTION, max_tokens=30, **at)
    stream = await litellm.acompletion(
        messages=QUESTION, max_tokens=30, stream=True, stream_options={"include_usage": True}, **at
    )
    chunks = [chunk async for chunk in stream]
    built = litellm.stream_chunk_builder(chunks, messages=QUESTION)
    assert built.choices[0].message.content == whole.choices[0].message.content
    assert built.usage.completion_tokens == whole.usage.completion_tokens


def test_tools(at: dict[str, Any]) -> None:
    messages = [{"role": "user", "content": "How is the weather in Paris?"}]
    asked = {"tools": [CHAT_TOOL], "parallel_tool_calls": False, **at}
    answer = litellm.completion(messages=messages, tool_choice="required", **asked)
    (call,) = answer.choices[0].message.tool_calls
    assert json.loads(call.function.arguments)["city"] in CITIES
    result = {"role": "tool", "tool_call_id": call.id, "content": "Sunny."}
    after = litellm.completion(
        messages=[*messages, answer.choices[0].message, result], tool_choice="none", max_tokens=30, **asked
    )
    assert after.choices[0].message.content


def test_format(at: dict[str, Any]) -> None:
    answer = litellm.completion(messages=[{"role": "user", "content": SENTENCE}], response_format=Person, **at)
    assert Person.model_validate_json(answer.choices[0].message.content)


def test_responses(at: dict[str, Any]) -> None:
    whole = litellm.responses(input=ASKED, max_output_tokens=30, **at)
    text = whole.output[0].content[0].text
    assert "Paris" in text
    events = list(litellm.responses(input=ASKED, max_output_tokens=30, stream=True, **at))
    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(pieces) == text
    called = litellm.responses(
        input="How is the weather in Paris?", tools=[RESPONSES_TOOL], tool_choice="required", **at
    )
    assert json.loads(called.output[0].arguments)["city"] in CITIES


def test_errors(at: dict[str, Any]) -> None:
    with pytest.raises(litellm.NotFoundError):
        litellm.completion(messages=QUESTION, **{**at, "model": "openai/gpt-9"})
    with pytest.raises(litellm.ContextWindowExceededError):
        litellm.completion(
            messages=[{"role": "user", "content": "heron " * 20_000}],
            extra_body={"spatz": {"context": "exact"}},
            **at,
        )
