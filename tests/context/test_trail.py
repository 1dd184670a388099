"""Names that lead from one place of a long text to the next."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from context.prompts import STORY, VOCAB, find, prompt, said, token_bytes
from spatz.context.finding import MANY, find_passages
from spatz.context.question import Question
from spatz.context.trail import PLACES, follow_names
from spatz.context.word_forms import word_forms
from spatz.context.word_search import WordSearch

FORMS = word_forms(token_bytes, VOCAB)
LINES = STORY.strip().split("\n")
CHAIN = ["VAR QXA = 4711.", "VAR RYB = VAR QXA.", "VAR SZC = VAR RYB."]
QUESTION = "Which variables are assigned the value 4711, directly or through another one?"


def story_with(facts: list[str]) -> str:
    """The facts a few lines apart, the first of them last."""
    lines = list(LINES)
    for number, fact in enumerate(facts):
        lines.insert(55 - 7 * number, fact)
    return "\n".join(lines)


def followed(story: str, question: str, most: int = MANY) -> list[str]:
    tokens, areas = prompt((f"{story}\n\n{question}",))
    asked = find(tokens, areas)
    ranges = follow_names(tokens, asked, WordSearch(tokens, FORMS), FORMS, most)
    check(ranges, asked, most)
    return [piece.strip() for piece in said(tokens, ranges)]


def check(ranges: list[tuple[int, int]], asked: Question, most: int) -> None:
    assert len(ranges) <= most
    assert all(any(home[0] <= start < end <= home[1] for home in asked.long) for start, end in ranges)
    ordered = sorted(ranges)
    assert all(first[1] <= second[0] for first, second in pairwise(ordered))


def test_a_chain_is_followed_from_its_end_to_its_beginning() -> None:
    assert followed(story_with(CHAIN), QUESTION) == CHAIN
    assert followed(story_with(CHAIN[::-1]), QUESTION) == CHAIN
    assert followed(story_with(CHAIN), "What has SZC?") == CHAIN[::-1]


def test_no_more_is_followed_than_there_is_room_for() -> None:
    assert followed(story_with(CHAIN), QUESTION, most=2) == CHAIN[:2]
    assert followed(story_with([f"VAR N{n}00 = VAR N{n + 1}00." for n in range(7)]), "What is N000?", most=5) == [
        f"VAR N{n}00 = VAR N{n + 1}00." for n in range(5)
    ]


@pytest.mark.parametrize(
    "facts",
    [
        [],
        ["VAR QXA = 12."],  # nothing has the name
        ["VAR QXA = 4711."],  # what is found names nothing else
        ["VAR QXA = 4711.", "A number such as 47110 is another one, and so is QXABCDE."],
        ["The value 4711 is that of the lantern.", "The lantern hangs at the mast."],  # a word is no name
    ],
)
def test_a_trail_that_leads_nowhere_is_none(facts: list[str]) -> None:
    assert followed(story_with(facts), QUESTION) == []


def test_a_name_that_is_everywhere_is_not_followed() -> None:
    everywhere = [f"QXA went on board in the year {1800 + number}." for number in range(PLACES + 1)]
    assert followed(story_with([CHAIN[0], *everywhere]), QUESTION) == []
    assert len(followed(story_with([CHAIN[0], *everywhere[1:]]), QUESTION)) == 1 + PLACES


def test_only_the_question_itself_is_followed() -> None:
    assert followed(f"What is QXA?\n\n{story_with(CHAIN)}", "Which lantern is meant?") == []


def test_names_are_followed_where_no_passage_answers_alone() -> None:
    def found(facts: list[str], question: str) -> list[str]:
        tokens, areas = prompt((f"{story_with(facts)}\n\n{question}",))
        ranges = find_passages(tokens, find(tokens, areas), WordSearch(tokens, FORMS), FORMS, VOCAB)
        return [piece.strip() for piece in said(tokens, ranges)]

    noise = ["Directly through another one.", "Variables are assigned."]
    assert found([*CHAIN, *noise], QUESTION) == CHAIN
    answer = ["The code of the unit QX-4711 is 1234.", "The unit QX-4711 is beside the unit RY-1."]
    assert found([*answer, "The unit RY-1 is old."], "What is the code of the unit QX-4711?") == answer


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.lists(st.sampled_from(["AB1", "CD2", "EF_3", "words", "x" * 60, "..", "Ü", "4711"]), max_size=6)),
    st.integers(1, 20),
)
def test_any_text_is_followed(lines: list[list[str]], most: int) -> None:
    followed("\n".join([*LINES, *map(" ".join, lines)]), QUESTION, most)
