"""Tools and the choice among them, as chat completions spell them: nested under "function" and "custom".

Their schemas, where strict, are checked by `turn_tool`; what a choice names by `turn_choice`. Nothing is compiled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from spatz.errors import RequestError
from spatz.prompt.strict_schema import check_strict
from spatz.prompt.turn import Tool, ToolChoice
from spatz.server.chat_format import NAME, Grammar
from spatz.server.fields import Strict, problem

__all__ = ["MAX_TOOLS", "AnyTool", "Choice", "check_names", "turn_choice", "turn_tools"]

MAX_TOOLS = 128
MODES = ("none", "auto", "required")

ToolName = Annotated[str, Field(min_length=1, max_length=64, pattern=NAME)]


class Function(Strict):
    name: ToolName
    description: Annotated[str, Field(max_length=1024)] | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionTool(Strict):
    type: Literal["function"]
    function: Function

    @property
    def name(self) -> str:
        return self.function.name


class TextInput(Strict):
    type: Literal["text"]


class GrammarInput(Strict):
    type: Literal["grammar"]
    grammar: Grammar


def _input(value: Any) -> str:
    return "~grammar" if isinstance(value, dict) and value.get("type") == "grammar" else "~text"


class Custom(Strict):
    name: ToolName
    description: Annotated[str, Field(max_length=16_384)] | None = None
    format: (
        Annotated[Annotated[TextInput, Tag("~text")] | Annotated[GrammarInput, Tag("~grammar")], Discriminator(_input)]
        | None
    ) = None


class CustomTool(Strict):
    type: Literal["custom"]
    custom: Custom

    @property
    def name(self) -> str:
        return self.custom.name


def _kind(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, dict) else "function"
    if kind is None:
        raise problem("missing_required_parameter", "Missing required parameter: '{param}'.", ".type")
    if kind not in ("function", "custom"):
        shown = f"'{kind[:50]}'" if isinstance(kind, str) else "not a string"
        raise problem(
            "invalid_value", f"Invalid value: {shown}. Supported values are: 'function' and 'custom'.", ".type"
        )
    return value


def _branch(value: Any) -> str:
    return "~custom" if isinstance(value, dict) and value.get("type") == "custom" else "~function"


AnyTool = Annotated[
    Annotated[
        Annotated[FunctionTool, Tag("~function")] | Annotated[CustomTool, Tag("~custom")], Discriminator(_branch)
    ],
    BeforeValidator(_kind),
]


class Named(Strict):
    name: ToolName


class NamedFunction(Strict):
    type: Literal["function"]
    function: Named

    @property
    def name(self) -> str:
        return self.function.name


class NamedCustom(Strict):
    type: Literal["custom"]
    custom: Named

    @property
    def name(self) -> str:
        return self.custom.name


AnyNamed = Annotated[
    Annotated[NamedFunction, Tag("~function")] | Annotated[NamedCustom, Tag("~custom")], Discriminator(_branch)
]


class AllowedTools(Strict):
    mode: Literal["auto", "required"]
    tools: Annotated[list[Annotated[AnyNamed, BeforeValidator(_kind)]], Field(min_length=1, max_length=MAX_TOOLS)]


class Allowed(Strict):
    type: Literal["allowed_tools"]
    allowed_tools: AllowedTools


def _choice(value: Any) -> Any:
    if isinstance(value, str) and value not in MODES:
        raise problem(
            "invalid_value", f"Invalid value: '{value[:50]}'. Supported values are: 'none', 'auto', and 'required'."
        )
    if isinstance(value, dict) and value.get("type") not in ("function", "custom", "allowed_tools"):
        kind = value.get("type")
        if kind is None:
            raise problem("missing_required_parameter", "Missing required parameter: '{param}'.", ".type")
        shown = f"'{kind[:50]}'" if isinstance(kind, str) else "not a string"
        supported = "'function', 'custom', and 'allowed_tools'"
        raise problem("invalid_value", f"Invalid value: {shown}. Supported values are: {supported}.", ".type")
    return value


def _choice_branch(value: Any) -> str:
    if not isinstance(value, dict):
        return "~mode"
    return "~allowed" if value.get("type") == "allowed_tools" else _branch(value)


Choice = Annotated[
    Annotated[
        Annotated[Literal["none", "auto", "required"], Tag("~mode")]
        | Annotated[NamedFunction, Tag("~function")]
        | Annotated[NamedCustom, Tag("~custom")]
        | Annotated[Allowed, Tag("~allowed")],
        Discriminator(_choice_branch),
    ],
    BeforeValidator(_choice),
]


def check_names(tools: Sequence[FunctionTool | CustomTool]) -> None:
    """A call says only the name, so there can be no two of one."""
    names: set[str] = set()
    for index, tool in enumerate(tools):
        if tool.name in names:
            raise problem("invalid_value", f"Duplicate tool name: '{tool.name}'.", f"tools[{index}].{tool.type}.name")
        names.add(tool.name)


def turn_tools(tools: Sequence[FunctionTool | CustomTool] | None) -> tuple[Tool, ...]:
    """Raises RequestError for a function whose parameters are no object, or are not what strict mode takes."""
    return tuple(_turn_tool(tool, index) for index, tool in enumerate(tools or ()))


def _turn_tool(tool: FunctionTool | CustomTool, index: int) -> Tool:
    if isinstance(tool, CustomTool):
        wanted = tool.custom.format
        grammar = wanted.grammar.wanted() if isinstance(wanted, GrammarInput) else None
        return Tool(tool.name, tool.custom.description or "", "custom", grammar=grammar)
    given = tool.function
    param = f"tools[{index}].function.parameters"
    if given.parameters is not None:
        if given.strict:
            check_strict(given.parameters, given.name, param, "invalid_function_parameters")
        kind = given.parameters.get("type", "object")
        if kind != "object":
            shown = kind[:50] if isinstance(kind, str) else "None"
            raise RequestError(
                f"Invalid schema for function '{given.name}': schema must be a JSON Schema of 'type: \"object\"', got "
                f"'type: \"{shown}\"'.",
                param=param,
                code="invalid_function_parameters",
            )
    return Tool(given.name, given.description or "", "function", given.parameters, bool(given.strict))


def turn_choice(
    choice: str | NamedFunction | NamedCustom | Allowed | None, tools: Sequence[FunctionTool | CustomTool]
) -> ToolChoice:
    """Raises RequestError for a choice of what is not among the tools."""
    if choice is None:
        return ToolChoice()
    if isinstance(choice, str):
        mode: Literal["none", "auto", "required"] = choice  # type: ignore[assignment]
        return ToolChoice(mode)
    wanted = choice.allowed_tools.tools if isinstance(choice, Allowed) else [choice]
    known = {(tool.type, tool.name) for tool in tools}
    for named in wanted:
        if (named.type, named.name) not in known:
            raise RequestError(
                f"Invalid value for 'tool_choice': the {named.type} '{named.name}' is not among the 'tools'.",
                param="tool_choice",
                code="invalid_value",
            )
    names = tuple(dict.fromkeys(named.name for named in wanted))
    return ToolChoice(choice.allowed_tools.mode if isinstance(choice, Allowed) else "required", names)
