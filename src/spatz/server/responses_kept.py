"""Items as they are kept and listed: with an id and a status, their content as parts. They are dicts, as in JSON.

`stored` makes them of what a client sent (responses_items.py), `turn_messages` makes messages of them. What a reference
points to is looked up elsewhere (responses_history.py).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from spatz.errors import RequestError
from spatz.inputs.part import Detail, InputPart, file_data_part
from spatz.prompt.turn import Message, ToolCall
from spatz.server.responses_items import (
    CustomToolCall,
    FunctionCall,
    InputMessage,
    Item,
    KnownItem,
    OutputMessage,
    WebSearchCall,
)

__all__ = [
    "PREFIXES",
    "check_calls",
    "is_instruction",
    "new_id",
    "page",
    "stored",
    "turn_messages",
    "user_message",
]

PREFIXES = {
    "message": "msg_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "custom_tool_call": "ctc_",
    "custom_tool_call_output": "ctco_",
    "web_search_call": "ws_",
}


def new_id(prefix: str) -> str:
    return prefix + secrets.token_hex(24)


def user_message(text: str) -> Item:
    return stored(InputMessage(role="user", content=text))


def stored(item: KnownItem) -> Item:
    kind = item.type or "message"
    body: Item = {"id": item.id or new_id(PREFIXES[kind]), "type": kind, "status": item.status or "completed"}
    if isinstance(item, InputMessage | OutputMessage):
        body |= {"role": item.role, "content": item.parts()}
    elif isinstance(item, FunctionCall):
        body |= {"call_id": item.call_id, "name": item.name, "arguments": item.arguments}
    elif isinstance(item, CustomToolCall):
        body |= {"call_id": item.call_id, "name": item.name, "input": item.input}
    elif isinstance(item, WebSearchCall):
        body |= item.body()
    else:
        body |= {"call_id": item.call_id, "output": item.said()}
        if item.name is not None:
            body["name"] = item.name
    return body


def is_instruction(item: Item) -> bool:
    return item["type"] == "message" and item["role"] in ("system", "developer")


def check_calls(items: Sequence[Item]) -> None:
    """Every result follows its call, and every call has its result. RequestError, in the API's words, where not."""
    open_calls: dict[tuple[str, str], bool] = {}  # (kind, call_id): has a result
    for item in items:
        kind = item["type"]
        if kind in ("function_call", "custom_tool_call"):
            open_calls[kind, item["call_id"]] = False
        elif kind in ("function_call_output", "custom_tool_call_output"):
            key = kind.removesuffix("_output"), item["call_id"]
            if key not in open_calls:
                raise RequestError(
                    f"No tool call found for {_words(key[0])} output with call_id {item['call_id']}.", param="input"
                )
            open_calls[key] = True
    for (kind, call_id), answered in open_calls.items():
        if not answered:
            raise RequestError(f"No tool output found for {_words(kind)} {call_id}.", param="input")


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def turn_messages(items: Sequence[Item], places: Mapping[int, str] | None = None) -> list[Message]:
    """Calls belong to the message of the assistant that they follow; the model is not told of searches. places: by the
    item's id(), where it stands in the request; images and files tell it.
    """
    messages: list[Message] = []
    for item in items:
        kind = item["type"]
        place = (places or {}).get(id(item), "input")
        if kind == "message":
            role = "system" if item["role"] == "developer" else item["role"]
            messages.append({"role": role, "content": _content(item["content"], place, "content")})
        elif kind in ("function_call", "custom_tool_call"):
            if not messages or messages[-1]["role"] != "assistant":
                messages.append({"role": "assistant", "content": ""})
            messages[-1].setdefault("tool_calls", []).append(_call(item))
        elif kind != "web_search_call":
            said = item["output"]
            content = said if isinstance(said, str) else _content(said, place, "output")
            messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": content})
    return messages


def _call(item: Item) -> ToolCall:
    if item["type"] == "function_call":
        return ToolCall(item["call_id"], item["name"], item["arguments"])
    return ToolCall(item["call_id"], item["name"], item["input"], "custom")


def _content(parts: Sequence[Item], place: str, key: str) -> str | list[Any]:
    """A text, or parts where images and files are among them. place: of a past item it names the field it came by."""
    if not any(part["type"] in ("input_image", "input_file") for part in parts):
        return _text(parts)
    return [
        _input_part(part, f"{place}.{key}[{index}]" if place.endswith("]") else place)
        if part["type"] in ("input_image", "input_file")
        else {"type": "text", "text": _text([part])}
        for index, part in enumerate(parts)
    ]


def _input_part(part: Item, place: str) -> InputPart:
    detail: Detail = part.get("detail", "auto")
    for key in ("file_id", "image_url", "file_url", "file_data"):
        value = part.get(key)
        if value is None:
            continue
        param = f"{place}.{key}" if place.endswith("]") else place
        name = part.get("filename", "")
        if key == "file_id":
            kind: Literal["image", "file"] = "image" if part["type"] == "input_image" else "file"
            return InputPart(kind, param, file_id=value, filename=name, detail=detail)
        if key == "image_url":
            return InputPart("image", param, value, detail=detail)
        if key == "file_url":
            return InputPart("file", param, value, filename=name, detail=detail)
        return file_data_part(param, value, name, detail)
    raise AssertionError("an item was kept without its source")


def _text(parts: Sequence[Item]) -> str:
    # Parts are joined by a line break: two parts are two pieces of text, not one word.
    return "\n".join(part["refusal"] if part["type"] == "refusal" else part["text"] for part in parts)


def page(items: Sequence[Item], more: bool) -> dict[str, Any]:
    """One page of a list of items."""
    return {
        "object": "list",
        "data": items,
        "first_id": items[0]["id"] if items else None,
        "last_id": items[-1]["id"] if items else None,
        "has_more": more,
    }
