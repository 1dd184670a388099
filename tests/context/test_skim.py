"""What skimming picks of long prompts, and what it makes of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from context.prompts import STORY, VOCAB, encode, find, prompt, said, token_bytes
from spatz.context.areas import Area
from spatz.context.skim import Skimmed, skim

GAP = encode("\n...\n")
FACT = "The copper lantern's number is 4711."
QUESTION = "What is the copper lantern number?"


def skimmed(tokens: NDArray[np.int32], areas: Sequence[Area] = (), most: int = 4000) -> Skimmed:
    found = skim(tokens, find(tokens, areas), vocab=VOCAB, token_bytes=token_bytes, gap=GAP, most=most)
    check(tokens, areas, found, most)
    return found


def check(tokens: NDArray[np.int32], areas: Sequence[Area], found: Skimmed, most: int) -> None:
    """The result is not too long, its spans lie in the long texts, in order and apart, and what is kept is there."""
    question = find(tokens, areas)
    assert len(found.tokens) <= most
    assert list(found.spans) == sorted(found.spans)
    assert all(first[1] < second[0] for first, second in zip(found.spans, found.spans[1:], strict=False))
    for start, end in found.spans:
        assert start < end
        assert any(home[0] <= start and end <= home[1] for home in question.long)
    whole = text(found.tokens)
    at = 0
    for start, end in sorted([*question.kept, *found.spans]):
        piece = text(tokens[start:end])
        cut = question.asked_end - start  # the passages may be said again between the question and the frame behind it
        parts = (
            [text(tokens[start : start + cut]), text(tokens[start + cut : end])]
            if start < cut + start < end
            else [piece]
        )
        for part in parts:
            at = whole.index(part, at) + len(part)


def text(tokens: NDArray[np.int32]) -> str:
    return b"".join(map(token_bytes, tokens.tolist())).decode("utf-8", "replace")


def story_with(fact: str, line: int) -> str:
    lines = STORY.strip().split("\n")
    return "\n".join([*lines[:line], fact, *lines[line:]])


@pytest.mark.parametrize("line", [0, 1, 30, 59, 60])
@pytest.mark.parametrize("before", [True, False])
def test_the_line_that_is_asked_for_is_read(line: int, before: bool) -> None:
    story = story_with(FACT, line)
    tokens, areas = prompt((f"{QUESTION}\n\n{story}" if before else f"{story}\n\n{QUESTION}",))
    found = skimmed(tokens, areas)
    assert [piece.strip() for piece in said(tokens, found.spans)] == [FACT]
    assert found.blocks == 1
    result = text(found.tokens)
    assert result.startswith("<s>")
    assert result.endswith("</s>")
    assert result.index(FACT) < result.rindex(QUESTION) < result.rindex(FACT)
    assert len(result) < 300


def test_several_facts_are_read_in_order() -> None:
    lines = STORY.strip().split("\n")
    facts = [f"The copper lantern's number is {number}." for number in (4711, 1234, 9999)]
    for line, fact in zip((50, 20, 5), facts, strict=True):
        lines.insert(line, fact)
    tokens, areas = prompt(("\n".join(lines) + "\n\n" + QUESTION,))
    found = skimmed(tokens, areas)
    assert [piece.strip() for piece in said(tokens, found.spans)] == facts[::-1]
    assert found.blocks == 3


def test_several_long_texts_are_all_looked_through() -> None:
    tokens, areas = prompt(
        ("Be brief.", "system"),
        (story_with(FACT, 30), "document"),
        (story_with("No copper here.", 10), "document"),
        (QUESTION,),
    )
    found = skimmed(tokens, areas)
    assert [piece.strip() for piece in said(tokens, found.spans)] == [FACT]
    assert "Be brief." in text(found.tokens)


def test_a_question_that_must_be_the_end_stays_so() -> None:
    ending = "\n\nQuestion: What is the copper lantern number?\n\nAnswer:"
    tokens = np.array(encode(story_with(FACT, 30) + ending), np.int32)
    assert text(skimmed(tokens).tokens).endswith(ending)
    tokens, areas = prompt((story_with(FACT, 30) + ending,))
    assert text(skimmed(tokens, areas).tokens).endswith(ending + "</s>")


def test_without_long_text_the_prompt_stays_as_it_is() -> None:
    tokens, areas = prompt(("Hello",))
    found = skimmed(tokens, areas)
    assert np.array_equal(found.tokens, tokens)
    assert (found.spans, found.blocks) == ((), 0)
    with pytest.raises(ValueError, match="no long text"):
        skimmed(tokens, areas, most=5)


def test_where_nothing_is_found_the_ends_are_read() -> None:
    tokens, areas = prompt((STORY.strip() + "\n\nΨψ?",))
    found = skimmed(tokens, areas)
    first, last = said(tokens, found.spans)
    assert STORY.startswith(first)
    assert STORY.strip().endswith(last)
    assert [end - start for start, end in found.spans] == [256, 256]


def test_pieces_of_words_are_found_where_whole_ones_are_not() -> None:
    story = story_with("The lamp is of xcopper, it is said.", 30)
    tokens, areas = prompt((story + "\n\nWhat is the coppery thing?",))
    found = skimmed(tokens, areas)
    assert "xcopper" in "".join(said(tokens, found.spans))


def test_a_question_without_room_is_refused() -> None:
    tokens, areas = prompt((STORY, "document"), ("Why? " * 150,))
    with pytest.raises(ValueError, match="room"):
        skimmed(tokens, areas, most=900)


@pytest.mark.parametrize("filler", ["a", "copper", " copper", "\n", "a b. ", "?", "copper\n\n"])
def test_texts_that_are_all_the_same(filler: str) -> None:
    for question in ("\n\n" + QUESTION, "", " " + QUESTION):
        tokens, areas = prompt((filler * 4_000 + question,))
        found = skimmed(tokens, areas)
        assert found.spans
        assert found.blocks >= 1


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.lists(
                st.sampled_from(["\n", "\n\n", "?", ". ", " copper", "word", "Answer:", " lantern", "x" * 50]),
                max_size=8,
            ),
            st.integers(1, 300),
            st.sampled_from(["user", "system", "assistant", "tool", "document"]),
        ),
        min_size=1,
        max_size=5,
    ),
    st.integers(300, 4000),
)
def test_any_prompt_is_skimmed_or_refused(messages: list[tuple[list[str], int, str]], most: int) -> None:
    tokens, areas = prompt(*(("".join(words) * times or "x", kind) for words, times, kind in messages))
    try:
        found = skimmed(tokens, areas, most)
    except ValueError as error:
        assert "room" in str(error) or "no long text" in str(error)
    else:
        assert bool(found.spans) == bool(find(tokens, areas).long)
