"""Every number of a request has a range, its own parameter name in the error, and refuses NaN."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spatz.engine.request import Request, SamplingParams
from spatz.engine.validation import answer_limit, check_fits, check_params, token_array
from spatz.errors import ContextLengthError, RequestError


def check_prompt(request: Request, vocab: int, context_length: int) -> NDArray[np.int32]:
    prompt = token_array(request, vocab)
    check_fits(request, len(prompt), context_length)
    return prompt


GOOD: list[dict[str, Any]] = [
    {},
    {"temperature": 0},
    {"temperature": 2.0, "top_p": 0.0, "min_p": 1.0, "top_k": 0},
    {"presence_penalty": -2, "frequency_penalty": 2},
    {"n": 128, "seed": -(2**63), "logprobs": 20},
    {"seed": 2**63 - 1, "top_k": 10**9},
    {"max_tokens": 1},
    {"max_tokens": 32768},
    {"max_tokens": 0, "prompt_logprobs": 0},
    {"logit_bias": {0: -100, 99: 100.0}},
    {"stop": ["a", "b", "c", "d"], "repetition_penalty": 1.3},
]

BAD: list[tuple[str, Any, str]] = [
    ("temperature", -0.1, "temperature"),
    ("temperature", 2.1, "temperature"),
    ("temperature", math.nan, "temperature"),
    ("temperature", math.inf, "temperature"),
    ("temperature", 10**400, "temperature"),
    ("temperature", True, "temperature"),
    ("temperature", "1", "temperature"),
    ("top_p", 1.01, "top_p"),
    ("top_p", -1e-9, "top_p"),
    ("top_p", math.nan, "top_p"),
    ("min_p", 1.5, "min_p"),
    ("min_p", math.nan, "min_p"),
    ("top_k", -1, "top_k"),
    ("top_k", 1.5, "top_k"),
    ("presence_penalty", 2.5, "presence_penalty"),
    ("presence_penalty", math.nan, "presence_penalty"),
    ("frequency_penalty", -2.5, "frequency_penalty"),
    ("frequency_penalty", math.nan, "frequency_penalty"),
    ("repetition_penalty", 0.0, "repetition_penalty"),
    ("repetition_penalty", -1.0, "repetition_penalty"),
    ("repetition_penalty", math.nan, "repetition_penalty"),
    ("n", 0, "n"),
    ("n", 129, "n"),
    ("n", True, "n"),
    ("seed", 2**63, "seed"),
    ("seed", -(2**63) - 1, "seed"),
    ("seed", 0.5, "seed"),
    ("logprobs", -1, "top_logprobs"),
    ("logprobs", 21, "top_logprobs"),
    ("prompt_logprobs", 21, "prompt_logprobs"),
    ("max_tokens", 0, "max_tokens"),
    ("max_tokens", -5, "max_tokens"),
    ("max_tokens", 2.0, "max_tokens"),
    ("max_tokens", 10**5000, "max_tokens"),
    ("logit_bias", {100: 1.0}, "logit_bias"),
    ("logit_bias", {-1: 1.0}, "logit_bias"),
    ("logit_bias", {"1": 1.0}, "logit_bias"),
    ("logit_bias", {10**5000: 1.0}, "logit_bias"),
    ("logit_bias", {1: 100.5}, "logit_bias"),
    ("logit_bias", {1: math.nan}, "logit_bias"),
    ("stop", [""], "stop"),
    ("stop", ["a"] * 17, "stop"),
    ("stop", ["a" * 4097], "stop"),
    ("stop", "abc", "stop"),
    ("stop", [1], "stop"),
]


@pytest.mark.parametrize("params", GOOD, ids=str)
def test_values_in_range_pass(params: dict[str, Any]) -> None:
    check_params(SamplingParams(**params), 100)


@pytest.mark.parametrize(("field", "value", "param"), BAD, ids=[f"{field}-{i}" for i, (field, _, _) in enumerate(BAD)])
def test_values_out_of_range_are_refused(field: str, value: Any, param: str) -> None:
    with pytest.raises(RequestError) as caught:
        check_params(SamplingParams(**{field: value}), 100)
    error = caught.value
    assert (error.status, error.type, error.param) == (400, "invalid_request_error", param)
    assert error.code and error.message


def test_too_many_tokens_are_refused_in_the_api_s_words() -> None:
    with pytest.raises(RequestError) as caught:
        check_params(SamplingParams(max_tokens=50000), 100)
    assert caught.value.body()["error"] == {
        "message": "max_tokens is too large: 50000. This model supports at most 32768 completion tokens, "
        "whereas you provided 50000.",
        "type": "invalid_request_error",
        "param": "max_tokens",
        "code": "invalid_value",
    }


def request(size: int, source: str = "messages", **params: Any) -> Request:
    return Request([1] * size, SamplingParams(**params), source=source)


def test_a_prompt_that_fits_is_given_as_an_array() -> None:
    prompt = check_prompt(Request([3, 1, 2], SamplingParams()), 10, 8)
    assert prompt.dtype == np.int32 and prompt.tolist() == [3, 1, 2]
    assert check_prompt(Request(np.array([3, 1], np.int64), SamplingParams()), 10, 8).dtype == np.int32  # type: ignore[arg-type]


@pytest.mark.parametrize(("source", "words"), [("messages", "messages"), ("prompt", "prompt"), ("input", "input")])
def test_a_prompt_over_the_context_is_refused(source: str, words: str) -> None:
    with pytest.raises(ContextLengthError) as caught:
        check_prompt(request(9, source), 10, 8)
    assert caught.value.param == source and caught.value.code == "context_length_exceeded"
    assert caught.value.message == (
        f"This model's maximum context length is 8 tokens. However, your {words} resulted in 9 tokens. "
        f"Please reduce the length of the {words}."
    )


def test_a_prompt_that_fills_the_context_leaves_no_room() -> None:
    with pytest.raises(ContextLengthError, match="no room"):
        check_prompt(request(8), 10, 8)
    assert len(check_prompt(request(8, max_tokens=0, prompt_logprobs=1), 10, 8)) == 8


def test_prompt_and_answer_over_the_context_are_refused() -> None:
    check_prompt(request(5, max_tokens=3), 10, 8)
    with pytest.raises(ContextLengthError) as caught:
        check_prompt(request(5, max_tokens=4), 10, 8)
    assert "you requested 9 tokens (5 in the messages, 4 in the completion)" in caught.value.message


@pytest.mark.parametrize("prompt", [[], [10], [-1], [2**40], [2**70], [1.5], ["a"], [[1, 2]], [True]], ids=str)
def test_prompts_that_are_no_token_ids_are_refused(prompt: Any) -> None:
    with pytest.raises(RequestError) as caught:
        check_prompt(Request(prompt, SamplingParams(), source="prompt"), 10, 8)
    assert caught.value.param == "prompt" and not isinstance(caught.value, ContextLengthError)


def test_the_answer_s_limit() -> None:
    assert answer_limit(SamplingParams(), 10, 100) == 90
    assert answer_limit(SamplingParams(max_tokens=5), 10, 100) == 5
    assert answer_limit(SamplingParams(), 10, 10**6) == 32768
