"""What one turn of a conversation asks of the model, in no API's words: chat and Responses both become this.

Messages are dicts as chat templates know them: {role, content, name?, tool_calls?, tool_call_id?}, where tool_calls is
a list of `ToolCall`s. content is a text, or a list of parts: {type: "text", text, kind?, source?}, and `InputPart`s
until they have been read (server/input_parts.py). How tools get into the prompt and calls out of the text is tools.py's
business, how a format constrains the answer grammar.py's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from spatz.inputs.document import Document

__all__ = [
    "GrammarFormat",
    "InputRead",
    "JsonFormat",
    "Location",
    "Message",
    "OutputFormat",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "Turn",
    "WebSearch",
    "spoken",
]

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class JsonFormat:
    """The answer is JSON: any object where schema is None, else what the schema allows."""

    schema: Mapping[str, Any] | None = None
    name: str = ""
    strict: bool = False


@dataclass(frozen=True, slots=True)
class GrammarFormat:
    syntax: Literal["lark", "regex"]
    definition: str


OutputFormat = JsonFormat | GrammarFormat


@dataclass(frozen=True, slots=True)
class Tool:
    """A function with JSON arguments, or (custom) a tool whose input is free text or of a grammar."""

    name: str
    description: str = ""
    kind: Literal["function", "custom"] = "function"
    parameters: Mapping[str, Any] | None = None  # JSON schema; None takes no arguments
    strict: bool = False
    grammar: GrammarFormat | None = None  # of a custom tool


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: str  # JSON text of a function's arguments, or a custom tool's input
    kind: Literal["function", "custom"] = "function"


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """names: the tools that may be called; empty: all of them. One name with "required" is a named choice."""

    mode: Literal["none", "auto", "required"] = "auto"
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Location:
    """Roughly where the user is, as the user says it; "" for what is not told."""

    country: str = ""  # ISO 3166-1 alpha-2, in upper case
    region: str = ""
    city: str = ""
    timezone: str = ""  # IANA


@dataclass(frozen=True, slots=True)
class WebSearch:
    """The web may be searched for the answer."""

    size: Literal["low", "medium", "high"] = "medium"  # how much is read
    location: Location | None = None
    allowed_domains: tuple[str, ...] = ()  # without scheme, in lower case; with their subdomains; none: all
    blocked_domains: tuple[str, ...] = ()
    required: bool = False  # it is searched in any case; else if the question calls for it
    most_calls: int | None = None  # searches, opened pages and finds together


@dataclass(frozen=True, slots=True)
class InputRead:
    """An image or a file of the request, and what was read of it."""

    param: str
    document: Document


@dataclass(frozen=True, slots=True)
class Turn:
    messages: list[Message]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = field(default_factory=ToolChoice)
    parallel_tool_calls: bool = True
    output_format: OutputFormat | None = None  # None: free text
    inputs: tuple[InputRead, ...] = ()  # what the messages' parts name as their source
    web_search: WebSearch | None = None


def spoken(content: Any) -> str:
    """What a message's content says itself, without its documents, images and files."""
    if isinstance(content, str):
        return content
    parts = [part for part in content or () if isinstance(part, dict) and part.get("kind") != "document"]
    return "\n".join(part["text"] for part in parts)
