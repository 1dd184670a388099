"""The messages of a chat request: what each role may say, and that calls of tools and their results belong together.

They come out as a turn's messages: text, images and files (as parts that are still to be read), calls and results.
Nothing is read or rendered here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from spatz.inputs.part import InputPart, file_data_part
from spatz.prompt.turn import Message as TurnMessage
from spatz.prompt.turn import ToolCall, spoken
from spatz.server.fields import Strict, check_sources, problem, refused

__all__ = ["MAX_MESSAGES", "AnyMessage", "check_order", "mentions"]

MAX_MESSAGES = 65_536
MAX_CALLS = 128  # in one message
MAX_ANNOTATIONS = 10_000
ROLES = ("system", "developer", "user", "assistant", "tool")
INPUT_PARTS = ("image_url", "file")


def _part(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, dict) else "text"
    if kind == "input_audio":
        raise problem(
            "unsupported_value", f"Invalid content type. {kind} is only supported by certain models.", ".type"
        )
    return value


def _text_part(value: Any) -> Any:
    """Of a message that is not the user's."""
    kind = value.get("type") if isinstance(value, dict) else "text"
    if kind in INPUT_PARTS:
        noun = "Images" if kind == "image_url" else "Files"
        raise problem(
            "invalid_value", f"Invalid value: '{kind}'. {noun} are only allowed in messages of the user.", ".type"
        )
    return _part(value)


class TextPart(Strict):
    type: Literal["text"]
    text: str


class ImageUrl(Strict):
    url: Annotated[str, Field(min_length=1)]
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(Strict):
    type: Literal["image_url"]
    image_url: ImageUrl
    prompt_cache_breakpoint: refused("prompt_cache_breakpoint") = None  # type: ignore[valid-type]

    def input_part(self, place: str) -> InputPart:
        return InputPart("image", f"{place}.image_url.url", self.image_url.url, detail=self.image_url.detail or "auto")


class FileData(Strict):
    """Either the bytes or the id of an uploaded file."""

    file_data: Annotated[str, Field(min_length=1)] | None = None
    file_id: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    filename: Annotated[str, Field(max_length=1024)] | None = None

    @model_validator(mode="after")
    def check(self) -> FileData:
        check_sources(file_data=self.file_data, file_id=self.file_id)
        return self


class FilePart(Strict):
    type: Literal["file"]
    file: FileData
    prompt_cache_breakpoint: refused("prompt_cache_breakpoint") = None  # type: ignore[valid-type]

    def input_part(self, place: str) -> InputPart:
        given = self.file
        if given.file_id is not None:
            return InputPart("file", f"{place}.file.file_id", file_id=given.file_id, filename=given.filename or "")
        return file_data_part(f"{place}.file.file_data", given.file_data or "", given.filename or "")


class RefusalPart(Strict):
    type: Literal["refusal"]
    refusal: str

    @property
    def text(self) -> str:
        return self.refusal


def _branch(value: Any) -> str:
    return "~parts" if isinstance(value, list) else "~text"


