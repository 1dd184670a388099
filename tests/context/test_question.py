"""Where a question is found in prompts of many shapes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from context.prompts import STORY, encode, find, prompt, said, token_bytes
from spatz.context.question import LONG, Question


def check(question: Question, size: int) -> None:
    ranges = sorted([*question.kept, *question.long])
    assert ranges[0][0] == 0
    assert ranges[-1][1] == size
    assert all(start < end for start, end in ranges)
    assert all(first[1] == second[0] for first, second in pairwise(ranges))
    assert len(question.terms) == len(question.weights)
    assert (question.weights > 0).all()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "\n\nWhat is the copper number?"),
        ("", "\nWhat is the copper number?"),
        ("", "\n\nWhat is the copper number?\n\nAnswer with one word."),
        ("", "\n\nQuestion: What is the copper number?\n\nAnswer:"),
        ("What is the copper number?\n\n", ""),
        ("Please read this.\n\nWhat is the copper number?\n\n", ""),
        ("You are given a text. Answer the question.\n\n", "\n\nWhat is the copper number?"),
    ],
)
def test_an_instruction_at_an_edge_is_found(before: str, after: str) -> None:
    tokens, areas = prompt((before + STORY.strip() + after,))
    question = find(tokens, areas)
    check(question, len(tokens))
    assert said(tokens, question.long) == [STORY.strip()]
    assert said(tokens, question.asked[-1:])[0].strip() == (after or before).strip()
    assert question.tail == question.long[-1][1]
    found = {token_bytes(term) for term in question.terms.tolist()}
    assert {b" copper", b"Copper", b"copper"} <= found


@pytest.mark.parametrize("frame", ["\n", "\n\n", "\n\n\n"])
def test_two_questions_over_one_text_have_the_same_tail(frame: str) -> None:
    questions = ["What is the copper number?", "Who sailed?\n\nAnswer in one word.", "List all lantern days."]
    tails = set()
    for question in questions:
        tokens, areas = prompt(("Be brief.", "system"), (STORY.strip() + frame + question,))
        tails.add(find(tokens, areas).tail)
    assert len(tails) == 1


def test_a_document_has_no_instructions_at_its_edges() -> None:
    story = "What is this?\n\n" + STORY + "\n\nWhat is the lantern?"
    for other in ((story, "document"), (story, "tool"), (story, "assistant")):
        tokens, areas = prompt(("Who is copper?",), other)
        question = find(tokens, areas)
        check(question, len(tokens))
        assert said(tokens, question.long) == [story]
        assert said(tokens, question.asked) == ["Who is copper?"]
        assert question.tail == areas[1].end


def test_a_message_behind_the_text_is_the_question() -> None:
    tokens, areas = prompt(("What is the lantern number?\n\n" + STORY,), ("It is 7.", "assistant"), ("And copper?",))
    question = find(tokens, areas)
    check(question, len(tokens))
    assert said(tokens, question.asked) == ["What is the lantern number?\n\n", "And copper?"]
    weights = {
        token_bytes(term): weight
        for term, weight in zip(question.terms.tolist(), question.weights.tolist(), strict=True)
    }
    assert weights[b" copper"] > weights[b" lantern"] > weights[b" What"]


def test_a_system_message_is_the_question_if_nothing_else_asks() -> None:
    tokens, areas = prompt(("Find the copper number in what the user says.", "system"), (STORY,))
    assert said(tokens, find(tokens, areas).asked) == ["Find the copper number in what the user says."]
    tokens, areas = prompt(("You know everything.", "system"), (STORY + "\n\nNenne die Zahl zu Kupfer.",))
    assert said(tokens, find(tokens, areas).asked)[-1].strip() == "Nenne die Zahl zu Kupfer."


def test_a_long_conversation_is_text_but_for_its_last_messages() -> None:
    turns = [(f"Message {turn} of the user. " * 8, ("user", "assistant")[turn % 2]) for turn in range(40)]
    tokens, areas = prompt(("Be brief.", "system"), *turns, ("What was the third message?", "user"))
    question = find(tokens, areas)
    check(question, len(tokens))
    (old,) = said(tokens, question.long)
    assert old.startswith("Message 0 ")
    kept = said(tokens, question.kept)
    assert kept[0] == "<s>Be brief.</s>"
    assert kept[1].endswith(turns[-1][0] + "</s>What was the third message?</s>")
    assert LONG < len(kept[1]) < 3 * LONG


def test_without_long_text_all_is_kept() -> None:
    tokens, areas = prompt(("Be brief.", "system"), ("Hello",))
    question = find(tokens, areas)
    assert question.long == ()
    assert question.kept == ((0, len(tokens)),)
    assert question.tail == areas[1].start


@pytest.mark.parametrize("text", ["a" * 5000, "a b. " * 1000, "\n" * 5000, "\n\na" * 2000, "?" * 5000, " " * 5000])
def test_texts_without_borders(text: str) -> None:
    for tokens, areas in (prompt((text,)), (np.array(encode(text), np.int32), [])):
        question = find(tokens, areas)
        check(question, len(tokens))
        assert len(question.long) == 1
        assert question.long[0][1] - question.long[0][0] > 4000


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(["\n", "\n\n", "?", ". ", " copper", "word", "Answer"]), max_size=8),
            st.integers(1, 300),
            st.sampled_from(["user", "system", "assistant", "tool", "document"]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_ranges_cover_any_prompt(messages: list[tuple[list[str], int, str]]) -> None:
    tokens, areas = prompt(*(("".join(words) * times or "x", kind) for words, times, kind in messages))
    question = find(tokens, areas)
    check(question, len(tokens))
    assert 0 <= question.tail <= len(tokens)
    assert all(any(start >= area.start and end <= areas[-1].end for area in areas) for start, end in question.long)
