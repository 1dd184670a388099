"""The grammar of an answer that may or must call tools, in llguidance's kind of Lark.

Each call is written in the dialect's one form, with arguments that its tool's schema allows, so whatever the model
begins can be parsed. grammar.py compiles it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from spatz.errors import RequestError
from spatz.prompt.dialect import INPUT, INPUT_END, Dialect
from spatz.prompt.grammar import ConstraintMaker, Grammars
from spatz.prompt.tool_schema import arguments_schema
from spatz.prompt.turn import JsonFormat, OutputFormat, Tool

__all__ = ["CallsGrammar", "argument_format", "calls_grammar", "compiled"]

ANY = "(?s:.*)"
LONGEST_INPUT = 400  # characters of free text, for a model that may not find its end by itself


@dataclass(frozen=True, slots=True)
class CallsGrammar:
    """lark names the formats in it: @name stands for parts[name]."""

    lark: str
    parts: Mapping[str, OutputFormat]
    tools: tuple[Tool, ...]  # the format of the arguments of the first is called t0, and so on


def calls_grammar(
    dialect: Dialect,
    tools: Sequence[Tool],
    *,
    most: int,
    text: bool,
    text_format: OutputFormat | None = None,
    special: Collection[str] = (),
) -> CallsGrammar:
    """tools: those that may be called. most: how many calls. text: text may stand instead of calls, or before them if
    the dialect has that; text_format: what it may be. special: the texts of the tokens that steer the model.
    """
    rules = [f"a{place}{_content(dialect, tool, place)}" for place, tool in enumerate(tools)]
    rules += [f"c{place}: {_call(dialect, tool, place)}" for place, tool in enumerate(tools)]
    rules.append("call: " + " | ".join(f"c{place}" for place in range(len(tools))))
    parts: dict[str, OutputFormat] = {
        f"t{place}": wanted
        for place, tool in enumerate(tools)
        if (wanted := argument_format(tool, dialect)) is not None
    }
    more = f" ({_literal(dialect.between)} call){{0,{most - 1}}}" if most > 1 else ""
    prefix = f"({dialect.prefix})? " if dialect.prefix and dialect.prefix in special else ""
    if not text:
        rules.append(f"start: {prefix}call{more}")
    elif text_format is not None:
        parts["format"] = text_format
        if not dialect.anywhere:
            # Both begin like JSON, and a grammar has to know at once which it is.
            if not prefix:
                raise RequestError("This model cannot choose between tools and a format of its answer.", param="tools")
            prefix = f"{dialect.prefix} "
        rules.append(f"start: @format | {prefix}call{more}")
    elif dialect.anywhere:
        # The trigger may follow any text. From it on, a call has to be written.
        begun = [f"b{place}: {_call(dialect, tool, place, begun=True)}" for place, tool in enumerate(tools)]
        trigger = _regex(dialect.trigger)
        rules += [
            *begun,
            "begun: " + " | ".join(f"b{place}" for place in range(len(tools))),
            f"opening[lazy]: /{ANY}/ {_literal(dialect.trigger)}",
            f"TEXT: /{ANY}/ & ~/{ANY}{trigger}{ANY}/",
            f"start: TEXT | opening begun{more}",
        ]
    else:
        trigger = _regex(dialect.trigger)
        rules += [f"TEXT: /{ANY}/ & ~/{trigger}{ANY}/", f"start: TEXT | {prefix}call{more}"]
    return CallsGrammar("%llguidance {}\n" + "\n".join(rules) + "\n", parts, tuple(tools))


def argument_format(tool: Tool, dialect: Dialect) -> OutputFormat | None:
    """What a call's arguments are held to; None: any text."""
    if tool.kind == "function":
        return JsonFormat(arguments_schema(tool, bounded=not dialect.trained), tool.name, tool.strict)
    return tool.grammar


def _call(dialect: Dialect, tool: Tool, place: int, *, begun: bool = False) -> str:
    """begun: the trigger has been written already."""
    custom = tool.kind == "custom"
    head = dialect.head + tool.name + (INPUT if custom else dialect.middle)
    # The rule of free input ends with its mark already.
    tail = INPUT_END + dialect.tail if custom and tool.grammar is not None else dialect.tail
    return f"{_literal(head.removeprefix(dialect.trigger) if begun else head)} a{place} {_literal(tail)}"


def _content(dialect: Dialect, tool: Tool, place: int) -> str:
    if argument_format(tool, dialect) is not None:
        return f": @t{place}"
    text = ANY if dialect.trained else f"(?s:.{{0,{LONGEST_INPUT}}})"
    return f"[lazy]: /{text}/ {_literal(INPUT_END)}"


def _literal(text: str) -> str:
    return json.dumps(text)


def _regex(text: str) -> str:
    return re.escape(text).replace("/", r"\/")


async def compiled(
    grammars: Grammars, wanted: OutputFormat | CallsGrammar, tools: Sequence[Tool], source: str
) -> ConstraintMaker:
    """tools: of the turn, for the place of one that cannot be compiled, which the RequestError names as a parameter of
    chat (source "messages") or of Responses ("input").
    """
    responses = source == "input"
    format_param = "text.format" if responses else "response_format"
    if not isinstance(wanted, CallsGrammar):
        return await grammars.compile(wanted, param=format_param)
    try:
        return await grammars.compile_lark(wanted.lark, wanted.parts, param="tools")
    except RequestError:
        # Which of them is it?
        for number, tool in enumerate(wanted.tools):
            if (own := wanted.parts.get(f"t{number}")) is not None:
                await grammars.compile(own, param=f"tools[{tools.index(tool)}]{_param(tool, responses)}")
        if "format" in wanted.parts:
            await grammars.compile(wanted.parts["format"], param=format_param)
        raise


def _param(tool: Tool, responses: bool) -> str:
    if tool.kind == "custom":
        return ".format" if responses else ".custom.format"
    return ".parameters" if responses else ".function.parameters"
