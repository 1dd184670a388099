"""The choice among the tools of a response: a mode, one tool, or some that are allowed.

What a choice names is checked against the tools of the request. It becomes two things: the choice among functions and
custom tools, and whether the web is searched, which the model does not call as it calls these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from spatz.errors import RequestError
from spatz.prompt.turn import ToolChoice, WebSearch
from spatz.server.fields import Strict, problem
from spatz.server.responses_tools import HOSTED, MAX_TOOLS, GivenTool, NamedTool, SearchTool, ToolName
from spatz.server.web_search_fields import WEB_SEARCH

__all__ = ["Choice", "choice_body", "turn_choice"]


class NamedChoice(Strict):
    type: Literal["function", "custom"]
    name: ToolName


class HostedChoice(Strict):
    """Any of the search's names stands for the one search tool."""

    type: Literal["web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11"]


def _hosted(value: Any) -> Any:
    """Tools that are hosted elsewhere are not found here, whatever else is said of them."""
    kind = value.get("type") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind in HOSTED:
        raise problem("invalid_value", f"Tool choice '{kind}' not found in 'tools' parameter.", "")
    return value


def _named_branch(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else None
    return "~web" if isinstance(kind, str) and kind in WEB_SEARCH else "~named"


AnyNamed = Annotated[
    Annotated[
        Annotated[NamedChoice, Tag("~named")] | Annotated[HostedChoice, Tag("~web")], Discriminator(_named_branch)
    ],
    BeforeValidator(_hosted),
]


class AllowedChoice(Strict):
    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: Annotated[list[AnyNamed], Field(min_length=1, max_length=MAX_TOOLS)]


def _choice(value: Any) -> Any:
    if isinstance(value, str):
        if value not in ("none", "auto", "required"):
            raise problem(
                "invalid_value",
                f"Invalid value: '{value[:50]}'. Supported values are: 'none', 'auto', and 'required'.",
            )
    elif isinstance(value, dict) and isinstance(value.get("type"), str):
        kind = _hosted(value)["type"]
        if kind not in ("function", "custom", "allowed_tools", *WEB_SEARCH):
            raise problem(
                "invalid_value",
                f"Invalid value: '{kind[:50]}'. Supported values are: 'function', 'custom', 'allowed_tools', and "
                "'web_search'.",
                ".type",
            )
    return value


def _choice_branch(value: Any) -> str:
    if isinstance(value, dict):
        return "~allowed" if value.get("type") == "allowed_tools" else _named_branch(value)
    return "~mode"


Choice = Annotated[
    Annotated[
        Annotated[Literal["none", "auto", "required"], Tag("~mode")]
        | Annotated[NamedChoice, Tag("~named")]
        | Annotated[HostedChoice, Tag("~web")]
        | Annotated[AllowedChoice, Tag("~allowed")],
        Discriminator(_choice_branch),
    ],
    BeforeValidator(_choice),
]
GivenChoice = str | NamedChoice | HostedChoice | AllowedChoice | None


def turn_choice(
    choice: GivenChoice, tools: Sequence[GivenTool], most_calls: int | None = None
) -> tuple[ToolChoice, WebSearch | None]:
    """The choice among functions and custom tools, and what may be searched; None: nothing.

    most_calls: of hosted tools. Raises RequestError for a choice of what is not among the tools.
    """
    search = next((tool for tool in tools if isinstance(tool, SearchTool)), None)
    named = [tool for tool in tools if not isinstance(tool, SearchTool)]

    def searching(required: bool) -> WebSearch | None:
        return None if search is None else search.wanted(required=required, most_calls=most_calls)

    if choice is None or isinstance(choice, str):
        if choice == "required" and not tools:
            raise _not_found("Tool choice 'required' must be specified with 'tools' parameter.")
        if choice == "none":
            return ToolChoice("none"), None
        if choice == "required" and named:
            return ToolChoice("required"), searching(False)  # one of them has to be used, whichever
        return ToolChoice(), searching(choice == "required")
    wanted = choice.tools if isinstance(choice, AllowedChoice) else [choice]
    required = not isinstance(choice, AllowedChoice) or choice.mode == "required"
    names = _named(wanted, named)
    searched = any(isinstance(item, HostedChoice) for item in wanted)
    if searched and search is None:
        kind = next(item.type for item in wanted if isinstance(item, HostedChoice))
        raise _not_found(f"Tool choice '{kind}' not found in 'tools' parameter.")
    web = searching(required and not names) if searched else None
    return ToolChoice("required" if required else "auto", names) if names else ToolChoice("none"), web


def _named(wanted: Sequence[NamedChoice | HostedChoice], tools: Sequence[NamedTool]) -> tuple[str, ...]:
    known = {(tool.type, tool.name) for tool in tools}
    names = [item for item in wanted if isinstance(item, NamedChoice)]
    for item in names:
        if (item.type, item.name) not in known:
            raise _not_found(f"Tool choice '{item.type}' with name '{item.name}' not found in 'tools' parameter.")
    return tuple(dict.fromkeys(item.name for item in names))


def _not_found(message: str) -> RequestError:
    return RequestError(message, param="tool_choice", code="invalid_value")


def choice_body(choice: GivenChoice) -> Any:
    if choice is None or isinstance(choice, str):
        return choice or "auto"
    if isinstance(choice, AllowedChoice):
        return {"type": choice.type, "mode": choice.mode, "tools": [tool.model_dump() for tool in choice.tools]}
    return choice.model_dump()
