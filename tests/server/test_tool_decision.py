"""Text or a call, for a model that does not decide it itself: what it is asked, and that asking can be cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from server.fake import FakeModel
from spatz.engine.request import Request, SamplingParams
from spatz.errors import OverloadedError
from spatz.prompt.turn import Tool, ToolCall, ToolChoice, Turn
from spatz.server.tool_decision import AT_ONCE, ToolJudge

WEATHER = Tool("weather", "Tells the weather. It is never wrong.")
CLOCK = Tool("clock", "Tells the time.")
REQUEST = Request(prompt=(), params=SamplingParams())
ASKED = [{"role": "user", "content": "What time is it?"}]


def turn(messages: list[dict[str, object]], *, mode: str = "auto", names: tuple[str, ...] = ()) -> Turn:
    return Turn(messages, (WEATHER, CLOCK), ToolChoice(mode, names))  # type: ignore[arg-type]


async def test_the_tool_that_fits_is_called(model: FakeModel) -> None:
    asked: list[tuple[str, str]] = []

    def likely(prompt: str, text: str) -> float:
        asked.append((prompt, text))
        if "N/A" in prompt:
            return -5.0
        return -1.0 if "time" in text or "clock" in prompt.partition("\n")[0] else -5.0

    model.likely = likely
    decided = await model.judge.decide(turn(ASKED), REQUEST)
    assert decided.tool_choice == ToolChoice("required", ("clock",))
    assert ("The user says: What time is it?\nThe assistant ", "uses a tool to tells the weather.") in asked
    # The question without content is asked once.
    count = len(asked)
    await model.judge.decide(turn(ASKED), REQUEST)
    assert len(asked) == count + (count - 3)
    assert sum("N/A" in prompt for prompt, _ in asked) == 3
    only = await model.judge.decide(turn(ASKED, names=("weather",)), REQUEST)
    assert only.tool_choice.names in ((), ("weather",))


async def test_what_does_not_fit_is_text(model: FakeModel) -> None:
    model.likely = lambda prompt, text: -5.0 if "N/A" in prompt else -5.5
    assert (await model.judge.decide(turn(ASKED), REQUEST)).tool_choice == ToolChoice("none")


@pytest.mark.parametrize(
    "messages",
    [
        [
            *ASKED,
            {"role": "assistant", "content": "", "tool_calls": [ToolCall("1", "clock", "{}")]},
            {"role": "tool", "tool_call_id": "1", "content": "noon"},
        ],
        [{"role": "system", "content": "What time is it?"}],
        [{"role": "user", "content": "  "}],
    ],
)
async def test_without_a_question_it_is_text(model: FakeModel, messages: list[dict[str, object]]) -> None:
    def likely(prompt: str, text: str) -> float:
        raise AssertionError("nothing is asked")

    model.likely = likely
    assert (await model.judge.decide(turn(messages), REQUEST)).tool_choice == ToolChoice("none")


async def test_only_the_last_question_counts(model: FakeModel) -> None:
    prompts: list[str] = []

    def likely(prompt: str, text: str) -> float:
        prompts.append(prompt)
        return -1.0

    model.likely = likely
    long = [
        {"role": "user", "content": "old"},
        {"role": "assistant", "content": "x"},
        {"role": "user", "content": "y" * 5000},
    ]
    await model.judge.decide(turn(long), REQUEST)
    assert not any("old" in prompt for prompt in prompts) and max(map(len, prompts)) < 2_000


class Slow(FakeModel):
    """Answers nothing, and counts who waits."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = 0
        self.busy = asyncio.Event()

    async def logprobs(self, prompt: Sequence[int] | str, text: str, request: Request) -> Sequence[float]:
        self.waiting += 1
        if self.waiting == AT_ONCE:
            self.busy.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.waiting -= 1
        return ()


async def test_cancelling_ends_all_questions() -> None:
    model = Slow()
    task = asyncio.create_task(ToolJudge(model).decide(turn(ASKED), REQUEST))
    await model.busy.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert model.waiting == 0


async def test_an_error_is_the_request_s_error(model: FakeModel) -> None:
    def likely(prompt: str, text: str) -> float:
        raise OverloadedError("The queue is full.")

    model.likely = likely
    with pytest.raises(OverloadedError):
        await model.judge.decide(turn(ASKED), REQUEST)
