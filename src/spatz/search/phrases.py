"""Lists of words and phrases as patterns: what reads questions by their form is made of them.

A list is text in which line breaks and bars separate alternatives, each a regular expression for whole words. Case does
not matter.
"""

from __future__ import annotations

import re

__all__ = ["any_of", "phrases"]


def any_of(text: str) -> str:
    """The alternatives as one group."""
    lines = (line.strip().strip("|") for line in text.strip().splitlines())
    return f"(?:{'|'.join(line for line in lines if line)})"


def phrases(text: str, before: str = r"\b", after: str = r"(?!\w)") -> re.Pattern[str]:
    """before and after: patterns for what stands around a phrase."""
    return re.compile(f"{before}{any_of(text)}{after}", re.IGNORECASE)
