"""The body of POST /v1/chat/completions: what is honoured, and what is refused in the reference's words.

Messages are in chat_messages.py, tools in chat_tools.py, formats in chat_format.py. It becomes a turn, ready for the
model. It renders nothing itself.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from spatz.errors import RequestError
from spatz.prompt.turn import JsonFormat, Turn
from spatz.server.chat_format import ResponseFormat
from spatz.server.chat_messages import MAX_MESSAGES, AnyMessage, check_order, mentions
from spatz.server.chat_tools import MAX_TOOLS, AnyTool, Choice, check_names, turn_choice, turn_tools
from spatz.server.fields import MaxTokens, Sampling, ServiceTier, problem, refused
from spatz.server.metadata import Metadata
from spatz.server.web_search_fields import WebSearchOptions

__all__ = ["ChatRequest"]


def _modalities(value: Any) -> Any:
    if isinstance(value, list) and "audio" in value:
        raise problem("unsupported_value", "Audio output is not supported with this model.")
    return value


class ChatRequest(Sampling):
    """reasoning_effort is not declared: the reference answers it like an unknown argument, and so does this."""

    messages: Annotated[list[AnyMessage], Field(min_length=1, max_length=MAX_MESSAGES)]
    max_tokens: Annotated[MaxTokens, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[MaxTokens, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[AnyTool], Field(min_length=1, max_length=MAX_TOOLS)] | None = None
    tool_choice: Choice | None = None
    parallel_tool_calls: bool | None = None
    web_search_options: WebSearchOptions | None = None
    store: bool | None = None
    metadata: Metadata | None = None
    # Each of these can only have the value that is already the case.
    modalities: Annotated[list[Literal["text"]], Field(min_length=1), BeforeValidator(_modalities)] | None = None
    service_tier: ServiceTier | None = None
    prompt_cache_key: Annotated[str, Field(max_length=1024)] | None = None  # there is one cache, which all share
    prompt_cache_retention: Literal["in_memory", "in-memory"] | None = None
    safety_identifier: Annotated[str, Field(max_length=64)] | None = None  # written to the access log, as user is
    # Not served (yet).
    audio: refused("audio") = None  # type: ignore[valid-type]
    function_call: refused("function_call") = None  # type: ignore[valid-type]
    functions: refused("functions") = None  # type: ignore[valid-type]
    moderation: refused("moderation") = None  # type: ignore[valid-type]
    prediction: refused("prediction") = None  # type: ignore[valid-type]
    prompt_cache_options: refused("prompt_cache_options") = None  # type: ignore[valid-type]
    verbosity: refused("verbosity") = None  # type: ignore[valid-type]

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
        if self.metadata and not self.store:
            raise problem(
                "invalid_value", "The 'metadata' parameter is only allowed when 'store' is enabled.", "metadata"
            )
        if self.tools is None:
            for name in ("tool_choice", "parallel_tool_calls"):
                if getattr(self, name) is not None:
                    raise problem(
                        "invalid_value",
                        f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified.",
                        name,
                    )
        check_names(self.tools or ())
        check_order(self.messages)
        return self

    @property
    def token_limit(self) -> int | None:
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    def turn(self) -> Turn:
        """Its images and files are still to be read (input_parts.py).

        Raises RequestError for tools and formats that cannot be.
        """
        wanted = self.response_format.wanted() if self.response_format is not None else None
        messages = [message.plain(f"messages[{index}]") for index, message in enumerate(self.messages)]
        if wanted == JsonFormat() and not mentions(messages, "json"):
            raise RequestError(
                "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
                param="messages",
            )
        return Turn(
            messages,
            turn_tools(self.tools),
            turn_choice(self.tool_choice, self.tools or ()),
            self.parallel_tool_calls is not False,
            wanted,
            web_search=None if self.web_search_options is None else self.web_search_options.wanted(),
        )
