"""Who is asked: the model of this process, or any server that speaks the OpenAI API.

Both get the same conversations, with temperature 0 and a fixed number of tokens, and answer with text, what it took and
how the prompt was read. Lengths are counted with this machine's tokenizer and chat template in both cases.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from spatz.engine.request import ContextMode, Request, SamplingParams
from spatz.errors import ConfigError, RequestError, SpatzError
from spatz.evals.case import Message
from spatz.evals.counting import Prompter
from spatz.server.local import LocalModel

__all__ = ["WAIT_SECONDS", "Asker", "LocalAsker", "Reply", "UrlAsker"]

WAIT_SECONDS = 7200  # for an answer: a million tokens on a slow machine
_CONNECT_SECONDS = 10.0
_SHOWN = 400  # characters of an error
_HOPELESS = (401, 403, 404, 405)  # who may not ask, or asks for what is not there, need not ask again


@dataclass(frozen=True, slots=True)
class Reply:
    text: str
    prompt_tokens: int  # as who was asked counts them; 0 where a server does not tell
    counted_tokens: int  # as this machine counts them
    cached_tokens: int
    seconds: float
    mode: str = ""  # how the prompt was read; "" where a server does not tell
    blocks: int = 0
    error: str = ""  # what the server said instead of an answer


class Asker(Protocol):
    @property
    def name(self) -> str:
        """The model, and where it runs."""

    def ask(self, messages: Sequence[Message], max_tokens: int, prefix: str = "") -> Reply:
        """prefix: with which the answer begins already. Errors of the request are in the reply; others are raised."""

    def logprobs(self, tokens: Sequence[int]) -> list[float]:
        """Of each token but the first, given all before it. Raises SpatzError."""


class LocalAsker:
    def __init__(self, model: LocalModel, context: ContextMode, maker: Prompter) -> None:
        self._model = model
        self._context = context
        self._maker = maker
        self.name = f"{model.name} in this process"

    def ask(self, messages: Sequence[Message], max_tokens: int, prefix: str = "") -> Reply:
        start = time.perf_counter()
        try:
            return asyncio.run(self._ask(messages, max_tokens, prefix, start))
        except RequestError as error:
            return Reply("", 0, 0, 0, time.perf_counter() - start, error=error.message[:_SHOWN])

    def logprobs(self, tokens: Sequence[int]) -> list[float]:
        return asyncio.run(self._logprobs(tokens))

    async def _ask(self, messages: Sequence[Message], max_tokens: int, prefix: str, start: float) -> Reply:
        prompt = self._maker.prompt(messages)
        tokens = np.concatenate([prompt.tokens, self._maker.begun(prefix)])
        params = SamplingParams(max_tokens=max_tokens, temperature=0.0)
        pieces: list[str] = []
        usage = None
        request = self._model.plan(Request(tokens, params, context=self._context, areas=prompt.areas))
        async with aclosing(self._model.submit(request)) as deltas:
            async for delta in deltas:
                pieces.append(delta.text)
                usage = delta.usage
        if usage is None:
            raise SpatzError("an answer broke off")
        took = time.perf_counter() - start
        use = usage.context
        counts = usage.prompt_tokens, len(tokens), usage.cached_tokens
        return Reply("".join(pieces), *counts, took, use.mode.value, use.blocks)

    async def _logprobs(self, tokens: Sequence[int]) -> list[float]:
        params = SamplingParams(max_tokens=0, prompt_logprobs=0)
        asked = Request(np.array(tokens, np.int32), params, source="prompt", context=self._context)
        found: list[float] = []
        async with aclosing(self._model.submit(self._model.plan(asked))) as deltas:
            async for delta in deltas:
                if delta.prompt_logprobs is not None:
                    found = [item.logprob for item in delta.prompt_logprobs]
        return found


class UrlAsker:
    """maker: counts prompts, and renders those that begin an answer, which the API of chats cannot say.

    seconds: to wait for an answer; a question that gets none until then has failed. Raises ConfigError.
    """

    def __init__(
        self, url: str, model: str, key: str, context: ContextMode, maker: Prompter, seconds: float = WAIT_SECONDS
    ) -> None:
        import httpx

        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx.Timeout(seconds, connect=_CONNECT_SECONDS)
        try:
            self._client = httpx.Client(base_url=url.rstrip("/") + "/", headers=headers, timeout=timeout)
        except httpx.InvalidURL as error:
            raise ConfigError(f"--url: {url} is no address: {error}") from None
        self._seconds = seconds
        self._common: dict[str, Any] = {"model": model}
        if context is not ContextMode.AUTO:  # a field that other servers need not know
            self._common["spatz"] = {"context": context.value}
        self._maker = maker
        self.name = f"{model} at {url}"

    def close(self) -> None:
        self._client.close()

    def ask(self, messages: Sequence[Message], max_tokens: int, prefix: str = "") -> Reply:
        body: dict[str, Any] = {"max_tokens": max_tokens, "temperature": 0}
        tokens = np.concatenate([self._maker.prompt(messages).tokens, self._maker.begun(prefix)])
        start = time.perf_counter()
        try:
            if prefix:
                data = self._post("completions", {**body, "prompt": tokens.tolist()})
                text = data["choices"][0]["text"]
            else:
                data = self._post("chat/completions", {**body, "messages": list(messages)})
                text = data["choices"][0]["message"].get("content") or ""
            if not isinstance(text, str):
                raise TypeError(f"a text that is {type(text).__name__}")
            usage = data.get("usage") or {}
            told = usage.get("spatz") or {}
            details = usage.get("prompt_tokens_details") or {}
            return Reply(
                text,
                int(usage.get("prompt_tokens") or 0),
                len(tokens),
                int(details.get("cached_tokens") or 0),
                time.perf_counter() - start,
                str(told.get("mode") or ""),
                int(told.get("blocks") or 0),
            )
        except RequestError as error:
            return Reply("", 0, len(tokens), 0, time.perf_counter() - start, error=error.message[:_SHOWN])
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise SpatzError(f"{self.name} answered in no shape of the API: {type(error).__name__} {error}") from None

    def logprobs(self, tokens: Sequence[int]) -> list[float]:
        body = {"prompt": list(tokens), "max_tokens": 0, "echo": True, "logprobs": 0, "temperature": 0}
        data = self._post("completions", body)
        try:
            found = data["choices"][0]["logprobs"]["token_logprobs"]
            return [float(value) for value in found[1 : len(tokens)]]
        except (KeyError, IndexError, TypeError, ValueError):
            raise SpatzError(f"{self.name} gives no log-probabilities of a prompt (echo with logprobs)") from None

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        import httpx

        try:
            response = self._client.post(path, json={**self._common, **body})
        except (httpx.ReadTimeout, httpx.WriteTimeout):
            raise RequestError(f"no answer in {self._seconds:g} seconds (--timeout)", status=504) from None
        except httpx.HTTPError as error:
            raise SpatzError(f"{self.name} does not answer: {type(error).__name__}: {error}") from None
        status = response.status_code
        if response.is_redirect:
            raise SpatzError(f"{self.name}: {status}: it is at {response.headers['location'][:_SHOWN]}")
        try:
            data = response.json()
        except (ValueError, RecursionError):
            # What stands before a server (or its crash) speaks plain text or HTML.
            data = " ".join(response.text[: 4 * _SHOWN].split()) or response.reason_phrase
            if status < 400:
                raise SpatzError(f"{self.name} answered {status} with no JSON: {data[:_SHOWN]}") from None
        if status >= 400 or (isinstance(data, dict) and data.get("error") and not data.get("choices")):
            said = data.get("error", data) if isinstance(data, dict) else data
            said = said.get("message", said) if isinstance(said, dict) else said
            message = f"{status}: {str(said)[:_SHOWN]}"
            if status in _HOPELESS:
                raise SpatzError(f"{self.name}: {message}")
            raise RequestError(message, status=status)
        if not isinstance(data, dict):
            raise SpatzError(f"{self.name} answered in no shape of the API")
        return data


def key_of(url: str, variable: str | None) -> str:
    """The API's key out of the environment, for an address that was given with --url."""
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"--url: {url} is no address such as http://127.0.0.1:8000/v1")
    key = os.environ.get(variable, "").strip() if variable else ""
    if variable and not key:
        raise ConfigError(f"--key-env: there is no environment variable {variable}")
    if not (key.isascii() and key.isprintable()):  # HTTP's own complaint would show it
        raise ConfigError(f"--key-env: what {variable} holds is no key: no header may have its characters")
    return key
