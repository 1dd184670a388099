"""Scores of answers that people might get."""

from __future__ import annotations

import pytest

from spatz.evals.case import all_found, fraction, overlap, similarity


@pytest.mark.parametrize(
    ("answer", "value", "score"),
    [
        ("The special magic number for odd-moose is: 1234567.", "1234567", 1),
        ("1234567", "1234567", 1),
        ("It is 12345678.", "1234567", 0),
        ("It is 91234567.", "1234567", 0),
        ("It is 1,234,567.", "1234567", 0),  # not as it was said
        ("", "1234567", 0),
        ("It is Odd-Moose", "odd-moose", 1),
        ("It is odd-moosehead", "odd-moose", 0),
        ("I said:  The shy\nfox hides six red kiwis!", "the shy fox hides six red kiwis", 1),
        ("the shy fox hides seven red kiwis", "the shy fox hides six red kiwis", 0),
    ],
)
def test_one_value(answer: str, value: str, score: float) -> None:
    assert all_found(answer, (value,)) == score


def test_some_values() -> None:
    values = ("11", "22", "33", "44")
    assert fraction("11, 22 and 44", values) == 0.75
    assert fraction("1122334455", values) == 0
    assert fraction("44 33 22 11 55", values) == 1
    assert all_found("11, 22 and 44", values) == 0


def test_a_text_behind_a_code() -> None:
    wanted = ("bafago", "The moose is odd and keen.")
    assert similarity("bafago The moose is odd and keen.", wanted) == 1
    assert similarity("bafago\nThe moose is odd and keen.\n", wanted) == 1
    assert similarity("The moose is odd and keen.", wanted) == 0  # without the code
    assert similarity("Sure: bafago The moose is odd and keen.", wanted) == 0
    assert 0.5 < similarity("bafago The moose is shy and keen.", wanted) < 1
    assert similarity("bafago", wanted) == 0


def test_nodes() -> None:
    assert overlap("So\nFinal Answer: [a1, b2]", ("a1", "b2")) == 1
    assert overlap("Final Answer: ['b2', \"a1\"]", ("a1", "b2")) == 1
    assert overlap("Final Answer: [a1]", ("a1", "b2")) == pytest.approx(2 / 3)
    assert overlap("Final Answer: [a1, b2, c3, d4]", ("a1", "b2")) == pytest.approx(2 / 3)
    assert overlap("Final Answer: [x]\nno, Final Answer: [a1]", ("a1",)) == 1
    assert overlap("a1, b2", ("a1", "b2")) == 0
    assert overlap("Final Answer: []", ("a1",)) == 0
    assert overlap("Final Answer: []", ()) == 1
