"""The objects that chat completions answer with: one whole, or chunks of a stream made from templates.

The chunk of a token is two joined byte strings and one escaped text; that is what a stream costs per token.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Any

from spatz.engine.request import TokenLogprob
from spatz.server.answer import Answer, Reason
from spatz.server.generate import Totals
from spatz.server.sse import quote

__all__ = ["ChatChunks", "chat_completion", "logprob_entries", "shown"]

LEAST_LOGPROB = -9999.0  # what the API gives for "impossible": JSON has no infinity
OBFUSCATION_STEP = 16


def shown(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def logprob_entries(found: Sequence[TokenLogprob], top: int) -> list[dict[str, Any]]:
    return [
        {
            **_entry(item.data, item.logprob),
            "top_logprobs": [_entry(data, logprob) for _, data, logprob in item.top[:top]],
        }
        for item in found
    ]


def _entry(data: bytes, logprob: float) -> dict[str, Any]:
    return {"token": shown(data), "logprob": max(logprob, LEAST_LOGPROB), "bytes": list(data)}


def chat_completion(
    head: dict[str, Any], answers: Sequence[Answer], totals: Totals, top_logprobs: int | None
) -> dict[str, Any]:
    """head: id, created, model. top_logprobs None: log-probabilities were not asked for."""
    return {
        "id": head["id"],
        "object": "chat.completion",
        "created": head["created"],
        "model": head["model"],
        "choices": [
            {
                "index": index,
                "message": {"role": "assistant", "content": answer.text, "refusal": None, "annotations": []},
                "logprobs": None
                if top_logprobs is None
                else {"content": logprob_entries(answer.logprobs, top_logprobs), "refusal": None},
                "finish_reason": answer.reason,
            }
            for index, answer in enumerate(answers)
        ],
        "usage": totals.body(),
        "service_tier": "default",
        "system_fingerprint": head["system_fingerprint"],
    }


class ChatChunks:
    """Chunks of one stream, as bytes ready to be sent."""

    def __init__(
        self, head: dict[str, Any], choices: int, *, include_usage: bool, obfuscate: bool, top_logprobs: int | None
    ) -> None:
        fixed = {
            "id": head["id"],
            "object": "chat.completion.chunk",
            "created": head["created"],
            "model": head["model"],
            "service_tier": "default",
            "system_fingerprint": head["system_fingerprint"],
        }
        self._head = "data: " + json.dumps(fixed, ensure_ascii=False, separators=(",", ":"))[:-1] + ',"choices":['
        self._before = [f'{self._head}{{"index":{index},"delta":' for index in range(choices)]
        self._usage = ',"usage":null' if include_usage else ""
        self._obfuscate = obfuscate
        self._top_logprobs = top_logprobs
        self._text_end = f',"finish_reason":null}}]{self._usage}}}\n\n'

    def roles(self) -> bytes:
        """The first chunk of every choice."""
        delta = '{"role":"assistant","content":"","refusal":null},"logprobs":null'
        return "".join(before + delta + self._end(self._text_end, 0) for before in self._before).encode()

    def text(self, index: int, text: str, logprobs: Sequence[TokenLogprob]) -> bytes:
        if self._top_logprobs is None:
            middle = '},"logprobs":null'
        else:
            entries = logprob_entries(logprobs, self._top_logprobs)
            middle = '},"logprobs":' + _json({"content": entries, "refusal": None})
        end = self._text_end if not self._obfuscate else self._end(self._text_end, len(text))
        return f'{self._before[index]}{{"content":{quote(text)}{middle}{end}'.encode()

    def finish(self, index: int, reason: Reason) -> bytes:
        end = f',"finish_reason":"{reason}"}}]{self._usage}}}\n\n'
        return f'{self._before[index]}{{}},"logprobs":null{self._end(end, 0)}'.encode()

    def usage(self, totals: Totals) -> bytes:
        return f'{self._head}],"usage":{_json(totals.body())}}}\n\n'.encode()

    def _end(self, end: str, size: int) -> str:
        """With padding, when asked for, that hides the size of the text from those who watch an encrypted line."""
        if not self._obfuscate:
            return end
        padding = secrets.token_urlsafe(2 * OBFUSCATION_STEP)[: OBFUSCATION_STEP - size % OBFUSCATION_STEP]
        return f'{end[:-3]},"obfuscation":"{padding}"}}\n\n'


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
