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
_SELECTORS = "\ufe00-\ufe0f"
_UNSEEN = re.compile(
    f"[{''.join(_RANGES)}]+"
    # Joiners: needed between letters of Arabic and Indic scripts and in emoji, one at a time.
    f"|[{_JOINERS}]{{2,}}|(?<=[\x00-\u036f])[{_JOINERS}]|[{_JOINERS}](?=[\x00-\u036f])"
    f"|[{_SELECTORS}]{{2,}}|(?<=[A-Za-z])[{_SELECTORS}]"
)
# What a match begins with: a text's own letters are compared with these first, which is faster.
_FIRST = frozenset(
    chr(number) for ends in (*_RANGES, *_JOINERS, _SELECTORS) for number in range(ord(ends[0]), ord(ends[-1]) + 1)
)


def without_unseen(text: str) -> str:
    return text if text.isascii() or _FIRST.isdisjoint(set(text)) else _UNSEEN.sub("", text)
