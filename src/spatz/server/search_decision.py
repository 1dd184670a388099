"""Whether the web is searched for an answer, and which of its functions is called instead: decided before the answer.

Asked by answer.py where a turn has the web search as a tool. A question whose form tells (facts.py) is decided by it.
Of any other the model's own probabilities are compared, in three pairs:

- how much likelier "According to Wikipedia," is to follow it than "I'm glad to help you.", each against what follows a
  question without content;
- how much likelier it stands among questions for an encyclopedia than among what friends are told;
- the same for what is typed into a search engine and what into a chat.

Beside functions, the search is one more tool of those that tool_decision.py compares.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from spatz.engine.request import Request
from spatz.prompt.tools import callable_tools, chosen, undecided
from spatz.prompt.turn import Tool, Turn, spoken
from spatz.search.facts import asks_for_facts, asks_for_page, asks_for_web, is_question
from spatz.search.questions import urls_in
from spatz.server.served import ServedModel
from spatz.server.tool_decision import EMPTY_QUESTION, LONGEST_QUESTION, together

__all__ = ["SEARCH", "THRESHOLD", "Decided", "decide", "may_call_instead", "search_lean"]

SEARCH = Tool("web_search", "Search the web for facts, news and current information.")
# Chosen on 98 texts whose form does not tell, half of which ask for facts: the three together order 96 of 100 pairs of
# them rightly (each alone 87 to 89). A question is what is looked up more often than a remark or a command is.
THRESHOLD = 0.1
QUESTION = 0.5
FACT, TALK = "According to Wikipedia,", "I'm glad to help you."
FRAMES = (
    ("Questions that people ask an encyclopedia:\n", "Things that people say to a friend:\n"),
    ("Search query: ", "Chat message to a friend: "),
)


@dataclass(frozen=True, slots=True)
class Decided:
    """turn: with its choice among functions made, as far as it had to be."""

    searches: bool
    turn: Turn


def may_call_instead(turn: Turn) -> bool:
    """Whether a function may be called in place of a search, or the other way round."""
    return bool(callable_tools(turn)) and not (turn.tool_choice.mode == "required" and turn.tool_choice.names)


async def decide(model: ServedModel, turn: Turn, request: Request) -> Decided:
    """Of a turn with a web search. request: for whom. Cancelling it frees its slots in the engine."""
    wanted = turn.web_search
    assert wanted is not None
    functions = callable_tools(turn)
    if functions and not may_call_instead(turn):
        return Decided(False, turn)
    if wanted.most_calls == 0:
        return await _without_search(model, turn, functions, request)
    if functions:
        return await _among(model, turn, functions, request)
    if wanted.required:
        return Decided(True, turn)
    return Decided(turn.tool_choice.mode != "none" and await _searches(model, turn, request), turn)


async def _searches(model: ServedModel, turn: Turn, request: Request) -> bool:
    said = _said(turn)
    if asks_for_web(said):
        return True
    if _shows(turn):
        return False  # it is asked about what is shown
    if urls_in(said) and asks_for_page(said):
        return True
    reading = asks_for_facts(said)
    return reading == "yes" or (reading == "open" and await search_lean(model, said, request) >= THRESHOLD)


async def _without_search(model: ServedModel, turn: Turn, functions: tuple[Tool, ...], request: Request) -> Decided:
    """It may not be made."""
    open_question = undecided(turn, model.dialect) and bool(functions)
    return Decided(False, await model.judge.decide(turn, request) if open_question else turn)


async def search_lean(model: ServedModel, said: str, request: Request) -> float:
    """Towards a search."""
    said = said[-LONGEST_QUESTION:]
    score, base = model.judge.score, model.judge.base
    empty = f"{EMPTY_QUESTION}\n\n"
    fact, talk, fact_base, talk_base, *framed = await together(
        score(f"{said}\n\n", FACT, request),
        score(f"{said}\n\n", TALK, request),
        base(empty, FACT, request),
        base(empty, TALK, request),
        *(score(frame, said, request) for pair in FRAMES for frame in pair),
    )
    pairs = list(zip(framed[::2], framed[1::2], strict=True))
    lean = fact - fact_base - (talk - talk_base) + sum(one - other for one, other in pairs) / len(pairs)
    return lean + QUESTION * is_question(said)


async def _among(model: ServedModel, turn: Turn, functions: tuple[Tool, ...], request: Request) -> Decided:
    """A function, the search, or neither."""
    assert turn.web_search is not None
    text = turn if model.dialect.trained and turn.tool_choice.mode != "required" else chosen(turn, ())
    said = _said(turn)
    if not said:  # what follows a tool's result is text
        return Decided(turn.web_search.required, chosen(turn, ()) if turn.web_search.required else text)
    must = turn.tool_choice.mode == "required"
    search = _named(functions)
    searches = turn.web_search.required or await _searches(model, turn, request)
    if searches and asks_for_web(said):
        return Decided(True, chosen(turn, ()))
    found = await model.judge.judge(said[-LONGEST_QUESTION:], (*functions, search) if searches else functions, request)
    if found.tool == search.name and (found.calls or searches or must):
        return Decided(True, chosen(turn, ()))
    if must:
        return Decided(False, turn)
    if found.calls:
        return Decided(False, turn if model.dialect.trained else chosen(turn, (found.tool,)))
    return Decided(True, chosen(turn, ())) if searches else Decided(False, text)


def _named(functions: tuple[Tool, ...]) -> Tool:
    """The search under a name that no function has."""
    name = SEARCH.name
    while name in {tool.name for tool in functions}:
        name += "_"
    return replace(SEARCH, name=name)


def _said(turn: Turn) -> str:
    """ "" where the last message is not the user's."""
    last = turn.messages[-1]
    return spoken(last["content"]).strip() if last["role"] == "user" else ""


def _shows(turn: Turn) -> bool:
    """Whether the last message has documents or images in it."""
    content = turn.messages[-1].get("content")
    return isinstance(content, list) and any(part.get("kind") == "document" for part in content)
