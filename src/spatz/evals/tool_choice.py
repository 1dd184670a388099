"""How well a model without training on tools decides between text and a call: `python -m spatz.evals.tool_choice`.

The questions are in tool_choice.json: for each set of tools some that need one of them, and some that do not. The sets
are halved: the threshold and the weights in server/tool_decision.py were chosen on the half called "tuning", and no set
of tools is in both. A figure that means something is the one of the half called "held-out".
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatz.config import load
from spatz.engine.request import Request, SamplingParams
from spatz.prompt.turn import Tool
from spatz.server.local import local_model
from spatz.server.tool_decision import THRESHOLD, Judgement, ToolJudge
from spatz.weights.catalog import DEFAULT
from spatz.weights.pull import resolve

__all__ = ["Case", "Figures", "cases", "figures", "judged", "main"]

QUESTIONS = Path(__file__).with_name("tool_choice.json")


@dataclass(frozen=True, slots=True)
class Case:
    split: str  # "tuning" or "held-out"
    question: str
    tools: tuple[Tool, ...]
    wanted: str | None  # the tool; None: text


@dataclass(frozen=True, slots=True)
class Figures:
    questions: int
    called: int  # of them, those for which a tool was called
    needed: int  # those that need one
    hits: int  # called and needed
    right_tool: int  # of the hits
    choices: int  # of the hits, those with more than one tool to choose from

    @property
    def precision(self) -> float:
        return self.hits / self.called if self.called else math.nan

    @property
    def recall(self) -> float:
        return self.hits / self.needed if self.needed else math.nan

    @property
    def accuracy(self) -> float:
        wrong = (self.called - self.hits) + (self.needed - self.hits)
        return 1 - wrong / self.questions


def cases() -> list[Case]:
    found: list[Case] = []
    for group in json.loads(QUESTIONS.read_text())["sets"]:
        tools = tuple(Tool(**tool) for tool in group["tools"])
        found += [Case(group["split"], item["question"], tools, item["tool"]) for item in group["needs"]]
        found += [Case(group["split"], question, tools, None) for question in group["plain"]]
    return found


async def judged(judge: ToolJudge, asked: Sequence[Case]) -> list[Judgement]:
    request = Request(prompt=(), params=SamplingParams())
    return [await judge.judge(case.question, case.tools, request) for case in asked]


def figures(asked: Sequence[Case], found: Sequence[Judgement], threshold: float = THRESHOLD) -> Figures:
    pairs = list(zip(asked, found, strict=True))
    called = [(case, judgement) for case, judgement in pairs if judgement.lean >= threshold]
    hits = [(case, judgement) for case, judgement in called if case.wanted is not None]
    return Figures(
        len(pairs),
        len(called),
        sum(case.wanted is not None for case in asked),
        len(hits),
        sum(case.wanted == judgement.tool for case, judgement in hits),
        sum(len(case.tools) > 1 for case, _ in hits),
    )


def _report(asked: Sequence[Case], found: Sequence[Judgement]) -> dict[str, Any]:
    for case, judgement in zip(asked, found, strict=True):
        if judgement.calls != (case.wanted is not None):
            print(f"  {'called' if judgement.calls else 'missed':7} {judgement.lean:7.2f}  {case.question}")
    own = figures(asked, found)
    print(
        f"  {own.questions} questions: precision {own.precision:.3f}, recall {own.recall:.3f}, accuracy "
        f"{own.accuracy:.3f}; the right tool in {own.right_tool} of {own.hits} calls"
    )
    return {"precision": own.precision, "recall": own.recall, "accuracy": own.accuracy, "right_tool": own.right_tool}


def main(arguments: Sequence[str] = ()) -> int:
    """arguments: the model; without one, the embedded model."""
    settings = load()
    name = arguments[0] if arguments else DEFAULT
    path = resolve(name, settings.data_dir)
    if path is None:
        print(f"{name} is not here: `spatz pull {name}` fetches it", file=sys.stderr)
        return 1
    asked = cases()
    with local_model(settings, path) as model:
        found = asyncio.run(judged(model.judge, asked))
    result: dict[str, Any] = {"model": name, "threshold": THRESHOLD}
    for split in ("tuning", "held-out"):
        chosen = [place for place, case in enumerate(asked) if case.split == split]
        print(f"{split}:")
        result[split] = _report([asked[place] for place in chosen], [found[place] for place in chosen])
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
