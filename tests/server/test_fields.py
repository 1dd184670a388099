"""Every request field of both endpoints in one table: honoured, with its effect seen, or refused with its error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import httpx
import pytest
from openai.types import completion_create_params
from openai.types.chat import completion_create_params as chat_create_params

from server.fake import FakeModel
from spatz.engine.request import Request
from spatz.server.chat_request import ChatRequest
from spatz.server.completion_request import CompletionRequest

Answer = dict[str, Any]


class Honoured(NamedTuple):
    """A value, what else the request needs, and what must be seen in the engine's request and in the answer."""

    value: Any
    seen: Callable[[Request, Answer], bool]
    extra: dict[str, Any] = {}  # noqa: RUF012 (never changed)


class Refused(NamedTuple):
    value: Any
    param: str | None
    code: str | None
    extra: dict[str, Any] = {}  # noqa: RUF012


def param(name: str, value: Any) -> Honoured:
    """Honoured by handing it to the engine under the same name."""
    return Honoured(value, lambda request, answer: getattr(request.params, name) == value)


USER = [{"role": "user", "content": "hi"}]
TEXTS = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}

SHARED: dict[str, list[Honoured | Refused]] = {
    "model": [
        Honoured("fake-model", lambda request, answer: answer["model"] == "fake-model"),
        Honoured("gpt-4.1-nano", lambda request, answer: answer["model"] == "fake-model"),
        Refused("gpt-9", "model", "model_not_found"),
        Refused(None, "model", "invalid_type"),
    ],
    "temperature": [param("temperature", 0.5), Refused(2.1, "temperature", "decimal_above_max_value")],
    "top_p": [param("top_p", 0.5), Refused(-1, "top_p", "integer_below_min_value")],
    "top_k": [param("top_k", 7), Refused(-1, "top_k", "integer_below_min_value")],
    "min_p": [param("min_p", 0.1), Refused(1.5, "min_p", "decimal_above_max_value")],
    "repetition_penalty": [param("repetition_penalty", 1.1), Refused(0, "repetition_penalty", None)],
    "ignore_eos": [param("ignore_eos", True), Refused("yes", "ignore_eos", "invalid_type")],
    "n": [
        Honoured(3, lambda request, answer: [c["index"] for c in answer["choices"]] == [0, 1, 2]),
        Honoured(128, lambda request, answer: len(answer["choices"]) == 128),
        Refused(0, "n", "integer_below_min_value"),
        Refused(129, "n", "integer_above_max_value"),
        Refused(1.5, "n", "invalid_type"),
        Refused(True, "n", "invalid_type"),
    ],
    "stop": [
        Honoured("x", lambda request, answer: list(request.params.stop) == ["x"]),
        Honoured(["x", "y"], lambda request, answer: list(request.params.stop) == ["x", "y"]),
        Refused(["a", "b", "c", "d", "e"], "stop", "array_above_max_length"),
        Refused("", "stop", "invalid_value"),
        Refused([1], "stop[0]", "invalid_type"),
    ],
    "seed": [param("seed", -5), Refused(2**63, "seed", "integer_above_max_value")],
    "presence_penalty": [param("presence_penalty", 1.5), Refused(3, "presence_penalty", "integer_above_max_value")],
    "frequency_penalty": [param("frequency_penalty", -1.5), Refused("1", "frequency_penalty", "invalid_type")],
    "logit_bias": [
        Honoured({"65": -100}, lambda request, answer: request.params.logit_bias == {65: -100}),
        Refused({"a": 1}, "logit_bias", "invalid_value"),
        Refused({"65": 101}, "logit_bias", "invalid_value"),
        Refused([1], "logit_bias", "invalid_type"),
    ],
    "user": [Honoured("ada", lambda request, answer: True), Refused(5, "user", "invalid_type")],  # test_gate: the log
    "stream": [Honoured(False, lambda request, answer: True), Refused("yes", "stream", "invalid_type")],  # test_stream
    "stream_options": [
        Refused({"include_usage": True}, "stream_options", None),
        Refused({"nonsense": True}, "stream_options.nonsense", "unknown_parameter", {"stream": True}),
    ],
}

