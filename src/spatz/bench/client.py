"""A small HTTP client of the server that is measured: one kept connection, nothing that costs time of its own.

An answer is bounded in time: by `seconds` as a whole, and by a pause in which not even a heartbeat comes.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from spatz.errors import SpatzError

__all__ = ["Client", "Streamed"]

_WAIT_SECONDS = 3600.0  # for an answer: a portable core on a long prompt is slow


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer, with the seconds since its request was sent."""

    first_s: float  # until its first text
    last_s: float  # until its end
    text: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    mode: str  # how the prompt was read


class Client:
    def __init__(self, host: str, port: int, model: str, seconds: float = _WAIT_SECONDS) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=seconds)
        self._seconds = seconds
        self._model = model
        self._left = False

    def close(self) -> None:
        self._connection.close()

    def leave(self) -> None:
        """Go away in the middle of whatever another thread does with this client."""
        self._left = True
        connected = self._connection.sock
        if connected is not None:
            with suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

    def served(self) -> str:
        """The name of the model that is there."""
        try:
            self._connection.request("GET", "/v1/models")
            return str(json.loads(self._connection.getresponse().read())["data"][0]["id"])
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
            raise SpatzError(f"the server does not name its model: {type(error).__name__}: {error}") from None

    def chat_prompt_tokens(self, text: str) -> int:
        """Tokens of the prompt that the chat template makes of a message."""
        return self._prompt_tokens("/v1/chat/completions", {"messages": [{"role": "user", "content": text}]})

    def complete(self, prompt: list[int]) -> None:
        """Answer with one token to a prompt of tokens."""
        if self._prompt_tokens("/v1/completions", {"prompt": prompt}) != len(prompt):
            raise SpatzError("the server did not run the whole prompt")

    def first_text_seconds(self, text: str, *, chat: bool) -> float:
        """Seconds from the request to the first text of the streamed answer."""
        say: dict[str, Any] = {"messages": [{"role": "user", "content": text}]} if chat else {"prompt": text}
        return self._streamed("/v1/chat/completions" if chat else "/v1/completions", {**say, "max_tokens": 8}).first_s

    def ask(self, messages: Sequence[Mapping[str, Any]], max_tokens: int, **fields: Any) -> Streamed:
        """A greedy answer to a conversation."""
        return self._streamed("/v1/chat/completions", {"messages": messages, "max_tokens": max_tokens, **fields})

    def body(self, fields: Mapping[str, Any]) -> bytes:
        """What is sent."""
        return json.dumps({**fields, "model": self._model}, ensure_ascii=False).encode()

    def _streamed(self, path: str, fields: Mapping[str, Any]) -> Streamed:
        # Made before the clock starts: what a client needs for that is not the server's.
        body = self.body({**fields, "stream": True, "stream_options": {"include_usage": True}, "temperature": 0})
        start = time.perf_counter()
        response = self._post(path, body)
        pieces: list[str] = []
        first = last = 0.0
        usage: Mapping[str, Any] | None = None
        try:
            with response:
                for line in response:
                    now = time.perf_counter() - start
                    if now > self._seconds:
                        raise SpatzError(f"an answer took longer than {self._seconds:,.0f} seconds")
                    if not line.startswith(b"data: {"):
                        continue
                    chunk = json.loads(line[6:])
                    if "error" in chunk:
                        raise SpatzError(f"the server broke an answer off: {chunk['error'].get('message')}")
                    # Text may be empty: the role's chunk, or a token inside a character.
                    if text := _text(chunk):
                        pieces.append(text)
                        first = first or now
                    if chunk.get("choices"):
                        last = now
                    usage = chunk.get("usage") or usage
        except (OSError, http.client.HTTPException) as error:
            raise SpatzError(f"an answer broke off: {type(error).__name__}: {error}") from None
        if not first or usage is None:
            raise SpatzError("the server streamed an answer without text or usage")
        return Streamed(
            first,
            last,
            "".join(pieces),
            usage["prompt_tokens"],
            usage["completion_tokens"],
            usage["prompt_tokens_details"]["cached_tokens"],
            usage["spatz"]["mode"],
        )

    def _prompt_tokens(self, path: str, fields: Mapping[str, Any]) -> int:
        answer = json.loads(self._post(path, self.body({**fields, "max_tokens": 1})).read())
        return int(answer["usage"]["prompt_tokens"])

    def _post(self, path: str, body: bytes) -> http.client.HTTPResponse:
        try:
            self._connection.request("POST", path, body, {"Content-Type": "application/json"})
            if self._left:  # before there was a connection to be cut
                raise SpatzError("the client has left")
            response = self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise SpatzError(f"the server does not answer: {type(error).__name__}: {error}") from None
        if response.status != 200:
            with response:
                text = response.read(2000).decode("utf-8", "replace")
            raise SpatzError(f"the server answered {response.status}: {text}")
        return response


def _text(chunk: Mapping[str, Any]) -> str:
    choices = chunk.get("choices") or [{}]
    return choices[0].get("text") or (choices[0].get("delta") or {}).get("content") or ""
