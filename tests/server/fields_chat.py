"""Request fields of chat completions and of legacy completions."""

from __future__ import annotations

from server.fields import Elsewhere, Honoured, Refused, Sight, Table, param, unsupported
from spatz.engine.request import ContextMode
from spatz.prompt.turn import GrammarFormat, JsonFormat, ToolChoice

USER = [{"role": "user", "content": "hi"}]
TEXTS = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}

CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
WITH_TOOL = {"tools": [TOOL]}
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer"}},
    "required": ["a"],
    "additionalProperties": False,
}


def _prompt(sight: Sight) -> bytes:
    return bytes(sight.request.prompt)


def _wanted(sight: Sight) -> object:
    assert sight.turn is not None
    return sight.turn.output_format


def _choice(sight: Sight) -> ToolChoice:
    assert sight.turn is not None
    return sight.turn.tool_choice


SHARED: Table = {
    "model": [
        Honoured("fake-model", lambda sight: sight.answer["model"] == "fake-model"),
        Honoured("gpt-4.1-nano", lambda sight: sight.answer["model"] == "fake-model"),
        Refused("gpt-9", "model", "model_not_found", status=404),
        Refused(None, "model", "invalid_type"),
    ],
    "temperature": [param("temperature", 0.5), Refused(2.1, "temperature", "decimal_above_max_value")],
    "top_p": [param("top_p", 0.5), Refused(-1, "top_p", "integer_below_min_value")],
    "top_k": [param("top_k", 7), Refused(-1, "top_k", "integer_below_min_value")],
    "min_p": [param("min_p", 0.1), Refused(1.5, "min_p", "decimal_above_max_value")],
    "repetition_penalty": [
        param("repetition_penalty", 1.1),
        Refused(0, "repetition_penalty", "integer_below_min_value"),
    ],
    "ignore_eos": [param("ignore_eos", True), Refused("yes", "ignore_eos", "invalid_type")],
    "n": [
        Honoured(3, lambda sight: [c["index"] for c in sight.answer["choices"]] == [0, 1, 2]),
        Honoured(128, lambda sight: len(sight.answer["choices"]) == 128),
        Refused(0, "n", "integer_below_min_value"),
        Refused(129, "n", "integer_above_max_value"),
        Refused(1.5, "n", "invalid_type"),
        Refused(True, "n", "invalid_type"),
    ],
    "stop": [
        Honoured("x", lambda sight: list(sight.request.params.stop) == ["x"]),
        Honoured(["x", "y"], lambda sight: list(sight.request.params.stop) == ["x", "y"]),
        Refused(["a", "b", "c", "d", "e"], "stop", "array_above_max_length"),
        Refused("", "stop", "invalid_value"),
        Refused([1], "stop[0]", "invalid_type"),
    ],
    "seed": [param("seed", -5), Refused(2**63, "seed", "integer_above_max_value")],
    "presence_penalty": [param("presence_penalty", 1.5), Refused(3, "presence_penalty", "integer_above_max_value")],
    "frequency_penalty": [param("frequency_penalty", -1.5), Refused("1", "frequency_penalty", "invalid_type")],
    "logit_bias": [
        Honoured({"65": -100}, lambda sight: sight.request.params.logit_bias == {65: -100}),
        Refused({"a": 1}, "logit_bias", "invalid_value"),
        Refused({"65": 101}, "logit_bias", "invalid_value"),
        Refused([1], "logit_bias", "invalid_type"),
    ],
    "spatz": [
        Honoured({"context": "exact"}, lambda sight: sight.request.context is ContextMode.EXACT),
        Honoured({"context": "routed"}, lambda sight: sight.answer["usage"]["spatz"]["mode"] == "routed"),
        Honoured({"context": "skim"}, lambda sight: sight.request.context is ContextMode.SKIM),
        Honoured({}, lambda sight: sight.request.context is ContextMode.EXACT),
        Refused({"context": "full"}, "spatz.context", "invalid_value"),
        Refused({"context": True}, "spatz.context", "invalid_value"),
        Refused({"contexts": "skim"}, "spatz.contexts", "unknown_parameter"),
        Refused("skim", "spatz", "invalid_type"),
    ],
    "user": [Elsewhere("server/test_gate.py::test_the_access_log_names_the_user"), Refused(5, "user", "invalid_type")],
    "stream": [
        Honoured(False, lambda sight: sight.answer["object"] in ("chat.completion", "text_completion")),
        Elsewhere("server/test_stream.py::test_chunks"),
        Elsewhere("server/test_stream.py::test_legacy_stream"),
        Refused("yes", "stream", "invalid_type"),
    ],
    "stream_options": [
        Elsewhere("server/test_stream.py::test_usage_comes_last_and_is_null_before"),
        Elsewhere("server/test_stream.py::test_obfuscation_evens_out_sizes"),
        Refused({"include_usage": True}, "stream_options", None),
        Refused({"nonsense": True}, "stream_options.nonsense", "unknown_parameter", {"stream": True}),
    ],
}

