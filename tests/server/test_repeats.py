"""Answers that begin to repeat themselves: nothing is said twice, and nothing that is new is lost."""

from __future__ import annotations

import random

import pytest

from spatz.server.repeats import Repeats


def told(text: str, cuts: list[int]) -> tuple[str, bool]:
    repeats = Repeats()
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    return "".join(repeats.feed(piece) for piece in pieces) + repeats.end(), repeats.ended


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "The tower is very high. It has two old doors. The tower is very high. And",
            "The tower is very high. It has two old doors.",
        ),
        ("- one thing and another\n- one thing and another\n- one", "- one thing and another\n"),
        ("The tower is very high. the tower  is very high.", "The tower is very high."),
        ("The tower is very high. The tower is very old.", "The tower is very high. The tower is very old."),
        ("Yes. Yes. No. Yes.", "Yes. Yes. No. Yes."),
        ("The tower is very high. The tower is", "The tower is very high. The tower is"),
        ("The tower is 3.5 m high. The tower is 3.7 m high.", "The tower is 3.5 m high. The tower is 3.7 m high."),
        ("It is 312 metres. Question: How high is it? Answer: 312", "It is 312 metres."),
        ("Question: How high? It is 312 metres.", "Question: How high? It is 312 metres."),
        ("The tower is very high.\n\nThe tower is very high.\n", "The tower is very high."),
        ("The tower is very high.\n\n", "The tower is very high.\n\n"),
        ("", ""),
    ],
)
def test_however_it_is_cut(text: str, said: str) -> None:
    draw = random.Random(1)
    for _ in range(20):
        cuts = sorted(draw.randrange(len(text) + 1) for _ in range(draw.randrange(6)))
        assert told(text, cuts)[0] == said


def test_it_says_when_it_has_ended() -> None:
    repeats = Repeats()
    assert repeats.feed("The tower is very high. The tower") == "The tower is very high."
    assert repeats.feed(" is very old. The tower is very hi") == " The tower is very old."
    assert not repeats.ended
    assert repeats.feed("gh.\n") == "" and repeats.ended
    assert repeats.feed("More of it.") == repeats.end() == ""


def test_who_asks_for_questions_gets_them() -> None:
    faq = "Question: How high? Answer: 312 metres. Question: How old? Answer: 152 years."
    assert Repeats("Write an FAQ about https://a.test/").feed(faq + "\n") == faq + "\n"
