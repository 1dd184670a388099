"""A small HTTP client of the server that is measured: one kept connection, nothing that costs time of its own."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from typing import Any

from spatz.errors import SpatzError

__all__ = ["Client"]

_WAIT_SECONDS = 3600.0  # for the first byte of an answer: a portable core on a long prompt is slow


class Client:
    def __init__(self, host: str, port: int, model: str) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=_WAIT_SECONDS)
        self._model = model

    def close(self) -> None:
        self._connection.close()

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
        body = {**say, "stream": True, "max_tokens": 8, "temperature": 0}
        start = time.perf_counter()
        response = self._post("/v1/chat/completions" if chat else "/v1/completions", body)
        first = 0.0
        for line in response:
            # Text may be empty: the role's chunk, or a token inside a character.
            if not first and line.startswith(b"data: {") and _text(json.loads(line[6:])):
                first = time.perf_counter() - start
        if not first:
            raise SpatzError("the server streamed an answer without text")
        return first

    def _prompt_tokens(self, path: str, body: Mapping[str, Any]) -> int:
        answer = json.loads(self._post(path, {**body, "max_tokens": 1}).read())
        return int(answer["usage"]["prompt_tokens"])

    def _post(self, path: str, body: Mapping[str, Any]) -> http.client.HTTPResponse:
        data = json.dumps({**body, "model": self._model})
        try:
            self._connection.request("POST", path, data, {"Content-Type": "application/json"})
            response = self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise SpatzError(f"the server does not answer: {type(error).__name__}: {error}") from None
        if response.status != 200:
            raise SpatzError(f"the server answered {response.status}: {response.read(2000).decode('utf-8', 'replace')}")
        return response


def _text(chunk: Mapping[str, Any]) -> str:
    choices = chunk.get("choices") or [{}]
    return choices[0].get("text") or (choices[0].get("delta") or {}).get("content") or ""
