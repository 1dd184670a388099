"""Chat completions and legacy completions: whole answers, chunks of streams, and stored ones."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from spatz.server.shapes.common import ContextUse, ContextUses, Count, Shape, Text512, exactly

__all__ = [
    "ChatCompletion",
    "ChatCompletionChunk",
    "Completion",
    "CompletionChunk",
    "StoredChatCompletion",
    "StoredMessage",
]

Reason = Literal["stop", "length", "tool_calls"]


class FunctionSaid(Shape):
    name: str
    arguments: str


class FunctionCall(Shape):
    id: str
    type: Literal["function"]
    function: FunctionSaid


class CustomSaid(Shape):
    name: str
    input: str


class CustomCall(Shape):
    id: str
    type: Literal["custom"]
    custom: CustomSaid


class UrlCitation(Shape):
    """Characters (code points) [start_index, end_index) of the text, which the page supports."""

    url: str
    title: str
    start_index: Count
    end_index: Count


class Annotation(Shape):
    type: Literal["url_citation"]
    url_citation: UrlCitation


class ChatMessage(Shape):
    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    annotations: list[Annotation]
    tool_calls: Annotated[list[FunctionCall | CustomCall], Field(default_factory=list, min_length=1)]


class TopLogprob(Shape):
    token: str
    logprob: float
    bytes: list[Annotated[int, Field(ge=0, le=255)]]


class TokenLogprob(TopLogprob):
    top_logprobs: list[TopLogprob]


class Logprobs(Shape):
    content: list[TokenLogprob] | None
    refusal: None


class PromptDetails(Shape):
    cached_tokens: Count
    audio_tokens: Count
    text_tokens: Count
    image_tokens: Count


class CompletionDetails(Shape):
    reasoning_tokens: Count
    audio_tokens: Count
    accepted_prediction_tokens: Count
    rejected_prediction_tokens: Count


class Usage(Shape):
    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


class ChatUsage(Usage):
    spatz: ContextUse


class CompletionUsage(Usage):
    spatz: ContextUse | ContextUses


class StoredUsage(Usage):
    """What was stored by an older version does not say how its prompt was read."""

    spatz: Annotated[ContextUse, Field(default_factory=exactly)]


class ChatChoice(Shape):
    index: Count
    message: ChatMessage
    logprobs: Logprobs | None
    finish_reason: Reason


class ChatCompletion(Shape):
    id: str
    object: Literal["chat.completion"]
    created: Count
    model: str
    choices: list[ChatChoice]
    usage: ChatUsage
    service_tier: Literal["default"]
    system_fingerprint: str


class StoredChatCompletion(ChatCompletion):
    """With what was asked."""

    usage: StoredUsage  # type: ignore[assignment]
    request_id: str
    input_user: str | None
    frequency_penalty: float | None
    presence_penalty: float | None
    response_format: dict[str, Any] | None
    seed: int | None
    temperature: float | None
    tool_choice: str | dict[str, Any] | None
    tools: list[dict[str, Any]] | None
    top_p: float | None
    metadata: dict[str, Text512]


class StoredMessage(Shape):
    """A message as it was asked: text in content, parts in content_parts."""

    id: str
    role: str
    content: str | None
    content_parts: list[dict[str, Any]] | None
    name: str | None
    refusal: str | None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None
    annotations: list[Any] | None = None
    audio: None = None
    function_call: dict[str, Any] | None = None


class FunctionPiece(Shape):
    name: str = ""
    arguments: str


class CustomPiece(Shape):
    name: str = ""
    input: str


class CallPiece(Shape):
    index: Count
    id: str = ""
    type: Literal["function", "custom"] = "function"
    function: FunctionPiece = FunctionPiece(arguments="")
    custom: CustomPiece = CustomPiece(input="")


class Delta(Shape):
    """annotations: of the whole choice, in the chunk before its last."""

    role: Literal["assistant"] = "assistant"
    content: str | None = None
    refusal: str | None = None
    annotations: Annotated[list[Annotation], Field(default_factory=list)]
    tool_calls: Annotated[list[CallPiece], Field(default_factory=list)]


class ChunkChoice(Shape):
    index: Count
    delta: Delta
    logprobs: Logprobs | None
    finish_reason: Reason | None


class ChatCompletionChunk(Shape):
    id: str
    object: Literal["chat.completion.chunk"]
    created: Count
    model: str
    choices: list[ChunkChoice]
    service_tier: Literal["default"]
    system_fingerprint: str
    usage: ChatUsage | None = None
    obfuscation: str = ""


class LegacyLogprobs(Shape):
    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[Count]


class CompletionChoice(Shape):
    text: str
    index: Count
    logprobs: LegacyLogprobs | None
    finish_reason: Literal["stop", "length"]


class Completion(Shape):
    id: str
    object: Literal["text_completion"]
    created: Count
    model: str
    choices: list[CompletionChoice]
    usage: CompletionUsage
    system_fingerprint: str


class CompletionChunkChoice(Shape):
    text: str
    index: Count
    logprobs: LegacyLogprobs | None
    finish_reason: Literal["stop", "length"] | None


class CompletionChunk(Shape):
    id: str
    object: Literal["text_completion"]
    created: Count
    model: str
    choices: list[CompletionChunkChoice]
    system_fingerprint: str
    usage: CompletionUsage | None = None