CHAT: dict[str, list[Honoured | Refused]] = {
    **SHARED,
    "messages": [
        Honoured(USER, lambda request, answer: bytes(request.prompt) == b"user:hi\n"),
        Honoured(
            [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "name": "Ada", "content": TEXTS},
                {"role": "assistant", "content": None, "refusal": "No."},
                {"role": "user", "content": ""},
            ],
            lambda request, answer: (
                bytes(request.prompt) == b"system:Be brief.\nuser:Ada: a\nb\nassistant:No.\nuser:\n"
            ),
        ),
        Refused([], "messages", "empty_array"),
        Refused([{"role": "user", "content": [PART]}], "messages[0].content[0].type", "unsupported_value"),
        Refused([{"role": "user", "content": [{"type": "file", "file": {}}]}], "messages[0].content[0].type", None),
        Refused([{"role": "user", "content": [{"type": "input_audio"}]}], "messages[0].content[0].type", None),
        Refused([{"role": "tool", "content": "x", "tool_call_id": "1"}], "messages[0].role", "unsupported_value"),
        Refused([{"role": "function", "content": "x", "name": "f"}], "messages[0].role", "unsupported_value"),
        Refused([{"role": "assistant", "content": "x", "tool_calls": [TOOL]}], "messages[0].tool_calls", None),
        Refused([{"role": "assistant"}], "messages[0].content", "missing_required_parameter"),
        Refused([{"role": "user", "content": "x", "colour": 1}], "messages[0].colour", "unknown_parameter"),
        Refused([{"role": "nobody", "content": "x"}], "messages[0].role", "invalid_value"),
    ],
    "max_tokens": [param("max_tokens", 5), Refused(50_000, "max_tokens", "invalid_value")],
    "max_completion_tokens": [
        Honoured(5, lambda request, answer: request.params.max_tokens == 5),
        Refused(6, "max_tokens", "invalid_parameter_combination", {"max_tokens": 5}),
        Refused(0, "max_completion_tokens", "integer_below_min_value"),
    ],
    "logprobs": [
        Honoured(True, lambda request, answer: answer["choices"][0]["logprobs"]["content"][0]["token"] == "H"),
        Honoured(False, lambda request, answer: answer["choices"][0]["logprobs"] is None),
    ],
    "top_logprobs": [
        Honoured(
            2,
            lambda request, answer: len(answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]) == 2,
            {"logprobs": True},
        ),
        Refused(21, "top_logprobs", "integer_above_max_value", {"logprobs": True}),
        Refused(2, "top_logprobs", "invalid_value"),
    ],
    "service_tier": [
        Honoured("auto", lambda request, answer: answer["service_tier"] == "default"),
        Refused("flex", "service_tier", "invalid_value"),
    ],
    "response_format": [
        Honoured({"type": "text"}, lambda request, answer: True),
        Refused({"type": "json_object"}, "response_format", "unsupported_parameter"),
        Refused({"type": "json_schema", "json_schema": {"name": "x"}}, "response_format", "unsupported_parameter"),
    ],
    "modalities": [
        Honoured(["text"], lambda request, answer: True),
        Refused(["text", "audio"], "modalities", "unsupported_value"),
    ],
    "store": [Honoured(False, lambda request, answer: True), Refused(True, "store", "invalid_value")],
    "metadata": [Honoured({}, lambda request, answer: True), Refused({"a": "b"}, "metadata", "invalid_value")],
    # There is one prefix cache, which every request shares: a key has nothing left to steer.
    "prompt_cache_key": [Honoured("k", lambda request, answer: True), Refused(1, "prompt_cache_key", "invalid_type")],
    "prompt_cache_retention": [
        Honoured("in_memory", lambda request, answer: True),
        Refused("24h", "prompt_cache_retention", "invalid_value"),
    ],
    "safety_identifier": [
        Honoured("s", lambda request, answer: True),  # test_gate: the log
        Refused("s" * 65, "safety_identifier", "string_above_max_length"),
    ],
    "reasoning_effort": [Refused("low", None, None)],
    "audio": [Refused({"voice": "ash", "format": "mp3"}, "audio", "unsupported_parameter")],
    "function_call": [Refused("auto", "function_call", "unsupported_parameter")],
    "functions": [Refused([{"name": "f"}], "functions", "unsupported_parameter")],
    "moderation": [Refused({"model": "m"}, "moderation", "unsupported_parameter")],
    "parallel_tool_calls": [Refused(True, "parallel_tool_calls", "invalid_value")],
    "prediction": [Refused({"type": "content", "content": "x"}, "prediction", "unsupported_parameter")],
    "prompt_cache_options": [Refused({"mode": "implicit"}, "prompt_cache_options", "unsupported_parameter")],
    "tool_choice": [Refused("auto", "tool_choice", "invalid_value")],
    "tools": [Refused([TOOL], "tools", "unsupported_parameter")],
    "verbosity": [Refused("low", "verbosity", "unsupported_parameter")],
    "web_search_options": [Refused({}, "web_search_options", "unsupported_parameter")],
}

