"""/v1/batches: create, list, retrieve, cancel. What runs them is the service in batches.py."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from spatz.errors import RequestError
from spatz.server.batch_body import BatchRequest, batch_body
from spatz.server.batches import BatchRunner
from spatz.server.caller import caller_of
from spatz.server.json_response import JsonResponse
from spatz.server.problems import parse_body, validate
from spatz.server.query import Query, parse_query
from spatz.server.routes.files import find_file
from spatz.server.state import state_of
from spatz.store.batch_tables import Batch
from spatz.store.batches import Batches

__all__ = ["ListQuery", "router"]

router = APIRouter()

BATCH_ID = re.compile(r"batch_[0-9a-f]{24}")
MOST_UNFINISHED = 100  # batches of one owner


class ListQuery(Query):
    after: Annotated[str, Field(max_length=256)] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


@router.post("/v1/batches")
async def create_batch(request: Request) -> Response:
    body = validate(BatchRequest, parse_body(await request.body()))
    caller = caller_of(request)
    file = await find_file(request, body.input_file_id, "input_file_id")
    if file.purpose != "batch":
        raise RequestError(
            f"Invalid 'input_file_id': the file has the purpose '{file.purpose}', but 'batch' is needed.",
            param="input_file_id",
            code="invalid_value",
        )
    batch = await _batches(request).create(
        owner=caller.owner,
        owner_name=caller.name,
        endpoint=body.endpoint,
        input_file_id=file.id,
        metadata=body.metadata,
        output_seconds=body.output_expires_after.seconds if body.output_expires_after is not None else None,
        most=MOST_UNFINISHED,
    )
    if batch is None:
        raise RequestError(
            f"You have {MOST_UNFINISHED} batches that have not ended. Wait for one, or cancel one.",
            status=429,
            type="requests",
            code="rate_limit_exceeded",
        )
    _runner(request).wake()
    return JsonResponse(batch_body(batch))


@router.get("/v1/batches")
async def list_batches(request: Request) -> Response:
    query = parse_query(ListQuery, request)
    after = None
    if query.after is not None:
        after = await _find(request, query.after)
        if after is None:
            raise RequestError(f"No such object: '{query.after[:100]}'.", param="after", code="invalid_value")
    found, more = await _batches(request).list(caller_of(request).owner, after=after, limit=query.limit)
    data = [batch_body(batch) for batch in found]
    return JsonResponse(
        {
            "object": "list",
            "data": data,
            "first_id": data[0]["id"] if data else None,
            "last_id": data[-1]["id"] if data else None,
            "has_more": more,
        }
    )


@router.get("/v1/batches/{batch_id}")
async def retrieve_batch(batch_id: str, request: Request) -> Response:
    batch = await _find(request, batch_id)
    if batch is None:
        raise _no_batch(batch_id)
    return JsonResponse(batch_body(batch))


@router.post("/v1/batches/{batch_id}/cancel")
async def cancel_batch(batch_id: str, request: Request) -> Response:
    batch = None
    if BATCH_ID.fullmatch(batch_id):
        batch = await _batches(request).cancel(caller_of(request).owner, batch_id)
    if batch is None:
        raise _no_batch(batch_id)
    if batch.cancelling_at is None:
        raise RequestError(f"Cannot cancel a batch with status '{batch.status}'.", status=409)
    _runner(request).look(batch.id)
    return JsonResponse(batch_body(batch))


def _batches(request: Request) -> Batches:
    return Batches(state_of(request).database)


def _runner(request: Request) -> BatchRunner:
    runner: BatchRunner = request.app.state.batches
    return runner


async def _find(request: Request, batch_id: str) -> Batch | None:
    if not BATCH_ID.fullmatch(batch_id):
        return None
    return await _batches(request).find(caller_of(request).owner, batch_id)


def _no_batch(batch_id: str) -> RequestError:
    return RequestError(f"No batch found with id '{batch_id[:100]}'.", status=404, param="batch_id")
