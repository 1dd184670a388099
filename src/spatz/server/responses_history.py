"""What a response begins with: the items of the past, from the store, and the request's own.

The past is the chain of responses before it (`previous_response_id`), or a conversation; single items may be named.
Items are kept as JSON. Nothing is run here, and only what belongs to the caller is found.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson
from sqlalchemy import Connection

from spatz.errors import RequestError
from spatz.server.caller import Caller
from spatz.server.responses_items import InputItem, Item, ItemReference
from spatz.server.responses_kept import check_calls, stored, user_message
from spatz.server.responses_request import InputTokensRequest, ResponseRequest
from spatz.server.state import State
from spatz.store import conversations, responses

__all__ = ["Past", "find_past", "missing_conversation", "missing_response", "resolve", "usable_id"]

MAX_PAST = 128 << 20  # characters of stored items that a prompt is made of: a large file is a turn, too
IDS = re.compile(r"[A-Za-z0-9_.:/-]{1,128}")


@dataclass(frozen=True, slots=True)
class Past:
    items: list[Item] = field(default_factory=list)
    own: list[Item] = field(default_factory=list)  # the request's
    depth: int = 0  # responses in the chain so far
    source: str = ""  # the request's field that the past comes by

    @property
    def all(self) -> list[Item]:
        return self.items + self.own

    def places(self) -> dict[int, str]:
        """Where each item stands in the request, by its id()."""
        past = {id(item): self.source for item in self.items}
        return past | {id(item): f"input[{index}]" for index, item in enumerate(self.own)}


def usable_id(id: str) -> bool:
    """Whether it can be the id of anything: others are not even looked up."""
    return IDS.fullmatch(id) is not None


def missing_response(id: str) -> RequestError:
    return RequestError(f"Response with id '{id[:128]}' not found.", status=404)


def missing_conversation(id: str) -> RequestError:
    return RequestError(f"Conversation with id '{id[:128]}' not found.", status=404)


async def find_past(state: State, caller: Caller, body: ResponseRequest | InputTokensRequest) -> Past:
    """Raises RequestError for what is not there (any more), and for calls of tools that lack their results."""
    if body.previous_response_id is not None:
        id = body.previous_response_id
        past = await state.database.read(lambda connection: _chain(connection, caller.owner, id))
    elif body.conversation_id is not None:
        id = body.conversation_id
        past = await state.database.read(lambda connection: _talk(connection, caller.owner, id))
    else:
        past = Past()
    if isinstance(body.input, str):
        past.own.append(user_message(body.input))
    elif body.input:
        past.own.extend(await resolve(state, caller, body.input))
    check_calls(past.all)
    return past


async def resolve(state: State, caller: Caller, items: Sequence[InputItem]) -> list[Item]:
    """The items as they are kept; what a reference names is looked up."""
    wanted = [item.id for item in items if isinstance(item, ItemReference)]
    known: dict[str, str] = {}
    if wanted:
        known = await state.database.read(lambda connection: _find(connection, caller.owner, wanted))
    for id in wanted:
        if id not in known:
            raise RequestError(
                f"Item with id '{id}' not found. Items are not persisted when `store` is set to false. Try again with "
                "`store` set to true, or remove this item from your input.",
                status=404,
                param="input",
            )
    return [orjson.loads(known[item.id]) if isinstance(item, ItemReference) else stored(item) for item in items]


def _find(connection: Connection, owner: str, ids: Sequence[str]) -> dict[str, str]:
    now = int(time.time())
    return {
        **conversations.find_items(connection, owner, ids, now),
        **responses.find_items(connection, owner, ids, now),
    }


def _chain(connection: Connection, owner: str, id: str) -> Past:
    found = None
    if usable_id(id):
        found = responses.chain(connection, owner, id, int(time.time()), MAX_PAST)
    if found is None:
        raise _bad_previous(f"Previous response with id '{id}' not found.", "previous_response_not_found")
    if found.broken:
        raise _bad_previous(
            f"A response that the previous response '{id}' continues was deleted or has expired.",
            "previous_response_not_found",
        )
    if found.status in ("queued", "in_progress"):
        raise _bad_previous(f"The previous response '{id}' is still {found.status}.", "invalid_value")
    if found.depth >= responses.MAX_CHAIN or found.size > MAX_PAST:
        raise _bad_previous(
            f"The chain of responses is too long to be continued (at most {responses.MAX_CHAIN} responses and "
            f"{MAX_PAST >> 20} MB).",
            "invalid_value",
        )
    items = [orjson.loads(item) for item in found.items]
    return Past(items, depth=found.depth, source="previous_response_id")


def _bad_previous(message: str, code: str) -> RequestError:
    return RequestError(message, param="previous_response_id", code=code)


def _talk(connection: Connection, owner: str, id: str) -> Past:
    if not usable_id(id) or conversations.get(connection, owner, id, int(time.time())) is None:
        raise missing_conversation(id)
    if conversations.size(connection, id) > MAX_PAST:
        raise RequestError(
            f"The conversation is too long to be continued (at most {MAX_PAST >> 20} MB).",
            param="conversation",
            code="invalid_value",
        )
    items = [orjson.loads(item.body) for item in conversations.list_items(connection, id) or ()]
    return Past(items, source="conversation")
