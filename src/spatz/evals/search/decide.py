"""Whether it is searched where a question needs it: alone and beside functions, asked over the API.

decide.json has the questions in two halves. "choose" is what rules and thresholds may be chosen on; a figure that means
something is the one of "measure".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from spatz.evals.search.client import Answered, SearchClient
from spatz.evals.search.report import Section

__all__ = ["Labelled", "ask_labelled", "labelled"]

Wants = Literal["search", "call", "plain"]

_QUESTIONS = Path(__file__).with_name("decide.json")
_TOKENS = 16  # the least that the API takes: what is answered does not matter here
SPLITS = ("choose", "measure")


@dataclass(frozen=True, slots=True)
class Labelled:
    split: str
    question: str
    wants: Wants
    kind: str  # of question; of a call, the function's name
    tools: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Decided:
    labelled: Labelled
    answered: Answered

    @property
    def did(self) -> Wants:
        if self.answered.searched:
            return "search"
        return "call" if self.answered.calls else "plain"


def labelled() -> list[Labelled]:
    found: list[Labelled] = []
    for group in json.loads(_QUESTIONS.read_text(encoding="utf-8"))["sets"]:
        tools = tuple({"type": "function", "strict": False, **tool} for tool in group["tools"])
        for wants in ("search", "call", "plain"):
            found += [Labelled(group["split"], question, wants, kind, tools) for kind, question in group.get(wants, ())]
    return found


def ask_labelled(client: SearchClient, asked: Sequence[Labelled], tell: Callable[[str], None]) -> Section:
    found = []
    for number, item in enumerate(asked, 1):
        tell(f"deciding whether to search: {number} of {len(asked)}")
        found.append(Decided(item, client.ask(item.question, tools=item.tools, required=False, most=_TOKENS)))
    return _section(found)


def _section(found: Sequence[Decided]) -> Section:
    lines: list[str] = []
    figures: dict[str, Any] = {}
    for split in SPLITS:
        for name, beside in (("alone", False), ("beside functions", True)):
            group = [each for each in found if each.labelled.split == split and bool(each.labelled.tools) is beside]
            if group:
                figures[f"{split}, {name}"] = sums = _sums(group)
                lines.append(f"{split}, {name}: " + ", ".join(f"{key} {_shown(value)}" for key, value in sums.items()))
    for each in found:
        wanted = each.labelled
        if each.did != wanted.wants or (wanted.wants == "call" and each.answered.calls != [wanted.kind]):
            did = each.answered.calls or each.did
            lines.append(f"  {wanted.split}: wanted {wanted.wants} ({wanted.kind}), was {did}: {wanted.question}")
    rows = [
        {
            "split": each.labelled.split,
            "question": each.labelled.question,
            "wants": each.labelled.wants,
            "kind": each.labelled.kind,
            "functions": len(each.labelled.tools),
            "did": each.did,
            "calls": each.answered.calls,
            "error": each.answered.error,
        }
        for each in found
    ]
    broken = [f"decide: {each.labelled.question}: {each.answered.error}" for each in found if each.answered.error]
    return Section("whether to search", tuple(lines), {"sums": figures, "answers": rows}, tuple(broken))


def _sums(group: Sequence[Decided]) -> dict[str, float | int | None]:
    searched = [each for each in group if each.did == "search"]
    needed = [each for each in group if each.labelled.wants == "search"]
    right = sum(each.labelled.wants == "search" for each in searched)
    calls = [each for each in group if each.labelled.wants == "call"]
    sums: dict[str, float | int | None] = {
        "questions": len(group),
        "precision": right / len(searched) if searched else None,
        "recall": right / len(needed) if needed else None,
        "right": sum(each.did == each.labelled.wants for each in group) / len(group),
    }
    if calls:
        sums["the function called"] = sum(each.answered.calls == [each.labelled.kind] for each in calls) / len(calls)
    return sums


def _shown(value: float | int | None) -> str:
    if value is None:
        return "none"
    return str(value) if isinstance(value, int) else f"{value:.1%}"
