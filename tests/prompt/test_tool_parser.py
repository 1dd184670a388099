"""Calls read out of answers: every dialect, wherever the text is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatz.prompt.dialect import HERMES, LLAMA, PLAIN, Dialect
from spatz.prompt.tool_parser import CallBegin, CallEnd, CallParser, CallText, Kind, Piece, PlainText

TOOLS: dict[str, Kind] = {"get": "function", "get_time": "function", "raw": "custom"}
DIALECTS = pytest.mark.parametrize("dialect", [HERMES, LLAMA, PLAIN], ids=lambda dialect: dialect.name)
ARGUMENTS = '{"x": "a } \\" ] {", "y": [1, {"z": null}]}'
CALLED = [CallBegin("get", "function"), CallText(ARGUMENTS), CallEnd(True)]


def read(dialect: Dialect, *pieces: str) -> list[Piece]:
    parser = CallParser(dialect, TOOLS)
    found = [piece for text in pieces for piece in parser.feed(text)]
    return joined([*found, *parser.end()])


def joined(pieces: list[Piece]) -> list[Piece]:
    result: list[Piece] = []
    for piece in pieces:
        last = result[-1] if result else None
        if isinstance(piece, PlainText) and isinstance(last, PlainText):
            result[-1] = PlainText(last.text + piece.text)
        elif isinstance(piece, CallText) and isinstance(last, CallText):
            result[-1] = CallText(last.text + piece.text)
        else:
            result.append(piece)
    return result


@DIALECTS
def test_a_call(dialect: Dialect) -> None:
    assert read(dialect, dialect.call("get", ARGUMENTS)) == CALLED


@DIALECTS
def test_several_calls(dialect: Dialect) -> None:
    raw = dialect.call("raw", 'x } "\n', custom=True)
    calls = [dialect.call("get", ARGUMENTS), raw, dialect.call("get_time", "{}")]
    assert read(dialect, dialect.between.join(calls)) == [
        *CALLED,
        CallBegin("raw", "custom"),
        CallText('x } "\n'),
        CallEnd(True),
        CallBegin("get_time", "function"),
        CallText("{}"),
        CallEnd(True),
    ]


@DIALECTS
@pytest.mark.parametrize(
    "text", ["Hello.\n", " {", '{"name": "other", "x": 1}', "a < b", "{}", " \n", '{"na', '{"name": "go']
)
def test_text_stays_text(dialect: Dialect, text: str) -> None:
    assert read(dialect, text) == [PlainText(text)]


@DIALECTS
def test_a_call_that_ends_before_its_name_is_nothing(dialect: Dialect) -> None:
    assert read(dialect, dialect.head) == read(dialect, "\n" + dialect.head + "get_t") == read(dialect, "") == []


def test_text_before_a_call() -> None:
    assert read(HERMES, "Let me see.\n\n" + HERMES.call("get", ARGUMENTS)) == [PlainText("Let me see."), *CALLED]
    assert read(HERMES, "\n" + HERMES.call("get", ARGUMENTS) + "\n") == CALLED


@pytest.mark.parametrize("dialect", [LLAMA, PLAIN], ids=lambda dialect: dialect.name)
def test_a_call_in_the_middle_of_a_text_is_text(dialect: Dialect) -> None:
    text = "Write " + dialect.call("get", ARGUMENTS)
    assert read(dialect, text) == [PlainText(text)]


@DIALECTS
def test_a_call_that_is_cut_off(dialect: Dialect) -> None:
    whole = dialect.call("get", ARGUMENTS)
    inside = whole.index("null")
    assert read(dialect, whole[:inside])[0] == CallBegin("get", "function")
    assert read(dialect, whole[:inside])[-1] == CallEnd(False)
    custom = dialect.call("raw", "some text", custom=True)
    cut = custom[: custom.index("text")]
    assert read(dialect, cut) == [CallBegin("raw", "custom"), CallText("some "), CallEnd(False)]


@settings(max_examples=300, deadline=None)
@given(
    dialect=st.sampled_from([HERMES, LLAMA, PLAIN]),
    parts=st.lists(
        st.sampled_from(
            [
                PLAIN.call("get", ARGUMENTS),
                HERMES.call("get", ARGUMENTS),
                LLAMA.call("raw", "a < b </inp", custom=True),
                HERMES.call("raw", "</tool_call>", custom=True),
                "\n",
                " ",
                "<tool_call>",
                '{"name": "',
                "text",
                "}",
                '"',
            ]
        ),
        max_size=6,
    ),
    cuts=st.lists(st.integers(0, 200), max_size=8),
)
def test_how_the_text_is_cut_changes_nothing(dialect: Dialect, parts: list[str], cuts: list[int]) -> None:
    text = "".join(parts)
    edges = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    pieces = [text[start:end] for start, end in pairwise(edges)]
    assert read(dialect, *pieces) == read(dialect, text) == read(dialect, *text)
