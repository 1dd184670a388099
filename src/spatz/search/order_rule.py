"""A rule that tells what it looks like when a page speaks to a model instead of its readers.

A rule is a pattern and the rare pieces of words without which it cannot match, so that a page is searched for these
alone. Patterns are written for folded text (disguise.py): lower case, no accents, plain quotes, marks as spaces. Each
walks from a word through a bounded number of others, so a page costs time in proportion to its length. The rules
themselves stand in a file for each language, orders_*.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

__all__ = ["GAP", "START", "Rule", "rule", "words"]

GAP = r"[^\w.!?]{1,8}"  # between words of a sentence
START = r"(?:\A|(?<=[.!?:;\n\"'(\[>-])|(?<=[.!?:;\n\"'(\[>-]\s))\W{0,4}"  # a sentence's


@dataclass(frozen=True)
class Rule:
    pieces: tuple[str, ...]
    source: str
    rest: bool  # what follows in the same paragraph is said to the model, too

    @cached_property
    def words(self) -> tuple[tuple[str, ...], ...]:
        """Of each piece."""
        return tuple(tuple(piece.split()) for piece in self.pieces)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Made when it is first needed: all of them together take a while."""
        return re.compile(self.source)


def rule(pieces: str, pattern: str, *, rest: bool = False) -> Rule:
    """pieces: with a bar between them."""
    return Rule(tuple(pieces.split("|")), pattern, rest)


def words(most: int) -> str:
    """Up to so many words of the same sentence, and what stands between them."""
    return rf"(?:{GAP}\w++(?:'\w+)?){{0,{most}}}?{GAP}"
