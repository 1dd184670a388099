"""Responses: the object, its items, and the events of a stream."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from spatz.server.shapes.chat import TokenLogprob
from spatz.server.shapes.common import ContextUse, Count, Error, Shape, Text512, exactly

__all__ = ["InputTokens", "Item", "ItemList", "Response", "ResponseEvent"]

ItemStatus = Literal["in_progress", "completed", "incomplete"]


class InputText(Shape):
    type: Literal["input_text"]
    text: str


class InputImage(Shape):
    """As it was sent."""

    type: Literal["input_image"]
    detail: Literal["auto", "low", "high"]
    file_id: str | None
    image_url: str | None


class InputFile(Shape):
    """As it was sent: one of the first three is there."""

    type: Literal["input_file"]
    file_data: str = ""
    file_id: str = ""
    file_url: str = ""
    filename: str = ""
    detail: Literal["auto", "low", "high"] = "auto"


class OutputText(Shape):
    type: Literal["output_text"]
    text: str
    annotations: list[dict[str, Any]]
    logprobs: list[TokenLogprob | dict[str, Any]]


class Refusal(Shape):
    type: Literal["refusal"]
    refusal: str


class Message(Shape):
    id: str
    type: Literal["message"]
    status: ItemStatus
    role: Literal["user", "assistant", "system", "developer"]
    content: list[InputText | InputImage | InputFile | OutputText | Refusal]


class FunctionCall(Shape):
    id: str
    type: Literal["function_call"]
    status: ItemStatus
    call_id: str
    name: str
    arguments: str


class CustomToolCall(Shape):
    id: str
    type: Literal["custom_tool_call"]
    status: ItemStatus
    call_id: str
    name: str
    input: str


class CallOutput(Shape):
    id: str
    type: Literal["function_call_output", "custom_tool_call_output"]
    status: ItemStatus
    call_id: str
    output: str | list[InputText | InputImage | InputFile]
    name: str = ""


class UrlSource(Shape):
    type: Literal["url"]
    url: str


class ApiSource(Shape):
    """In items that come from elsewhere."""

    type: Literal["api"]
    name: str


class SearchAction(Shape):
    """sources: where they are asked for."""

    type: Literal["search"]
    query: str = ""
    queries: Annotated[list[str], Field(default_factory=list)]
    sources: Annotated[list[UrlSource | ApiSource], Field(default_factory=list)]


class OpenPageAction(Shape):
    type: Literal["open_page"]
    url: str = ""


class FindInPageAction(Shape):
    type: Literal["find_in_page"]
    url: str = ""
    pattern: str = ""


class TextResult(Shape):
    type: Literal["text_result"]
    url: str
    title: str
    snippet: str
    date: str | None


class WebSearchCall(Shape):
    """results: where they are asked for. Those of an item that a client has sent are as it sent them."""

    id: str
    type: Literal["web_search_call"]
    status: Literal["in_progress", "searching", "completed", "failed", "incomplete"]
    action: SearchAction | OpenPageAction | FindInPageAction
    results: Annotated[list[TextResult | dict[str, Any]], Field(default_factory=list)]


Item = Message | FunctionCall | CustomToolCall | CallOutput | WebSearchCall


class ItemList(Shape):
    object: Literal["list"]
    data: list[Item]
    first_id: str | None
    last_id: str | None
    has_more: bool


class TextFormat(Shape):
    type: Literal["text", "json_object"]


class SchemaFormat(Shape):
    type: Literal["json_schema"]
    name: str
    description: str | None
    schema_: Annotated[dict[str, Any], Field(alias="schema")]
    strict: bool


class GrammarFormat(Shape):
    type: Literal["grammar"]
    syntax: Literal["lark", "regex"]
    definition: str


class TextConfig(Shape):
    format: TextFormat | SchemaFormat | GrammarFormat
    verbosity: Literal["medium"]


class FunctionTool(Shape):
    type: Literal["function"]
    name: str
    description: str | None
    parameters: dict[str, Any] | None
    strict: bool


class CustomTool(Shape):
    type: Literal["custom"]
    name: str
    description: str | None
    format: TextFormat | GrammarFormat


class UserLocation(Shape):
    type: Literal["approximate"]
    country: str | None
    region: str | None
    city: str | None
    timezone: str | None


class SearchFilters(Shape):
    allowed_domains: Annotated[list[str], Field(default_factory=list)]
    blocked_domains: Annotated[list[str], Field(default_factory=list)]


class WebSearchTool(Shape):
    type: Literal["web_search", "web_search_2025_08_26"]
    filters: SearchFilters | None
    search_context_size: Literal["low", "medium", "high"]
    user_location: UserLocation | None


class WebSearchPreviewTool(Shape):
    type: Literal["web_search_preview", "web_search_preview_2025_03_11"]
    search_context_size: Literal["low", "medium", "high"]
    user_location: UserLocation | None


class InputDetails(Shape):
    cached_tokens: Count
    cache_write_tokens: Count
    image_tokens: Annotated[Count, Field(default=0)]  # where there are images


class OutputDetails(Shape):
    reasoning_tokens: Count


class ResponseUsage(Shape):
    input_tokens: Count
    input_tokens_details: InputDetails
    output_tokens: Count
    output_tokens_details: OutputDetails
    total_tokens: Count
    spatz: Annotated[ContextUse, Field(default_factory=exactly)]  # not in what older versions stored


class Failure(Shape):
    code: str
    message: str


class Incomplete(Shape):
    reason: Literal["max_output_tokens"]


class ConversationId(Shape):
    id: str


class Reasoning(Shape):
    effort: None
    summary: None


class Response(Shape):
    id: str
    object: Literal["response"]
    created_at: Count
    status: Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
    background: bool
    completed_at: Count | None
    conversation: ConversationId | None
    error: Failure | None
    frequency_penalty: float
    incomplete_details: Incomplete | None
    instructions: str | list[dict[str, Any]] | None
    max_output_tokens: Count | None
    max_tool_calls: Count | None
    metadata: dict[str, Text512]
    model: str
    output: list[Item]
    parallel_tool_calls: bool
    presence_penalty: float
    previous_response_id: str | None
    prompt_cache_key: str | None
    prompt_cache_retention: Literal["in_memory"] | None
    reasoning: Reasoning
    safety_identifier: str | None
    service_tier: Literal["default"]
    store: bool
    temperature: float
    text: TextConfig
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any]
    tools: list[FunctionTool | CustomTool | WebSearchTool | WebSearchPreviewTool]
    top_logprobs: Count
    top_p: float
    truncation: Literal["auto", "disabled"]
    usage: ResponseUsage | None
    user: str | None


class InputTokens(Shape):
    object: Literal["response.input_tokens"]
    input_tokens: Count


class Event(Shape):
    sequence_number: Count


class StateEvent(Event):
    type: Literal[
        "response.created",
        "response.queued",
        "response.in_progress",
        "response.completed",
        "response.incomplete",
        "response.failed",
    ]
    response: Response


class ItemEvent(Event):
    type: Literal["response.output_item.added", "response.output_item.done"]
    output_index: Count
    item: Item


class Placed(Event):
    item_id: str
    output_index: Count


class PartEvent(Placed):
    type: Literal["response.content_part.added", "response.content_part.done"]
    content_index: Count
    part: OutputText


class TextDelta(Placed):
    type: Literal["response.output_text.delta"]
    content_index: Count
    delta: str
    logprobs: list[TokenLogprob]
    obfuscation: str = ""


class TextDone(Placed):
    type: Literal["response.output_text.done"]
    content_index: Count
    text: str
    logprobs: list[TokenLogprob]


class UrlCitation(Shape):
    """Characters (code points) [start_index, end_index) of the text, which the page supports."""

    type: Literal["url_citation"]
    url: str
    title: str
    start_index: Count
    end_index: Count


class AnnotationEvent(Placed):
    type: Literal["response.output_text.annotation.added"]
    content_index: Count
    annotation_index: Count
    annotation: UrlCitation


class SearchEvent(Placed):
    type: Literal[
        "response.web_search_call.in_progress",
        "response.web_search_call.searching",
        "response.web_search_call.completed",
    ]


class ArgumentsDelta(Placed):
    type: Literal["response.function_call_arguments.delta", "response.custom_tool_call_input.delta"]
    delta: str
    obfuscation: str = ""


class ArgumentsDone(Placed):
    type: Literal["response.function_call_arguments.done"]
    name: str
    arguments: str


class InputDone(Placed):
    type: Literal["response.custom_tool_call_input.done"]
    input: str


class ErrorEvent(Event):
    """What went wrong stands in both places where clients look for it."""

    type: Literal["error"]
    code: str | None
    message: str
    param: str | None
    error: Error


ResponseEvent = (
    StateEvent
    | ItemEvent
    | PartEvent
    | TextDelta
    | TextDone
    | AnnotationEvent
    | SearchEvent
    | ArgumentsDelta
    | ArgumentsDone
    | InputDone
    | ErrorEvent
)
