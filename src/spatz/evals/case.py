"""One question of an eval: the conversation that is sent, what must be in the answer, and how that is scored.

Scores are between 0 and 1 and strict: a value counts when it stands in the answer as it was hidden, whatever else is
said. Letters may be large or small and spaces may differ; digits and words must not be part of longer ones.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Case", "Message", "all_found", "fraction", "overlap", "similarity"]

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    messages: list[Message]
    expected: tuple[str, ...]
    score: Callable[[str, Sequence[str]], float]  # of an answer and what was expected
    max_tokens: int
    depth: float | None = None  # 0 to 1: where in the text the fact lies, if it is one
    key: str = ""  # what was asked for
    prefix: str = ""  # with which an answer may be begun, where that is asked for
    repeated: int = 0  # tokens of the text that had come in it before, because there was no more


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _holds(answer: str, value: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(_plain(value))}(?!\w)", _plain(answer)) is not None


def all_found(answer: str, expected: Sequence[str]) -> float:
    """1 if every value is in the answer."""
    return float(all(_holds(answer, value) for value in expected))


def fraction(answer: str, expected: Sequence[str]) -> float:
    """How many of the values are in the answer."""
    return sum(_holds(answer, value) for value in expected) / len(expected)


def similarity(answer: str, expected: Sequence[str]) -> float:
    """As MRCR does it. expected: a code that the answer must begin with, and the text that follows it. 0 without the
    code, else how similar the rest is (2 M / T of the longest matching blocks).
    """
    code, text = expected
    if not answer.strip().startswith(code):
        return 0.0
    rest = answer.strip().removeprefix(code).strip()
    return difflib.SequenceMatcher(None, rest, text.strip(), autojunk=False).ratio()


def overlap(answer: str, expected: Sequence[str]) -> float:
    """As Graphwalks does it: F1 between the nodes of the last "Final Answer: [a, b]" and the right ones, 0 without such
    a line.
    """
    found = re.findall(r"Final Answer:[ \t]*\[([^\]\n]*)\]", answer)
    if not found:
        return 0.0
    said = {node.strip().strip("'\"`") for node in found[-1].split(",")} - {""}
    right = set(expected)
    if not said or not right:
        return float(said == right)
    both = len(said & right)
    return 2 * both / (len(said) + len(right))