def _user_branch(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else ""
    return f"~{kind}" if kind in INPUT_PARTS else "~text"


def _answer_part(value: Any) -> str:
    return "~refusal" if isinstance(value, dict) and value.get("type") == "refusal" else "~text"


AnswerPart = Annotated[
    Annotated[TextPart, Tag("~text")] | Annotated[RefusalPart, Tag("~refusal")], Discriminator(_answer_part)
]
Content = Annotated[
    Annotated[str, Tag("~text")]
    | Annotated[list[Annotated[TextPart, BeforeValidator(_text_part)]], Field(min_length=1), Tag("~parts")],
    Discriminator(_branch),
]
UserPart = Annotated[
    Annotated[TextPart, Tag("~text")] | Annotated[ImagePart, Tag("~image_url")] | Annotated[FilePart, Tag("~file")],
    Discriminator(_user_branch),
]
UserContent = Annotated[
    Annotated[str, Tag("~text")]
    | Annotated[list[Annotated[UserPart, BeforeValidator(_part)]], Field(min_length=1), Tag("~parts")],
    Discriminator(_branch),
]
AnswerContent = Annotated[
    Annotated[str, Tag("~text")]
    | Annotated[list[Annotated[AnswerPart, BeforeValidator(_text_part)]], Field(min_length=1), Tag("~parts")],
    Discriminator(_branch),
]
Name = Annotated[str, Field(min_length=1, max_length=64)]
CallId = Annotated[str, Field(min_length=1, max_length=256)]


class Message(Strict):
    """name is put before the text ("Ada: ..."), because chat templates have no place of their own for it."""

    name: Name | None = None

    def render(self, role: str, text: str) -> TurnMessage:
        return {"role": role, "content": f"{self.name}: {text}" if self.name else text}


class InstructionMessage(Message):
    role: Literal["system", "developer"]
    content: Content

    def plain(self, place: str) -> TurnMessage:
        return self.render("system", _text(self.content))


class UserMessage(Message):
    role: Literal["user"]
    content: UserContent

    def plain(self, place: str) -> TurnMessage:
        content = self.content
        if isinstance(content, str) or all(isinstance(part, TextPart) for part in content):
            return self.render("user", _text(content))  # type: ignore[arg-type]
        parts: list[Any] = [
            {"type": "text", "text": part.text}
            if isinstance(part, TextPart)
            else part.input_part(f"{place}.content[{index}]")
            for index, part in enumerate(content)
        ]
        if self.name:
            parts.insert(0, {"type": "text", "text": f"{self.name}:"})
        return {"role": "user", "content": parts}


class CalledFunction(Strict):
    name: Name
    arguments: str
    parsed_arguments: Any = None  # the client library's own, made of the arguments, when an answer is sent back


class FunctionCall(Strict):
    id: CallId
    index: int | None = None  # the client library's own, of an answer that was streamed
    type: Literal["function"]
    function: CalledFunction

    def call(self) -> ToolCall:
        return ToolCall(self.id, self.function.name, self.function.arguments)


class CalledCustom(Strict):
    name: Name
    input: str


class CustomCall(Strict):
    id: CallId
    index: int | None = None
    type: Literal["custom"]
    custom: CalledCustom

    def call(self) -> ToolCall:
        return ToolCall(self.id, self.custom.name, self.custom.input, "custom")


def _call(value: Any) -> str:
    return "~custom" if isinstance(value, dict) and value.get("type") == "custom" else "~function"


AnyCall = Annotated[
    Annotated[FunctionCall, Tag("~function")] | Annotated[CustomCall, Tag("~custom")], Discriminator(_call)
]


class UrlCitation(Strict):
    url: Annotated[str, Field(max_length=10_000)]
    title: Annotated[str, Field(max_length=10_000)]
    start_index: Annotated[int, Field(ge=0)]
    end_index: Annotated[int, Field(ge=0)]


class Annotation(Strict):
    """Of an answer that is sent back; the model is not told of it."""

    type: Literal["url_citation"]
    url_citation: UrlCitation


class AssistantMessage(Message):
    role: Literal["assistant"]
    content: AnswerContent | None = None
    refusal: str | None = None
    tool_calls: Annotated[list[AnyCall], Field(min_length=1, max_length=MAX_CALLS)] | None = None
    function_call: refused("function_call") = None  # type: ignore[valid-type]
    audio: refused("audio") = None  # type: ignore[valid-type]
    # What our own answers carry, and what the client library adds, so that an answer can be sent back as it came.
    parsed: Any = None
    annotations: Annotated[list[Annotation], Field(max_length=MAX_ANNOTATIONS)] | None = None
    # litellm puts what it does not know of an answer there and sends it back: `{"refusal": null}` of ours.
    provider_specific_fields: dict[Literal["refusal"], None] | None = None

    @model_validator(mode="after")
    def check(self) -> AssistantMessage:
        if self.content is None and self.refusal is None and self.tool_calls is None:
            raise problem("missing_required_parameter", "Missing required parameter: '{param}'.", ".content")
        return self

    def plain(self, place: str) -> TurnMessage:
        text = _text(self.content) if self.content is not None else ""
        message = self.render("assistant", text + (self.refusal or ""))
        if self.tool_calls:
            message["tool_calls"] = [call.call() for call in self.tool_calls]
        return message


class ToolMessage(Strict):
    role: Literal["tool"]
    content: Content
    tool_call_id: CallId
    name: Name | None = None  # the tool's; older clients send it, and the call says it too

    def plain(self, place: str) -> TurnMessage:
        return {"role": "tool", "content": _text(self.content), "tool_call_id": self.tool_call_id}


def _text(content: str | list[TextPart] | list[TextPart | RefusalPart]) -> str:
    # Parts are joined by a line break: two parts are two pieces of text, not one word.
    return content if isinstance(content, str) else "\n".join(part.text for part in content)


def _message(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    role = value.get("role")
    if role is None:
        raise problem("missing_required_parameter", "Missing required parameter: '{param}'.", ".role")
    if role == "function":
        raise problem("unsupported_value", "Messages with role 'function' are not supported with this model.", ".role")
    if role not in ROLES:
        shown = role[:50] if isinstance(role, str) else "not a string"
        supported = "'system', 'assistant', 'user', 'tool', and 'developer'"
        raise problem("invalid_value", f"Invalid value: '{shown}'. Supported values are: {supported}.", ".role")
    return value


def _role(value: Any) -> str:
    role = value.get("role") if isinstance(value, dict) else ""
    if role in ("system", "developer"):
        return "~instruction"
    return f"~{role}" if role in ("assistant", "tool") else "~user"


AnyMessage = Annotated[
    Annotated[
        Annotated[InstructionMessage, Tag("~instruction")]
        | Annotated[UserMessage, Tag("~user")]
        | Annotated[AssistantMessage, Tag("~assistant")]
        | Annotated[ToolMessage, Tag("~tool")],
        Discriminator(_role),
    ],
    BeforeValidator(_message),
]


def check_order(messages: Sequence[InstructionMessage | UserMessage | AssistantMessage | ToolMessage]) -> None:
    """Every result answers a call of the message before it, and every call is answered before anybody else speaks."""
    waiting: list[str] | None = None  # ids of calls without a result; None: there was no call
    for index, message in enumerate(messages):
        # The API writes these places with a dot.
        place = f"messages.[{index}]"
        if isinstance(message, ToolMessage):
            if waiting is None:
                raise problem(
                    None,
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    "'tool_calls'.",
                    f"{place}.role",
                )
            if message.tool_call_id not in waiting:
                shown = message.tool_call_id[:64]
                raise problem(
                    None,
                    f"Invalid parameter: 'tool_call_id' of '{shown}' not found in 'tool_calls' of previous message.",
                    f"{place}.tool_call_id",
                )
            waiting.remove(message.tool_call_id)
            continue
        if waiting:
            raise _unanswered(waiting, f"{place}.role")
        calls = message.tool_calls if isinstance(message, AssistantMessage) else None
        waiting = None if calls is None else [call.id for call in calls]
    if waiting:
        raise _unanswered(waiting, "messages")


def _unanswered(ids: Sequence[str], place: str) -> Exception:
    shown = ", ".join(call_id[:64] for call_id in ids[:10])
    return problem(
        None,
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        f"The following tool_call_ids did not have response messages: {shown}",
        place,
    )


def mentions(messages: Sequence[TurnMessage], word: str) -> bool:
    """Whether any message says it, in any case."""
    return any(word in spoken(message["content"]).lower() for message in messages)
