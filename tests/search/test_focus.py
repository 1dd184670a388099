"""The sentence beside the question."""

from __future__ import annotations

from spatz.search.focus import focus
from spatz.search.page import Page
from spatz.search.splitting import split

TEXT = """The Kestrel server listens on port 7341. It was written by Ada Finch in 2014.
The Merlin server listens on port 9000. Nobody knows who wrote it. Servers are run by people.

- **--quiet** keeps Kestrel silent
- **--loud** does not
"""
PASSAGES = split(Page("https://a.example/", "Servers", TEXT))


def test_the_sentence_with_the_rarest_words_is_taken() -> None:
    assert focus("Which port does Kestrel listen on?", PASSAGES) == ["The Kestrel server listens on port 7341."]
    assert focus("Which port does Merlin listen on?", PASSAGES) == ["The Merlin server listens on port 9000."]
    assert focus("How is Kestrel made silent?", PASSAGES) == ["- --quiet keeps Kestrel silent"]


def test_two_questions_take_two_sentences() -> None:
    assert focus("On which port listens Merlin, and who was Ada Finch?", PASSAGES) in (
        ["It was written by Ada Finch in 2014.", "The Merlin server listens on port 9000."],
        ["The Merlin server listens on port 9000.", "It was written by Ada Finch in 2014."],
    )


def test_it_may_be_empty() -> None:
    assert focus("Bananas?", PASSAGES) == focus("Which port?", []) == []
