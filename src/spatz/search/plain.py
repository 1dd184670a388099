"""Titles and snippets of providers as plain text: without tags, entities and control characters, and not too long.

Only tags that HTML has for running text are taken out: "List<int>" and "a < b" are what somebody wrote. This is for one
line from a provider; pages are read by `inputs/html.py`.
"""

from __future__ import annotations

import html
import re

__all__ = ["plain"]

_TAGS = (
    "a|abbr|b|bdi|bdo|big|blockquote|br|button|cite|code|dd|del|div|dl|dt|em|font|h[1-6]|hr|i|img|ins|kbd|li|mark|"
    "nobr|ol|p|pre|q|s|samp|small|span|strike|strong|sub|sup|table|tbody|td|th|thead|time|tr|tt|u|ul|var|wbr"
)
_GONE = re.compile(r"<(script|style)\b[^>]*>.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_BREAK = re.compile(
    r"</?(?:blockquote|br|dd|div|dl|dt|h[1-6]|hr|li|ol|p|pre|table|td|th|tr|ul)\b[^<>]*>", re.IGNORECASE
)
_TAG = re.compile(rf"</?(?:{_TAGS})(?:\s[^<>]*)?/?>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.IGNORECASE)
# Controls, soft hyphens, marks of width and of direction: they are not seen, and change what is.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def plain(text: object, most: int) -> str:
    """One line of at most that many characters, cut between words; "" for what is no text."""
    if not isinstance(text, str):
        return ""
    text = text[: 4 * most + 1_000]  # what is behind it would be cut in any case
    text = _TAG.sub("", _BREAK.sub(" ", _GONE.sub(" ", text)))
    text = _ENTITY.sub(lambda entity: html.unescape(entity.group()), text)
    line = " ".join(_UNSEEN.sub("", text).split())
    if len(line) <= most:
        return line
    kept = line[: most - 1]
    return f"{kept.rpartition(' ')[0] or kept}…"
