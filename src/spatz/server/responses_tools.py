"""Tools as the Responses API spells them: flat functions, custom tools, the web search.

`_tool` is the one place that says which tools there are; the choice among them is in responses_tool_choice.py. The
schemas of strict functions are checked by `turn_tools`. Nothing is compiled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from spatz.errors import RequestError
from spatz.prompt.strict_schema import check_strict
from spatz.prompt.turn import GrammarFormat, Tool
from spatz.server.chat_format import NAME
from spatz.server.fields import Strict, problem, refused
from spatz.server.web_search_fields import PREVIEW, WEB_SEARCH, WebSearchPreviewTool, WebSearchTool

__all__ = [
    "HOSTED",
    "MAX_TOOLS",
    "AnyTool",
    "GivenTool",
    "NamedTool",
    "SearchTool",
    "ToolName",
    "check_tools",
    "tool_body",
    "turn_tools",
]

HOSTED = frozenset(
    {
        "apply_patch",
        "code_interpreter",
        "computer",
        "computer_use_preview",
        "file_search",
        "image_generation",
        "local_shell",
        "mcp",
        "namespace",
        "programmatic_tool_calling",
        "shell",
        "tool_search",
    }
)
MAX_TOOLS = 128


def _tool(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, dict) else "function"
    if kind is None:
        raise problem("missing_required_parameter", "Missing required parameter: '{param}'.", ".type")
    if isinstance(kind, str) and kind in ("function", "custom", *WEB_SEARCH):
        return value
    if isinstance(kind, str) and kind in HOSTED:
        raise problem("unsupported_value", f"Hosted tool '{kind}' is not supported with this model.", ".type")
    shown = f"'{kind[:50]}'" if isinstance(kind, str) else "not a string"
    supported = ", ".join(f"'{name}'" for name in ("function", "custom", *sorted(WEB_SEARCH)))
    raise problem("invalid_value", f"Invalid value: {shown}. Supported values are: {supported}.", ".type")


def _tool_branch(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else ""
    if kind in WEB_SEARCH:
        return "~preview" if kind in PREVIEW else "~web"
    return "~custom" if kind == "custom" else "~function"


ToolName = Annotated[str, Field(min_length=1, max_length=64, pattern=NAME)]
Description = Annotated[str, Field(max_length=16_384)]


class _Tool(Strict):
    name: ToolName
    description: Description | None = None
    # For tools that are searched for or called by programs, which this model cannot.
    async_: Annotated[refused("async"), Field(alias="async")] = None  # type: ignore[valid-type]
    allowed_callers: refused("allowed_callers") = None  # type: ignore[valid-type]
    defer_loading: refused("defer_loading") = None  # type: ignore[valid-type]


class FunctionTool(_Tool):
    type: Literal["function"]
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    output_schema: refused("output_schema") = None  # type: ignore[valid-type]


class TextInput(Strict):
    type: Literal["text"]


class GrammarInput(Strict):
    type: Literal["grammar"]
    syntax: Literal["lark", "regex"]
    definition: Annotated[str, Field(min_length=1, max_length=1 << 20)]

    def format(self) -> GrammarFormat:
        return GrammarFormat(self.syntax, self.definition)


def _input_branch(value: Any) -> str:
    return "~grammar" if isinstance(value, dict) and value.get("type") == "grammar" else "~text"


class CustomTool(_Tool):
    type: Literal["custom"]
    format: (
        Annotated[
            Annotated[TextInput, Tag("~text")] | Annotated[GrammarInput, Tag("~grammar")], Discriminator(_input_branch)
        ]
        | None
    ) = None


AnyTool = Annotated[
    Annotated[
        Annotated[FunctionTool, Tag("~function")]
        | Annotated[CustomTool, Tag("~custom")]
        | Annotated[WebSearchTool, Tag("~web")]
        | Annotated[WebSearchPreviewTool, Tag("~preview")],
        Discriminator(_tool_branch),
    ],
    BeforeValidator(_tool),
]
NamedTool = FunctionTool | CustomTool
SearchTool = WebSearchTool | WebSearchPreviewTool
GivenTool = NamedTool | SearchTool


def check_tools(tools: Sequence[GivenTool]) -> None:
    """A call says only the name, so there can be no two of one; nor can there be two searches, which have none."""
    names: set[str] = set()
    searches = 0
    for index, tool in enumerate(tools):
        if isinstance(tool, SearchTool):
            searches += 1
            if searches > 1:
                raise problem(
                    "invalid_value", "Duplicate tool: there can be only one web search tool.", f"tools[{index}].type"
                )
        elif tool.name in names:
            raise problem("invalid_value", f"Duplicate tool name: '{tool.name}'.", f"tools[{index}].name")
        else:
            names.add(tool.name)


def turn_tools(tools: Sequence[GivenTool]) -> tuple[Tool, ...]:
    """The functions and custom tools. Raises RequestError for a strict one whose schema is not one of strict mode."""
    return tuple(_turn_tool(tool, index) for index, tool in enumerate(tools) if not isinstance(tool, SearchTool))


def _turn_tool(tool: NamedTool, index: int) -> Tool:
    if isinstance(tool, CustomTool):
        grammar = tool.format.format() if isinstance(tool.format, GrammarInput) else None
        return Tool(tool.name, tool.description or "", "custom", grammar=grammar)
    if tool.strict and tool.parameters is not None:
        check_strict(tool.parameters, tool.name, f"tools[{index}].parameters", "invalid_function_parameters")
    return Tool(tool.name, tool.description or "", "function", tool.parameters, _is_strict(tool))


def _is_strict(tool: FunctionTool) -> bool:
    """Where a client leaves it open, a function is strict if its schema can be: the API's rule for Responses."""
    if tool.strict is not None or tool.parameters is None:
        return bool(tool.strict)
    try:
        check_strict(tool.parameters, tool.name, "tools")
    except RequestError:
        return False
    return True


def tool_body(tool: GivenTool) -> dict[str, Any]:
    """As the response repeats it."""
    if isinstance(tool, SearchTool):
        return tool.body()
    if isinstance(tool, CustomTool):
        format = tool.format or TextInput(type="text")
        return {
            "type": "custom",
            "name": tool.name,
            "description": tool.description,
            "format": format.model_dump(),
        }
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": _is_strict(tool),
    }
