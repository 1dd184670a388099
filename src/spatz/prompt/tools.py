"""What a turn with tools means for the prompt and for the grammar of its answer, in the model's dialect.

The one place where tool_choice is understood. tool_messages.py and tool_grammar.py do what is decided here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Literal

from spatz.prompt.dialect import Dialect
from spatz.prompt.tool_grammar import CallsGrammar, calls_grammar
from spatz.prompt.turn import OutputFormat, Tool, ToolChoice, Turn

__all__ = ["call_kinds", "callable_tools", "chosen", "may_answer_text", "shown_tools", "undecided", "wanted_form"]


def callable_tools(turn: Turn) -> tuple[Tool, ...]:
    """Those that this answer may call."""
    choice = turn.tool_choice
    if choice.mode == "none":
        return ()
    return tuple(tool for tool in turn.tools if not choice.names or tool.name in choice.names)


def shown_tools(turn: Turn, dialect: Dialect) -> tuple[Tool, ...]:
    """Those that the model is told of. Where none may be called it is told of none, lest it writes calls as text; a
    model that was not trained on tools is spared what it cannot use, one that was keeps its prompt's beginning.
    """
    possible = callable_tools(turn)
    return turn.tools if possible and dialect.trained else possible


def call_kinds(turn: Turn) -> Mapping[str, Literal["function", "custom"]]:
    return {tool.name: tool.kind for tool in callable_tools(turn)}


def may_answer_text(turn: Turn) -> bool:
    return turn.tool_choice.mode != "required" or not callable_tools(turn)


def undecided(turn: Turn, dialect: Dialect) -> bool:
    """Whether text or call has to be decided before the answer is begun: this model will not do it while it writes."""
    return not dialect.trained and bool(callable_tools(turn)) and may_answer_text(turn)


def chosen(turn: Turn, names: tuple[str, ...]) -> Turn:
    """The turn when it is decided that these tools are called; none: that the answer is text."""
    return replace(turn, tool_choice=ToolChoice("required" if names else "none", names))


def wanted_form(turn: Turn, dialect: Dialect, special: Collection[str]) -> OutputFormat | CallsGrammar | None:
    """What the answer is held to; None: it is free text. special: the texts of the model's control tokens."""
    tools = callable_tools(turn)
    if not tools:
        return turn.output_format
    return calls_grammar(
        dialect,
        tools,
        most=dialect.most_calls if turn.parallel_tool_calls else 1,
        text=may_answer_text(turn),
        text_format=turn.output_format,
        special=special,
    )
