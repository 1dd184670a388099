"""robots.txt: what a site asks of programs that walk through it (RFC 9309). Text in, answers out; nothing is fetched.

The rules of the group that names Spatz count, else those of the group for all. Of the rules that fit a path, the
longest decides, and one that allows where two are equally long; * stands for anything, $ for the end. Python's own
parser knows neither of these.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

__all__ = ["Robots", "parse"]

NAME = "spatz"
MOST_BYTES = 512_000  # the RFC's least that a program has to read
MOST_RULES = 20_000
MOST_RULE = 2_000  # characters
_NAME = re.compile(r"[a-zA-Z_-]+")
_SAFE = "/%:?&=+,;@!~()'-._*$"


@dataclass(frozen=True, slots=True)
class Robots:
    """rules: (whether it allows, its path), of our group."""

    rules: tuple[tuple[bool, str], ...] = ()
    delay: float = 0.0  # seconds between two pages
    sitemaps: tuple[str, ...] = ()

    def allows(self, url: str) -> bool:
        parts = urlsplit(url)
        path = _spelled(parts.path or "/") + (f"?{_spelled(parts.query)}" if parts.query else "")
        if path == "/robots.txt":
            return True
        best, allowed = -1, True
        for allow, rule in self.rules:
            length = len(rule)
            if (length > best or (length == best and allow)) and _fits(path, rule):
                best, allowed = length, allow
        return allowed


EVERYTHING = Robots()
NOTHING = Robots(rules=((False, "/"),))


def parse(data: bytes) -> Robots:
    """Never fails: lines that are none are passed over."""
    ours: list[tuple[bool, str]] = []
    all_: list[tuple[bool, str]] = []
    delays: dict[str, float] = {}
    sitemaps: list[str] = []
    names: list[str] = []
    named = named_by_rules = False
    for line in data[:MOST_BYTES].decode("utf-8", "replace").lstrip("\ufeff").splitlines()[: 2 * MOST_RULES]:
        key, colon, value = line.partition("#")[0].partition(":")
        key, value = key.strip().lower(), value.strip()[:MOST_RULE]
        if not colon:
            continue
        if key == "user-agent":
            if named_by_rules:
                names, named_by_rules = [], False
            found = _NAME.match(value)
            names.append("*" if value.startswith("*") else found[0].lower() if found else "")
            named = named or names[-1] == NAME
        elif key == "sitemap":
            sitemaps.append(value)
        elif key in ("allow", "disallow"):
            named_by_rules = True
            if value:
                rule = (key == "allow", _spelled(value))
                ours += [rule] if NAME in names else []
                all_ += [rule] if "*" in names else []
        elif key == "crawl-delay":
            named_by_rules = True
            if re.fullmatch(r"\d{1,6}(?:\.\d{0,6})?", value):
                delays |= dict.fromkeys(names, float(value))
    group = NAME if named else "*"
    return Robots(tuple((ours if named else all_)[:MOST_RULES]), delays.get(group, 0.0), tuple(sitemaps[:1_000]))


def _spelled(text: str) -> str:
    """One spelling of what may be escaped in several ways."""
    return quote(unquote(text, errors="surrogateescape"), safe=_SAFE, errors="surrogateescape")


def _fits(path: str, rule: str) -> bool:
    """Without a regular expression: a rule of many stars must not take longer than a walk or two through the path."""
    ends = rule.endswith("$")
    first, *pieces = (rule[:-1] if ends else rule).split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    if not pieces:
        return at == len(path) or not ends
    for piece in pieces[:-1] if ends else pieces:
        at = path.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return not ends or (path.endswith(pieces[-1]) and len(path) - len(pieces[-1]) >= at)
