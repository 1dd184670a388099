"""Where an answer begins to say again what it has said: there it ends, for a small model says nothing new from then on.

Used for answers after a web search (answer.py), in which such a model copies one sentence until its context is full.
Text passes through; what may become a sentence that was said before is held back until it is another one, so that
nothing is said twice. Short sentences and lines may be repeated; a label of the prompt may not, with which it begins to
ask itself. It knows nothing of tokens and citations.
"""

from __future__ import annotations

import re

__all__ = ["Repeats"]

LABELS = ("question:",)
LEAST_WORDS = 4  # of a sentence that counts as said
_ASKS_FOR_QUESTIONS = re.compile(r"question|\bfaq|quiz|\bq ?& ?a\b|\bfragen|pregunta", re.IGNORECASE)
_END = re.compile(r"[.!?:][\"'\u201d\u2019)\]*_]*(?=\s)|\n")


class Repeats:
    """Of one choice's text."""

    def __init__(self, asked: str = "") -> None:
        """asked: by the user; who asks for questions gets them."""
        self._labels = () if _ASKS_FOR_QUESTIONS.search(asked) else LABELS
        self.ended = False  # nothing that is fed after that is said
        self._said: set[str] = set()
        self._sentence = ""  # the one that is being written
        self._told = 0  # characters of it

    def feed(self, text: str) -> str:
        """What can be told now."""
        if self.ended:
            return ""
        self._sentence += text
        out: list[str] = []
        while (end := self._end()) is not None:
            sentence, rest = self._sentence[: end.end()], self._sentence[end.end() :]
            plain = _plain(sentence)
            if plain and not self._said:
                self._said.update(self._labels)
            elif plain in self._said:
                self.ended = True
                return "".join(out)
            if len(plain.split()) >= LEAST_WORDS:
                self._said.add(plain)
            out.append(sentence[self._told :])
            self._sentence, self._told = rest, 0
        plain = _plain(self._sentence)
        if not any(said.startswith(plain) for said in self._said):
            out.append(self._sentence[self._told :])
            self._told = len(self._sentence)
        return "".join(out)

    def _end(self) -> re.Match[str] | None:
        """Of the sentence; blank lines belong to what follows them."""
        return _END.search(self._sentence, len(self._sentence) - len(self._sentence.lstrip()))

    def end(self) -> str:
        """What was held back and is no repetition: the text has ended."""
        held = self._sentence[self._told :]
        self._told = len(self._sentence)
        return "" if self.ended or _plain(self._sentence) in self._said else held


def _plain(sentence: str) -> str:
    return " ".join(sentence.split()).casefold()
