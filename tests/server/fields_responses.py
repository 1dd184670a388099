"""Request fields of the Responses API. What a response repeats is looked at in test_responses_request.py, too."""

from __future__ import annotations

from typing import Any

from server.fields import Elsewhere, Honoured, Refused, Sight, Table, param, shown, unsupported
from server.fields_chat import SCHEMA
from spatz.engine.request import ContextMode
from spatz.prompt.turn import JsonFormat, ToolChoice, Turn

TOOL = {"type": "function", "name": "f", "parameters": {}, "strict": False}
WITH_TOOL = {"tools": [TOOL]}
LOG = "server/test_gate.py::test_the_access_log_names_the_user"
REPEATED = "server/test_responses_request.py::test_a_field_is_repeated_in_the_answer"


def _turn(sight: Sight) -> Turn:
    assert sight.turn is not None
    return sight.turn


def _format(**fields: Any) -> dict[str, Any]:
    return {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA, **fields}}


RESPONSES: Table = {
    "model": [
        Honoured("gpt-4.1-nano", lambda sight: sight.answer["model"] == "fake-model"),
        Refused("gpt-9", "model", "model_not_found", status=404),
    ],
    "input": [
        Honoured("hi", lambda sight: bytes(sight.request.prompt) == b"user:hi\n"),
        Elsewhere("server/test_responses_request.py::test_items_become_messages"),
        Refused(5, "input", "invalid_type"),
    ],
    "instructions": [
        Honoured("Be brief.", lambda sight: bytes(sight.request.prompt) == b"system:Be brief.\nuser:hi\n"),
        Refused(5, "instructions", "invalid_type"),
    ],
    "temperature": [param("temperature", 0.5), Refused(3, "temperature", "integer_above_max_value")],
    "top_p": [param("top_p", 0.5), Refused(2, "top_p", "integer_above_max_value")],
    "max_output_tokens": [
        Honoured(16, lambda sight: sight.request.params.max_tokens == 16),
        Refused(50_000, "max_output_tokens", "invalid_value"),
    ],
    "top_logprobs": [
        Honoured(2, lambda sight: sight.request.params.logprobs == 2),
        Refused(21, "top_logprobs", "integer_above_max_value"),
    ],
    "include": [
        Elsewhere("server/test_responses_request.py::test_logprobs_are_included_on_demand"),
        Elsewhere("server/test_search_stream.py::test_sources_and_results_are_told_on_demand_and_kept_in_any_case"),
        Refused(["nonsense"], "include", "invalid_value"),
    ],
    "stream": [
        Elsewhere("server/test_responses_stream.py::test_events_of_a_text"),
        Refused("yes", "stream", "invalid_type"),
    ],
    "stream_options": [
        Elsewhere("server/test_responses_stream.py::test_obfuscation_evens_out_sizes"),
        Refused({"include_obfuscation": True}, "stream_options", None),
    ],
    "store": [
        Elsewhere("server/test_responses.py::test_what_is_not_to_be_stored_is_not"),
        Refused("yes", "store", "invalid_type"),
    ],
    "metadata": [shown("metadata", {"a": "b"}), Refused({"a": 1}, "metadata.a", "invalid_type")],
    "previous_response_id": [
        Elsewhere("server/test_responses.py::test_a_chain"),
        Refused("resp_unknown", "previous_response_id", "previous_response_not_found"),
    ],
    "conversation": [
        Elsewhere("server/test_conversations.py::test_responses_are_part_of_one"),
        Refused("conv_unknown", None, None, status=404),
    ],
    "background": [
        Elsewhere("server/test_responses_background.py::test_it_is_queued_at_once_and_answered_without_a_client"),
        Refused(True, "background", "invalid_value", {"store": False}),
    ],
    "truncation": [
        Elsewhere("server/test_responses.py::test_truncation_leaves_out_the_oldest"),
        Refused("middle", "truncation", "invalid_value"),
    ],
    "text": [
        Honoured(
            _format(strict=True), lambda sight: _turn(sight).output_format == JsonFormat(SCHEMA, "x", strict=True)
        ),
        Refused(_format(schema={"type": "object"}, strict=True), "text.format.schema", "invalid_json_schema"),
        Refused({"verbosity": "high"}, "text.verbosity", "unsupported_value"),
    ],
    "tools": [
        Honoured([TOOL], lambda sight: [tool.name for tool in _turn(sight).tools] == ["f"]),
        Refused([{"type": "file_search"}], "tools[0].type", "unsupported_value"),
        Elsewhere("server/test_web_search_fields.py::test_the_tool"),
        Refused([{"type": "web_search"}], "tools", "unsupported_value"),  # without a provider
    ],
    "tool_choice": [
        Honoured("none", lambda sight: _turn(sight).tool_choice == ToolChoice("none"), WITH_TOOL),
        Elsewhere("server/test_web_search_fields.py::test_choices"),
        Refused({"type": "web_search"}, "tool_choice", "invalid_value", WITH_TOOL),
        Refused("sometimes", "tool_choice", "invalid_value", WITH_TOOL),
    ],
    "parallel_tool_calls": [
        Honoured(False, lambda sight: not _turn(sight).parallel_tool_calls, WITH_TOOL),
        Refused("yes", "parallel_tool_calls", "invalid_type"),
    ],
    "max_tool_calls": [
        Elsewhere(REPEATED),
        Elsewhere("server/test_web_search_fields.py::test_a_choice_where_the_search_is_the_only_tool"),
        Refused(0, "max_tool_calls", "integer_below_min_value"),
    ],
    "service_tier": [shown("service_tier", "default"), Refused("flex", "service_tier", "invalid_value")],
    "reasoning": [Elsewhere(REPEATED), Refused({"effort": "low"}, "reasoning.effort", "unsupported_parameter")],
    "prompt_cache_key": [
        Elsewhere("context/test_prefix.py::test_a_published_page_is_found_until_it_is_evicted"),
        shown("prompt_cache_key", "key"),
    ],
    "prompt_cache_retention": [
        shown("prompt_cache_retention", "in_memory"),
        Refused("24h", "prompt_cache_retention", "invalid_value"),
    ],
    "user": [Elsewhere(LOG), shown("user", "ada")],
    "safety_identifier": [Elsewhere(LOG), shown("safety_identifier", "s-1")],
    "spatz": [
        Honoured({"context": "skim"}, lambda sight: sight.request.context is ContextMode.SKIM),
        Honoured({"context": "routed"}, lambda sight: sight.answer["usage"]["spatz"]["mode"] == "routed"),
        Refused({"context": "full"}, "spatz.context", "invalid_value"),
        Refused({"window": 5}, "spatz.window", "unknown_parameter"),
        Refused([], "spatz", "invalid_type"),
    ],
    "access_programs": [unsupported("access_programs", ["x"])],
    "background_options": [unsupported("background_options", {"x": 1})],
    "context_management": [unsupported("context_management", [{"type": "compaction"}])],
    "image": [unsupported("image", {"x": 1})],
    "moderation": [unsupported("moderation", {"model": "m"})],
    "prompt": [Refused({"id": "pmpt_1"}, "prompt", "unsupported_parameter")],
    "prompt_cache_options": [unsupported("prompt_cache_options", {"mode": "implicit"})],
}
