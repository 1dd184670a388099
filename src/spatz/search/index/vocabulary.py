"""The words of the index: whether it has one, and which ones a misspelled or unfinished word may stand for."""

from __future__ import annotations

import sqlite3

__all__ = ["SqlVocabulary", "distance"]

LEAST = 4  # letters of a word that is corrected
LONG = 8  # letters from which on two may be wrong
MOST_LOOKED_AT = 60_000
MOST_ENDINGS = 3


class SqlVocabulary:
    """For one question."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._counts: dict[str, int] = {}

    def rows(self, phrase: str) -> int:
        """Parts of documents that have it, its words in any of the forms that share their stems."""
        if phrase not in self._counts:
            quoted = '"' + phrase.replace('"', '""') + '"'
            row = self._connection.execute("SELECT count(*) FROM words WHERE words MATCH ?", (quoted,)).fetchone()
            self._counts[phrase] = row[0]
        return self._counts[phrase]

    def meant(self, word: str) -> list[str]:
        """The likeliest first: what it begins, else what differs by a letter or two and begins alike."""
        if len(word) < LEAST or any(map(str.isdigit, word)):
            return []
        rows = self._connection.execute(
            "SELECT form FROM word WHERE form > ? AND form < ? ORDER BY length(form), form LIMIT ?",
            (word, f"{word}\U0010ffff", MOST_ENDINGS),
        ).fetchall()
        if rows:
            return [row[0] for row in rows]
        most = 2 if len(word) >= LONG else 1
        near = self._connection.execute(
            "SELECT form FROM word WHERE form >= ? AND form < ? AND length(form) BETWEEN ? AND ? LIMIT ?",
            (word[0], f"{word[0]}\U0010ffff", len(word) - most, len(word) + most, MOST_LOOKED_AT),
        )
        letters = set(word)
        found: list[tuple[int, int, str]] = []
        for (form,) in near:
            if len(letters ^ set(form)) <= 2 * most and (steps := distance(word, form, most)) <= most:
                # Mistakes seldom change the end and the length.
                found.append((steps, (form[-1] != word[-1]) + (len(form) != len(word)), form))
        return [form for _, _, form in sorted(found)]


def distance(one: str, two: str, most: int) -> int:
    """Letters left out, put in, changed, or exchanged with a neighbour; anything above `most` where it is more."""
    before: list[int] = []
    last = list(range(len(two) + 1))
    for row, letter in enumerate(one, 1):
        line = [row] + [0] * len(two)
        for column, other in enumerate(two, 1):
            step = min(last[column] + 1, line[column - 1] + 1, last[column - 1] + (letter != other))
            if row > 1 and column > 1 and letter == two[column - 2] and one[row - 2] == other:
                step = min(step, before[column - 2] + 1)
            line[column] = step
        if min(line) > most:
            return most + 1
        before, last = last, line
    return last[-1]
