"""A provider's JSON over HTTP, bounded: what SearXNG, Brave and Tavily are asked through.

Every failure is a ProviderError that says in half a sentence what is wrong, and never a URL, a key or what a header
held. A provider that asks to wait is left alone for as long. No redirect is followed: an API that sends elsewhere is
set up wrongly, and its key is for nobody else. Pages are fetched by `inputs/fetch.py`, which guards addresses; these
addresses are the operator's own.
"""

from __future__ import annotations

import asyncio
import json
import math
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

import certifi

from spatz import __version__
from spatz.inputs.decompress import decompressor
from spatz.inputs.document import InputError
from spatz.search.result import ProviderError

if TYPE_CHECKING:
    import httpx  # imported where it is used: it is slow to import, and a server's start waits for this module

__all__ = ["Refused", "WebApi", "asked_wait"]

MAX_BYTES = 4 << 20  # of an answer, unpacked
SECONDS = 30.0  # for one answer, if whoever asks sets no other limit
CONNECT_SECONDS = 5.0
SHORT_WAIT = 2.0  # seconds that are waited out at once, and asked again: limits of one request in a second are common
USUAL_WAIT = 30.0  # where too many requests are complained about without a time
LONGEST_WAIT = 3_600.0
USER_AGENT = f"Spatz/{__version__} (searches for its user)"


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer that is no success."""

    status: int
    headers: Mapping[str, str]  # names in any case
    body: Any  # of its JSON; None for anything else

    def word(self, *path: str) -> str:
        """What stands in the body under these names, if it is a word for programs: "RATE_LIMITED"; else ""."""
        value = self.body
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        fits = isinstance(value, str) and len(value) <= 64 and value.isascii() and value.replace("_", "").isalnum()
        return str(value) if fits else ""


Explain = Callable[[Refused], str]
"""What a refusal means where its status does not tell; "" where it does."""


class WebApi:
    """One per provider. ask() may be called by many at once, and from one event loop after another."""

    def __init__(
        self,
        *,
        proxy: str = "",
        explain: Explain = lambda refused: "",
        wait: Callable[[Mapping[str, str]], float | None] | None = None,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """wait: how long a refusal's headers ask to wait (asked_wait). max_bytes and clock are what tests put in."""
        self._proxy = proxy
        self._explain = explain
        self._wait = wait or asked_wait
        self._max_bytes = max_bytes
        self._clock = clock
        self._closed_until = -math.inf
        self._tls: ssl.SSLContext | None = None

    async def ask(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The answer's JSON, of any shape. Raises ProviderError."""
        for last in (False, True):
            if (left := self._closed_until - self._clock()) > 0:
                raise ProviderError(f"has asked to wait: too many requests (for {math.ceil(left)} s more)")
            answer = await self._once(method, url, params, body, headers)
            if not isinstance(answer, Refused):
                return answer
            seconds = self._seconds_to_wait(answer)
            if seconds is None or last or seconds > SHORT_WAIT:
                break
            await asyncio.sleep(seconds)
        if seconds is not None:
            self._closed_until = self._clock() + seconds
        raise ProviderError(self._meaning(answer, seconds))

    async def _once(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
    ) -> Any:
        if self._tls is None:
            self._tls = await asyncio.to_thread(_prepared)  # which takes a while, and the loop goes on meanwhile
        import httpx

        # A new client for each call: nothing has to be closed at a server's end, and no loop owns connections.
        try:
            async with (
                asyncio.timeout(SECONDS),
                httpx.AsyncClient(
                    verify=self._tls,
                    proxy=self._proxy or None,
                    trust_env=False,
                    follow_redirects=False,
                    timeout=httpx.Timeout(SECONDS, connect=CONNECT_SECONDS),
                ) as client,
                client.stream(
                    method,
                    url,
                    params=None if params is None else dict(params),
                    json=None if body is None else dict(body),
                    headers={
                        "User-Agent": USER_AGENT,
                        "Accept": "application/json",
                        "Accept-Encoding": "gzip, deflate",
                        **(headers or {}),
                    },
                ) as response,
            ):
                data = await self._read(response)
        except (TimeoutError, httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout):
            raise ProviderError("took too long to answer") from None
        except httpx.ProxyError:
            raise ProviderError("cannot be reached through the proxy") from None
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise ProviderError("cannot be reached") from None
        except (httpx.LocalProtocolError, httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeEncodeError):
            raise ProviderError("cannot be asked: its URL or key is malformed") from None
        except (httpx.HTTPError, httpx.StreamError):
            raise ProviderError("broke off its answer, or does not speak HTTP") from None
        if response.status_code == 200:
            return _parsed(data)
        return Refused(response.status_code, response.headers, _parsed_or_none(data))

    async def _read(self, response: httpx.Response) -> bytes:
        data = bytearray()
        arrived = 0
        try:
            unpack = decompressor(response.headers.get("content-encoding", ""))
            async for chunk in response.aiter_raw():
                arrived += len(chunk)
                for piece in unpack.feed(chunk):
                    data += piece
                    if max(len(data), arrived) > self._max_bytes:
                        raise ProviderError(f"sends more than {self._max_bytes} bytes")
            unpack.finish()
        except InputError:
            raise ProviderError("sends a damaged answer: it cannot be decompressed") from None
        return bytes(data)

    def _seconds_to_wait(self, refused: Refused) -> float | None:
        """None: waiting is no use."""
        if refused.status not in (429, 503):
            return None
        seconds = self._wait(refused.headers)
        if seconds is None:
            return USUAL_WAIT if refused.status == 429 else None
        return min(seconds, LONGEST_WAIT)

    def _meaning(self, refused: Refused, wait: float | None) -> str:
        if meaning := self._explain(refused):
            return meaning
        status = refused.status
        if status == 429:
            return f"asks to wait: too many requests (for {math.ceil(wait or 0)} s)"
        if status in (401, 403):
            return f"refuses the key ({status})"
        if status == 407:
            return "cannot be reached: the proxy refuses (407)"
        if 300 <= status < 400:
            return f"redirects elsewhere ({status}), which is not followed"
        if status >= 500:
            return f"is out of order (status {status})"
        return f"refuses the request (status {status})"


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds of Retry-After, which may be a number or a date; None without one."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text[:16])
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise ProviderError("sends no JSON") from None


def _parsed_or_none(data: bytes) -> Any:
    try:
        return _parsed(data)
    except ProviderError:
        return None


def _prepared() -> ssl.SSLContext:
    """One for all providers, which ask for it at the same time."""
    with _preparing:
        return _tls_context()


_preparing = Lock()


@cache
def _tls_context() -> ssl.SSLContext:
    import httpx  # noqa: F401 (it is slow to import, too)

    context = ssl.create_default_context()  # the system's store, with the operator's own authorities
    context.load_verify_locations(certifi.where())  # slim containers have no store
    return context
