"""Tools and the choice among them, as the Responses API spells them: flat, functions and custom tools.

`_tool` is the one place that says which tools there are. What a choice names is checked against the tools here; the
schemas of strict functions by `turn_tool`. Nothing is compiled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from spatz.errors import RequestError
from spatz.prompt.strict_schema import check_strict
from spatz.prompt.turn import GrammarFormat, Tool, ToolChoice
from spatz.server.chat_format import NAME
from spatz.server.fields import Strict, problem, refused

__all__ = ["AnyTool", "Choice", "CustomTool", "FunctionTool", "choice_body", "choice_of", "tool_body", "turn_tool"]

WEB_SEARCH = frozenset({"web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11"})
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
    if kind in ("function", "custom"):
        return value
    if kind is None:
        raise problem("missing_required_parameter", "Missing required parameter: '{param}'.", ".type")
    if isinstance(kind, str) and kind in WEB_SEARCH:
        raise problem("unsupported_value", f"The hosted tool '{kind}' is not available on this server.", ".type")
    if isinstance(kind, str) and kind in HOSTED:
        raise problem("unsupported_value", f"Hosted tool '{kind}' is not supported with this model.", ".type")
    shown = f"'{kind[:50]}'" if isinstance(kind, str) else "not a string"
    raise problem("invalid_value", f"Invalid value: {shown}. Supported values are: 'function', 'custom'.", ".type")


def _tool_branch(value: Any) -> str:
    return "~custom" if isinstance(value, dict) and value.get("type") == "custom" else "~function"


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
        Annotated[FunctionTool, Tag("~function")] | Annotated[CustomTool, Tag("~custom")], Discriminator(_tool_branch)
    ],
    BeforeValidator(_tool),
]


class NamedChoice(Strict):
    type: Literal["function", "custom"]
    name: ToolName


class AllowedChoice(Strict):
    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: Annotated[list[NamedChoice], Field(min_length=1, max_length=MAX_TOOLS)]


def _choice(value: Any) -> Any:
    if isinstance(value, str):
        if value not in ("none", "auto", "required"):
            raise problem(
                "invalid_value",
                f"Invalid value: '{value[:50]}'. Supported values are: 'none', 'auto', and 'required'.",
            )
    elif isinstance(value, dict) and isinstance(value.get("type"), str):
        kind = value["type"]
        if kind in WEB_SEARCH or kind in HOSTED:
            raise problem("invalid_value", f"Tool choice '{kind}' not found in 'tools' parameter.", "")
        if kind not in ("function", "custom", "allowed_tools"):
            raise problem(
                "invalid_value",
                f"Invalid value: '{kind[:50]}'. Supported values are: 'function', 'custom', and 'allowed_tools'.",
                ".type",
            )
    return value


def _choice_branch(value: Any) -> str:
    if isinstance(value, dict):
        return "~allowed" if value.get("type") == "allowed_tools" else "~named"
    return "~mode"


Choice = Annotated[
    Annotated[
        Annotated[Literal["none", "auto", "required"], Tag("~mode")]
        | Annotated[NamedChoice, Tag("~named")]
        | Annotated[AllowedChoice, Tag("~allowed")],
        Discriminator(_choice_branch),
    ],
    BeforeValidator(_choice),
]


def turn_tool(tool: FunctionTool | CustomTool, index: int) -> Tool:
    """Raises RequestError for a strict function whose schema is not one of strict mode."""
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


def choice_of(
    choice: str | NamedChoice | AllowedChoice | None, tools: Sequence[FunctionTool | CustomTool]
) -> ToolChoice:
    """Raises RequestError for a choice of what is not among the tools."""
    if choice is None:
        return ToolChoice()
    if isinstance(choice, str):
        if choice == "required" and not tools:
            raise _not_found("Tool choice 'required' must be specified with 'tools' parameter.")
        mode: Literal["none", "auto", "required"] = choice  # type: ignore[assignment]
        return ToolChoice(mode)
    wanted = [choice] if isinstance(choice, NamedChoice) else choice.tools
    known = {(tool.type, tool.name) for tool in tools}
    for named in wanted:
        if (named.type, named.name) not in known:
            raise _not_found(f"Tool choice '{named.type}' with name '{named.name}' not found in 'tools' parameter.")
    names = tuple(dict.fromkeys(named.name for named in wanted))
    return ToolChoice("required" if isinstance(choice, NamedChoice) else choice.mode, names)


def _not_found(message: str) -> RequestError:
    return RequestError(message, param="tool_choice", code="invalid_value")


def tool_body(tool: FunctionTool | CustomTool) -> dict[str, Any]:
    """As the response repeats it."""
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


def choice_body(choice: str | NamedChoice | AllowedChoice | None) -> Any:
    if choice is None or isinstance(choice, str):
        return choice or "auto"
    return choice.model_dump()
