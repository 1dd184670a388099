"""POST /v1/chat/completions, whole and streamed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from spatz.prompt.turn import Turn
from spatz.server.answer import Finished, TextDelta, Work, answer, gather_answers, prepare
from spatz.server.chat_answer import ChatChunks, chat_completion
from spatz.server.chat_request import ChatRequest
from spatz.server.gate import identify, request_id
from spatz.server.generate import ClientGone, Totals, unless_gone
from spatz.server.meter import Meter
from spatz.server.openapi import body_of
from spatz.server.problems import parse_body, validate
from spatz.server.sse import DONE, EventStream
from spatz.server.state import State, sampling, state_of

__all__ = ["router"]

router = APIRouter()


@router.post("/v1/chat/completions", openapi_extra=body_of(ChatRequest))
async def create_chat_completion(request: Request) -> Response:
    state = state_of(request)
    body = validate(ChatRequest, parse_body(await request.body()))
    state.check_model(body.model)
    identify(request, user=body.user, safety_identifier=body.safety_identifier)
    meter = state.meter(request)
    top = (body.top_logprobs or 0) if body.logprobs else None
    turn = body.turn()
    params = sampling(body, state.default_temperature, max_tokens=body.token_limit, logprobs=top)
    work = await prepare(state.model, turn, params, request_id=request_id(request), source="messages", meter=meter)
    if body.stream:
        return EventStream(_chunks(state, body, turn, work, meter), state.heartbeat)
    try:
        answers, totals = await unless_gone(request, gather_answers(state.model, turn, work, meter))
    except ClientGone:
        return Response(status_code=499)
    return JSONResponse(chat_completion(state.head("chatcmpl-"), answers, totals, top))


async def _chunks(
    state: State, body: ChatRequest, turn: Turn, work: Work, meter: Meter
) -> AsyncGenerator[bytes, None]:
    top = work.params.logprobs
    chunks = ChatChunks(
        state.head("chatcmpl-"),
        work.params.n,
        include_usage=body.include_usage,
        obfuscate=body.include_obfuscation,
        top_logprobs=top,
    )
    totals = Totals()
    data = chunks.roles()  # goes out with the first event, so that an error before it is an ordinary one
    async with aclosing(answer(state.model, turn, work, meter)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                data += chunks.text(event.index, event.text, event.logprobs)
            elif isinstance(event, Finished):
                data += chunks.finish(event.index, event.reason)
                totals = event.usage or totals
            yield data
            data = b""
    yield (chunks.usage(totals) if body.include_usage else b"") + DONE
