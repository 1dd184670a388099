"""The body of POST /v1/chat/completions: what is honoured, and what is refused in the reference's words.

Messages come out as {role, content} with text alone, ready for the chat template. It renders nothing itself.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from spatz.prompt.turn import Message as TurnMessage
from spatz.prompt.turn import Turn
from spatz.server.fields import MaxTokens, Sampling, ServiceTier, Strict, problem, refused

__all__ = ["ChatRequest"]

ROLES = ("system", "developer", "user", "assistant")
LATER_PARTS = ("image_url", "input_audio", "file")


def _part(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, dict) else "text"
    if kind in LATER_PARTS:
        raise problem(
            "unsupported_value", f"Invalid content type. {kind} is only supported by certain models.", ".type"
        )
    return value


class TextPart(Strict):
    type: Literal["text"]
    text: str


class RefusalPart(Strict):
    type: Literal["refusal"]
    refusal: str

    @property
    def text(self) -> str:
        return self.refusal


def _branch(value: Any) -> str:
    return "~parts" if isinstance(value, list) else "~text"


def _answer_part(value: Any) -> str:
    return "~refusal" if isinstance(value, dict) and value.get("type") == "refusal" else "~text"


AnswerPart = Annotated[
    Annotated[TextPart, Tag("~text")] | Annotated[RefusalPart, Tag("~refusal")], Discriminator(_answer_part)
]
Content = Annotated[
    Annotated[str, Tag("~text")]
    | Annotated[list[Annotated[TextPart, BeforeValidator(_part)]], Field(min_length=1), Tag("~parts")],
    Discriminator(_branch),
]
AnswerContent = Annotated[
    Annotated[str, Tag("~text")]
    | Annotated[list[Annotated[AnswerPart, BeforeValidator(_part)]], Field(min_length=1), Tag("~parts")],
    Discriminator(_branch),
]
Name = Annotated[str, Field(min_length=1, max_length=64)]


class Message(Strict):
    """name is put before the text ("Ada: ..."), because chat templates have no place of their own for it."""

    name: Name | None = None

    def render(self, role: str, text: str) -> TurnMessage:
        return {"role": role, "content": f"{self.name}: {text}" if self.name else text}


class InstructionMessage(Message):
    role: Literal["system", "developer"]
    content: Content

    def plain(self) -> TurnMessage:
        return self.render("system", _text(self.content))


class UserMessage(Message):
    role: Literal["user"]
    content: Content

    def plain(self) -> TurnMessage:
        return self.render("user", _text(self.content))


class AssistantMessage(Message):
    role: Literal["assistant"]
    content: AnswerContent | None = None
    refusal: str | None = None
    tool_calls: refused("tool_calls") = None  # type: ignore[valid-type]
    function_call: refused("function_call") = None  # type: ignore[valid-type]
    audio: refused("audio") = None  # type: ignore[valid-type]
    # What our own answers carry, so that an answer can be sent back as it came.
    annotations: Annotated[list[Any], Field(max_length=0)] | None = None

    @model_validator(mode="after")
    def check(self) -> AssistantMessage:
        if self.content is None and self.refusal is None:
            raise problem("missing_required_parameter", "Missing required parameter: '{param}'.", ".content")
        return self

    def plain(self) -> TurnMessage:
        text = _text(self.content) if self.content is not None else ""
        return self.render("assistant", text + (self.refusal or ""))


def _text(content: str | list[TextPart] | list[TextPart | RefusalPart]) -> str:
    # Parts are joined by a line break: two parts are two pieces of text, not one word.
    return content if isinstance(content, str) else "\n".join(part.text for part in content)


def _message(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    role = value.get("role")
    if role is None:
        raise problem("missing_required_parameter", "Missing required parameter: '{param}'.", ".role")
    if role in ("tool", "function"):
        raise problem("unsupported_value", f"Messages with role '{role}' are not supported with this model.", ".role")
    if role not in ROLES:
        shown = role[:50] if isinstance(role, str) else "not a string"
        supported = "'system', 'assistant', 'user', and 'developer'"
        raise problem("invalid_value", f"Invalid value: '{shown}'. Supported values are: {supported}.", ".role")
    return value


def _role(value: Any) -> str:
    role = value.get("role") if isinstance(value, dict) else ""
    if role in ("system", "developer"):
        return "~instruction"
    return "~assistant" if role == "assistant" else "~user"


AnyMessage = Annotated[
    Annotated[InstructionMessage, Tag("~instruction")]
    | Annotated[UserMessage, Tag("~user")]
    | Annotated[AssistantMessage, Tag("~assistant")],
    Discriminator(_role),
]


def _response_format(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind in ("json_object", "json_schema"):
        raise problem(
            "unsupported_parameter",
            f"Invalid parameter: 'response_format' of type '{kind}' is not supported with this model.",
        )
    return value


class TextFormat(Strict):
    type: Literal["text"]


def _modalities(value: Any) -> Any:
    if isinstance(value, list) and "audio" in value:
        raise problem("unsupported_value", "Audio output is not supported with this model.")
    return value


class ChatRequest(Sampling):
    """reasoning_effort is not declared: the reference answers it like an unknown argument, and so does this."""

    messages: Annotated[list[Annotated[AnyMessage, BeforeValidator(_message)]], Field(min_length=1, max_length=65_536)]
    max_tokens: Annotated[MaxTokens, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[MaxTokens, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    # Each of these can only have the value that is already the case.
    modalities: Annotated[list[Literal["text"]], Field(min_length=1), BeforeValidator(_modalities)] | None = None
    response_format: Annotated[TextFormat, BeforeValidator(_response_format)] | None = None
    service_tier: ServiceTier | None = None
    store: Literal[False] | None = None
    prompt_cache_key: Annotated[str, Field(max_length=1024)] | None = None  # there is one cache, which all share
    prompt_cache_retention: Literal["in_memory", "in-memory"] | None = None
    safety_identifier: Annotated[str, Field(max_length=64)] | None = None  # written to the access log, as user is
    metadata: dict[str, str] | None = None
    # Not served (yet).
    audio: refused("audio") = None  # type: ignore[valid-type]
    function_call: refused("function_call") = None  # type: ignore[valid-type]
    functions: refused("functions") = None  # type: ignore[valid-type]
    moderation: refused("moderation") = None  # type: ignore[valid-type]
    parallel_tool_calls: refused(  # type: ignore[valid-type]
        "parallel_tool_calls",
        "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.",
        "invalid_value",
    ) = None
    prediction: refused("prediction") = None  # type: ignore[valid-type]
    prompt_cache_options: refused("prompt_cache_options") = None  # type: ignore[valid-type]
    tool_choice: refused(  # type: ignore[valid-type]
        "tool_choice",
        "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
        "invalid_value",
    ) = None
    tools: refused("tools") = None  # type: ignore[valid-type]
    verbosity: refused("verbosity") = None  # type: ignore[valid-type]
    web_search_options: refused("web_search_options") = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def check(self) -> ChatRequest:
        self.check_stream()
        if self.top_logprobs is not None and not self.logprobs:
            raise problem(
                "invalid_value",
                "Invalid value for 'top_logprobs': 'logprobs' must be set to true when 'top_logprobs' is used.",
                "top_logprobs",
            )
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise problem(
                "invalid_parameter_combination",
                "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
                "max_tokens",
            )
        if self.metadata:
            raise problem(
                "invalid_value", "The 'metadata' parameter is only allowed when 'store' is enabled.", "metadata"
            )
        return self

    @property
    def token_limit(self) -> int | None:
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    def turn(self) -> Turn:
        return Turn([message.plain() for message in self.messages])