CHAT: Table = {
    **SHARED,
    "messages": [
        Honoured(USER, lambda sight: bytes(sight.request.prompt) == b"user:hi\n"),
        Honoured(
            [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "name": "Ada", "content": TEXTS},
                {"role": "assistant", "content": None, "refusal": "No."},
                {"role": "user", "content": ""},
            ],
            lambda sight: bytes(sight.request.prompt) == b"system:Be brief.\nuser:Ada: a\nb\nassistant:No.\nuser:\n",
        ),
        Refused([], "messages", "empty_array"),
        Refused([{"role": "user", "content": [PART]}], "messages[0].content[0].image_url.url", "invalid_image_format"),
        Refused(
            [{"role": "user", "content": [{"type": "file", "file": {}}]}],
            "messages[0].content[0].file",
            "missing_required_parameter",
        ),
        Refused(
            [{"role": "user", "content": [{"type": "input_audio"}]}], "messages[0].content[0].type", "unsupported_value"
        ),
        Honoured(
            [
                *USER,
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
            ],
            lambda sight: sight.turn is not None and len(sight.turn.messages) == 3 and b"sunny" in _prompt(sight),
        ),
        Refused([{"role": "tool", "content": "x", "tool_call_id": "1"}], "messages.[0].role", None),
        Refused([{"role": "assistant", "content": None, "tool_calls": [CALL]}, *USER], "messages.[1].role", None),
        Refused([{"role": "assistant"}], "messages[0].content", "missing_required_parameter"),
        Refused([{"role": "user", "content": "x", "colour": 1}], "messages[0].colour", "unknown_parameter"),
        Refused([{"role": "nobody", "content": "x"}], "messages[0].role", "invalid_value"),
    ],
    "max_tokens": [param("max_tokens", 5), Refused(50_000, "max_tokens", "invalid_value")],
    "max_completion_tokens": [
        Honoured(5, lambda sight: sight.request.params.max_tokens == 5),
        Refused(6, "max_tokens", "invalid_parameter_combination", {"max_tokens": 5}),
        Refused(0, "max_completion_tokens", "integer_below_min_value"),
    ],
    "logprobs": [
        Honoured(True, lambda sight: sight.answer["choices"][0]["logprobs"]["content"][0]["token"] == "H"),
        Honoured(False, lambda sight: sight.answer["choices"][0]["logprobs"] is None),
    ],
    "top_logprobs": [
        Honoured(
            2,
            lambda sight: len(sight.answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]) == 2,
            {"logprobs": True},
        ),
        Refused(21, "top_logprobs", "integer_above_max_value", {"logprobs": True}),
        Refused(2, "top_logprobs", "invalid_value"),
    ],
    "service_tier": [
        Honoured("auto", lambda sight: sight.answer["service_tier"] == "default"),
        Refused("flex", "service_tier", "invalid_value"),
    ],
    "response_format": [
        Honoured({"type": "text"}, lambda sight: _wanted(sight) is None),
        Honoured(
            {"type": "json_object"},
            lambda sight: _wanted(sight) == JsonFormat(),
            {"messages": [{"role": "user", "content": "Give JSON."}]},
        ),
        Honoured(
            {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}},
            lambda sight: _wanted(sight) == JsonFormat(SCHEMA, "x", True),
        ),
        Honoured(
            {"type": "grammar", "grammar": {"syntax": "regex", "definition": "[a-z]+"}},
            lambda sight: _wanted(sight) == GrammarFormat("regex", "[a-z]+"),
        ),
        Refused({"type": "json_object"}, "messages", None),
        Refused(
            {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}, "strict": True}},
            "response_format",
            None,
        ),
        Refused({"type": "xml"}, "response_format.type", "invalid_value"),
    ],
    "modalities": [
        Honoured(["text"], lambda sight: isinstance(sight.answer["choices"][0]["message"]["content"], str)),
        Refused(["text", "audio"], "modalities", "unsupported_value"),
    ],
    "store": [
        Elsewhere("server/test_stored_chats.py::test_what_is_stored_comes_back"),
        Elsewhere("server/test_stored_chats.py::test_what_is_not_to_be_stored_is_not"),
        Refused("yes", "store", "invalid_type"),
    ],
    "metadata": [
        Elsewhere("server/test_stored_chats.py::test_what_is_stored_comes_back"),
        Refused({"a": "b"}, "metadata", "invalid_value"),
        Refused({"a": 1}, "metadata.a", "invalid_type", {"store": True}),
        Refused({"a": "x" * 513}, "metadata.a", "string_above_max_length", {"store": True}),
        Refused({str(n): "" for n in range(17)}, "metadata", "object_above_max_properties", {"store": True}),
    ],
    # There is one prefix cache, which every request shares: a key has nothing left to steer.
    "prompt_cache_key": [
        Elsewhere("context/test_prefix.py::test_a_published_page_is_found_until_it_is_evicted"),
        Refused(1, "prompt_cache_key", "invalid_type"),
    ],
    "prompt_cache_retention": [
        Elsewhere("context/test_prefix.py::test_a_published_page_is_found_until_it_is_evicted"),
        Refused("24h", "prompt_cache_retention", "invalid_value"),
    ],
    "safety_identifier": [
        Elsewhere("server/test_gate.py::test_the_access_log_names_the_user"),
        Refused("s" * 65, "safety_identifier", "string_above_max_length"),
    ],
    "reasoning_effort": [
        Refused("low", None, None, message="Unrecognized request argument supplied: reasoning_effort")
    ],
    "audio": [unsupported("audio", {"voice": "ash", "format": "mp3"})],
    "function_call": [unsupported("function_call", "auto")],
    "functions": [unsupported("functions", [{"name": "f"}])],
    "moderation": [unsupported("moderation", {"model": "m"})],
    "parallel_tool_calls": [
        Honoured(False, lambda sight: sight.turn is not None and not sight.turn.parallel_tool_calls, WITH_TOOL),
        Honoured(True, lambda sight: sight.turn is not None and sight.turn.parallel_tool_calls, WITH_TOOL),
        Refused(True, "parallel_tool_calls", "invalid_value"),
    ],
    "prediction": [unsupported("prediction", {"type": "content", "content": "x"})],
    "prompt_cache_options": [unsupported("prompt_cache_options", {"mode": "implicit"})],
    "tool_choice": [
        Honoured("none", lambda sight: _choice(sight) == ToolChoice("none"), WITH_TOOL),
        Elsewhere("server/test_chat_tools.py::test_auto_asks_the_model"),
        Refused("auto", "tool_choice", "invalid_value"),
        Refused("sometimes", "tool_choice", "invalid_value", WITH_TOOL),
        Refused({"type": "function", "function": {"name": "g"}}, "tool_choice", "invalid_value", WITH_TOOL),
        Elsewhere("server/test_openapi.py::test_answers_with_calls_fit"),
    ],
    "tools": [
        Honoured([TOOL], lambda sight: sight.turn is not None and [t.name for t in sight.turn.tools] == ["f"]),
        Elsewhere("server/test_openapi.py::test_answers_with_calls_fit"),
        Refused([], "tools", "empty_array"),
        Refused([TOOL, TOOL], "tools[1].function.name", "invalid_value"),
        Refused([{"type": "web_search"}], "tools[0].type", "invalid_value"),
    ],
    "verbosity": [unsupported("verbosity", "low")],
    "web_search_options": [
        Elsewhere("server/test_web_search_fields.py::test_chat_options"),
        Refused({}, "web_search_options", "unsupported_value"),  # without a provider
        Refused({"search_context_size": "huge"}, "web_search_options.search_context_size", "invalid_value"),
        Refused([], "web_search_options", "invalid_type"),
    ],
}

