"""pydantic-ai: agents over chat completions and over Responses."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel, ConfigDict
from pydantic_ai import (
    Agent,
    ModelRequest,
    ModelResponse,
    NativeOutput,
    PromptedOutput,
    RunContext,
    ToolCallPart,
    ToolDefinition,
    ToolOutput,
    ToolReturnPart,
    UsageLimits,
    capture_run_messages,
)
from pydantic_ai.capabilities import WebSearch
from pydantic_ai.direct import model_request
from pydantic_ai.exceptions import OutputTokenLimitExceeded
from pydantic_ai.messages import NativeToolCallPart, NativeToolReturnPart, TextPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel, OpenAIResponsesModelSettings
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings

from clients.asking import ASKED, MODEL, WAIT
from clients.pages import FACT, QUESTION, TOWER
from clients.things import CITIES, SENTENCE, WEATHER, City, Person

Model = OpenAIChatModel | OpenAIResponsesModel
SETTINGS = ModelSettings(temperature=0, max_tokens=200)


@pytest.fixture
async def chat(base_url: str) -> AsyncIterator[Model]:
    async with AsyncOpenAI(base_url=base_url, api_key="none", timeout=WAIT, max_retries=0) as client:
        yield OpenAIChatModel(MODEL, provider=OpenAIProvider(openai_client=client))


@pytest.fixture(params=[OpenAIChatModel, OpenAIResponsesModel], ids=["chat", "responses"])
async def model(request: pytest.FixtureRequest, base_url: str) -> AsyncIterator[Model]:
    async with AsyncOpenAI(base_url=base_url, api_key="none", timeout=WAIT, max_retries=0) as client:
        yield request.param(MODEL, provider=OpenAIProvider(openai_client=client))


async def test_text(model: Model) -> None:
    result = await Agent(model, instructions="Answer in one sentence.", model_settings=SETTINGS).run(ASKED)
    assert "Paris" in result.output
    assert result.usage.input_tokens > 0
    assert result.usage.output_tokens > 0


async def test_streamed_text(model: Model) -> None:
    agent = Agent(model, model_settings=SETTINGS)
    whole = await agent.run(ASKED)
    async with agent.run_stream(ASKED) as stream:
        pieces = [text async for text in stream.stream_text(delta=True, debounce_by=None)]
    assert "".join(pieces) == whole.output
    assert len(pieces) > 1


class Loose(BaseModel):
    """What any JSON object is."""

    model_config = ConfigDict(extra="allow")


@pytest.mark.parametrize("kind", [NativeOutput, ToolOutput])
async def test_output_types(model: Model, kind: type) -> None:
    result = await Agent(model, output_type=kind(Person), model_settings=SETTINGS).run(SENTENCE)
    assert isinstance(result.output, Person)


async def test_json_mode(chat: Model) -> None:
    """Its schema is only told in words, which so small a model cannot follow: any object will do here.

    No grammar of JSON keeps a model from writing one string for ever. So an answer either is an object, or the client
    learns that it was cut.
    """
    settings = ModelSettings(temperature=0, frequency_penalty=1.0, max_tokens=200)
    agent = Agent(chat, output_type=PromptedOutput(Loose), model_settings=settings)
    with capture_run_messages() as messages:
        try:
            assert isinstance((await agent.run(SENTENCE)).output, Loose)
        except OutputTokenLimitExceeded:
            answer = messages[-1]
            assert isinstance(answer, ModelResponse)
            assert answer.finish_reason == "length"
            assert (answer.text or "").startswith("{")


async def test_streamed_output(model: Model) -> None:
    agent = Agent(model, output_type=NativeOutput(Person), model_settings=SETTINGS)
    async with agent.run_stream(SENTENCE) as stream:
        output = await stream.get_output()
    assert isinstance(output, Person)


async def test_tools(model: Model) -> None:
    """The output is a tool as well, so every turn calls one; the weather's can be called once."""
    asked: list[str] = []

    async def until_asked(context: RunContext, definition: ToolDefinition) -> ToolDefinition | None:
        return None if asked else definition

    agent = Agent(model, model_settings=SETTINGS, output_type=ToolOutput(Person))

    @agent.tool_plain(prepare=until_asked)
    def get_weather(city: City) -> str:
        """Get the current weather of a city."""
        asked.append(city)
        return "It is sunny."

    with capture_run_messages() as messages:
        result = await agent.run(SENTENCE + " Get the weather there.", usage_limits=UsageLimits(request_limit=4))
    assert isinstance(result.output, Person)
    calls = [part.tool_name for message in messages for part in message.parts if isinstance(part, ToolCallPart)]
    assert set(calls) <= {"get_weather", "final_result"}
    assert len(asked) == calls.count("get_weather")


async def test_a_named_tool(model: Model) -> None:
    tools = [ToolDefinition(name=WEATHER["name"], parameters_json_schema=WEATHER["parameters"])]
    question = ModelRequest.user_text_prompt("How is the weather in Paris?")
    answer = await model_request(
        model,
        [question],
        model_settings=ModelSettings(**SETTINGS, tool_choice="required"),
        model_request_parameters=ModelRequestParameters(function_tools=tools),
    )
    (call, *_) = answer.tool_calls
    assert call.tool_name == "get_weather"
    assert call.args_as_dict()["city"] in CITIES
    result = ModelRequest([ToolReturnPart(call.tool_name, "Sunny.", call.tool_call_id) for call in answer.tool_calls])
    after = await model_request(
        model,
        [question, answer, result],
        model_settings=ModelSettings(**SETTINGS, tool_choice="none"),
        model_request_parameters=ModelRequestParameters(function_tools=tools),
    )
    assert after.text


async def test_a_web_search(base_url: str) -> None:
    """Its call, its return and the citations, whole and streamed; and what is sent back of them."""
    async with AsyncOpenAI(base_url=base_url, api_key="none", timeout=WAIT, max_retries=0) as client:
        agent = Agent(
            OpenAIResponsesModel(MODEL, provider=OpenAIProvider(openai_client=client)),
            capabilities=[WebSearch(search_context_size="low", blocked_domains=["food.example"])],
            model_settings=OpenAIResponsesModelSettings(
                **SETTINGS, openai_include_web_search_sources=True, openai_include_raw_annotations=True
            ),
        )
        result = await agent.run(QUESTION)
        assert FACT in result.output
        call, found, text = result.new_messages()[-1].parts
        assert isinstance(call, NativeToolCallPart) and call.tool_name == "web_search"
        assert isinstance(found, NativeToolReturnPart) and found.content["status"] == "completed"
        assert TOWER.url in [source["url"] for source in found.content["sources"]]
        assert isinstance(text, TextPart)
        (cited, *_) = text.provider_details["annotations"]
        assert cited["url"] == TOWER.url and FACT in text.content[cited["start_index"] : cited["end_index"]]
        async with agent.run_stream(QUESTION) as stream:
            assert await stream.get_output() == result.output
        follow = await agent.run("Thank you.", message_history=result.all_messages())
        assert follow.output
