"""openai-agents: an agent with a function tool and one with an output type, over Responses and over chat."""

from __future__ import annotations

import pytest
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI

from clients.asking import ASKED, MODEL, WAIT
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
