"""Conversations of an exact number of tokens: the text is grown or cut until the prompt, as the model gets it, fits.

What hides facts in a text (`hide`) and what puts text and question together (`Writer.conversation`) is here; which
facts and which questions is the tasks' business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from spatz.errors import SpatzError
from spatz.evals.case import Message
from spatz.evals.haystack import Corpus, Haystack, Text, boundary

__all__ = ["Form", "Writer", "hide"]

Form = Literal["one", "parts", "messages"]

_TRIES = 16
_DOTS = 4


def hide(text: str, facts: Sequence[tuple[float, str]]) -> str:
    """Put each (depth, sentence) into the text where the nearest sentence begins. depth: 0 to 1, of the characters."""
    places = sorted((boundary(text, round(depth * len(text))), fact) for depth, fact in facts)
    pieces: list[str] = []
    at = 0
    for (place, space), fact in places:
        pieces += [text[at:place], fact, space]
        at = place
    return "".join([*pieces, text[at:]])


@dataclass(frozen=True, slots=True)
class Writer:
    corpus: Corpus
    count: Callable[[Sequence[Message]], int]  # tokens of the prompt that a conversation becomes
    form: Form = "one"
    text: Text = "mixed"

    def haystack(self, seed: str) -> Haystack:
        return Haystack(self.corpus, seed, self.text)

    def conversation(self, document: str, question: str) -> list[Message]:
        """As a person would send it: a text and what is asked of it."""
        match self.form:
            case "one":
                return [{"role": "user", "content": f"{document}\n\n{question}"}]
            case "parts":
                parts = [{"type": "text", "text": document}, {"type": "text", "text": question}]
                return [{"role": "user", "content": parts}]
            case "messages":
                return [{"role": "user", "content": document}, {"role": "user", "content": question}]

    def document(
        self, size: int, haystack: Haystack, facts: Sequence[tuple[float, str]], question: str
    ) -> tuple[str, int]:
        """A text with the facts in it, which together with the question is a prompt of exactly `size` tokens; and how
        many tokens of the haystack it took. Raises SpatzError if there is none.
        """

        def made(count: int, dots: int = 0) -> tuple[str, int]:
            text = hide(haystack.text(count), facts) + " ." * dots
            return text, size - self.count(self.conversation(text, question))

        count = size
        for attempt in range(_TRIES):
            # Facts move with the text's length, and may jump to and fro between two places: then more is filled up.
            most = _DOTS << max(0, attempt - _TRIES // 2)
            text, missing = made(count)
            if not missing:
                return text, count
            if 0 < missing <= most:
                # One more token of the text may make two of the prompt, so that it never fits: dots do. With what
                # is before it, the first may make two as well.
                for dots in range(missing, 0, -1):
                    filled, left = made(count, dots)
                    if not left:
                        return filled, count
            count = max(0, count + missing - (0 < missing <= most) * most)
        raise SpatzError(f"no prompt of {size:,} tokens can be made of this task")

    def listing(self, size: int, make: Callable[[int], list[Message]], each: int) -> tuple[int, list[Message]]:
        """(n, make(n)) whose prompt has at most `size` tokens, and hardly less. make: a prompt of n things, which have
        about `each` tokens. Raises SpatzError if not even one fits.
        """
        low, high = 0, size  # make(low) fits, or is nothing; make(high + 1) does not, or is far too much
        best: tuple[int, list[Message]] | None = None
        guess = size // each
        for _ in range(_TRIES):
            messages = make(guess)
            has = self.count(messages)
            if has <= size:
                low, best = guess, (guess, messages)
                if has >= size - max(each, size // 500):
                    break
            else:
                high = guess - 1
            if low >= high:
                break
            # Straight to where it must be if all things were alike, between the bounds that are known in any case.
            guess = min(max(guess * size // has, low + 1), high)
        if best is None:
            raise SpatzError(f"no prompt of {size:,} tokens can be made of this task")
        return best
