"""POST /v1/chat/completions, whole and streamed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from spatz.prompt.documents import parts_of
from spatz.prompt.turn import Turn
from spatz.server.answer import (
    Answer,
    Answers,
    Work,
    answer,
    gather_answers,
    prepare,
)
from spatz.server.body import whole_body
from spatz.server.chat_answer import ChatChunks, chat_completion
from spatz.server.chat_request import ChatRequest
from spatz.server.context import context_mode
from spatz.server.events import CallArguments, CallStarted, Cited, Finished, TextDelta
from spatz.server.gate import identify, request_id
from spatz.server.generate import ClientGone, Totals, unless_gone
from spatz.server.input_parts import read_parts
from spatz.server.json_response import JsonResponse
from spatz.server.meter import Meter
from spatz.server.problems import parse_body, validate
from spatz.server.room import check_room
from spatz.server.sse import DONE, EventStream
from spatz.server.state import State, sampling, state_of
from spatz.server.stored_chat import keep

__all__ = ["router"]

router = APIRouter()


@router.post("/v1/chat/completions")
async def create_chat_completion(request: Request) -> Response:
    state = state_of(request)
    given = parse_body(await whole_body(request))
    body = validate(ChatRequest, given)
    state.check_model(body.model)
    identify(request, user=body.user, safety_identifier=body.safety_identifier)
    meter = state.meter(request)
    top = (body.top_logprobs or 0) if body.logprobs else None
    turn = body.turn()
    if parts_of(turn.messages):
        try:
            turn = await unless_gone(request, _read(state, meter, turn))
        except ClientGone:
            return Response(status_code=499)
        # An image may be larger than all else: it does not stay in memory for the answer's time.
        body = body.model_copy(update={"messages": []})
        given = given if body.store else {}
    params = sampling(body, state.default_temperature, max_tokens=body.token_limit, logprobs=top)
    mode = context_mode(body.spatz, state.settings.context)
    work = await prepare(
        state.model,
        turn,
        params,
        request_id=request_id(request),
        source="messages",
        meter=meter,
        context=mode,
        web=state.web,
    )
    head = state.head("chatcmpl-")
    if body.store:
        await check_room(state)

    async def kept(answers: Sequence[Answer], totals: Totals) -> dict[str, Any]:
        """The whole answer, put away where the client asked for that. Whoever has read the answer's end finds it."""
        completion = chat_completion(head, answers, totals, top)
        if body.store:
            await keep(state, meter.caller, given, completion, request_id(request))
        return completion

    if body.stream:
        return EventStream(_chunks(state, body, head, work, meter, kept), state.heartbeat)
    try:
        answers, totals = await unless_gone(request, gather_answers(state.model, turn, work, meter))
    except ClientGone:
        return Response(status_code=499)
    return JsonResponse(await kept(answers, totals))


async def _read(state: State, meter: Meter, turn: Turn) -> Turn:
    """With text in the places of its images and files."""
    readings = await read_parts(state, meter.caller, parts_of(turn.messages), pdf_only=True)
    return readings.put(turn)


async def _chunks(
    state: State,
    body: ChatRequest,
    head: dict[str, Any],
    work: Work,
    meter: Meter,
    kept: Callable[[Sequence[Answer], Totals], Awaitable[object]],
) -> AsyncGenerator[bytes, None]:
    choices = work.params.n
    chunks = ChatChunks(
        head,
        choices,
        include_usage=body.include_usage,
        obfuscate=body.include_obfuscation,
        top_logprobs=work.params.logprobs,
    )
    whole = Answers(choices) if body.store else None
    totals = Totals()
    async with aclosing(answer(state.model, work.turn, work, meter)) as events:
        async for event in events:
            if whole is not None:
                whole.add(event)
            if isinstance(event, TextDelta):
                yield chunks.text(event.index, event.text, event.logprobs)
            elif isinstance(event, CallStarted):
                yield chunks.call(event)
            elif isinstance(event, CallArguments):
                yield chunks.arguments(event)
            elif isinstance(event, Cited):
                chunks.cite(event)
            elif isinstance(event, Finished):
                totals = event.usage or totals
                if event.usage is not None and whole is not None:
                    await kept(whole.choices, totals)
                yield chunks.finish(event.index, event.reason)
    yield (chunks.usage(totals) if body.include_usage else b"") + DONE
