"""The object that the Responses API answers with: every key, always. A response is this dict from its birth on.

responses_stream.py fills in the output, responses_run.py says how it ended. Here are also JSON's two forms of it: what
is stored, and what an `include` leaves of it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from spatz.errors import RequestError
from spatz.server.generate import Totals
from spatz.server.json_response import dumps
from spatz.server.responses_items import Item
from spatz.server.responses_kept import new_id
from spatz.server.responses_request import LOGPROBS, ResponseRequest
from spatz.server.responses_text import TextConfig
from spatz.server.responses_tool_choice import choice_body
from spatz.server.responses_tools import tool_body
from spatz.server.web_search_item import shown_search

__all__ = ["Response", "dump", "end", "failure", "included", "new_response", "shown", "usage_body"]

Response = dict[str, Any]
# Of the API's few codes, those that readers of images use, too.
IMAGE_CODES = frozenset(
    {
        "empty_image_file",
        "failed_to_download_image",
        "image_file_not_found",
        "image_file_too_large",
        "image_parse_error",
        "image_too_large",
        "image_too_small",
        "invalid_base64_image",
        "invalid_image",
        "invalid_image_format",
        "invalid_image_mode",
        "invalid_image_url",
        "unsupported_image_media_type",
    }
)


def new_response(body: ResponseRequest, model: str, temperature: float) -> Response:
    """In progress, with no output yet. temperature: where the request gives none."""
    return {
        "id": new_id("resp_"),
        "object": "response",
        "created_at": int(time.time()),
        "status": "queued" if body.background else "in_progress",
        "background": bool(body.background),
        "completed_at": None,
        "conversation": None if body.conversation_id is None else {"id": body.conversation_id},
        "error": None,
        "frequency_penalty": 0.0,
        "incomplete_details": None,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "max_tool_calls": body.max_tool_calls,
        "metadata": body.metadata or {},
        "model": model,
        "output": [],
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "presence_penalty": 0.0,
        "previous_response_id": body.previous_response_id,
        "prompt_cache_key": body.prompt_cache_key,
        "prompt_cache_retention": "in_memory" if body.prompt_cache_retention else None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": body.safety_identifier,
        "service_tier": "default",
        "store": body.is_stored,
        "temperature": float(temperature if body.temperature is None else body.temperature),
        "text": (body.text or TextConfig()).body(),
        "tool_choice": choice_body(body.tool_choice),
        "tools": [tool_body(tool) for tool in body.tools or ()],
        "top_logprobs": body.top_logprobs or 0,
        "top_p": 1.0 if body.top_p is None else float(body.top_p),
        "truncation": body.truncation or "disabled",
        "usage": None,
        "user": body.user,
    }


def end(response: Response, status: str, totals: Totals | None = None) -> None:
    """status: completed, incomplete (the tokens have run out), failed or cancelled."""
    response |= {"status": status, "completed_at": None, "incomplete_details": None}
    if status == "completed":
        response["completed_at"] = max(int(time.time()), response["created_at"])
    elif status == "incomplete":
        response["incomplete_details"] = {"reason": "max_output_tokens"}
    if totals is not None:
        response["usage"] = usage_body(totals)


def failure(error: RequestError) -> dict[str, str]:
    """What a failed response says of its reason: the API has its own few codes for that."""
    codes = {429: "rate_limit_exceeded", 400: "invalid_prompt"}
    code = error.code if error.code in IMAGE_CODES else codes.get(error.status, "server_error")
    return {"code": code or "", "message": error.message}


def usage_body(totals: Totals) -> dict[str, Any]:
    # What is written to the cache costs nothing here, so none of it is counted.
    details = {"cached_tokens": totals.cached_tokens, "cache_write_tokens": 0}
    if totals.image_tokens:  # the API has no such key here
        details["image_tokens"] = totals.image_tokens
    return {
        "input_tokens": totals.prompt_tokens,
        "input_tokens_details": details,
        "output_tokens": totals.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": totals.prompt_tokens + totals.completion_tokens,
        "spatz": totals.told(),
    }


def dump(value: object) -> str:
    return dumps(value).decode()


def shown(response: Response, include: Sequence[str] | None) -> Response:
    """As it is told to who asked for it: what is kept of searches is more than what is shown of them."""
    return {**response, "output": [shown_search(item, include or ()) for item in response["output"]]}


def included(items: list[Item], include: Sequence[str] | None) -> list[Item]:
    """Stored items as they are shown: log-probabilities, too, are only told to those who ask for them."""
    include = include or ()
    if LOGPROBS not in include:
        for item in items:
            for part in item.get("content", ()):
                if part["type"] == "output_text":
                    part["logprobs"] = []
    return [shown_search(item, include) for item in items]
