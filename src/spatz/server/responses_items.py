"""The items that go into a response: messages, calls of tools and their results, and references to stored ones.

An item comes as a client sends it, is kept as the API lists it (`stored`: with an id and a status, the content as
parts), and becomes messages of a turn (`turn_messages`). What a reference points to is looked up elsewhere
(responses_history.py).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from spatz.errors import RequestError
from spatz.prompt.turn import Message, ToolCall
from spatz.server.fields import Strict, problem, refused

__all__ = [
    "Body",
    "InputItem",
    "Item",
    "ItemReference",
    "check_calls",
    "is_instruction",
    "new_id",
    "page",
    "stored",
    "turn_messages",
    "user_message",
]

Item = dict[str, Any]  # as the API lists it

ROLES = ("user", "assistant", "system", "developer")
INPUT_PARTS = ("input_text", "input_image", "input_file")
LATER_PARTS = ("input_image", "input_file", "input_audio")
OUTPUT_PARTS = ("output_text", "refusal")
ITEMS = (
    "message",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "item_reference",
)
PREFIXES = {
    "message": "msg_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "custom_tool_call": "ctc_",
    "custom_tool_call_output": "ctco_",
}
MAX_LABELS = 10_000  # annotations or log-probabilities that come back with a text


class Body(Strict):
    """A request of this API: it names what it does not know in words that differ from chat's."""

    @model_validator(mode="before")
    @classmethod
    def check_names(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for key in value:
                if key not in cls.model_fields:
                    raise problem("unknown_parameter", f"Unknown parameter: '{key[:100]}'.", key[:100])
        return value


def new_id(prefix: str) -> str:
    return prefix + secrets.token_hex(24)


def _one_of(shown: object, supported: Iterable[str], place: str) -> Any:
    text = f"'{shown[:50]}'" if isinstance(shown, str) else "not a string"
    names = ", ".join(f"'{name}'" for name in supported)
    return problem("invalid_value", f"Invalid value: {text}. Supported values are: {names}.", place)


def _input_part(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, dict) else "input_text"
    if isinstance(kind, str) and kind in LATER_PARTS:
        raise problem(
            "unsupported_value", f"Invalid content type. {kind} is only supported by certain models.", ".type"
        )
    if kind is not None and kind != "input_text":
        raise _one_of(kind, INPUT_PARTS, ".type")
    return value


def _output_part(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, dict) else "output_text"
    if kind is not None and kind not in OUTPUT_PARTS:
        raise _one_of(kind, OUTPUT_PARTS, ".type")
    return value


def _output_branch(value: Any) -> str:
    return "~refusal" if isinstance(value, dict) and value.get("type") == "refusal" else "~text"


def _branch(value: Any) -> str:
    return "~parts" if isinstance(value, list) else "~text"


class InputTextPart(Strict):
    type: Literal["input_text"]
    text: str
    prompt_cache_breakpoint: refused("prompt_cache_breakpoint") = None  # type: ignore[valid-type]


class OutputTextPart(Strict):
    """annotations and logprobs are kept and listed; the model is not told of them."""

    type: Literal["output_text"]
    text: str
    annotations: Annotated[list[dict[str, Any]], Field(max_length=MAX_LABELS)] | None = None
    logprobs: Annotated[list[dict[str, Any]], Field(max_length=MAX_LABELS)] | None = None


class RefusalPart(Strict):
    type: Literal["refusal"]
    refusal: str


InputPart = Annotated[InputTextPart, BeforeValidator(_input_part)]
OutputPart = Annotated[
    Annotated[
        Annotated[OutputTextPart, Tag("~text")] | Annotated[RefusalPart, Tag("~refusal")],
        Discriminator(_output_branch),
    ],
    BeforeValidator(_output_part),
]
InputContent = Annotated[
    Annotated[str, Tag("~text")] | Annotated[list[InputPart], Field(min_length=1, max_length=10_000), Tag("~parts")],
    Discriminator(_branch),
]
OutputContent = Annotated[
    Annotated[str, Tag("~text")] | Annotated[list[OutputPart], Field(max_length=10_000), Tag("~parts")],
    Discriminator(_branch),
]
ItemId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.:/-]+$")]
CallId = Annotated[str, Field(min_length=1, max_length=128)]
ToolName = Annotated[str, Field(min_length=1, max_length=128)]
Status = Literal["in_progress", "completed", "incomplete"]


class InputMessage(Strict):
    role: Literal["user", "system", "developer"]
    content: InputContent
    type: Literal["message"] | None = None
    id: ItemId | None = None
    status: Status | None = None
    phase: refused("phase") = None  # type: ignore[valid-type]

    def parts(self) -> list[Item]:
        if isinstance(self.content, str):
            return [{"type": "input_text", "text": self.content}]
        return [{"type": "input_text", "text": part.text} for part in self.content]


