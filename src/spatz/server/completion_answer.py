"""The objects that legacy completions answer with; whole and streamed ones have the same shape.

Log-probabilities are lists side by side: tokens, token_logprobs, top_logprobs (maps), text_offset (in characters).
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Any

from spatz.engine.request import FinishReason, TokenLogprob
from spatz.server.chat_answer import LEAST_LOGPROB
from spatz.server.generate import Choice, Totals

__all__ = ["LogprobLists", "best_choices", "completion", "completion_chunk"]


class LogprobLists:
    """Offsets go on from call to call, so that one object serves all chunks of a choice."""

    def __init__(self, top: int) -> None:
        self._top = top
        self._offset = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def unscored(self, data: bytes) -> dict[str, Any]:
        """The first token of an echoed prompt, which nothing precedes."""
        lists = self._lists([self._place(data)])
        return {**lists, "token_logprobs": [None], "top_logprobs": [None]}

    def scored(self, found: Sequence[TokenLogprob]) -> dict[str, Any]:
        lists = self._lists([self._place(item.data) for item in found])
        tops: list[dict[str, float]] = []
        for item in found:
            best = {_name(data): max(logprob, LEAST_LOGPROB) for _, data, logprob in item.top[: self._top]}
            # The token's own is always there, so there may be one more than was asked for.
            best.setdefault(_name(item.data), max(item.logprob, LEAST_LOGPROB))
            tops.append(best)
        scores = [max(item.logprob, LEAST_LOGPROB) for item in found]
        return {**lists, "token_logprobs": scores, "top_logprobs": tops}

    def _place(self, data: bytes) -> tuple[str, int]:
        offset = self._offset
        self._offset += len(self._decoder.decode(data))
        return _name(data), offset

    def _lists(self, placed: list[tuple[str, int]]) -> dict[str, Any]:
        return {"tokens": [name for name, _ in placed], "text_offset": [offset for _, offset in placed]}


def join(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {key: [item for part in parts for item in part[key]] for key in parts[0]} if parts else {}


def _name(data: bytes) -> str:
    """A token as text; a part of a character as the API writes it: bytes:\\xe2\\x96."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)


def best_choices(choices: Sequence[Choice], made: int, wanted: int) -> list[Choice]:
    """Of each `made` neighbours the `wanted` ones with the highest mean log-probability per token, best first."""

    def mean(choice: Choice) -> float:
        return sum(item.logprob for item in choice.logprobs) / max(len(choice.logprobs), 1)

    best: list[Choice] = []
    for start in range(0, len(choices), made):
        best += sorted(choices[start : start + made], key=mean, reverse=True)[:wanted]
    return best


def completion(head: dict[str, Any], choices: Sequence[dict[str, Any]], totals: Totals) -> dict[str, Any]:
    return {
        "id": head["id"],
        "object": "text_completion",
        "created": head["created"],
        "model": head["model"],
        "choices": list(choices),
        "usage": totals.body(),
        "system_fingerprint": head["system_fingerprint"],
    }


def completion_chunk(
    head: dict[str, Any], choices: Sequence[dict[str, Any]], *, include_usage: bool, totals: Totals | None = None
) -> dict[str, Any]:
    chunk = {
        "id": head["id"],
        "object": "text_completion",
        "created": head["created"],
        "model": head["model"],
        "choices": list(choices),
        "system_fingerprint": head["system_fingerprint"],
    }
    if include_usage:
        chunk["usage"] = None if totals is None else totals.body()
    return chunk


def choice_body(index: int, text: str, logprobs: dict[str, Any] | None, reason: FinishReason | None) -> dict[str, Any]:
    return {
        "text": text,
        "index": index,
        "logprobs": logprobs,
        "finish_reason": None if reason is None else reason.value,
    }
