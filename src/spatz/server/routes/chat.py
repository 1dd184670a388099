"""POST /v1/chat/completions, whole and streamed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from spatz.engine.request import Request as EngineRequest
from spatz.server.chat_answer import ChatChunks, chat_completion
from spatz.server.chat_request import ChatRequest
from spatz.server.gate import identify, request_id
from spatz.server.generate import ClientGone, Totals, encode_off_loop, gather, stream, unless_gone
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
    top = (body.top_logprobs or 0) if body.logprobs else None
    messages = body.plain_messages()
    size = sum(len(message["content"]) for message in messages)
    prompt = await encode_off_loop(size, state.model.encode_chat, messages)
    params = sampling(body, state.default_temperature, max_tokens=body.token_limit, logprobs=top)
    work = EngineRequest(prompt=prompt, params=params, request_id=request_id(request), source="messages")
    if body.stream:
        return EventStream(_chunks(state, body, work, top), state.heartbeat)
    try:
        choices, totals = await unless_gone(request, gather(state.model, [work], state.metrics))
    except ClientGone:
        return Response(status_code=499)
    return JSONResponse(chat_completion(state.head("chatcmpl-"), choices, totals, top))


async def _chunks(state: State, body: ChatRequest, work: EngineRequest, top: int | None) -> AsyncGenerator[bytes, None]:
    chunks = ChatChunks(
        state.head("chatcmpl-"),
        work.params.n,
        include_usage=body.include_usage,
        obfuscate=body.include_obfuscation,
        top_logprobs=top,
    )
    totals = Totals()
    first = chunks.roles()
    async with aclosing(stream(state.model, [work], state.metrics)) as deltas:
        async for index, delta in deltas:
            data = first
            first = b""
            if delta.text or (top is not None and delta.logprobs):
                data += chunks.text(index, delta.text, delta.logprobs)
            if delta.finish_reason is not None:
                data += chunks.finish(index, delta.finish_reason)
            if delta.usage is not None:
                totals.add(delta.usage)
            if data:
                yield data
    yield (chunks.usage(totals) if body.include_usage else b"") + DONE
