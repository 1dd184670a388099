"""Whether a question asks for facts, by its form: what is told is right, what is not told is left to the model."""

from __future__ import annotations

import pytest

from spatz.search.facts import asks_for_facts, asks_for_page, is_question

FACTS = """
Who wrote the novel Solaris?
What is the latest version of PostgreSQL?
Search the web for hiking trails in Slovenia.
Google the opening hours of the post office
What\u2019s the capital of Uruguay?
What does the --reload flag of uvicorn do?
Who won the football world cup in 2022?
Wann wurde die Berliner Mauer gebaut?
Such im Internet nach Rezepten
Quelle est la population de Lyon ?
¿Cuál es la capital de Uruguay?
"""
NOT_FACTS = """
Hi there!
Thanks a lot, that was helpful.
What is 17 * 23?
What is 17 times 23?
Calculate 15% of 240.
If I have 5 apples and eat 2, how many are left?
Write a poem about Vienna.
Can you please translate 'good morning' into French?
Fix the grammar: he go to school every days.
What do you think about Berlin?
Who are you?
Give me five names for a cat.
Convert this list to JSON: apples, pears, plums
What does the author mean in the passage above?
Write a Python function that reverses a string.
How do you say 'thank you' in Spanish?
My name is Ben. What is my name?
Schreibe ein Gedicht über den Winter.
Was ist 12 mal 12?
Traduis en anglais : je suis fatigué.
Guten Morgen!
"""
OPEN = """
Why do cats purr?
the tallest building in the world
I had pasta for dinner.
"""


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


@pytest.mark.parametrize("text", lines(FACTS))
def test_facts(text: str) -> None:
    assert asks_for_facts(text) == "yes"


@pytest.mark.parametrize("text", [*lines(NOT_FACTS), "", "  ", "Who is Ann?\n" + "Ann is a teacher. " * 60])
def test_no_facts(text: str) -> None:
    assert asks_for_facts(text) == "no"


@pytest.mark.parametrize("text", lines(OPEN))
def test_not_told(text: str) -> None:
    assert asks_for_facts(text) == "open"


def test_whether_a_page_is_to_be_read() -> None:
    assert asks_for_page("Summarize https://a.de/x for me")
    assert asks_for_page("www.python.org")
    assert not asks_for_page("Fix this: requests.get('https://a.de/x')")
    assert not asks_for_page("Write a regular expression that matches https://a.de/x")
    assert not asks_for_page("Letter: " + "we met at https://a.de/x and liked it very much. " * 5)


def test_what_is_a_question() -> None:
    assert is_question("Why do cats purr?") and is_question("how does a heat pump work")
    assert not is_question("Why did you answer that way?")
    assert not is_question("I had pasta for dinner.") and not is_question("numpy argsort stable")
