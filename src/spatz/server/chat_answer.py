"""The objects that chat completions answer with: one whole, or chunks of a stream made from templates.

The chunk of a token is two joined byte strings and one escaped text; that is what a stream costs per token.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Any

from spatz.engine.request import TokenLogprob
from spatz.prompt.turn import ToolCall
from spatz.server.answer import Answer
from spatz.server.events import CallArguments, CallStarted, Cited, Reason
from spatz.server.generate import Totals
from spatz.server.sse import quote

__all__ = ["ChatChunks", "chat_completion", "logprob_entries", "shown"]

LEAST_LOGPROB = -9999.0  # what the API gives for "impossible": JSON has no infinity
OBFUSCATION_STEP = 16
CALL_FIELDS = {"function": ("function", "arguments"), "custom": ("custom", "input")}


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
                "message": _message(answer),
                "logprobs": None
                if top_logprobs is None
                else {
                    "content": None if answer.calls else logprob_entries(answer.logprobs, top_logprobs),
                    "refusal": None,
                },
                "finish_reason": answer.reason,
            }
            for index, answer in enumerate(answers)
        ],
        "usage": totals.body(),
        "service_tier": "default",
        "system_fingerprint": head["system_fingerprint"],
    }


def _message(answer: Answer) -> dict[str, Any]:
    annotations = [_annotation(cited) for cited in answer.citations]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": answer.text,
        "refusal": None,
        "annotations": annotations,
    }
    if answer.calls:
        message["content"] = answer.text or None
        message["tool_calls"] = [_call(call) for call in answer.calls]
    return message


def _annotation(cited: Cited) -> dict[str, Any]:
    """Nested here, and flat in Responses."""
    return {
        "type": "url_citation",
        "url_citation": {
            "url": cited.url,
            "title": cited.title,
            "start_index": cited.start,
            "end_index": cited.end,
        },
    }


def _call(call: ToolCall) -> dict[str, Any]:
    if call.kind == "custom":
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


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
        self._begun: set[int] = set()  # choices whose role was sent
        self._fields: dict[int, tuple[str, str]] = {}  # of the call that each choice is writing
        self._annotations: dict[int, list[dict[str, Any]]] = {}  # of each choice, until its end
        self._usage = ',"usage":null' if include_usage else ""
        self._obfuscate = obfuscate
        self._top_logprobs = top_logprobs
        self._text_end = f',"finish_reason":null}}]{self._usage}}}\n\n'

    def text(self, index: int, text: str, logprobs: Sequence[TokenLogprob]) -> bytes:
        if self._top_logprobs is None:
            middle = '},"logprobs":null'
        else:
            entries = logprob_entries(logprobs, self._top_logprobs)
            middle = '},"logprobs":' + _json({"content": entries, "refusal": None})
        end = self._text_end if not self._obfuscate else self._end(self._text_end, len(text))
        chunk = f'{self._before[index]}{{"content":{quote(text)}{middle}{end}'
        return (chunk if index in self._begun else self._role(index, '""') + chunk).encode()

    def call(self, event: CallStarted) -> bytes:
        """The first chunk of a call, which names it."""
        self._fields[event.index] = CALL_FIELDS[event.kind]
        field, argument = CALL_FIELDS[event.kind]
        call = {"index": event.position, "id": event.id, "type": field, field: {"name": event.name, argument: ""}}
        return self._role(event.index, "null").encode() + self._call(event.index, _json(call), 0)

    def arguments(self, event: CallArguments) -> bytes:
        """Of the call that was named last."""
        field, argument = self._fields[event.index]
        call = f'{{"index":{event.position},"{field}":{{"{argument}":{quote(event.text)}}}}}'
        return self._call(event.index, call, len(event.text))

    def cite(self, event: Cited) -> None:
        """Told in one chunk, at the choice's end: the SDKs join the lists of two chunks wrongly, or not at all."""
        self._annotations.setdefault(event.index, []).append(_annotation(event))

    def finish(self, index: int, reason: Reason) -> bytes:
        end = f',"finish_reason":"{reason}"}}]{self._usage}}}\n\n'
        first = self._role(index, '""')
        if index in self._annotations:
            delta = _json({"annotations": self._annotations.pop(index)})
            first += f'{self._before[index]}{delta},"logprobs":null{self._end(self._text_end, 0)}'
        return f'{first}{self._before[index]}{{}},"logprobs":null{self._end(end, 0)}'.encode()

    def usage(self, totals: Totals) -> bytes:
        return f'{self._head}],"usage":{_json(totals.body())}}}\n\n'.encode()

    def _role(self, index: int, content: str) -> str:
        """The first chunk of a choice, once. An answer that begins with a call has no content, not an empty one."""
        if index in self._begun:
            return ""
        self._begun.add(index)
        delta = f'{{"role":"assistant","content":{content},"refusal":null}},"logprobs":null'
        return f"{self._before[index]}{delta}{self._end(self._text_end, 0)}"

    def _call(self, index: int, call: str, size: int) -> bytes:
        end = self._end(self._text_end, size)
        return f'{self._before[index]}{{"tool_calls":[{call}]}},"logprobs":null{end}'.encode()

    def _end(self, end: str, size: int) -> str:
        """With padding, when asked for, that hides the size of the text from those who watch an encrypted line."""
        if not self._obfuscate:
            return end
        padding = secrets.token_urlsafe(2 * OBFUSCATION_STEP)[: OBFUSCATION_STEP - size % OBFUSCATION_STEP]
        return f'{end[:-3]},"obfuscation":"{padding}"}}\n\n'


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
