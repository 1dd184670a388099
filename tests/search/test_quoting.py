"""Answers that begin with a sentence of a page."""

from __future__ import annotations

import pytest

from spatz.search.quoting import asks_plainly, quote_grammar

USER = {"role": "user", "content": "?"}


@pytest.mark.parametrize(
    "said",
    [
        "How long is the bridge at Halden?",
        "which port does Kestrel 2.1 listen on",
        "Who wrote man.conf, and when?",
        "Wann wurde das Archiv gegründet?",
        "What does https://a.example/x?y=1 say about ports?",
    ],
)
def test_a_question_alone(said: str) -> None:
    assert asks_plainly(said, [USER])


@pytest.mark.parametrize(
    "said",
    [
        "How long is the bridge at Halden? Answer in one word.",
        "How long is the bridge at Halden, in one word?",
        "Why is the bridge at Halden so long?",
        "What is the difference between Kestrel and Merlin?",
        "Write a poem about the bridge at Halden.",
        "Tell me about Halden.\nWhich port is it?",
        "Wie lang ist die Brücke? Antworte kurz.",
        "",
    ],
)
def test_more_than_a_question(said: str) -> None:
    assert not asks_plainly(said, [USER])


@pytest.mark.parametrize(
    ("system", "plain"),
    [
        ("You are a helpful assistant.", True),
        ("You are a helpful, honest AI assistant", True),
        ("You are a helpful assistant. Answer in French.", False),
        ("Be brief.", False),
        ([{"type": "text", "text": "You are a pirate."}], False),
    ],
)
def test_what_the_system_message_says_of_answers_counts(system: object, plain: bool) -> None:
    assert asks_plainly("How long is it?", [{"role": "system", "content": system}, USER]) == plain


def test_the_grammar_has_each_sentence_once_and_without_its_list_mark() -> None:
    grammar = quote_grammar(["- One machine.", "One machine.", 'It says "no\\".', "1. First", "2.5 metres", "x" * 2000])
    assert 'quote: "One machine." | "It says \\"no\\\\\\"." | "First" | "2.5 metres"\n' in grammar
    assert quote_grammar(["x" * 2000, ""]) == quote_grammar([]) == ""
