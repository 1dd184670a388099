"""Characters that nobody sees: what is written with them reaches a model and no reader.

Joiners stay where a script or an emoji needs them. Used by whoever reads pages of others (html.py, search/care.py); a
text that a person sends is left as it is.
"""

from __future__ import annotations

import re

__all__ = ["without_unseen"]

_UNSEEN = re.compile(
    "["
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"  # tags, which spell ASCII, and selectors of variants, which can count up to 255
    "]+"
    # Joiners: needed between letters of Arabic and Indic scripts and in emoji, one at a time.
    "|[\u200c\u200d]{2,}|(?<=[\x00-\u036f])[\u200c\u200d]|[\u200c\u200d](?=[\x00-\u036f])"
    "|[\ufe00-\ufe0f]{2,}|(?<=[A-Za-z])[\ufe00-\ufe0f]"
)


# What the pattern begins with: a text's own letters are compared with them first, which is faster.
_PLACES = (*range(0x80, 0xFFFF), *range(0x1BCA0, 0x1D180), *range(0xE0000, 0xE1000))
_MAYBE = frozenset(
    letter
    for letter in map(chr, _PLACES)
    if _UNSEEN.fullmatch(letter) or letter in "\u200c\u200d" or "\ufe00" <= letter <= "\ufe0f"
)


def without_unseen(text: str) -> str:
    return text if text.isascii() or _MAYBE.isdisjoint(set(text)) else _UNSEEN.sub("", text)
