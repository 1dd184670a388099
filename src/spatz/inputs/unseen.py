"""Characters that nobody sees: what is written with them reaches a model and no reader.

Joiners stay where a script or an emoji needs them. Used by whoever reads pages of others (html.py, search/care.py); a
text that a person sends is left as it is.
"""

from __future__ import annotations

import re

__all__ = ["without_unseen"]

# Ranges of them: fillers, marks of direction and of the order of bytes, tags (which spell ASCII), and those selectors
# of variants that can count up to 255.
_RANGES = (
    *("\u00ad", "\u034f", "\u061c", "\u115f-\u1160", "\u17b4-\u17b5", "\u180b-\u180f", "\u200b", "\u200e-\u200f"),
    *("\u202a-\u202e", "\u2060-\u206f", "\u3164", "\ufeff", "\uffa0", "\ufff0-\ufffb"),
    *("\U0001bca0-\U0001bca3", "\U0001d173-\U0001d17a", "\U000e0000-\U000e0fff"),
)
_JOINERS = "\u200c\u200d"
_NEVER = frozenset(chr(number) for ends in _RANGES for number in range(ord(ends[0]), ord(ends[-1]) + 1))
_SOMETIMES = re.compile("[\u200c\u200d\ufe00-\ufe0f]+")
FEW = 32  # letters that are taken out one after another, which is faster up to there


def without_unseen(text: str) -> str:
    if text.isascii():
        return text
    letters = set(text)
    never = letters & _NEVER
    if len(never) > FEW:
        text = text.translate(dict.fromkeys(map(ord, never)))
    else:
        for letter in never:
            text = text.replace(letter, "")
    return _SOMETIMES.sub(_needed, text) if any(_SOMETIMES.match(letter) for letter in letters) else text


def _needed(found: re.Match[str]) -> str:
    """One joiner between letters of Arabic and Indic scripts or in emoji, one selector behind a sign."""
    text, marks = found.string, found[0]
    before, behind = text[found.start() - 1 : found.start()], text[found.end() : found.end() + 1]
    if marks[0] in _JOINERS:
        return marks if len(marks) == 1 and before > "\u036f" and behind > "\u036f" else ""
    if before.isascii() and before.isalpha():
        return ""
    # A sign may be drawn as an emoji and joined to the next.
    return marks if len(marks) == 1 or (len(marks) == 2 and marks[1] in _JOINERS and behind > "\u036f") else ""
