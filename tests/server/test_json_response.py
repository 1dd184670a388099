"""orjson's texts are json's: the same values come back, whatever they are."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatz.server.json_response import JsonResponse, dumps

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert json.loads(dumps(value)) == value


@pytest.mark.parametrize(
    "number", [0.1, 1e-7, 1e16, 1e22, 1.7976931348623157e308, 5e-324, -0.0, -9999.0, 123456789.123, 1 / 3, 100.0]
)
def test_floats_are_the_same_numbers(number: float) -> None:
    back = json.loads(dumps(number))
    assert isinstance(back, float) and back == number and math.copysign(1, back) == math.copysign(1, number)


def test_text_is_utf_8_and_not_escaped() -> None:
    assert dumps({"é": "日本 \u2028 😀 \x00 </"}) == '{"é":"日本 \u2028 😀 \\u0000 </"}'.encode()
    assert dumps({"a": [1, None, True]}) == json.dumps({"a": [1, None, True]}, separators=(",", ":")).encode()


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, {"deep": [10**40]}, "half \ud83d", {"\udc00": 1}])
def test_what_orjson_cannot_write_is_written_all_the_same(value: Any) -> None:
    assert json.loads(dumps(value)) == value


def test_deep_nesting_is_written_all_the_same() -> None:
    value: Any = 1
    for _ in range(min(400, sys.getrecursionlimit() // 2)):
        value = [value]
    assert json.loads(dumps(value)) == value


def test_an_answer_says_what_it_is() -> None:
    answer = JsonResponse({"a": 1}, 201)
    assert answer.body == b'{"a":1}' and answer.status_code == 201
    assert answer.headers["content-type"] == "application/json" and answer.headers["content-length"] == "7"
