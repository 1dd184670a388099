"""The few lines of a text around what was looked for, for people."""

from __future__ import annotations

import re
from collections.abc import Sequence

from spatz.search.splitting import plain

__all__ = ["snippet", "start_of"]

LENGTH = 240
STEPS = 400  # places that are tried

_MARKS = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]?|[-*+][ \t]+|```.*$|\|?(?:[ \t]*:?-{3,}:?[ \t]*\|)+[ \t]*$)", re.MULTILINE
)


def snippet(text: str, words: Sequence[str]) -> str:
    """words: folded. The part of the text that has most of them; its beginning where it has none."""
    low = text.lower()
    if len(low) != len(text):  # a few letters have longer small ones: places would be other places
        low = "".join(one if len(one.lower()) != 1 else one.lower() for one in text)
    starts = "|".join(re.escape(start_of(word)) for word in sorted(words, key=len, reverse=True) if word)
    found = (
        [(place.start(), place[0]) for place in re.finditer(rf"(?<![^\W_])(?:{starts})", low)][:STEPS] if starts else []
    )
    best, at = 0, 0
    for number, (place, _) in enumerate(found):
        count = len({word for there, word in found[number : number + 40] if there < place + LENGTH})
        if count > best:
            best, at = count, place
    start = max(0, at - 60)
    if start:
        cut = max(text.rfind("\n", start, at), text.rfind(". ", start, at) + 1)
        start = cut + 1 if cut > start else text.find(" ", start, at) + 1 or start
    shown = plain(_MARKS.sub("", text[start : start + 3 * LENGTH]))
    if len(shown) > LENGTH:
        shown = shown[:LENGTH].rpartition(" ")[0] + " ..."
    return f"... {shown}" if start and shown else shown


def start_of(word: str) -> str:
    """What its other forms begin with, too."""
    return word if len(word) < 5 else word[: max(4, len(word) - 3)]
