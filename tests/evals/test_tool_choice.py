"""The labelled questions, and the figures that are made of them."""

from __future__ import annotations

import math

import pytest

from spatz.evals.tool_choice import Case, cases, figures
from spatz.prompt.turn import Tool
from spatz.server.tool_decision import THRESHOLD, Judgement

ONE, TWO = Tool("one"), Tool("two")


def test_the_questions() -> None:
    found = cases()
    assert len(found) == len({case.question for case in found}) == 200
    for split in ("tuning", "held-out"):
        half = [case for case in found if case.split == split]
        assert len(half) == 100 and sum(case.wanted is not None for case in half) == 50
    tools = {
        split: {tool.name for case in found if case.split == split for tool in case.tools}
        for split in ("tuning", "held-out")
    }
    assert not tools["tuning"] & tools["held-out"]  # what is measured was not seen before
    for case in found:
        assert case.wanted is None or case.wanted in {tool.name for tool in case.tools}


def test_the_figures() -> None:
    asked = [
        Case("", "a", (ONE, TWO), "one"),
        Case("", "b", (ONE, TWO), "two"),
        Case("", "c", (ONE,), "one"),
        Case("", "d", (ONE,), None),
        Case("", "e", (ONE,), None),
    ]
    found = [
        Judgement(1.0, "one"),
        Judgement(2.0, "one"),
        Judgement(-1.0, "one"),
        Judgement(0.5, "one"),
        Judgement(-9.0, "one"),
    ]
    own = figures(asked, found, threshold=0.0)
    assert (own.questions, own.called, own.needed, own.hits, own.right_tool, own.choices) == (5, 3, 3, 2, 1, 2)
    assert own.precision == own.recall == pytest.approx(2 / 3) and own.accuracy == pytest.approx(3 / 5)
    assert math.isnan(figures(asked, found, threshold=5.0).precision)
    assert Judgement(THRESHOLD, "one").calls and not Judgement(THRESHOLD - 0.1, "one").calls
