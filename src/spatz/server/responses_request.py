"""The body of POST /v1/responses: what is honoured, and what is refused in the reference's words.

Items are in responses_items.py, tools in responses_tools.py, formats in responses_text.py. It becomes a turn when the
items of the past, which are stored, have been put before its own (responses_history.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from spatz.errors import RequestError
from spatz.prompt.turn import JsonFormat, ToolChoice, Turn, spoken
from spatz.server.fields import MAX_OUTPUT_TOKENS, ServiceTier, SpatzOptions, Strict, problem, refused
from spatz.server.metadata import Metadata
from spatz.server.responses_items import Body, InputItem, Item
from spatz.server.responses_kept import turn_messages
from spatz.server.responses_text import TextConfig
from spatz.server.responses_tool_choice import Choice, turn_choice
from spatz.server.responses_tools import MAX_TOOLS, AnyTool, check_tools, turn_tools
from spatz.server.web_search_item import SEARCH_RESULTS, SEARCH_SOURCES

__all__ = ["LOGPROBS", "Includes", "InputTokensRequest", "ResponseRequest"]

MAX_ITEMS = 10_000
LOGPROBS = "message.output_text.logprobs"
TOLD = frozenset({LOGPROBS, SEARCH_RESULTS, SEARCH_SOURCES})
# What is only ever in items that this server does not make: asking for it changes nothing, here as in the API.
VOID_INCLUDES = frozenset(
    {
        "code_interpreter_call.outputs",
        "computer_call_output.output.image_url",
        "file_search_call.results",
        "message.input_image.image_url",
    }
)


def _includes(values: list[str]) -> list[str]:
    for value in values:
        if value == "reasoning.encrypted_content":
            raise problem(None, "Encrypted content is not supported with this model.", "include")
        if value not in TOLD and value not in VOID_INCLUDES:
            known = ", ".join(f"'{name}'" for name in sorted(TOLD | VOID_INCLUDES))
            raise problem("invalid_value", f"Invalid value: '{value[:50]}'. Supported values are: {known}.", "include")
    return values


Includes = Annotated[list[str], Field(max_length=20), AfterValidator(_includes)]


def _reasoning(value: Any) -> Any:
    """Only what says nothing: clients send it empty, or as the response repeats it."""
    if isinstance(value, dict):
        for key, item in value.items():
            if item is not None:
                place = f"reasoning.{key[:50]}"
                raise problem(
                    "unsupported_parameter",
                    f"Unsupported parameter: '{place}' is not supported with this model.",
                    place,
                )
        return None
    if value is not None:
        raise problem("invalid_type", "Invalid type for 'reasoning': expected an object.", "reasoning")
    return value


def _max_output_tokens(value: int) -> int:
    if value > MAX_OUTPUT_TOKENS:
        given = value if value.bit_length() < 128 else "a huge number"
        raise problem(
            "invalid_value",
            f"max_output_tokens is too large: {given}. This model supports at most {MAX_OUTPUT_TOKENS} completion "
            f"tokens, whereas you provided {given}.",
        )
    return value


class ConversationParam(Strict):
    id: Annotated[str, Field(min_length=1, max_length=128)]


class StreamOptions(Strict):
    include_obfuscation: bool | None = None  # off unless asked for: it pads, and the padding costs bandwidth


def _branch(value: Any) -> str:
    return "~items" if isinstance(value, list) else "~text"


def _conversation_branch(value: Any) -> str:
    return "~object" if isinstance(value, dict) else "~id"


Input = Annotated[
    Annotated[str, Tag("~text")] | Annotated[list[InputItem], Field(max_length=MAX_ITEMS), Tag("~items")],
    Discriminator(_branch),
]
StoredId = Annotated[str, Field(min_length=1, max_length=128)]


class _Prompted(Body):
    """What makes the prompt: shared by answers and by the counting of tokens."""

    input: Input | None = None
    instructions: str | None = None
    previous_response_id: StoredId | None = None
    conversation: (
        Annotated[
            Annotated[StoredId, Tag("~id")] | Annotated[ConversationParam, Tag("~object")],
            Discriminator(_conversation_branch),
        ]
        | None
    ) = None
    tools: Annotated[list[AnyTool], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: Choice | None = None
    parallel_tool_calls: bool | None = None
    text: TextConfig | None = None
    truncation: Literal["auto", "disabled"] | None = None
    reasoning: Annotated[Any, BeforeValidator(_reasoning)] = None
    spatz: SpatzOptions | None = None  # an extension (`extra_body` of the SDK)

    @property
    def conversation_id(self) -> str | None:
        found = self.conversation
        return found.id if isinstance(found, ConversationParam) else found

    @model_validator(mode="after")
    def check_past(self) -> _Prompted:
        if self.previous_response_id is not None and self.conversation is not None:
            raise problem(
                "mutually_exclusive_parameters",
                "Mutually exclusive parameters. Ensure you are only providing one of: 'previous_response_id' or "
                "'conversation'.",
                "previous_response_id",
            )
        if self.input is None and self.previous_response_id is None and self.conversation is None:
            raise problem(
                "missing_required_parameter",
                "Missing required parameter: one of 'input', 'previous_response_id' or 'conversation' must be "
                "provided.",
                "input",
            )
        check_tools(self.tools or ())
        return self

    @property
    def most_calls(self) -> int | None:
        """Of hosted tools."""
        return None

    def turn(self, items: Sequence[Item], places: Mapping[int, str] | None = None) -> Turn:
        """items: all of them, those of the past first. places: where they stand, by their id(). Images and files are
        still to be read (input_parts.py). Raises RequestError for tools and formats that cannot be.
        """
        messages = turn_messages(items, places)
        if self.instructions:
            messages.insert(0, {"role": "system", "content": self.instructions})
        if not messages:
            raise RequestError("There must be at least one item of input.", param="input", code="empty_array")
        tools = self.tools or []
        wanted = self.text.output_format() if self.text is not None else None
        if wanted == JsonFormat() and not any("json" in spoken(message["content"]).lower() for message in messages):
            raise RequestError(
                "Response input messages must contain the word 'json' in some form to use 'text.format' of type "
                "'json_object'.",
                param="input",
            )
        choice, search = turn_choice(self.tool_choice, tools, self.most_calls)
        named = turn_tools(tools)
        if search is not None and choice.mode == "none":  # of the functions: the search alone may be used
            choice, named = ToolChoice(), ()
        return Turn(
            messages,
            named,
            choice,
            self.parallel_tool_calls is not False,
            wanted,
            web_search=search,
        )


class InputTokensRequest(_Prompted):
    model: Annotated[str, Field(max_length=512)] | None = None
    personality: refused("personality") = None  # type: ignore[valid-type]


class ResponseRequest(_Prompted):
    model: Annotated[str, Field(max_length=512)]
    max_output_tokens: Annotated[int, Field(ge=16), AfterValidator(_max_output_tokens)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    include: Includes | None = None
    max_tool_calls: Annotated[int, Field(ge=1)] | None = None  # of hosted tools: searches and pages that are opened
    store: bool | None = None
    background: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    metadata: Metadata | None = None
    service_tier: ServiceTier | None = None
    user: Annotated[str, Field(max_length=512)] | None = None  # written to the access log, for the operator
    safety_identifier: Annotated[str, Field(max_length=64)] | None = None  # the same
    prompt_cache_key: Annotated[str, Field(max_length=1024)] | None = None  # there is one cache, which all share
    prompt_cache_retention: Literal["in_memory", "in-memory"] | None = None
    # Not served.
    access_programs: refused("access_programs") = None  # type: ignore[valid-type]
    background_options: refused("background_options") = None  # type: ignore[valid-type]
    context_management: refused("context_management") = None  # type: ignore[valid-type]
    image: refused("image") = None  # type: ignore[valid-type]
    moderation: refused("moderation") = None  # type: ignore[valid-type]
    prompt: refused("prompt", "Prompt templates are not supported by this server.") = None  # type: ignore[valid-type]
    prompt_cache_options: refused("prompt_cache_options") = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def check(self) -> ResponseRequest:
        if self.stream_options is not None and not self.stream:
            raise problem(
                None, "The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options"
            )
        if self.background and self.store is False:
            raise problem("invalid_value", "Background mode requires 'store' to be true.", "background")
        return self

    @property
    def most_calls(self) -> int | None:
        return self.max_tool_calls

    @property
    def is_stored(self) -> bool:
        return self.store is not False

    @property
    def logprobs(self) -> int | None:
        """How many alternatives a token comes with; None: no log-probabilities. Either field asks for them."""
        if LOGPROBS in (self.include or ()) or self.top_logprobs:
            return self.top_logprobs or 0
        return None

    @property
    def obfuscate(self) -> bool:
        return self.stream_options is not None and bool(self.stream_options.include_obfuscation)
