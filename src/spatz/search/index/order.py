"""Documents that BM25 found, put in order by two things that it does not see.

What they are called: FTS5 weighs all columns as one text, in which a title is a few words of many, so the page of a
thing stands behind long ones that mention it often. And nearness: a question's words that stand in one sentence say
more than the same words all over a page. On ten thousand pages, the second took hit@5 of questions in natural language
from 82 to 91 %, the first that of names from 82 to 99 %.
"""

from __future__ import annotations

import math
import re
import sqlite3
import zlib
from collections import deque
from collections.abc import Mapping

from spatz.search.index.feeding import WORD, folded, name_of
from spatz.search.index.snippets import start_of
from spatz.search.words import stem

__all__ = ["Found", "in_order"]

Found = tuple[float, list[int]]
"""A document's score, and its parts that were found, the best first."""

CALLED = 6.0  # what a title that says all of a question adds to a score, in shares of it
NEAR = 2.0  # what all of its words in one place add
LOOKED_AT = 30  # documents whose texts are read
WINDOW = 300  # characters that are one place
COMMON = 20_000  # parts: what weighs words in an index of a few documents as in a large one


def in_order(
    connection: sqlite3.Connection, found: Mapping[int, Found], words: Mapping[str, int]
) -> list[tuple[int, Found]]:
    """found: document -> Found, the best first. words: of the question, with how many parts have them."""
    weights: dict[str, float] = {}
    starts: dict[str, float] = {}
    for word, rows in words.items():
        weight = math.log(1 + COMMON / (1 + rows))
        weights[stem(word)] = max(weights.get(stem(word), 0.0), weight)
        starts[start_of(word)] = max(starts.get(start_of(word), 0.0), weight)
    placed: list[tuple[float, int]] = []
    for document, (score, parts) in found.items():
        row = connection.execute("SELECT title, url FROM document WHERE id = ?", (document,)).fetchone()
        if row is not None and weights:
            factor = 1 + CALLED * _called(row[0], row[1], weights)
            if len(placed) < LOOKED_AT:
                text = connection.execute("SELECT text FROM part WHERE id = ?", (parts[0],)).fetchone()[0]
                factor += NEAR * _near(zlib.decompress(text).decode().lower(), starts)
            score *= factor
        placed.append((-score, document))
    return [(document, found[document]) for _, document in sorted(placed)]


def _called(title: str, url: str, weights: Mapping[str, float]) -> float:
    """0..1: how much of the question the document's names say, and how much of its title is asked for."""
    words = {stem(folded(word)) for word in WORD.findall(title)}
    named = words | {stem(folded(word)) for word in WORD.findall(name_of(url))}
    said = sum(weight for word, weight in weights.items() if word in named) / sum(weights.values())
    asked = sum(word in weights for word in words) / max(1, len(words))
    return said * said * (1 + asked) / 2


def _near(low: str, starts: Mapping[str, float]) -> float:
    """0..1: how much of the question stands in the one place of a text that says the most of it."""
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(starts, key=len, reverse=True)))})")
    window: deque[tuple[int, str]] = deque()
    held = dict.fromkeys(starts, 0)
    said = best = 0.0
    for found in pattern.finditer(low):
        place, start = found.start(), found[0]
        window.append((place, start))
        held[start] += 1
        said += starts[start] if held[start] == 1 else 0.0
        while window[0][0] < place - WINDOW:
            _, gone = window.popleft()
            held[gone] -= 1
            said -= 0.0 if held[gone] else starts[gone]
        best = max(best, said)
    return (best / sum(starts.values())) ** 2
