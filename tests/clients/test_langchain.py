"""langchain-openai over chat completions and over Responses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openai import OpenAI

from clients.asking import ASKED, MODEL, WAIT
from clients.pages import FACT, QUESTION, TOWER
from clients.things import CITIES, SENTENCE, City, Person

APIS = pytest.mark.parametrize("responses", [False, True], ids=["chat", "responses"])


def chat_model(base_url: str, responses: bool = False, **fields: Any) -> ChatOpenAI:
    return ChatOpenAI(
        model=MODEL,
        base_url=base_url,
        api_key="none",
        temperature=0,
        max_retries=0,
        timeout=WAIT,
        use_responses_api=responses,
        **fields,
    )


@tool
def get_weather(city: City) -> str:
    """Get the current weather of a city."""
    return f"It is sunny in {city}."


def test_the_same_as_the_sdk(base_url: str, client: OpenAI) -> None:
    answer = chat_model(base_url, max_tokens=30).invoke([("system", "You are helpful."), ("human", ASKED)])
    # What the model makes of it is its own affair; it must be what the API's own client gets.
    same = client.chat.completions.create(
        model=MODEL,
        temperature=0,
        max_tokens=30,
        messages=[{"role": "system", "content": "You are helpful."}, {"role": "user", "content": ASKED}],
    )
    assert answer.content == same.choices[0].message.content != ""
    assert answer.usage_metadata["total_tokens"] == same.usage.total_tokens
    assert answer.response_metadata["finish_reason"] in ("stop", "length")


@APIS
def test_streaming(base_url: str, responses: bool) -> None:
    model = chat_model(base_url, responses, max_tokens=30, stream_usage=True)
    streamed = None
    for chunk in model.stream(ASKED):
        streamed = chunk if streamed is None else streamed + chunk
    assert "Paris" in streamed.text
    whole = model.invoke(ASKED)
    assert streamed.text == whole.text
    assert streamed.usage_metadata["output_tokens"] == whole.usage_metadata["output_tokens"] > 0
    assert "cache_read" in whole.usage_metadata["input_token_details"]


async def test_async(base_url: str) -> None:
    """Both in one test: the models of a process share a pool of connections, which belongs to one event loop."""
    models = [chat_model(base_url, responses, max_tokens=30) for responses in (False, True)]
    answers = [await model.ainvoke(ASKED) for model in models]
    for model in models:
        await model.root_async_client.close()
    assert all("Paris" in answer.text for answer in answers)


@APIS
def test_tools(base_url: str, responses: bool) -> None:
    question = HumanMessage("How is the weather in Paris?")
    bound = chat_model(base_url, responses, max_tokens=100).bind_tools([get_weather], tool_choice="get_weather")
    called = bound.invoke([question])
    assert isinstance(called, AIMessage)
    assert called.tool_calls[0]["name"] == "get_weather"
    assert called.tool_calls[0]["args"]["city"] in CITIES
    results = [ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]) for call in called.tool_calls]
    free = chat_model(base_url, responses, max_tokens=30).bind_tools([get_weather], tool_choice="none")
    assert free.invoke([question, called, *results]).text


@APIS
def test_streamed_tools(base_url: str, responses: bool) -> None:
    bound = chat_model(base_url, responses, max_tokens=100).bind_tools([get_weather], tool_choice="get_weather")
    streamed = None
    for chunk in bound.stream("How is the weather in Rome?"):
        streamed = chunk if streamed is None else streamed + chunk
    assert streamed.tool_calls[0]["name"] == "get_weather"
    assert set(streamed.tool_calls[0]["args"]) == {"city"}


@APIS
@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output(base_url: str, responses: bool, method: str) -> None:
    model = chat_model(base_url, responses).with_structured_output(Person, method=method)
    found = model.invoke(SENTENCE)
    assert isinstance(found, Person)
    assert found.city in CITIES


def test_json_mode(base_url: str) -> None:
    """The penalty keeps a small model from repeating itself for ever, which no grammar of JSON forbids."""
    model = chat_model(base_url, frequency_penalty=1.0, max_tokens=400)
    answer = model.bind(response_format={"type": "json_object"}).invoke('Answer with this JSON object: {"a": 1}')
    assert isinstance(json.loads(answer.text), dict)


def test_a_web_search(base_url: str) -> None:
    model = chat_model(base_url, True, max_tokens=60, output_version="responses/v1")
    searching = model.bind_tools([{"type": "web_search"}], tool_choice="web_search")
    whole = searching.invoke(QUESTION)
    streamed = None
    for chunk in searching.stream(QUESTION):
        streamed = chunk if streamed is None else streamed + chunk
    for answer in (whole, streamed):
        assert FACT in answer.text
        call, text = [block for block in answer.content if block["type"] in ("web_search_call", "text")]
        assert call["status"] == "completed" and call["action"]["type"] == "search"
        (cited, *_) = text["annotations"]
        assert cited["url"] == TOWER.url
        assert FACT in answer.text[cited["start_index"] : cited["end_index"]]
    follow = model.invoke([HumanMessage(QUESTION), whole, HumanMessage("Thank you.")])
    assert follow.text
