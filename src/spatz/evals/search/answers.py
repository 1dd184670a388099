"""The questions asked one after the other, and each answer judged: found, read, said, cited, and when.

What is asked of is a server at a URL, of this process or any; all that is known of an answer came over the API.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from spatz.evals.search.client import Answered, Cite, SearchClient, path_of
from spatz.evals.search.corpus import Question, SearchCorpus, SitePage
from spatz.evals.search.judging import has_fact, holds_claim, offset_fault
from spatz.search.nothing import nothing_found

__all__ = ["Asked", "JudgedCite", "ask_all", "judged", "says_nothing"]

_LANGUAGES = ("en", "de", "fr", "es")


@dataclass(frozen=True, slots=True)
class JudgedCite:
    url: str
    claim: str
    true: bool  # the page holds it
    fault: str  # of its offsets; "" for none


@dataclass(frozen=True, slots=True)
class Asked:
    """One question and what came of it."""

    question: Question
    answered: Answered
    place: int | None  # of the right page among what was found, from 1
    read: bool
    shown: bool
    said: bool  # the answer holds the fact
    cites: tuple[JudgedCite, ...]
    cited: bool  # the right page is cited where the fact stands
    says_so: bool  # that nothing was found

    @property
    def lost(self) -> str:
        """Where a question with an answer failed: the first step that went wrong; "" where none did."""
        if self.answered.error:
            return "error"
        steps = {
            "not found": self.place is not None and self.place <= 5,
            "not read": self.read,
            "not shown": self.shown and not self.says_so,
            "not said": self.said,
            "not cited": self.cited,
        }
        return next((name for name, fine in steps.items() if not fine), "")

    def body(self) -> dict[str, Any]:
        answered = self.answered
        return {
            "id": self.question.id,
            "how": self.question.how,
            "question": self.question.text,
            "page": self.question.path,
            "says": self.question.says,
            "answer": answered.text,
            "lost": self.lost if self.question.path else "",
            "place": self.place,
            "read": self.read,
            "shown": self.shown,
            "said": self.said,
            "cited": self.cited,
            "says_so": self.says_so,
            "cites": [
                {"url": cite.url, "claim": cite.claim, "true": cite.true, "fault": cite.fault} for cite in self.cites
            ],
            "first_token_s": answered.first_token,
            "seconds": answered.seconds,
            "prompt_tokens": answered.prompt_tokens,
            "output_tokens": answered.output_tokens,
            "search": answered.search,
            "faults": answered.faults,
            "error": answered.error,
        }


def ask_all(
    client: SearchClient, corpus: SearchCorpus, questions: Sequence[Question], tell: Callable[[str], None]
) -> list[Asked]:
    found = []
    for number, question in enumerate(questions, 1):
        tell(f"asking questions: {question.id} ({number} of {len(questions)})")
        found.append(judged(question, client.ask(question.text), corpus))
    return found


def judged(
    question: Question, answered: Answered, corpus: SearchCorpus, path_of: Callable[[str], str] = path_of
) -> Asked:
    """path_of: the path in the corpus of what a URL leads to."""
    sources = [path_of(url) for url in answered.sources]
    right = question.path
    said = bool(question.answers) and has_fact(answered.text, question.answers)
    return Asked(
        question,
        answered,
        sources.index(right) + 1 if right in sources else None,
        right in map(path_of, answered.pages),
        right in map(path_of, answered.shown),
        said,
        tuple(_judged(cite, answered, corpus.pages.get(path_of(cite.url)), question.text) for cite in answered.cites),
        said and _covered(question, answered, path_of),
        says_nothing(answered.text),
    )


def says_nothing(text: str) -> bool:
    known = {nothing_found(language, unread=unread) for language in _LANGUAGES for unread in (False, True)}
    return text.strip() in known


def _judged(cite: Cite, answered: Answered, page: SitePage | None, question: str) -> JudgedCite:
    claim = answered.text[cite.start : cite.end]
    true = page is not None and holds_claim(f"{page.title}\n{page.text}", claim, question)
    return JudgedCite(cite.url, claim, true, offset_fault(answered, cite))


def _covered(question: Question, answered: Answered, path_of: Callable[[str], str]) -> bool:
    """Whether the right page is cited for a part of the answer that holds the fact."""
    return any(
        path_of(cite.url) == question.path and has_fact(answered.text[cite.start : cite.end], question.answers[:1])
        for cite in answered.cites
    )
