"""One turn answered, as events in no API's words: chat and Responses make their objects and chunks of these.

Sits between the routes and generate.py. Text comes as it is written; a tool call is announced with its name, its
arguments follow in pieces. `gather_answers` waits for the whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from spatz.engine.request import ContextMode, FinishReason, Request, SamplingParams, TokenLogprob
from spatz.errors import ContextLengthError
from spatz.prompt.tools import callable_tools, chosen, may_answer_text, undecided
from spatz.prompt.turn import ToolCall, Turn
from spatz.server.call_reader import CallReader
from spatz.server.context import context_limit
from spatz.server.events import CallArguments, CallDone, CallStarted, Cited, Event, Finished, Reason, TextDelta
from spatz.server.generate import LONG_TEXT, Totals, stream, text_size
from spatz.server.input_use import InputUse, input_uses
from spatz.server.meter import Meter
from spatz.server.search_decision import decide, may_call_instead
from spatz.server.searched_text import SearchedText
from spatz.server.served import ServedModel
from spatz.server.web import Web, check_web
from spatz.server.web_search import Findings, Research

__all__ = [
    "Answer",
    "Answers",
    "CallArguments",
    "CallDone",
    "CallStarted",
    "Event",
    "Finished",
    "Reason",
    "TextDelta",
    "Work",
    "answer",
    "gather_answers",
    "prepare",
]

LONGEST_TEXT = 15 << 20  # characters, of which the longest context takes no third; rendering has a bound close above


@dataclass(slots=True)
class Answer:
    """One whole choice."""

    text: str = ""
    logprobs: list[TokenLogprob] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    citations: list[Cited] = field(default_factory=list)
    reason: Reason = "stop"


@dataclass(frozen=True, slots=True)
class Work:
    """A turn that is ready to be answered. request is the engine's, of an answer in text where that is not decided."""

    turn: Turn
    request: Request
    undecided: bool = False  # whether it calls a tool is found out first, when it is answered
    inputs: tuple[InputUse, ...] = ()  # what its images and files cost
    web: Web | None = None  # what is searched, where its turn may

    @property
    def params(self) -> SamplingParams:
        return self.request.params


async def prepare(
    model: ServedModel,
    turn: Turn,
    params: SamplingParams,
    *,
    request_id: str,
    source: str,
    meter: Meter,
    context: ContextMode,
    web: Web | None = None,
) -> Work:
    """The turn as work for the engine. Raises RequestError for what cannot be served, before anything runs.

    web: what the server searches with; needed for a turn with a web search.
    """
    if turn.web_search is None:
        web = None
    else:
        check_web(web, "tools" if source == "input" else "web_search_options")
    open_question = undecided(turn, model.dialect) or (web is not None and may_call_instead(turn))
    if open_question:
        # Whatever is decided, it has to be possible.
        await model.constrain(chosen(turn, tuple(tool.name for tool in turn.tools)), source)
    first = chosen(turn, ()) if open_question else turn
    request = Request(
        prompt=(),
        params=params,
        request_id=request_id,
        source=source,
        priority=meter.caller.priority,
        context=context,
        owner=meter.caller.owner,
    )
    completed = await _completed(model, first, request)
    return Work(turn, completed, open_question, input_uses(turn, completed.areas), web)


async def _completed(model: ServedModel, turn: Turn, request: Request) -> Request:
    """With the turn's prompt and constraint."""
    constraint = await model.constrain(turn, request.source)
    size = text_size(turn)
    if size > LONGEST_TEXT:
        raise ContextLengthError(
            f"This model's maximum context length is {context_limit(model, request.context)} tokens. However, your "
            f"{request.source} have {size} characters of text, and a prompt can have at most {LONGEST_TEXT}.",
            param=request.source,
        )
    prompt = model.encode_turn(turn) if size < LONG_TEXT else await asyncio.to_thread(model.encode_turn, turn)
    params = request.params
    if params.stop and not may_answer_text(turn):
        params = replace(params, stop=())  # they end a text; in the middle of a call they would leave half of one
    return replace(
        request,
        prompt=prompt.tokens,
        areas=prompt.areas,
        images=prompt.images,
        params=params,
        constraint=constraint,
    )


async def answer(model: ServedModel, turn: Turn, work: Work, meter: Meter) -> AsyncGenerator[Event, None]:
    """The events of all choices as they come. Closing it frees the request's slot."""
    turn, request = work.turn, work.request
    found: Findings | None = None
    if work.web is not None:
        decided = await decide(model, turn, request)
        turn = decided.turn
        if decided.searches:
            meter.check([request])  # before anybody else is asked for this caller
            research = Research(work.web, model, turn, request)
            async with aclosing(research.events()) as events:
                async for step in events:
                    yield step
            found = research.findings
            meter.searched(found.use)
            turn, request = found.turn, await _completed(model, found.turn, request)
    elif work.undecided:
        turn = await model.judge.decide(turn, request)
    if work.undecided and callable_tools(turn):
        request = await _completed(model, turn, request)
    named = work.turn.tool_choice.mode == "required" and len(work.turn.tool_choice.names) == 1
    readers = [CallReader(index, turn, model.dialect, named=named) for index in range(request.params.n)]
    text = SearchedText(found, request.params.n)
    totals = Totals()
    totals.inputs = work.inputs
    totals.search = None if found is None else found.use
    left = request.params.n
    async with aclosing(stream(model, [request], meter, enough=lambda: text.enough)) as deltas:
        async for index, delta in deltas:
            for event in readers[index].read(delta):
                for told in text.tell(event):
                    yield told
            if delta.usage is not None:
                totals.add(delta.usage)
            if delta.finish_reason is not None:
                left -= 1
                for event in readers[index].end(delta.finish_reason is FinishReason.LENGTH):
                    for told in text.tell(event):
                        yield told
                for told in text.end(index):
                    yield told
                yield Finished(index, readers[index].reason, None if left else totals)


class Answers:
    """The choices as their events come in."""

    def __init__(self, choices: int) -> None:
        self.choices = [Answer() for _ in range(choices)]
        self.totals = Totals()
        self._pieces: list[list[str]] = [[] for _ in self.choices]

    def add(self, event: Event) -> None:
        if isinstance(event, TextDelta):
            self._pieces[event.index].append(event.text)
            self.choices[event.index].logprobs.extend(event.logprobs)
        elif isinstance(event, CallDone):
            self.choices[event.index].calls.append(event.call)
        elif isinstance(event, Cited):
            self.choices[event.index].citations.append(event)
        elif isinstance(event, Finished):
            self.choices[event.index].text = "".join(self._pieces[event.index])
            self.choices[event.index].reason = event.reason
            self.totals = event.usage or self.totals


async def gather_answers(model: ServedModel, turn: Turn, work: Work, meter: Meter) -> tuple[list[Answer], Totals]:
    whole = Answers(work.params.n)
    async with aclosing(answer(model, turn, work, meter)) as events:
        async for event in events:
            whole.add(event)
    return whole.choices, whole.totals