COMPLETIONS: Table = {
    **SHARED,
    "prompt": [
        Honoured("hi", lambda sight: bytes(sight.request.prompt) == b"hi"),
        Honoured([104, 105], lambda sight: list(sight.request.prompt) == [104, 105]),
        Honoured(["a", "b"], lambda sight: [c["index"] for c in sight.answer["choices"]] == [0, 1]),
        Honoured([[97], [98]], lambda sight: sight.answer["usage"]["prompt_tokens"] == 2),
        Refused([], "prompt", "empty_array"),
        Refused([[]], "prompt[0]", "empty_array"),
        Refused([1, "a"], "prompt[1]", "invalid_type"),
        Refused([-1], "prompt[0]", "integer_below_min_value"),
        Refused({}, "prompt", "invalid_type"),
    ],
    "max_tokens": [
        Honoured(3, lambda sight: sight.answer["choices"][0]["text"] == "Hel"),
        Refused(0, "max_tokens", "invalid_value"),
        Refused(50_000, "max_tokens", "invalid_value"),
    ],
    "echo": [
        Honoured(True, lambda sight: sight.answer["choices"][0]["text"].startswith("hiHello")),
        Honoured(True, lambda sight: sight.answer["choices"][0]["text"] == "hi", {"max_tokens": 0, "logprobs": 1}),
    ],
    "logprobs": [
        Honoured(1, lambda sight: sight.answer["choices"][0]["logprobs"]["text_offset"][:3] == [0, 1, 2]),
        Honoured(0, lambda sight: sight.answer["choices"][0]["logprobs"]["top_logprobs"][0] == {"H": -0.25}),
        Honoured(1, lambda sight: sight.answer["choices"][0]["logprobs"]["token_logprobs"][0] is None, {"echo": True}),
        Refused(6, "logprobs", "integer_above_max_value"),
    ],
    "best_of": [
        Honoured(3, lambda sight: sight.request.params.n == 3 and len(sight.answer["choices"]) == 1),
        Refused(1, "best_of", "invalid_value", {"n": 2}),
        Refused(2, "best_of", "invalid_value", {"stream": True}),
        Refused(21, "best_of", "integer_above_max_value"),
    ],
    "suffix": [unsupported("suffix", "x")],
}
