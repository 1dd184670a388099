"""Whether the web is searched for an answer, and which of its functions is called instead: decided before the answer.

Asked by answer.py where a turn has the web search as a tool. A question whose form tells (facts.py) is decided by it; any
other by the model's own probabilities, as tool_decision.py compares them, with the search as one more tool.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from spatz.engine.request import Request
from spatz.prompt.tools import callable_tools, chosen
from spatz.prompt.turn import Tool, Turn, spoken
from spatz.search.facts import asks_for_facts
from spatz.server.served import ServedModel
from spatz.server.tool_decision import LONGEST_QUESTION

__all__ = ["SEARCH", "THRESHOLD", "Decided", "decide", "may_call_instead"]

SEARCH = Tool("web_search", "Search the web for facts, news and current information.")
THRESHOLD = -1.6


@dataclass(frozen=True, slots=True)
class Decided:
    """turn: with its choice among functions made, as far as it had to be."""

    searches: bool
    turn: Turn


def may_call_instead(turn: Turn) -> bool:
    """Whether a function may be called in place of a search, or the other way round."""
    return bool(callable_tools(turn)) and not (turn.tool_choice.mode == "required" and turn.tool_choice.names)


async def decide(model: ServedModel, turn: Turn, request: Request) -> Decided:
    """Of a turn with a web search. Cancelling it frees its slots in the engine."""
    wanted = turn.web_search
    assert wanted is not None
    functions = callable_tools(turn)
    choice = turn.tool_choice
    if functions and not may_call_instead(turn):
        return Decided(False, turn)
    if not functions:
        if wanted.required:
            return Decided(True, turn)
        return Decided(choice.mode != "none" and await _searches(model, turn, request), turn)
    return await _among(model, turn, functions, request)


async def _searches(model: ServedModel, turn: Turn, request: Request) -> bool:
    """The search is the only tool."""
    said = _said(turn)
    reading = asks_for_facts(said)
    if reading != "open":
        return reading == "yes"
    return (await model.judge.judge(said[-LONGEST_QUESTION:], (SEARCH,), request)).lean >= THRESHOLD


async def _among(model: ServedModel, turn: Turn, functions: tuple[Tool, ...], request: Request) -> Decided:
    """A function, the search, or neither."""
    assert turn.web_search is not None
    required = turn.web_search.required
    said = _said(turn)
    if not said:
        return Decided(required, chosen(turn, ()))
    reading = asks_for_facts(said)
    tools = functions if reading == "no" and not required else (*functions, _named(functions))
    found = await model.judge.judge(said[-LONGEST_QUESTION:], tools, request)
    must = turn.tool_choice.mode == "required"
    if found.tool not in {tool.name for tool in functions} and (found.calls or must or reading == "yes"):
        return Decided(True, chosen(turn, ()))
    if must:
        return Decided(False, turn)
    if found.calls:
        return Decided(False, turn if model.dialect.trained else chosen(turn, (found.tool,)))
    if required or reading == "yes":
        return Decided(True, chosen(turn, ()))
    return Decided(False, turn if model.dialect.trained else chosen(turn, ()))


def _named(functions: tuple[Tool, ...]) -> Tool:
    """The search under a name that no function has."""
    name = SEARCH.name
    while name in {tool.name for tool in functions}:
        name += "_"
    return replace(SEARCH, name=name)


def _said(turn: Turn) -> str:
    """ "" where the last message is not the user's: what follows a tool's result is text."""
    last = turn.messages[-1]
    return spoken(last["content"]).strip() if last["role"] == "user" else ""
