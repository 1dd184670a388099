"""One turn answered, as events in no API's words: chat and Responses make their objects and chunks of these.

Sits between the routes and generate.py. Text comes as it is written; a tool call is announced with its name, its
arguments follow in pieces. `gather_answers` waits for the whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Literal

from spatz.engine.request import FinishReason, Request, SamplingParams, TokenLogprob
from spatz.prompt.turn import ToolCall, Turn
from spatz.server.generate import LONG_TEXT, Totals, stream
from spatz.server.meter import Meter
from spatz.server.served import ServedModel

__all__ = [
    "Answer",
    "CallArguments",
    "CallDone",
    "CallStarted",
    "Event",
    "Finished",
    "Reason",
    "TextDelta",
    "answer",
    "gather_answers",
    "prepare",
]

Reason = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True, slots=True)
class TextDelta:
    index: int  # of the choice
    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class CallStarted:
    index: int
    position: int  # 0, 1, ... among the choice's calls
    id: str  # call_...
    name: str
    kind: Literal["function", "custom"]


@dataclass(frozen=True, slots=True)
class CallArguments:
    index: int
    position: int
    text: str


@dataclass(frozen=True, slots=True)
class CallDone:
    index: int
    position: int
    call: ToolCall  # whole


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of one choice. usage: on the last one, over all choices."""

    index: int
    reason: Reason
    usage: Totals | None = None


Event = TextDelta | CallStarted | CallArguments | CallDone | Finished


@dataclass(slots=True)
class Answer:
    """One whole choice."""

    text: str = ""
    logprobs: list[TokenLogprob] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    reason: Reason = "stop"


async def prepare(
    model: ServedModel, turn: Turn, params: SamplingParams, *, request_id: str, source: str, meter: Meter
) -> Request:
    """The turn as the engine's request. Raises RequestError for what cannot be served, before anything runs."""
    size = sum(len(message.get("content") or "") for message in turn.messages)
    prompt = (
        model.encode_chat(turn.messages)
        if size < LONG_TEXT
        else await asyncio.to_thread(model.encode_chat, turn.messages)
    )
    return Request(prompt=prompt, params=params, request_id=request_id, source=source, priority=meter.caller.priority)


async def answer(model: ServedModel, turn: Turn, request: Request, meter: Meter) -> AsyncGenerator[Event, None]:
    """The events of all choices as they come. Closing it frees the request's slot."""
    totals = Totals()
    left = request.params.n
    async with aclosing(stream(model, [request], meter)) as deltas:
        async for index, delta in deltas:
            if delta.text or delta.logprobs:
                yield TextDelta(index, delta.text, delta.logprobs)
            if delta.usage is not None:
                totals.add(delta.usage)
            if delta.finish_reason is not None:
                left -= 1
                reason: Reason = "length" if delta.finish_reason is FinishReason.LENGTH else "stop"
                yield Finished(index, reason, None if left else replace(totals))


async def gather_answers(model: ServedModel, turn: Turn, request: Request, meter: Meter) -> tuple[list[Answer], Totals]:
    answers = [Answer() for _ in range(request.params.n)]
    pieces: list[list[str]] = [[] for _ in answers]
    totals = Totals()
    async with aclosing(answer(model, turn, request, meter)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                pieces[event.index].append(event.text)
                answers[event.index].logprobs.extend(event.logprobs)
            elif isinstance(event, CallDone):
                answers[event.index].calls.append(event.call)
            elif isinstance(event, Finished):
                answers[event.index].reason = event.reason
                totals = event.usage or totals
    for whole, texts in zip(answers, pieces, strict=True):
        whole.text = "".join(texts)
    return answers, totals