class OutputMessage(Strict):
    role: Literal["assistant"]
    content: OutputContent
    type: Literal["message"] | None = None
    id: ItemId | None = None
    status: Status | None = None
    phase: refused("phase") = None  # type: ignore[valid-type]

    def parts(self) -> list[Item]:
        if isinstance(self.content, str):
            return [{"type": "output_text", "text": self.content, "annotations": [], "logprobs": []}]
        return [
            {
                "type": "output_text",
                "text": part.text,
                "annotations": part.annotations or [],
                "logprobs": part.logprobs or [],
            }
            if isinstance(part, OutputTextPart)
            else {"type": "refusal", "refusal": part.refusal}
            for part in self.content
        ]


class Call(Strict):
    id: ItemId | None = None
    call_id: CallId
    name: ToolName
    status: Status | None = None
    # What the API has for tools that this model has not; null in what clients send back.
    async_: Annotated[refused("async"), Field(alias="async")] = None  # type: ignore[valid-type]
    caller: refused("caller") = None  # type: ignore[valid-type]
    created_by: refused("created_by") = None  # type: ignore[valid-type]
    namespace: refused("namespace") = None  # type: ignore[valid-type]


class FunctionCall(Call):
    type: Literal["function_call"]
    arguments: str


class CustomToolCall(Call):
    type: Literal["custom_tool_call"]
    input: str


class CallOutput(Strict):
    id: ItemId | None = None
    call_id: CallId
    output: InputContent
    status: Status | None = None
    name: ToolName | None = None
    caller: refused("caller") = None  # type: ignore[valid-type]
    created_by: refused("created_by") = None  # type: ignore[valid-type]
    namespace: refused("namespace") = None  # type: ignore[valid-type]

    def said(self) -> str | list[Item]:
        if isinstance(self.output, str):
            return self.output
        return [{"type": "input_text", "text": part.text} for part in self.output]


class FunctionCallOutput(CallOutput):
    type: Literal["function_call_output"]


class CustomToolCallOutput(CallOutput):
    type: Literal["custom_tool_call_output"]


class ItemReference(Strict):
    id: ItemId
    type: Literal["item_reference"] | None = None


def _item(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kind = value.get("type")
    if kind == "reasoning":
        raise problem(
            None,
            "Reasoning input items can only be provided to a reasoning or computer use model. Remove reasoning items "
            "from your input and try again.",
            "input",
        )
    if kind is not None and kind not in ITEMS:
        raise _one_of(kind, ITEMS, ".type")
    if _kind(value) == "~user":
        role = value.get("role")
        if role is None:
            missing = ".role" if kind == "message" else ".type"
            raise problem("missing_required_parameter", "Missing required parameter: '{param}'.", missing)
        if role not in ROLES:
            raise _one_of(role, ROLES, ".role")
    return value


def _kind(value: Any) -> str:
    """Messages may come without a type; so may references, which are nothing but an id."""
    if not isinstance(value, dict):
        return "~user"
    kind = value.get("type")
    if kind is None and set(value) == {"id"}:
        kind = "item_reference"
    if kind in (None, "message"):
        return "~assistant" if value.get("role") == "assistant" else "~user"
    return f"~{kind}"


InputItem = Annotated[
    Annotated[
        Annotated[InputMessage, Tag("~user")]
        | Annotated[OutputMessage, Tag("~assistant")]
        | Annotated[FunctionCall, Tag("~function_call")]
        | Annotated[CustomToolCall, Tag("~custom_tool_call")]
        | Annotated[FunctionCallOutput, Tag("~function_call_output")]
        | Annotated[CustomToolCallOutput, Tag("~custom_tool_call_output")]
        | Annotated[ItemReference, Tag("~item_reference")],
        Discriminator(_kind),
    ],
    BeforeValidator(_item),
]
KnownItem = InputMessage | OutputMessage | FunctionCall | CustomToolCall | FunctionCallOutput | CustomToolCallOutput


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


def turn_messages(items: Sequence[Item]) -> list[Message]:
    """Calls belong to the message of the assistant that they follow."""
    messages: list[Message] = []
    for item in items:
        kind = item["type"]
        if kind == "message":
            role = "system" if item["role"] == "developer" else item["role"]
            messages.append({"role": role, "content": _text(item["content"])})
        elif kind in ("function_call", "custom_tool_call"):
            if not messages or messages[-1]["role"] != "assistant":
                messages.append({"role": "assistant", "content": ""})
            messages[-1].setdefault("tool_calls", []).append(_call(item))
        else:
            said = item["output"]
            text = said if isinstance(said, str) else _text(said)
            messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": text})
    return messages


def _call(item: Item) -> ToolCall:
    if item["type"] == "function_call":
        return ToolCall(item["call_id"], item["name"], item["arguments"])
    return ToolCall(item["call_id"], item["name"], item["input"], "custom")


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
