"""Chat completions that are kept: made of a request with `store: true` and its answer, shown as the API shows them.

Sits between the routes and store/chat_completions.py. chat.py calls `keep` when an answer is whole, before its end is
sent: a client that has read the answer finds it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from spatz.server.caller import Caller
from spatz.server.json_response import dumps
from spatz.server.state import State
from spatz.store import chat_completions
from spatz.store.chat_completions import StoredChat

__all__ = ["DAY", "keep", "shown", "shown_messages"]

DAY = 86_400
# What was asked, beside the messages, is shown with the answer.
ASKED: Mapping[str, object] = {
    "frequency_penalty": 0.0,
    "presence_penalty": 0.0,
    "response_format": None,
    "seed": None,
    "temperature": None,
    "tool_choice": None,
    "tools": None,
    "top_p": 1.0,
}


async def keep(
    state: State, caller: Caller, body: Mapping[str, Any], completion: Mapping[str, Any], request_id: str
) -> None:
    """body: the request as JSON; completion: what it is answered with. Raises StorageError."""
    asked = {name: default if body.get(name) is None else body[name] for name, default in ASKED.items()}
    if asked["temperature"] is None:
        asked["temperature"] = state.default_temperature
    record = {
        **completion,
        **asked,
        "request_id": request_id,
        "input_user": body.get("user"),
    }
    chat = StoredChat(
        completion["id"],
        completion["model"],
        dumps(record).decode(),
        dumps(body["messages"]).decode(),
        body.get("metadata") or {},
    )
    expires_at = int(time.time()) + state.settings.response_days * DAY
    await state.database.run(
        lambda connection: chat_completions.add(connection, caller.owner, chat, expires_at),
    )


def shown(chat: StoredChat) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(chat.completion)
    return {**found, "metadata": dict(chat.labels)}


def shown_messages(chat: StoredChat) -> Sequence[dict[str, Any]]:
    """What was asked, each message with an id of its own."""
    found: list[dict[str, Any]] = orjson.loads(chat.messages)
    return [_message(f"{chat.id}-{number}", message) for number, message in enumerate(found)]


def _message(message_id: str, message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    is_text = content is None or isinstance(content, str)
    return {
        **{key: value for key, value in message.items() if key not in ("content", "role")},
        "id": message_id,
        "role": message["role"],
        "content": content if is_text else None,
        "content_parts": None if is_text else content,
        "name": message.get("name"),
        "refusal": message.get("refusal"),
    }
