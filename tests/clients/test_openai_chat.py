"""Chat and legacy completions with the SDK of the API, unchanged: the newest and (see test_older.py) version 2."""

from __future__ import annotations

import json

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from clients.asking import ASKED, MODEL, QUESTION, WAIT
from clients.things import CHAT_TOOL, CITIES, SENTENCE, Person


def test_whole_answer(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=QUESTION, temperature=0, max_tokens=30)
    assert "Paris" in answer.choices[0].message.content
    assert answer.model == "smollm2-135m-instruct"
    assert answer.system_fingerprint.startswith("fp_")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer._request_id.startswith("req_")


def test_streamed_answer_is_the_whole_one(client: OpenAI) -> None:
    asked = {"model": MODEL, "messages": QUESTION, "seed": 7, "max_completion_tokens": 40}
    whole = client.chat.completions.create(**asked)
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)


async def test_async(base_url: str) -> None:
    async with AsyncOpenAI(base_url=base_url, api_key="none", timeout=WAIT) as client:
        answer = await client.chat.completions.create(model=MODEL, messages=QUESTION, temperature=0, max_tokens=30)
        stream = await client.chat.completions.create(
            model=MODEL, messages=QUESTION, temperature=0, max_tokens=30, stream=True
        )
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == answer.choices[0].message.content


def test_the_stream_helper(client: OpenAI) -> None:
    with client.chat.completions.stream(model=MODEL, messages=QUESTION, temperature=0, stop="zzz") as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert "Paris" in final.choices[0].message.content


def test_logprobs(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=QUESTION, temperature=0, max_tokens=8, logprobs=True, top_logprobs=3
    )
    entries = answer.choices[0].logprobs.content
    assert b"".join(bytes(entry.bytes) for entry in entries).decode() == answer.choices[0].message.content
    for entry in entries:
        assert entry.logprob <= 0
        assert len(entry.top_logprobs) == 3
        assert entry.top_logprobs[0].token == entry.token  # greedy: the likeliest is taken
        ranked = [top.logprob for top in entry.top_logprobs]
        assert ranked == sorted(ranked, reverse=True)


def test_several_choices(client: OpenAI) -> None:
    asked = {"model": MODEL, "messages": QUESTION, "seed": 1, "max_tokens": 12, "temperature": 1.5}
    answer = client.chat.completions.create(**asked, n=4)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert len({choice.message.content for choice in answer.choices}) > 1
    alone = client.chat.completions.create(**asked)
    assert alone.choices[0].message.content == answer.choices[0].message.content


def test_stop(client: OpenAI) -> None:
    asked = {"model": MODEL, "messages": QUESTION, "temperature": 0, "max_tokens": 30}
    whole = client.chat.completions.create(**asked).choices[0].message.content
    word = whole.split()[2]
    for stream in (False, True):
        answer = client.chat.completions.create(**asked, stop=[word], stream=stream)
        if stream:
            chunks = list(answer)
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
            reason = chunks[-1].choices[0].finish_reason
        else:
            text, reason = answer.choices[0].message.content, answer.choices[0].finish_reason
        assert text == whole[: whole.index(word)]
        assert reason == "stop"


def test_extensions(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=QUESTION, max_tokens=50, extra_body={"top_k": 1, "min_p": 0.1, "ignore_eos": True}
    )
    assert answer.usage.completion_tokens == 50
    assert answer.choices[0].finish_reason == "length"


def test_logit_bias_steers(client: OpenAI) -> None:
    banned = client.chat.completions.create(
        model=MODEL, messages=QUESTION, temperature=0, max_tokens=1, logprobs=True, top_logprobs=1
    )
    first = banned.choices[0].message.content
    ids = client.completions.create(model=MODEL, prompt=first, echo=True, max_tokens=0, logprobs=0)
    assert "".join(ids.choices[0].logprobs.tokens) == first
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(model=MODEL, messages=QUESTION, logit_bias={"49999999": 1})
    assert error.value.param == "logit_bias"


def test_a_repeated_prompt_is_cached(client: OpenAI) -> None:
    messages = [{"role": "user", "content": "The heron stands in the reeds. " * 60 + "Who stands where?"}]
    asked = {"model": MODEL, "messages": messages, "temperature": 0, "max_tokens": 5}
    client.chat.completions.create(**asked)
    usage = client.chat.completions.create(**asked).usage
    assert usage.prompt_tokens_details.cached_tokens >= 256
    assert usage.prompt_tokens_details.cached_tokens % 128 == 0


