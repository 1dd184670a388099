"""Lists of words and phrases as patterns: what reads questions by their form is made of them.

A list is text in which line breaks and bars separate alternatives, each a regular expression for whole words. Case does
not matter. They are long, so each is compiled when it is first used: a server starts without that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

__all__ = ["Phrases", "any_of", "phrases"]


class Phrases:
    """As a pattern of `re`."""

    def __init__(self, text: str, before: str, after: str) -> None:
        self._parts = (text, before, after)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        text, before, after = self._parts
        return re.compile(f"{before}{any_of(text)}{after}", re.IGNORECASE)

    def search(self, text: str) -> re.Match[str] | None:
        return self._pattern.search(text)

    def match(self, text: str) -> re.Match[str] | None:
        return self._pattern.match(text)

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        return self._pattern.finditer(text)

    def sub(self, new: str, text: str) -> str:
        """For the first that is found."""
        return self._pattern.sub(new, text, count=1)


def any_of(text: str) -> str:
    """The alternatives as one group."""
    lines = (line.strip().strip("|") for line in text.strip().splitlines())
    return f"(?:{'|'.join(line for line in lines if line)})"


def phrases(text: str, before: str = r"\b", after: str = r"(?!\w)") -> Phrases:
    """before and after: patterns for what stands around a phrase."""
    return Phrases(text, before, after)
