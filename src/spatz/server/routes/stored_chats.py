"""GET, POST and DELETE of /v1/chat/completions/...: the answers of requests with `store: true`."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from sqlalchemy import Connection
from starlette.responses import Response

from spatz.errors import RequestError
from spatz.server.caller import caller_of
from spatz.server.fields import Strict
from spatz.server.json_response import JsonResponse
from spatz.server.metadata import Metadata
from spatz.server.problems import parse_body, validate
from spatz.server.query import PageQuery, parse_query
from spatz.server.state import state_of
from spatz.server.stored_chat import shown, shown_messages
from spatz.store import chat_completions
from spatz.store.chat_completions import StoredChat

__all__ = ["router"]

router = APIRouter()


class ListQuery(PageQuery):
    model: Annotated[str, Field(max_length=512)] | None = None
    metadata: Metadata | None = None


class UpdateRequest(Strict):
    metadata: Metadata | None


@router.get("/v1/chat/completions")
async def list_chat_completions(request: Request) -> Response:
    query = parse_query(ListQuery, request)
    owner = caller_of(request).owner
    model = query.model
    if model in state_of(request).names:  # an alias: answers carry the model's own name
        model = state_of(request).model.name

    def work(connection: Connection) -> list[StoredChat]:
        return chat_completions.page(
            connection,
            owner,
            now=int(time.time()),
            limit=query.limit + 1,
            after=query.after,
            newest_first=query.order == "desc",
            model=model,
            wanted=query.metadata,
        )

    try:
        found = await state_of(request).database.read(work)
    except KeyError:
        raise _unknown(query.after or "", "after") from None
    return JsonResponse(_listed([shown(chat) for chat in found], query.limit))


@router.get("/v1/chat/completions/{completion_id}")
async def retrieve_chat_completion(completion_id: str, request: Request) -> Response:
    return JsonResponse(shown(await _stored(request, completion_id)))


@router.post("/v1/chat/completions/{completion_id}")
async def update_chat_completion(completion_id: str, request: Request) -> Response:
    body = validate(UpdateRequest, parse_body(await request.body()))
    owner = caller_of(request).owner

    def work(connection: Connection) -> StoredChat | None:
        return chat_completions.set_labels(connection, owner, completion_id, body.metadata or {}, now=int(time.time()))

    chat = await state_of(request).database.run(work)
    if chat is None:
        raise _unknown(completion_id)
    return JsonResponse(shown(chat))


@router.delete("/v1/chat/completions/{completion_id}")
async def delete_chat_completion(completion_id: str, request: Request) -> Response:
    owner = caller_of(request).owner

    def work(connection: Connection) -> bool:
        return chat_completions.delete_one(connection, owner, completion_id, now=int(time.time()))

    if not await state_of(request).database.run(work):
        raise _unknown(completion_id)
    return JsonResponse({"object": "chat.completion.deleted", "id": completion_id, "deleted": True})


@router.get("/v1/chat/completions/{completion_id}/messages")
async def list_chat_completion_messages(completion_id: str, request: Request) -> Response:
    query = parse_query(PageQuery, request)
    messages = list(shown_messages(await _stored(request, completion_id)))
    if query.order == "desc":
        messages.reverse()
    if query.after is not None:
        places = [place for place, message in enumerate(messages) if message["id"] == query.after]
        if not places:
            raise _unknown(query.after, "after")
        messages = messages[places[0] + 1 :]
    return JsonResponse(_listed(messages, query.limit))


async def _stored(request: Request, completion_id: str) -> StoredChat:
    owner = caller_of(request).owner
    chat = await state_of(request).database.read(
        lambda connection: chat_completions.get(connection, owner, completion_id, now=int(time.time()))
    )
    if chat is None:
        raise _unknown(completion_id)
    return chat


def _listed(found: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    data = found[:limit]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": len(found) > limit,
    }


def _unknown(name: str, param: Literal["completion_id", "after"] = "completion_id") -> RequestError:
    if param == "after":
        return RequestError(f"No such object: '{name[:100]}'.", param="after", code="invalid_value")
    return RequestError(f"No chat completion found with id '{name[:100]}'.", status=404, param=param, code="not_found")