def test_legacy_completions(client: OpenAI) -> None:
    answer = client.completions.create(model=MODEL, prompt=["1, 2, 3, 4,", "a, b, c, d,"], temperature=0, max_tokens=4)
    assert "5" in answer.choices[0].text
    assert "e" in answer.choices[1].text
    scored = client.completions.create(model=MODEL, prompt="The capital of France", echo=True, max_tokens=2, logprobs=2)
    found = scored.choices[0].logprobs
    assert "".join(found.tokens) == scored.choices[0].text
    assert found.token_logprobs[0] is None
    assert all(value <= 0 for value in found.token_logprobs[1:])
    assert found.text_offset == [len("".join(found.tokens[:place])) for place in range(len(found.tokens))]
    streamed = client.completions.create(model=MODEL, prompt="1, 2, 3, 4,", temperature=0, max_tokens=4, stream=True)
    assert "".join(chunk.choices[0].text for chunk in streamed) == answer.choices[0].text
    best = client.completions.create(model=MODEL, prompt="Once", max_tokens=5, best_of=3, n=1, seed=1)
    assert len(best.choices) == 1


def test_raw_response(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=QUESTION, max_tokens=1)
    assert raw.headers["x-request-id"] == raw.parse()._request_id
    assert int(raw.headers["openai-processing-ms"]) >= 0


def test_models(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["smollm2-135m-instruct", MODEL]
    assert client.models.retrieve(MODEL).id == MODEL


def test_parse(client: OpenAI) -> None:
    answer = client.chat.completions.parse(
        model=MODEL, messages=[{"role": "user", "content": SENTENCE}], response_format=Person, temperature=0
    )
    message = answer.choices[0].message
    assert isinstance(message.parsed, Person)
    assert Person.model_validate_json(message.content) == message.parsed
    assert answer.choices[0].finish_reason == "stop"


def test_the_stream_helper_parses(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model=MODEL, messages=[{"role": "user", "content": SENTENCE}], response_format=Person, temperature=1, seed=3
    ) as stream:
        done = [event for event in stream if event.type == "content.done"]
        final = stream.get_final_completion()
    assert isinstance(done[0].parsed, Person)
    assert final.choices[0].message.parsed == done[0].parsed


def test_json_object(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Give me a JSON object with your favourite number."}],
        response_format={"type": "json_object"},
        max_tokens=200,
        temperature=0,
    )
    text = answer.choices[0].message.content
    assert text.lstrip().startswith("{")
    if answer.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(text), dict)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
def test_tools(client: OpenAI, choice: object) -> None:
    messages = [{"role": "user", "content": "How is the weather in Paris?"}]
    asked = {"model": MODEL, "tools": [CHAT_TOOL], "temperature": 0, "parallel_tool_calls": False}
    answer = client.chat.completions.create(messages=messages, tool_choice=choice, **asked)
    message = answer.choices[0].message
    (call,) = message.tool_calls
    assert call.function.name == "get_weather"
    assert set(json.loads(call.function.arguments)) == {"city"}
    assert json.loads(call.function.arguments)["city"] in CITIES
    # A named call ends with "stop", as the API has it.
    assert answer.choices[0].finish_reason == ("tool_calls" if choice == "required" else "stop")
    result = {"role": "tool", "tool_call_id": call.id, "content": "It is sunny, 21 degrees."}
    after = client.chat.completions.create(messages=[*messages, message, result], tool_choice="none", **asked)
    assert after.choices[0].message.content
    assert not after.choices[0].message.tool_calls


def test_streamed_tools(client: OpenAI) -> None:
    asked = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "How is the weather in Rome?"}],
        "tools": [CHAT_TOOL],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "seed": 5,
    }
    whole = client.chat.completions.create(**asked).choices[0].message.tool_calls[0]
    with client.chat.completions.stream(**asked) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    (call,) = final.choices[0].message.tool_calls
    assert (call.function.name, call.function.arguments) == (whole.function.name, whole.function.arguments)
    assert [event.name for event in events if event.type == "tool_calls.function.arguments.done"] == ["get_weather"]
    assert final.choices[0].finish_reason == "tool_calls"


def test_a_pydantic_tool_is_parsed(client: OpenAI) -> None:
    answer = client.chat.completions.parse(
        model=MODEL,
        messages=[{"role": "user", "content": SENTENCE}],
        tools=[openai.pydantic_function_tool(Person)],
        tool_choice="required",
        temperature=0,
    )
    assert isinstance(answer.choices[0].message.tool_calls[0].function.parsed_arguments, Person)


def test_stored_completions(client: OpenAI) -> None:
    made = client.chat.completions.create(
        model=MODEL, messages=QUESTION, max_tokens=10, store=True, metadata={"test": "stored-completions"}
    )
    found = client.chat.completions.retrieve(made.id)
    assert found.choices[0].message.content == made.choices[0].message.content
    listed = client.chat.completions.list(metadata={"test": "stored-completions"})
    assert [one.id for one in listed] == [made.id]
    messages = client.chat.completions.messages.list(made.id).data
    assert messages[0].content == ASKED
    changed = client.chat.completions.update(made.id, metadata={"test": "changed"})
    assert changed.metadata == {"test": "changed"}
    assert client.chat.completions.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.retrieve(made.id)
