"""Text or a call, and of which tool? Decided before the answer, for a model that was never trained to call tools.

Asked by answer.py where tool_choice is auto. Such a model does not begin a call by itself, but its probabilities know
more than it says. Two are added up:

- how much likelier the beginning of a call is after this question than after one without content ("N/A"), in the prompt
  that a call would be written in: this tells instructions from questions of knowledge;
- how much likelier "The assistant uses a tool to <what the tool does>" is after this question than after that one, for
  the tool that fits best, as a mean over its tokens: this tells what the tools can do from what they cannot.

Only the last message of the user is looked at: calls earlier in the conversation would make every answer look like one.
What follows a tool's result is text. What was measured, and with which questions: spatz/evals/tool_choice.py.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

from spatz.engine.request import Request, Tokens
from spatz.prompt.build import Prompt
from spatz.prompt.dialect import Dialect
from spatz.prompt.tools import callable_tools, chosen
from spatz.prompt.turn import Tool, ToolChoice, Turn, spoken

__all__ = ["AT_ONCE", "THRESHOLD", "Judgement", "Scorer", "ToolJudge", "together"]

# Chosen on 100 labelled questions over 10 sets of tools; measured on 100 others over 10 other sets (the embedded model,
# `python -m spatz.evals.tool_choice`): precision 0.92, recall 0.92, the right tool in 39 of 46 calls. On the questions
# that it was chosen on: 0.96, 0.94, 43 of 47. There the first probability alone had an accuracy of 0.90, the second of
# 0.80, both together 0.95.
THRESHOLD = -1.6
FIT_WEIGHT = 8.0
EMPTY_QUESTION = "N/A"
LONGEST_QUESTION = 1_000  # characters, of its end
LONGEST_PURPOSE = 200
AT_ONCE = 8  # scores of one request that wait in the engine together
REMEMBERED = 2_048  # scores of the question without content


class Scorer(Protocol):
    """What a model must be able to do to be asked."""

    @property
    def dialect(self) -> Dialect: ...

    def encode_turn(self, turn: Turn) -> Prompt: ...

    async def logprobs(self, prompt: Tokens | str, text: str, request: Request) -> Sequence[float]: ...


@dataclass(frozen=True, slots=True)
class Judgement:
    lean: float  # towards a call
    tool: str  # that fits best

    @property
    def calls(self) -> bool:
        return self.lean >= THRESHOLD


class ToolJudge:
    """Of one model. Belongs to an event loop."""

    def __init__(self, model: Scorer) -> None:
        self._model = model
        self._remembered: OrderedDict[tuple[object, str], float] = OrderedDict()

    async def decide(self, turn: Turn, request: Request) -> Turn:
        """The turn with its choice made. request: for whom. Cancelling it frees its slots in the engine."""
        question = _question(turn)
        if question is None:
            return chosen(turn, ())
        found = await self.judge(question, callable_tools(turn), request)
        return chosen(turn, (found.tool,) if found.calls else ())

    async def judge(self, question: str, tools: Sequence[Tool], request: Request) -> Judgement:
        limit = asyncio.Semaphore(AT_ONCE)

        async def score(prompt: Tokens | str, text: str) -> float:
            async with limit:
                return await self.score(prompt, text, request)

        async def base(prompt: Tokens | str, text: str) -> float:
            async with limit:
                return await self.base(prompt, text, request)

        purposes = [_purpose(tool) for tool in tools]
        begin = self._model.dialect.head[:2]
        call, call_base, *scores = await together(
            score(self._called(question, tools), begin),
            base(self._called(EMPTY_QUESTION, tools), begin),
            *(score(_said(question), purpose) for purpose in purposes),
            *(base(_said(EMPTY_QUESTION), purpose) for purpose in purposes),
            *(score(_needed(tool), question) for tool in tools if len(tools) > 1),
        )
        count = len(tools)
        fits = [score - base for score, base in zip(scores[:count], scores[count : 2 * count], strict=True)]
        wants = scores[2 * count :] or [0.0]
        # Which tool it is, is told best by both directions: from the question to the tool, and from the tool to it.
        best = max(range(count), key=lambda place: 2 * fits[place] + wants[place])
        return Judgement(call - call_base + FIT_WEIGHT * max(fits), tools[best].name)

    async def score(self, prompt: Tokens | str, text: str, request: Request) -> float:
        """The text's log-probability after the prompt, as a mean over its tokens."""
        found = await self._model.logprobs(prompt, text, request)
        return sum(found) / len(found)

    async def base(self, prompt: Tokens | str, text: str, request: Request) -> float:
        """The same of a question without content, which is remembered: many requests compare with it."""
        key = (prompt if isinstance(prompt, str) else tuple(prompt), text)
        if key not in self._remembered:
            self._remembered[key] = await self.score(prompt, text, request)
            if len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
        return self._remembered[key]

    def _called(self, question: str, tools: Sequence[Tool]) -> Tokens:
        messages = [{"role": "user", "content": question}]
        return self._model.encode_turn(Turn(messages, tuple(tools), ToolChoice("required"))).tokens


def _question(turn: Turn) -> str | None:
    """What the user wants now; None: there is nothing to be called for."""
    last = turn.messages[-1]
    if last["role"] != "user":
        return None
    return spoken(last["content"]).strip()[-LONGEST_QUESTION:] or None


def _said(question: str) -> str:
    return f"The user says: {question}\nThe assistant "


def _purpose(tool: Tool) -> str:
    what = re.split(r"(?<=[.!?])\s", tool.description.strip(), maxsplit=1)[0][:LONGEST_PURPOSE]
    if not what:
        what = f"{tool.name.replace('_', ' ').replace('-', ' ')}."
    return f"uses a tool to {what[0].lower()}{what[1:]}"


def _needed(tool: Tool) -> str:
    return f"Tool: {tool.name}\n{tool.description[:LONGEST_PURPOSE]}\nA user who needs this tool says: "


async def together(*work: Awaitable[float]) -> list[float]:
    """All, or the first error; whatever ends this ends them."""
    tasks = [asyncio.ensure_future(item) for item in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
