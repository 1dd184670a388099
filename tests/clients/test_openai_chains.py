"""The API's own client and what is kept of responses: chains, pages, streams that are resumed, the prompt cache."""

from __future__ import annotations

import json

import openai
import pytest
from openai import OpenAI
from openai.types.responses import Response

from clients.asking import ASKED, MODEL
from clients.things import CITIES, RESPONSES_TOOL


def ask(client: OpenAI, input: object = ASKED, **fields: object) -> Response:
    return client.responses.create(model=MODEL, input=input, temperature=0, max_output_tokens=24, **fields)


def test_raw_answers(client: OpenAI) -> None:
    raw = client.responses.with_raw_response.create(model=MODEL, input="Hi.", max_output_tokens=16)
    assert raw.headers["x-request-id"] and raw.parse().object == "response"
    with client.responses.with_streaming_response.create(model=MODEL, input="Hi.", max_output_tokens=16) as streamed:
        assert json.loads(streamed.read())["object"] == "response"


def test_a_question_asked_again_is_found_in_the_cache(client: OpenAI) -> None:
    text = f"{'The quick brown fox jumps over the lazy dog. ' * 60}{ASKED}"
    first, second = (ask(client, text) for _ in range(2))
    assert first.output_text == second.output_text
    assert second.usage is not None
    cached = second.usage.input_tokens_details.cached_tokens
    assert cached > 0 and cached % 128 == 0


def test_calls_of_functions_and_their_results(client: OpenAI) -> None:
    question = "What is the weather in Paris?"
    first = client.responses.create(
        model=MODEL,
        input=question,
        tools=[RESPONSES_TOOL],
        tool_choice="required",
        parallel_tool_calls=False,
        temperature=0,
    )
    (call,) = first.output
    assert call.type == "function_call" and call.name == "get_weather" and call.status == "completed"
    assert json.loads(call.arguments)["city"] in CITIES
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "It is sunny and 20 degrees."}
    chained = ask(client, [result], previous_response_id=first.id)
    again = ask(client, [{"role": "user", "content": question}, *first.output, result])
    assert chained.output_text == again.output_text != ""
    with client.responses.stream(
        model=MODEL,
        input=question,
        tools=[RESPONSES_TOOL],
        tool_choice={"type": "function", "name": "get_weather"},
        parallel_tool_calls=False,
        temperature=0,
    ) as stream:
        pieces = [event for event in stream if event.type == "response.function_call_arguments.delta"]
        final = stream.get_final_response()
    assert final.output[0].type == "function_call"
    assert pieces[-1].snapshot == final.output[0].arguments == "".join(piece.delta for piece in pieces)


def test_a_grammar(client: OpenAI) -> None:
    response = ask(client, text={"format": {"type": "grammar", "syntax": "regex", "definition": "(Paris|London)!"}})
    assert response.output_text in ("Paris!", "London!")


def test_a_custom_tool(client: OpenAI) -> None:
    tool = {
        "type": "custom",
        "name": "add",
        "format": {"type": "grammar", "syntax": "regex", "definition": "[0-9]{1,3}\\+[0-9]{1,3}"},
    }
    choice = {"type": "custom", "name": "add"}
    response = client.responses.create(model=MODEL, input="What is 1 + 2?", tools=[tool], tool_choice=choice)
    call = response.output[0]
    assert call.type == "custom_tool_call"
    left, plus, right = call.input.partition("+")
    assert left.isdigit() and plus and right.isdigit()


def test_chains(client: OpenAI) -> None:
    first = ask(client, "My name is Ada.")
    second = ask(client, "What is my name?", previous_response_id=first.id)
    assert second.previous_response_id == first.id
    listed = list(client.responses.input_items.list(second.id, order="asc", limit=1))  # page by page
    assert [item.role for item in listed if item.type == "message"] == ["user", "assistant", "user"]
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, previous_response_id="resp_none")
    assert caught.value.code == "previous_response_not_found"


def test_logprobs(client: OpenAI) -> None:
    response = ask(client, include=["message.output_text.logprobs"], top_logprobs=2)
    message = response.output[0]
    assert message.type == "message" and message.content[0].type == "output_text"
    logprobs = message.content[0].logprobs
    assert logprobs is not None
    assert b"".join(bytes(entry.bytes) for entry in logprobs).decode() == response.output_text
    assert all(len(entry.top_logprobs) == 2 and entry.logprob <= 0 for entry in logprobs)


def test_a_stream_is_resumed(client: OpenAI) -> None:
    seen = []
    with client.responses.create(
        model=MODEL, input=ASKED, temperature=0, max_output_tokens=24, background=True, stream=True
    ) as stream:
        for event in stream:
            seen.append(event)
            if event.type == "response.output_text.delta":
                break
    assert seen[0].type == "response.created"
    id, last = seen[0].response.id, seen[-1].sequence_number
    with client.responses.retrieve(id, stream=True, starting_after=last) as stream:
        seen += list(stream)
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    text = "".join(event.delta for event in seen if event.type == "response.output_text.delta")
    assert text == client.responses.retrieve(id).output_text != ""


def test_what_does_not_fit(client: OpenAI) -> None:
    items = [{"role": "user", "content": "word " * 3000} for _ in range(3)]
    exact = {"spatz": {"context": "exact"}}
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, items, extra_body=exact)
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "input")
    response = ask(client, [*items, {"role": "user", "content": ASKED}], truncation="auto", extra_body=exact)
    assert response.truncation == "auto"
    assert response.usage is not None and response.usage.input_tokens < 2 * 3100
