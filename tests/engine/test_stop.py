"""Stop strings: found wherever the text is cut, and never more held back than needed."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spatz.engine.stop import StopMatcher


def run(stops: list[str], pieces: list[str]) -> tuple[list[str], bool]:
    matcher = StopMatcher(stops)
    out = []
    for piece in pieces:
        text, stopped = matcher.feed(piece)
        out.append(text)
        if stopped:
            return out, True
    out.append(matcher.flush())
    return out, False


@pytest.mark.parametrize(
    ("stops", "pieces", "expected", "stopped"),
    [
        (["END"], ["one END two"], ["one "], True),
        (["END"], ["one E", "N", "D two"], ["one ", "", ""], True),
        (["END"], ["one E", "Nd"], ["one ", "ENd", ""], False),
        (["END"], ["EN"], ["", "EN"], False),
        (["END"], ["EEN", "D"], ["E", ""], True),
        (["aab"], ["aaa", "b"], ["a", ""], True),  # the automaton falls back, it does not start over
        (["abab"], ["abaabab"], ["aba"], True),
        (["\n\n"], ["a\n", "b\n", "\n"], ["a", "\nb", ""], True),
        (["abcd", "bc"], ["abcd"], ["a"], True),  # the first to be complete
        (["bc", "abc"], ["abc"], [""], True),  # complete at the same character: the longest
        (["a", "a"], ["ba"], ["b"], True),
        (["🐦"], ["x🐦y"], ["x"], True),
        (["x"], ["x"], [""], True),
        (["xyz", "yq"], ["xy"], ["", "xy"], False),
        (["xyz", "yq"], ["xy", "q"], ["", "x"], True),
        ([], ["abc"], ["abc", ""], False),
    ],
)
def test_cases(stops: list[str], pieces: list[str], expected: list[str], stopped: bool) -> None:
    assert run(stops, pieces) == (expected, stopped)


def naive(stops: list[str], text: str) -> tuple[str, bool]:
    for end in range(1, len(text) + 1):
        done = [stop for stop in stops if text[:end].endswith(stop)]
        if done:
            return text[: end - max(map(len, done))], True
    return text, False


letters = st.text("ab", min_size=1, max_size=5)
# A busy machine is no reason to fail.
untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@untimed
@given(st.lists(letters, min_size=1, max_size=4), st.lists(st.text("abc", max_size=4), max_size=12))
def test_the_outcome_does_not_depend_on_the_pieces(stops: list[str], pieces: list[str]) -> None:
    out, stopped = run(stops, pieces)
    assert ("".join(out), stopped) == naive(stops, "".join(pieces))


@untimed
@given(st.lists(letters, min_size=1, max_size=4), st.lists(st.text("abc", max_size=4), max_size=12))
def test_only_what_could_become_a_stop_string_is_held_back(stops: list[str], pieces: list[str]) -> None:
    matcher = StopMatcher(stops)
    seen = given_out = ""
    for piece in pieces:
        text, stopped = matcher.feed(piece)
        if stopped:
            return
        seen, given_out = seen + piece, given_out + text
        held = seen[len(given_out) :]
        longest = max((k for stop in stops for k in range(len(stop)) if seen.endswith(stop[:k])), default=0)
        assert seen.startswith(given_out) and len(held) == longest == matcher.held


def test_a_long_repetitive_stop_string_is_cheap() -> None:
    """Quadratic matching would take minutes here."""
    matcher = StopMatcher(["a" * 4000 + "b"])
    for _ in range(50):
        text, stopped = matcher.feed("a" * 4000 + "c")
        assert not stopped
    assert len(text) == 4001 and matcher.held == 0
