"""Whether an answer holds a fact, a page a claim, and a citation stands where it should."""

from __future__ import annotations

import pytest

from spatz.evals.search.client import Answered, Cite
from spatz.evals.search.judging import has_fact, holds_claim, offset_fault

PAGE = """The ferry scheduler of Isle Torran plans 14 crossings on a weekday. Rain is likely.

The ferry scheduler of Isle Corran plans 23 crossings on a weekday. The harbour was built by Ada Moss in 1931."""
QUESTION = "How many crossings does the ferry scheduler of Isle Corran plan on a weekday?"


@pytest.mark.parametrize(
    ("text", "groups", "held"),
    [
        ("It holds 3400 parcels.", [["3,400"]], True),
        ("It holds 3,400 parcels.", [["3400"]], True),
        ("It holds 13,400 parcels.", [["3,400"]], False),
        ("In version 1.46.2.", [["1.46"]], False),
        ("In version 1.46.", [["1.46"]], True),
        ("Hold the Blue  key for 9 seconds.", [["blue key"], ["nine seconds", "9 seconds"]], True),
        ("Hold the blue key.", [["blue key"], ["nine seconds", "9 seconds"]], False),
        ("", [["x"]], False),
    ],
)
def test_facts(text: str, groups: list[list[str]], held: bool) -> None:
    assert has_fact(text, groups) is held


@pytest.mark.parametrize(
    ("claim", "held"),
    [
        ("The ferry scheduler of Isle Corran plans 23 crossings on a weekday.", True),
        ("On weekdays, 23 crossings are planned by Isle Corran's ferry scheduler.", True),
        ("The ferry scheduler of Isle Corran plans 24 crossings on a weekday.", False),
        ("The ferry scheduler of Isle Sorran plans 23 crossings on a weekday.", False),
        ("The answer is 23.", True),
        ("The answer is 24.", False),
        ("The answer is 14.", False),  # of another isle
        ("The harbour was built by Ada Moss.", True),
        ("The harbour was built by Bea Moss.", False),
        ("Crossing weekdays is a deep philosophical matter for everybody.", False),
        ("...", False),
    ],
)
def test_claims(claim: str, held: bool) -> None:
    assert holds_claim(PAGE, claim, QUESTION) is held


@pytest.mark.parametrize(
    ("start", "end", "told", "fault"),
    [
        (0, 10, True, ""),
        (11, 21, True, ""),
        (0, 10, False, "told before its text was"),
        (5, 5, True, "outside of the text"),
        (0, 99, True, "outside of the text"),
        (-1, 3, True, "outside of the text"),
        (10, 11, True, "around nothing"),
        (0, 11, True, "with white space at an end"),
        (0, 7, True, "in the middle of a word"),
        (12, 21, True, "in the middle of a word"),
    ],
)
def test_offsets(start: int, end: int, told: bool, fault: str) -> None:
    answered = Answered(text="One facts. And more..")
    assert offset_fault(answered, Cite("http://x/", "x", start, end, told)) == fault
