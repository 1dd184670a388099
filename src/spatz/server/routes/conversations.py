"""/v1/conversations and their items. Responses append to them (responses_run.py)."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Request
from pydantic import Field
from sqlalchemy import Connection
from starlette.responses import Response

from spatz.errors import RequestError
from spatz.server.body import whole_body
from spatz.server.caller import caller_of
from spatz.server.json_response import JsonResponse, dumps
from spatz.server.metadata import Metadata
from spatz.server.problems import parse_body, validate
from spatz.server.query import PageQuery, Query, parse_query
from spatz.server.responses_answer import included
from spatz.server.responses_history import missing_conversation, resolve, usable_id
from spatz.server.responses_items import Body, InputItem, Item
from spatz.server.responses_kept import new_id, page
from spatz.server.responses_request import Includes
from spatz.server.responses_run import append_items, expiry
from spatz.server.room import check_room
from spatz.server.state import state_of
from spatz.store import conversations
from spatz.store.conversations import Conversation

__all__ = ["ConversationItems", "ConversationRequest", "ConversationUpdate", "router"]

router = APIRouter()

AT_ONCE = 20  # items that one request may add


class ConversationRequest(Body):
    items: Annotated[list[InputItem], Field(max_length=AT_ONCE)] | None = None
    metadata: Metadata | None = None


class ConversationUpdate(Body):
    metadata: Metadata | None


class ConversationItems(Body):
    items: Annotated[list[InputItem], Field(min_length=1, max_length=AT_ONCE)]


class ItemQuery(Query):
    include: Includes | None = None


class ItemsQuery(PageQuery):
    include: Includes | None = None
    order: Literal["asc", "desc"] = "desc"


@router.post("/v1/conversations")
async def create_conversation(request: Request) -> Response:
    state, caller = state_of(request), caller_of(request)
    data = await whole_body(request)
    body = validate(ConversationRequest, parse_body(data) if data else {})
    await check_room(state)
    items = await resolve(state, caller, body.items or [])
    now = int(time.time())
    conversation = Conversation(new_id("conv_"), now, dumps(body.metadata or {}).decode())
    expires_at = expiry(state)

    def work(connection: Connection) -> None:
        conversations.create(connection, caller.owner, conversation, expires_at=expires_at)
        append_items(connection, caller.owner, conversation.id, now, items, expires_at=expires_at)

    await state.database.run(work)
    return JsonResponse(_shown(conversation))


@router.get("/v1/conversations/{conversation_id}")
async def retrieve_conversation(conversation_id: str, request: Request) -> Response:
    return JsonResponse(_shown(await _found(request, conversation_id)))


@router.post("/v1/conversations/{conversation_id}")
async def update_conversation(conversation_id: str, request: Request) -> Response:
    state, owner = state_of(request), caller_of(request).owner
    body = validate(ConversationUpdate, parse_body(await whole_body(request)))
    await _found(request, conversation_id)
    text = dumps(body.metadata or {}).decode()
    await state.database.run(
        lambda connection: conversations.set_metadata(
            connection, owner, conversation_id, int(time.time()), text, expires_at=expiry(state)
        )
    )
    return JsonResponse(_shown(await _found(request, conversation_id)))


@router.delete("/v1/conversations/{conversation_id}")
async def delete_conversation(conversation_id: str, request: Request) -> Response:
    owner = caller_of(request).owner
    await _found(request, conversation_id)
    await state_of(request).database.run(lambda connection: conversations.remove(connection, owner, conversation_id))
    return JsonResponse({"id": conversation_id, "object": "conversation.deleted", "deleted": True})


@router.post("/v1/conversations/{conversation_id}/items")
async def create_conversation_items(conversation_id: str, request: Request) -> Response:
    state, caller = state_of(request), caller_of(request)
    query = parse_query(ItemQuery, request)
    body = validate(ConversationItems, parse_body(await whole_body(request)))
    await _found(request, conversation_id)
    await check_room(state)
    items = await resolve(state, caller, body.items)
    kept = await state.database.run(
        lambda connection: append_items(
            connection, caller.owner, conversation_id, int(time.time()), items, expires_at=expiry(state)
        )
    )
    if kept is None:
        raise missing_conversation(conversation_id)
    return JsonResponse(page(included(kept, query.include), False))


@router.get("/v1/conversations/{conversation_id}/items")
async def list_conversation_items(conversation_id: str, request: Request) -> Response:
    query = parse_query(ItemsQuery, request)
    await _found(request, conversation_id)
    found = None
    if query.after is None or usable_id(query.after):
        found = await state_of(request).database.read(
            lambda connection: conversations.list_items(
                connection,
                conversation_id,
                after=query.after,
                ascending=query.order == "asc",
                limit=query.limit + 1,
            )
        )
    if found is None:
        raise RequestError(f"No such object: '{(query.after or '')[:100]}'.", param="after", code="invalid_value")
    items = [orjson.loads(item.body) for item in found[: query.limit]]
    return JsonResponse(page(included(items, query.include), len(found) > query.limit))


@router.get("/v1/conversations/{conversation_id}/items/{item_id}")
async def retrieve_conversation_item(conversation_id: str, item_id: str, request: Request) -> Response:
    query = parse_query(ItemQuery, request)
    await _found(request, conversation_id)
    body = None
    if usable_id(item_id):
        body = await state_of(request).database.read(
            lambda connection: conversations.get_item(connection, conversation_id, item_id)
        )
    if body is None:
        raise _missing_item(conversation_id, item_id)
    item: Item = orjson.loads(body)
    return JsonResponse(included([item], query.include)[0])


@router.delete("/v1/conversations/{conversation_id}/items/{item_id}")
async def delete_conversation_item(conversation_id: str, item_id: str, request: Request) -> Response:
    conversation = await _found(request, conversation_id)
    gone = usable_id(item_id) and await state_of(request).database.run(
        lambda connection: conversations.remove_item(connection, conversation_id, item_id)
    )
    if not gone:
        raise _missing_item(conversation_id, item_id)
    return JsonResponse(_shown(conversation))


async def _found(request: Request, id: str) -> Conversation:
    owner = caller_of(request).owner
    found = None
    if usable_id(id):
        found = await state_of(request).database.read(
            lambda connection: conversations.get(connection, owner, id, int(time.time()))
        )
    if found is None:
        raise missing_conversation(id)
    return found


def _missing_item(conversation: str, id: str) -> RequestError:
    return RequestError(
        f"Item with id '{id[:128]}' not found in conversation with id '{conversation[:128]}'.", status=404
    )


def _shown(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": conversation.id,
        "object": "conversation",
        "created_at": conversation.created_at,
        "metadata": orjson.loads(conversation.metadata),
    }
