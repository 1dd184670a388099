"""The events of a response, as bytes ready to be sent, and its output, put together from the same.

A `ResponseWriter` is fed with the events of server/answer.py and fills in the response's output; what it gives are
named server-sent events, numbered from 0 on. A token costs one template that is filled in. Who reads them, and how a
response ends, is responses_run.py's business.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from spatz.engine.request import TokenLogprob
from spatz.errors import RequestError
from spatz.server.chat_answer import OBFUSCATION_STEP, logprob_entries
from spatz.server.events import (
    CallArguments,
    CallDone,
    CallStarted,
    Cited,
    Event,
    Finished,
    SearchDone,
    SearchStarted,
    TextDelta,
)
from spatz.server.generate import Totals
from spatz.server.responses_answer import Response, dump, end, failure, shown
from spatz.server.responses_items import Item
from spatz.server.responses_kept import new_id
from spatz.server.sse import quote
from spatz.server.web_search_item import begun_search, end_search, shown_search

__all__ = ["ResponseWriter", "error_event", "split_events"]


def error_event(error: RequestError, sequence: int) -> bytes:
    """Clients differ in where they look for what went wrong: it is told in both places."""
    inner = error.body()["error"]
    body = {
        "type": "error",
        "sequence_number": sequence,
        "code": inner["code"],
        "message": inner["message"],
        "param": inner["param"],
        "error": inner,
    }
    return f"event: error\ndata: {dump(body)}\n\n".encode()


def split_events(data: bytes) -> list[bytes]:
    """The single events; the number of each is its place."""
    return [event + b"\n\n" for event in data.split(b"\n\n") if event]


@dataclass(slots=True)
class _Open:
    """An item that is being written. head, tail: what stands before and behind the number of a delta."""

    item: Item
    place: int
    head: str
    tail: str
    pieces: list[str] = field(default_factory=list)
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)


class ResponseWriter:
    def __init__(
        self, response: Response, *, logprobs: int | None, obfuscate: bool, include: Sequence[str] = ()
    ) -> None:
        """logprobs None: they were not asked for. include: what is shown of searches; the response has all of it."""
        self.response = response
        self.sequence = 0  # the number of the next event
        self.reason = "stop"
        self.totals: Totals | None = None
        self._logprobs = logprobs
        self._obfuscate = obfuscate
        self._include = include
        self._output: list[Item] = response["output"]
        self._message: _Open | None = None
        self._calls: dict[int, _Open] = {}  # by their position
        self._searches: dict[str, _Open] = {}  # by their id
        self._done: CallDone | None = None  # the last call, whose end has not been told yet

    def begin(self) -> bytes:
        """The first events of a response that is run at once."""
        return self._state("created") + self._state("in_progress")

    def queued(self) -> bytes:
        return self._state("created") + self._state("queued")

    def started(self) -> bytes:
        """Of one that was queued."""
        return self._state("in_progress")

    def take(self, event: Event) -> bytes:
        if isinstance(event, TextDelta):
            if self._done is None:
                return self._text(event.text, event.logprobs)
            return self._close_done("completed") + self._text(event.text, event.logprobs)
        if isinstance(event, CallArguments):
            return self._arguments(event.position, event.text)
        if isinstance(event, CallStarted):
            return self._close_done("completed") + self._close_message("completed") + self._open_call(event)
        if isinstance(event, CallDone):
            # Whether it is whole is known when the next event comes: it may have been cut off by the limit.
            data = self._close_done("completed")
            self._done = event
            return data
        if isinstance(event, Cited):
            return self._cite(event)
        if isinstance(event, SearchStarted):
            return self._close_message("completed") + self._open_search(event)
        if isinstance(event, SearchDone):
            return self._close_search(event)
        return self._finish(event)

    def end(self) -> bytes:
        """The last event, when the events of the answer have come to their end."""
        status = "incomplete" if self.reason == "length" else "completed"
        end(self.response, status, self.totals)
        return self._state(status)

    def fail(self, error: RequestError) -> bytes:
        told = error_event(error, self._number())
        self.abandon()
        end(self.response, "failed")
        self.response["error"] = failure(error)
        return told + self._state("failed")

    def abandon(self) -> None:
        """What has been written so far stays in the output, as incomplete."""
        number = self.sequence  # of what is told: the ends of these items are not
        self._close_done("completed")
        self._close_message("incomplete")
        for position in list(self._calls):
            self._close_call(position, "incomplete", None)
        for opened in self._searches.values():
            opened.item["status"] = "incomplete"
        self._searches.clear()
        self.sequence = number

    def _text(self, text: str, logprobs: Sequence[TokenLogprob]) -> bytes:
        data = b"" if self._message is not None else self._open_message()
        opened = self._message
        assert opened is not None
        shown = "[]"
        if self._logprobs is not None and logprobs:
            entries = logprob_entries(logprobs, self._logprobs)
            opened.logprobs += entries
            shown = dump(entries)
        elif not text:
            return data
        opened.pieces.append(text)
        line = f'{opened.head}{self._number()}{opened.tail}{quote(text)},"logprobs":{shown}{self._end(text)}'
        return data + line.encode() if data else line.encode()

    def _cite(self, event: Cited) -> bytes:
        opened = self._message
        assert opened is not None, "what is cited has been told"
        annotation = {
            "type": "url_citation",
            "url": event.url,
            "title": event.title,
            "start_index": event.start,
            "end_index": event.end,
        }
        opened.annotations.append(annotation)
        index = len(opened.annotations) - 1
        return self._part("output_text.annotation.added", opened, annotation_index=index, annotation=annotation)

    def _arguments(self, position: int, text: str) -> bytes:
        opened = self._calls[position]
        opened.pieces.append(text)
        return f"{opened.head}{self._number()}{opened.tail}{quote(text)}{self._end(text)}".encode()

    def _open_message(self) -> bytes:
        item: Item = {
            "id": new_id("msg_"),
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        self._message = opened = self._open(item, "response.output_text.delta", ',"content_index":0')
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        added = self._event("output_item.added", output_index=opened.place, item=item)
        return added + self._part("content_part.added", opened, part=part)

    def _close_message(self, status: str) -> bytes:
        opened, self._message = self._message, None
        if opened is None:
            return b""
        text = "".join(opened.pieces)
        part = {
            "type": "output_text",
            "text": text,
            "annotations": opened.annotations,
            "logprobs": opened.logprobs,
        }
        data = self._part("output_text.done", opened, text=text, logprobs=opened.logprobs)
        data += self._part("content_part.done", opened, part=part)
        opened.item |= {"status": status, "content": [part]}
        return data + self._event("output_item.done", output_index=opened.place, item=opened.item)

    def _open_search(self, event: SearchStarted) -> bytes:
        item = begun_search(event.id, event.action)
        self._searches[event.id] = opened = self._open(item, "", "")
        data = self._event("output_item.added", output_index=opened.place, item=item)
        return data + self._search("in_progress", opened) + self._search("searching", opened)

    def _close_search(self, event: SearchDone) -> bytes:
        opened = self._searches.pop(event.id)
        end_search(opened.item, event)
        data = b"" if event.failed else self._search("completed", opened)  # the API has no event for what failed
        item = shown_search(opened.item, self._include)
        return data + self._event("output_item.done", output_index=opened.place, item=item)

    def _search(self, name: str, opened: _Open) -> bytes:
        return self._event(f"web_search_call.{name}", item_id=opened.item["id"], output_index=opened.place)

    def _open_call(self, event: CallStarted) -> bytes:
        custom = event.kind == "custom"
        item: Item = {
            "id": new_id("ctc_" if custom else "fc_"),
            "type": "custom_tool_call" if custom else "function_call",
            "status": "in_progress",
            "call_id": event.id,
            "name": event.name,
            "input" if custom else "arguments": "",
        }
        kind = "response.custom_tool_call_input.delta" if custom else "response.function_call_arguments.delta"
        self._calls[event.position] = opened = self._open(item, kind, "")
        return self._event("output_item.added", output_index=opened.place, item=item)

    def _close_done(self, status: str) -> bytes:
        done, self._done = self._done, None
        return b"" if done is None else self._close_call(done.position, status, done.call.arguments)

    def _close_call(self, position: int, status: str, arguments: str | None) -> bytes:
        """arguments None: as far as they were written."""
        opened = self._calls.pop(position)
        item = opened.item
        said = "".join(opened.pieces) if arguments is None else arguments
        where = {"item_id": item["id"], "output_index": opened.place}
        if item["type"] == "custom_tool_call":
            data = self._event("custom_tool_call_input.done", **where, input=said)
            item |= {"status": status, "input": said}
        else:
            data = self._event("function_call_arguments.done", **where, name=item["name"], arguments=said)
            item |= {"status": status, "arguments": said}
        return data + self._event("output_item.done", output_index=opened.place, item=item)

    def _finish(self, event: Finished) -> bytes:
        status = "incomplete" if event.reason == "length" else "completed"
        told = any(item["type"] != "web_search_call" for item in self._output)
        data = b"" if told else self._open_message()
        data += self._close_done(status) + self._close_message(status)
        for position in list(self._calls):  # cut off by the limit
            data += self._close_call(position, status, None)
        self.reason = event.reason
        self.totals = event.usage or self.totals
        return data

    def _open(self, item: Item, kind: str, place: str) -> _Open:
        index = len(self._output)
        self._output.append(item)
        head = f'event: {kind}\ndata: {{"type":"{kind}","sequence_number":'
        tail = f',"item_id":"{item["id"]}","output_index":{index}{place},"delta":'
        return _Open(item, index, head, tail)

    def _part(self, name: str, opened: _Open, **rest: Any) -> bytes:
        return self._event(name, item_id=opened.item["id"], output_index=opened.place, content_index=0, **rest)

    def _state(self, name: str) -> bytes:
        return self._event(name, response=shown(self.response, self._include))

    def _event(self, event: str, **rest: Any) -> bytes:
        kind = f"response.{event}"
        return f"event: {kind}\ndata: {dump({'type': kind, 'sequence_number': self._number(), **rest})}\n\n".encode()

    def _number(self) -> int:
        number = self.sequence
        self.sequence += 1
        return number

    def _end(self, text: str) -> str:
        """With padding, when asked for, that hides the size of the text from those who watch an encrypted line."""
        if not self._obfuscate:
            return "}\n\n"
        padding = secrets.token_urlsafe(2 * OBFUSCATION_STEP)[: OBFUSCATION_STEP - len(text) % OBFUSCATION_STEP]
        return f',"obfuscation":"{padding}"}}\n\n'
