"""openai-agents: an agent with a function tool and one with an output type, over Responses and over chat."""

from __future__ import annotations

import pytest
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    WebSearchTool,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI

from clients.asking import ASKED, MODEL, WAIT
from clients.pages import FACT, QUESTION, TOWER
from clients.things import SENTENCE, City, Person

set_tracing_disabled(True)


@pytest.fixture(params=[OpenAIResponsesModel, OpenAIChatCompletionsModel], ids=["responses", "chat"])
def model(request: pytest.FixtureRequest, base_url: str) -> OpenAIResponsesModel | OpenAIChatCompletionsModel:
    return request.param(MODEL, AsyncOpenAI(base_url=base_url, api_key="none", timeout=WAIT, max_retries=0))


INSTRUCTIONS = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"  # those that the model knows
SETTINGS = ModelSettings(temperature=0, max_tokens=300)  # a response that was cut short is an error to this client


async def test_text(model: OpenAIResponsesModel | OpenAIChatCompletionsModel) -> None:
    agent = Agent("helper", instructions=INSTRUCTIONS, model=model, model_settings=SETTINGS)
    result = await Runner.run(agent, ASKED)
    assert "Paris" in result.final_output
    streamed = Runner.run_streamed(agent, ASKED)
    text = ""
    async for event in streamed.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            text += event.data.delta
    assert text == result.final_output == streamed.final_output


async def test_a_function_tool(model: OpenAIResponsesModel | OpenAIChatCompletionsModel) -> None:
    asked = []

    @function_tool
    def get_weather(city: City) -> str:
        """Get the current weather of a city."""
        asked.append(city)
        return f"It is sunny in {city}."

    # The choice is forced once; the agent itself resets it, so the second turn is free to answer.
    agent = Agent(
        "weather",
        instructions="Tell the weather.",
        tools=[get_weather],
        model=model,
        model_settings=SETTINGS.resolve(ModelSettings(tool_choice="get_weather", parallel_tool_calls=False)),
        tool_use_behavior="stop_on_first_tool",
    )
    result = await Runner.run(agent, "How is the weather in Paris?", max_turns=2)
    assert len(asked) == 1
    assert result.final_output == f"It is sunny in {asked[0]}."


async def test_an_output_type(model: OpenAIResponsesModel | OpenAIChatCompletionsModel) -> None:
    agent = Agent("reader", model=model, model_settings=SETTINGS, output_type=Person)
    result = await Runner.run(agent, SENTENCE)
    assert isinstance(result.final_output, Person)


async def test_a_web_search(base_url: str) -> None:
    """The agent has a conversation: what was searched is sent back with the next question."""
    client = AsyncOpenAI(base_url=base_url, api_key="none", timeout=WAIT, max_retries=0)
    agent = Agent(
        "searcher",
        tools=[WebSearchTool(user_location={"type": "approximate", "city": "Berlin"}, search_context_size="low")],
        model=OpenAIResponsesModel(MODEL, client),
        model_settings=SETTINGS.resolve(ModelSettings(response_include=["web_search_call.action.sources"])),
    )
    result = await Runner.run(agent, QUESTION)
    assert FACT in result.final_output
    kinds = [item.raw_item.type for item in result.new_items]
    assert kinds == ["web_search_call", "message"]
    assert TOWER.url in [source.url for source in result.new_items[0].raw_item.action.sources]
    (cited, *_) = result.new_items[1].raw_item.content[0].annotations
    assert cited.url == TOWER.url and FACT in result.final_output[cited.start_index : cited.end_index]
    streamed = Runner.run_streamed(agent, QUESTION)
    events = [event.data.type async for event in streamed.stream_events() if event.type == "raw_response_event"]
    assert "response.web_search_call.completed" in events and "response.output_text.annotation.added" in events
    follow = await Runner.run(agent, [*result.to_input_list(), {"role": "user", "content": "Thank you."}])
    assert follow.final_output
