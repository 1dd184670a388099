"""A text run through the model for its KV alone: in this process, or by a server, whose cache it then is.

For `spatz cache warm`. The prompt is the one that `spatz run --file` makes, and one token of an answer is asked for.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spatz.commands.answer import answer
from spatz.commands.fetch import fetched
from spatz.config import Settings
from spatz.engine.request import ContextMode, SamplingParams
from spatz.errors import ConfigError, SpatzError
from spatz.server.local import local_model

if TYPE_CHECKING:
    import httpx

__all__ = ["Warmed", "here", "through"]

OK = 200
SILENCE_SECONDS = 120.0  # of a server that sends a comment every few seconds


@dataclass(frozen=True, slots=True)
class Warmed:
    tokens: int
    cached: int  # of these, known before
    added: int | None = None  # blocks on disk; None: the server knows


def here(settings: Settings, text: str, system: str | None, *, raw: bool) -> Warmed:
    if not settings.cache_mb:
        raise ConfigError("--cache-mb 0 keeps nothing: there is no cache to warm")
    with local_model(settings, fetched(settings)) as model:
        if not model.blocks.on_disk:
            raise ConfigError(
                "the cache cannot be written: if a server has it, name that with --url http://127.0.0.1:8000/v1"
            )
        before = model.blocks.stats()
        prompt = model.encode(text) if raw else model.encode_chat(_messages(text, system))
        params = SamplingParams(max_tokens=1, temperature=0.0)
        source = "prompt" if raw else "messages"
        mode = ContextMode(settings.context)
        usage = asyncio.run(answer(model, prompt, params, lambda piece: None, source, mode)).usage
    # What is on its way to the disk when the model stops is written before it has stopped.
    after = model.blocks.stats()
    added = after.entries + after.evictions - before.entries - before.evictions
    return Warmed(usage.prompt_tokens, usage.cached_tokens, added)


def through(url: str, text: str, system: str | None, *, raw: bool) -> Warmed:
    """Raises SpatzError with what the server says."""
    import httpx

    key = os.environ.get("SPATZ_API_KEY", "")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    body: dict[str, Any] = {
        "max_tokens": 1,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    try:
        with httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=SILENCE_SECONDS) as client:
            body["model"] = _checked(client.get("/models"))["data"][0]["id"]
            if raw:
                path, body["prompt"] = "/completions", text
            else:
                path, body["messages"] = "/chat/completions", _messages(text, system)
            with client.stream("POST", path, json=body) as response:
                if response.status_code != OK:
                    response.read()
                    _checked(response)
                usage = _usage(response.iter_lines())
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SpatzError(f"{url}: {str(error) or type(error).__name__}") from None
    except (KeyError, IndexError, TypeError, ValueError):
        raise SpatzError(f"{url}: this is no server of Spatz") from None
    return Warmed(usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"])


def _messages(text: str, system: str | None) -> list[dict[str, str]]:
    before = [{"role": "system", "content": system}] if system is not None else []
    return [*before, {"role": "user", "content": text}]


def _checked(response: httpx.Response) -> Any:
    try:
        body = response.json()
    except ValueError:
        body = {}
    if response.status_code == OK:
        return body
    error = body.get("error") if isinstance(body, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    raise SpatzError(f"the server refuses ({response.status_code}): {message or response.reason_phrase}")


def _usage(lines: Iterator[str]) -> dict[str, Any]:
    usage: dict[str, Any] = {}
    for line in lines:
        if not line.startswith("data: {"):
            continue
        event = json.loads(line.removeprefix("data: "))
        if "error" in event:
            raise SpatzError(f"the server failed: {event['error']['message']}")
        usage = event.get("usage") or usage
    return usage