COMPLETIONS: dict[str, list[Honoured | Refused]] = {
    **SHARED,
    "prompt": [
        Honoured("hi", lambda request, answer: bytes(request.prompt) == b"hi"),
        Honoured([104, 105], lambda request, answer: bytes(request.prompt) == b"hi"),
        Honoured(["a", "b"], lambda request, answer: [c["index"] for c in answer["choices"]] == [0, 1]),
        Honoured([[97], [98]], lambda request, answer: answer["usage"]["prompt_tokens"] == 2),
        Refused([], "prompt", "empty_array"),
        Refused([[]], "prompt[0]", "empty_array"),
        Refused([1, "a"], "prompt[1]", "invalid_type"),
        Refused([-1], "prompt[0]", "integer_below_min_value"),
        Refused({}, "prompt", "invalid_type"),
    ],
    "max_tokens": [
        Honoured(3, lambda request, answer: answer["choices"][0]["text"] == "Hel"),
        Refused(0, "max_tokens", "invalid_value"),
        Refused(50_000, "max_tokens", "invalid_value"),
    ],
    "echo": [
        Honoured(True, lambda request, answer: answer["choices"][0]["text"].startswith("hiHello")),
        Honoured(True, lambda request, answer: answer["choices"][0]["text"] == "hi", {"max_tokens": 0, "logprobs": 1}),
    ],
    "logprobs": [
        Honoured(1, lambda request, answer: answer["choices"][0]["logprobs"]["text_offset"][:3] == [0, 1, 2]),
        Honoured(0, lambda request, answer: answer["choices"][0]["logprobs"]["top_logprobs"][0] == {"H": -0.25}),
        Honoured(
            1, lambda request, answer: answer["choices"][0]["logprobs"]["token_logprobs"][0] is None, {"echo": True}
        ),
        Refused(6, "logprobs", "integer_above_max_value"),
    ],
    "best_of": [
        Honoured(3, lambda request, answer: request.params.n == 3 and len(answer["choices"]) == 1),
        Refused(1, "best_of", "invalid_value", {"n": 2}),
        Refused(2, "best_of", "invalid_value", {"stream": True}),
        Refused(21, "best_of", "integer_above_max_value"),
    ],
    "suffix": [Refused("x", "suffix", "unsupported_parameter")],
}

ENDPOINTS = {
    "/v1/chat/completions": (CHAT, {"model": "fake-model", "messages": USER}),
    "/v1/completions": (COMPLETIONS, {"model": "fake-model", "prompt": "hi"}),
}
CASES = [
    pytest.param(path, base, name, case, id=f"{path.split('/')[2]}-{name}-{place}")
    for path, (table, base) in ENDPOINTS.items()
    for name, cases in table.items()
    for place, case in enumerate(cases)
]


@pytest.mark.parametrize(("path", "base", "name", "case"), CASES)
async def test_field(
    client: httpx.AsyncClient, model: FakeModel, path: str, base: Answer, name: str, case: Honoured | Refused
) -> None:
    response = await client.post(path, json={**base, **case.extra, name: case.value})
    if isinstance(case, Honoured):
        assert response.status_code == 200, response.text
        assert case.seen(model.requests[0], response.json())
        return
    error = response.json()["error"]
    assert response.status_code == (404 if case.code == "model_not_found" else 400)
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["param"] == case.param
    assert case.code is None or error["code"] == case.code
    assert not model.requests


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_null_is_as_good_as_nothing(client: httpx.AsyncClient, path: str) -> None:
    table, base = ENDPOINTS[path]
    optional = [name for name in table if name not in base and name != "reasoning_effort"]
    response = await client.post(path, json={**base, **dict.fromkeys(optional)})
    assert response.status_code == 200, response.text


def test_the_table_has_every_field() -> None:
    """Of the client library, which is made from the API's own description, and of our schemas."""
    of_chat = set(chat_create_params.CompletionCreateParamsBase.__annotations__) | {"stream"}
    of_completions = set(completion_create_params.CompletionCreateParamsBase.__annotations__) | {"stream"}
    assert set(CHAT) >= of_chat | set(ChatRequest.model_fields)
    assert set(COMPLETIONS) >= of_completions | set(CompletionRequest.model_fields)


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_unknown_field(client: httpx.AsyncClient, path: str) -> None:
    response = await client.post(path, json={**ENDPOINTS[path][1], "colour": "red"})
    assert response.status_code == 400
    assert response.json()["error"] == {
        "message": "Unrecognized request argument supplied: colour",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_missing_fields(client: httpx.AsyncClient, path: str) -> None:
    for name in ENDPOINTS[path][1]:
        body = {key: value for key, value in ENDPOINTS[path][1].items() if key != name}
        error = (await client.post(path, json=body)).json()["error"]
        assert (error["param"], error["code"]) == (name, "missing_required_parameter")
