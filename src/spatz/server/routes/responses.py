"""POST /v1/responses, whole, streamed and in the background; and what is asked of stored ones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from spatz.errors import RequestError
from spatz.server.body import whole_body
from spatz.server.caller import caller_of
from spatz.server.context import context_mode
from spatz.server.gate import identify, request_id
from spatz.server.generate import ClientGone, unless_gone
from spatz.server.json_response import JsonResponse
from spatz.server.problems import parse_body, validate
from spatz.server.query import PageQuery, Query, parse_query
from spatz.server.responses_answer import included, shown
from spatz.server.responses_background import Background, stored_events
from spatz.server.responses_fit import prompt_tokens
from spatz.server.responses_history import find_past, missing_response, usable_id
from spatz.server.responses_kept import page
from spatz.server.responses_request import Includes, InputTokensRequest, ResponseRequest
from spatz.server.responses_run import Job, begin, keep, naming_input, run, turn_of
from spatz.server.responses_stream import error_event
from spatz.server.sse import EventStream
from spatz.server.state import state_of
from spatz.store import responses
from spatz.store.responses import Stored

__all__ = ["router"]

router = APIRouter()


class RetrieveQuery(Query):
    include: Includes | None = None
    include_obfuscation: bool | None = None
    starting_after: Annotated[int, Field(ge=0)] | None = None
    stream: bool = False


class ItemsQuery(PageQuery):
    include: Includes | None = None
    order: Literal["asc", "desc"] = "desc"


def _background(request: Request) -> Background:
    background: Background = request.app.state.background
    return background


@router.post("/v1/responses")
async def create_response(request: Request) -> Response:
    state = state_of(request)
    body = validate(ResponseRequest, parse_body(await whole_body(request)))
    state.check_model(body.model)
    identify(request, user=body.user, safety_identifier=body.safety_identifier)
    try:
        # Reading images and files may take its time.
        job = await unless_gone(request, begin(state, state.meter(request), body, request_id(request)))
    except ClientGone:
        return Response(status_code=499)
    if body.background:
        running, queued = await _background(request).start(job)
        if body.stream:
            return _stream(request, running.read(-1))
        return Response(queued, media_type="application/json")
    if body.stream:
        return _stream(request, _events(job))
    try:
        await unless_gone(request, _whole(job))
    except ClientGone:
        return Response(status_code=499)
    return JsonResponse(shown(job.response, body.include))


async def _whole(job: Job) -> None:
    async with aclosing(_events(job, whole=True)) as events:
        async for _ in events:
            pass


async def _events(job: Job, *, whole: bool = False) -> AsyncGenerator[bytes, None]:
    writer = job.writer()

    async def finish(last: bytes) -> None:
        await keep(job)

    async with aclosing(run(job, writer, writer.begin(), finish, whole=whole)) as events:
        async for data in events:
            yield data


def _stream(request: Request, events: AsyncGenerator[bytes, None]) -> EventStream:
    return EventStream(events, state_of(request).heartbeat, lambda error: error_event(error, 0))


@router.post("/v1/responses/input_tokens")
async def count_input_tokens(request: Request) -> Response:
    state = state_of(request)
    body = validate(InputTokensRequest, parse_body(await whole_body(request)))
    if body.model is not None:
        state.check_model(body.model)
    past = await find_past(state, caller_of(request), body)
    with naming_input():
        mode = context_mode(body.spatz, state.settings.context)
        turn = await turn_of(state, caller_of(request), body, past, mode)
        count = await prompt_tokens(state.model, turn)
    return JsonResponse({"object": "response.input_tokens", "input_tokens": count})


@router.get("/v1/responses/{response_id}")
async def retrieve_response(response_id: str, request: Request) -> Response:
    query = parse_query(RetrieveQuery, request)
    row = await _stored(request, response_id)
    if query.stream:
        if query.include_obfuscation:
            raise RequestError(
                "Obfuscation has to be asked for when the response is created.",
                param="include_obfuscation",
                code="invalid_value",
            )
        after = -1 if query.starting_after is None else query.starting_after
        return _stream(request, await _replay(request, response_id, after))
    if query.starting_after is not None:
        raise RequestError(
            "The 'starting_after' parameter is only allowed when 'stream' is true.",
            param="starting_after",
            code="invalid_value",
        )
    response = orjson.loads(row.body)
    response["output"] = included(response["output"], query.include)
    return JsonResponse(response)


async def _replay(request: Request, id: str, after: int) -> AsyncGenerator[bytes, None]:
    """The events of a response in the background: from its log while it runs, from the store when it has ended."""
    running = _background(request).find(id)
    if running is not None and running.job.body.stream:
        return running.read(after)
    owner = caller_of(request).owner
    data = await state_of(request).database.read(
        lambda connection: responses.events(connection, owner, id, int(time.time()))
    )
    if data is None:
        raise RequestError(
            "This response cannot be streamed because it was not created with background=true and stream=true.",
            param="stream",
            code="invalid_value",
        )

    async def rest() -> AsyncGenerator[bytes, None]:
        events = await asyncio.to_thread(stored_events, data)
        yield b"".join(events[after + 1 :])

    return rest()


@router.delete("/v1/responses/{response_id}")
async def delete_response(response_id: str, request: Request) -> Response:
    row = await _stored(request, response_id)
    owner = caller_of(request).owner
    gone = await state_of(request).database.run(lambda connection: responses.remove(connection, owner, response_id))
    if not gone:
        raise missing_response(response_id)
    await _background(request).cancel(row)
    return JsonResponse({"id": response_id, "object": "response", "deleted": True})


@router.post("/v1/responses/{response_id}/cancel")
async def cancel_response(response_id: str, request: Request) -> Response:
    row = await _stored(request, response_id)
    if not orjson.loads(row.body)["background"]:
        raise RequestError("Cannot cancel a synchronous response.", param="response_id", code="invalid_value")
    await _background(request).cancel(row)
    return JsonResponse(shown(orjson.loads((await _stored(request, response_id)).body), None))


@router.get("/v1/responses/{response_id}/input_items")
async def list_input_items(response_id: str, request: Request) -> Response:
    query = parse_query(ItemsQuery, request)
    owner = caller_of(request).owner
    found = None
    if usable_id(response_id):
        found = await state_of(request).database.read(
            lambda connection: responses.input_items(connection, owner, response_id, int(time.time()))
        )
    if found is None:
        raise missing_response(response_id)
    if query.order == "desc":
        found.reverse()
    if query.after is not None:
        # An item may stand there more than once, when a client sent it again: the last one counts, or there is no end.
        places = [place for place, item in enumerate(found) if item.id == query.after]
        if not places:
            raise RequestError(f"No such object: '{query.after[:100]}'.", param="after", code="invalid_value")
        found = found[places[-1] + 1 :]
    items = [orjson.loads(item.body) for item in found[: query.limit]]
    return JsonResponse(page(included(items, query.include), len(found) > query.limit))


async def _stored(request: Request, id: str) -> Stored:
    owner = caller_of(request).owner
    row = None
    if usable_id(id):
        row = await state_of(request).database.read(
            lambda connection: responses.get(connection, owner, id, int(time.time()))
        )
    if row is None:
        raise missing_response(id)
    return row
