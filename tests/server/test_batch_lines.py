"""The input of a batch, line by line: how it is cut, and that no file whatsoever is more than an error."""

from __future__ import annotations

import io
import json
import random

import pytest

from server.batching import CHAT, jsonl, line
from spatz.server.batch_lines import MAX_ERRORS, Checked, check_lines, read_line, read_lines

MOST = 1 << 16


def check(content: bytes, names: tuple[str, ...] | None = ("gpt-4.1-nano",)) -> Checked:
    return check_lines(io.BytesIO(content), len(content), CHAT, names, MOST)


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"\n \n\t\r\n", []),
        (b"a", [(1, b"a")]),
        (b"a\nb", [(1, b"a"), (2, b"b")]),
        (b"a\r\n\r\n  b \n", [(1, b"a"), (3, b"  b ")]),
        (b"x" * 8 + b"\n" + b"y", [(1, b"x" * 8), (2, b"y")]),
        (b"x" * 9 + b"\ny", [(1, b"x" * 9), (2, b"y")]),
        (b"x" * 3_000_000 + b"\ny", [(1, b"x" * 9), (2, b"y")]),
        (b"x" * 3_000_000, [(1, b"x" * 9)]),
        ("a\u2028b\x0bc\x85d".encode(), [(1, "a\u2028b\x0bc\x85d".encode()[:9])]),
    ],
)
def test_lines(content: bytes, lines: list[tuple[int, bytes]]) -> None:
    found = list(read_lines(io.BytesIO(content), 8))
    assert [(number, text[:9]) for number, text in found] == lines
    assert all(len(text) <= 9 for _, text in found)


def test_what_is_found() -> None:
    checked = check(jsonl(*(line(i) for i in range(3))))
    assert (checked.total, checked.model, checked.errors) == (3, "gpt-4.1-nano", [])
    assert check(jsonl(line(0, body={"model": "other"})), None).errors == []


def test_a_file_that_is_too_large() -> None:
    checked = check_lines(io.BytesIO(b""), 200_000_001, CHAT, None, MOST)
    assert [error.code for error in checked.errors] == ["file_too_large"]


def test_it_stops_when_it_is_told_to() -> None:
    content = jsonl(*(line(i) for i in range(1000)))
    assert check_lines(io.BytesIO(content), 0, CHAT, None, MOST, lambda: True).total == 256


def test_bodies_are_passed_on_as_they_are() -> None:
    body = {"model": "m", "seed": 2**70, "temperature": 0.1, "text": "käse \u2028 \x00", "deep": [[[{"a": None}]]]}
    found = read_line(7, json.dumps({"custom_id": "c", "method": "POST", "url": CHAT, "body": body}).encode())
    assert (found.number, found.custom_id) == (7, "c")
    assert json.loads(found.body) == body


def test_damaged_files_are_errors_and_no_more() -> None:
    whole = jsonl(
        *(line(i, custom_id=f"ä-{i}") for i in range(4)), {"custom_id": ["x"], "body": [], "url": {}, "method": 1}
    )
    chance = random.Random(5)
    for _ in range(2000):
        content = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            place = chance.randrange(len(content))
            if chance.random() < 0.5:
                content[place] = chance.choice(b'{}[]",:\\\n\x00\xff0eu')
            else:
                del content[place : place + chance.randrange(20)]
        checked = check(bytes(content))
        assert 0 < len(checked.errors) <= MAX_ERRORS + 4
        for error in checked.errors:
            json.dumps(error.body()).encode()
