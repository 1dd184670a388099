"""The items that go into a response, as a client sends them: messages, calls of tools and their results, searches,
references.

Each type of item has its own rules; an item that is of none is refused in the API's words. What becomes of them is
in responses_kept.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from spatz.server.fields import Strict, check_sources, problem, refused
from spatz.server.web_search_item import WebSearchCall

__all__ = [
    "Body",
    "CustomToolCall",
    "FunctionCall",
    "InputItem",
    "InputMessage",
    "Item",
    "ItemReference",
    "KnownItem",
    "OutputMessage",
    "WebSearchCall",
]

Item = dict[str, Any]  # as the API lists it

ROLES = ("user", "assistant", "system", "developer")
INPUT_PARTS = ("input_text", "input_image", "input_file")
OUTPUT_PARTS = ("output_text", "refusal")
ITEMS = (
    "message",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "web_search_call",
    "item_reference",
)
Detail = Literal["auto", "low", "high"]
FileId = Annotated[str, Field(min_length=1, max_length=128)]
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


def _one_of(shown: object, supported: Iterable[str], place: str) -> Any:
    text = f"'{shown[:50]}'" if isinstance(shown, str) else "not a string"
    names = ", ".join(f"'{name}'" for name in supported)
    return problem("invalid_value", f"Invalid value: {text}. Supported values are: {names}.", place)


def _input_part(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, dict) else "input_text"
    if kind == "input_audio":
        raise problem(
            "unsupported_value", f"Invalid content type. {kind} is only supported by certain models.", ".type"
        )
    if kind is not None and kind not in INPUT_PARTS:
        raise _one_of(kind, INPUT_PARTS, ".type")
    return value


def _input_branch(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else ""
    return f"~{kind}" if kind in ("input_image", "input_file") else "~text"


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

    def body(self) -> Item:
        return {"type": "input_text", "text": self.text}


class InputImagePart(Strict):
    type: Literal["input_image"]
    detail: Detail | None = None
    image_url: Annotated[str, Field(min_length=1)] | None = None
    file_id: FileId | None = None
    prompt_cache_breakpoint: refused("prompt_cache_breakpoint") = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def check(self) -> InputImagePart:
        check_sources(image_url=self.image_url, file_id=self.file_id)
        return self

    def body(self) -> Item:
        detail = self.detail or "auto"
        return {"type": "input_image", "detail": detail, "file_id": self.file_id, "image_url": self.image_url}


class InputFilePart(Strict):
    type: Literal["input_file"]
    detail: Detail | None = None
    file_data: Annotated[str, Field(min_length=1)] | None = None
    file_id: FileId | None = None
    file_url: Annotated[str, Field(min_length=1)] | None = None
    filename: Annotated[str, Field(max_length=1024)] | None = None
    prompt_cache_breakpoint: refused("prompt_cache_breakpoint") = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def check(self) -> InputFilePart:
        check_sources(file_data=self.file_data, file_id=self.file_id, file_url=self.file_url)
        return self

    def body(self) -> Item:
        return self.model_dump(exclude_none=True)


class OutputTextPart(Strict):
    """annotations and logprobs are kept and listed; the model is not told of them."""

    type: Literal["output_text"]
    text: str
    annotations: Annotated[list[dict[str, Any]], Field(max_length=MAX_LABELS)] | None = None
    logprobs: Annotated[list[dict[str, Any]], Field(max_length=MAX_LABELS)] | None = None


class RefusalPart(Strict):
    type: Literal["refusal"]
    refusal: str


AnyInputPart = Annotated[
    Annotated[
        Annotated[InputTextPart, Tag("~text")]
        | Annotated[InputImagePart, Tag("~input_image")]
        | Annotated[InputFilePart, Tag("~input_file")],
        Discriminator(_input_branch),
    ],
    BeforeValidator(_input_part),
]
OutputPart = Annotated[
    Annotated[
        Annotated[OutputTextPart, Tag("~text")] | Annotated[RefusalPart, Tag("~refusal")],
        Discriminator(_output_branch),
    ],
    BeforeValidator(_output_part),
]
InputContent = Annotated[
    Annotated[str, Tag("~text")] | Annotated[list[AnyInputPart], Field(min_length=1, max_length=10_000), Tag("~parts")],
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
        return [part.body() for part in self.content]


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
        return [part.body() for part in self.output]


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
        | Annotated[WebSearchCall, Tag("~web_search_call")]
        | Annotated[ItemReference, Tag("~item_reference")],
        Discriminator(_kind),
    ],
    BeforeValidator(_item),
]
KnownItem = (
    InputMessage
    | OutputMessage
    | FunctionCall
    | CustomToolCall
    | FunctionCallOutput
    | CustomToolCallOutput
    | WebSearchCall
)
