"""Get what a URL names, for images, files and web pages: the one place from which Spatz asks other people's servers.

The URL comes from whoever sends requests, or from a search, so it must not lead into the operator's network. A host is
resolved once per connection, every address is checked (address.py), and the checked address itself is connected to;
TLS still sees the host's name. Redirects are followed here, each hop as a new URL. There are bounds on size (before and
after decompression), on the whole time and on hops. No cookies, no proxies but the operator's, nothing cached.
What came back is bytes of any kind: whoever reads them looks at what they are (sniff.py).
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import unquote

import certifi
import httpcore

from spatz import __version__
from spatz.errors import ConfigError
from spatz.inputs.address import AllowedHosts, Target, check_url, not_reachable
from spatz.inputs.decompress import Decompressor, decompressor
from spatz.inputs.document import InputError
from spatz.inputs.pinned import PinnedNetwork, Resolve, Resolver

__all__ = ["ANYTHING", "IMAGES", "PAGES", "FetchPolicy", "FetchRefused", "Fetched", "Fetcher", "Known"]

# What a caller accepts. Stores of files call everything an octet stream; the bytes are looked at in any case.
_BYTES = ("application/octet-stream", "binary/octet-stream")
IMAGES = ("image/*", *_BYTES)
PAGES = ("text/html", "application/xhtml+xml", "text/plain", "text/markdown", "application/pdf")
ANYTHING = ("*/*",)

# True of what a request names, of pages that a web search for it found, and of what an operator has indexed.
USER_AGENT = f"Spatz/{__version__} (reads pages and files for its user)"
CONNECT_SECONDS = 5.0
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PLAIN = re.compile(r"http://([^/?#]*?)(?::80)?(?=[/?#]|$)", re.IGNORECASE)

logger = logging.getLogger("spatz.inputs")


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """What the operator allows."""

    hosts: tuple[str, ...] = ()  # "name" or "name:port": may have any address and be asked over http
    ports: tuple[int, ...] = (443,)  # of all other hosts
    max_bytes: int = 50 << 20
    timeout: float = 20.0  # seconds, for all hops together, with the time in the queue
    max_redirects: int = 5
    max_parallel: int = 8
    # "http://user:password@proxy:3128". It resolves names itself, so only names and numbers are checked here: the proxy
    # has to keep requests out of the operator's network. Never taken from the environment.
    proxy: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Known:
    """What a server called its answer before: it need not send the same again (RFC 9110, 13.1)."""

    etag: str = ""
    last_modified: str = ""


class FetchRefused(InputError):
    """A server answered, with neither a success nor a redirect."""

    def __init__(self, answered: int, retry_after: str = "") -> None:
        super().__init__(f"the URL's server answered with the status {answered}", code="fetch_failed")
        self.answered = answered
        self.retry_after = retry_after  # as it came: seconds or a date


@dataclass(frozen=True, slots=True)
class Fetched:
    data: bytes
    media_type: str  # in lower case, without parameters; "application/octet-stream" where the server names none
    charset: str
    url: str  # the last one, after redirects
    filename: str  # as the server or the URL calls it; "" if neither does
    etag: str = ""
    last_modified: str = ""
    robots: str = ""  # X-Robots-Tag
    unchanged: bool = False  # it is what the caller knows; data is empty

    @property
    def content_type(self) -> str:
        return f"{self.media_type}; charset={self.charset}" if self.charset else self.media_type


class Fetcher:
    """One per process. fetch() may be called by many at once."""

    def __init__(
        self,
        policy: FetchPolicy,
        *,
        resolve: Resolve | None = None,
        network: httpcore.AsyncNetworkBackend | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """resolve, network and tls are what tests put in. Raises ConfigError."""
        self.policy = policy
        self._allowed = AllowedHosts(policy.hosts)
        self._resolver = Resolver()
        self._network = PinnedNetwork(self._allowed, resolve or self._resolver, network)
        self._tls = tls
        self._proxy = _proxy(policy.proxy) if policy.proxy else None
        self._places = asyncio.Semaphore(policy.max_parallel)

    def close(self) -> None:
        self._resolver.close()

    async def fetch(
        self,
        url: str,
        accept: Sequence[str] = ANYTHING,
        *,
        max_bytes: int | None = None,
        known: Known | None = None,
        upgrade: bool = False,
    ) -> Fetched:
        """upgrade: where http: is not allowed, https: is asked instead, also when a redirect leads there.

        Raises InputError; FetchRefused where the server says that there is nothing to have.
        """
        target = self._target(url, upgrade)
        limit = min(self.policy.max_bytes, max_bytes or self.policy.max_bytes)
        try:
            async with asyncio.timeout(self.policy.timeout), self._places, await self._pool() as pool:
                for _ in range(self.policy.max_redirects + 1):
                    found = await self._hop(pool, target, accept, limit, known)
                    if isinstance(found, Fetched):
                        return found
                    target = self._target(found, upgrade)
        except TimeoutError:
            raise InputError(
                f"the URL's server took longer than {self.policy.timeout:g} s", code="url_timeout"
            ) from None
        raise InputError(f"the URL leads through more than {self.policy.max_redirects} redirects", code="fetch_failed")

    def _target(self, url: str, upgrade: bool) -> Target:
        try:
            return check_url(url, self._allowed, self.policy.ports)
        except InputError:
            secure = _PLAIN.sub(r"https://\1", url, count=1) if upgrade else url
            if secure == url:
                raise
        return check_url(secure, self._allowed, self.policy.ports)

    async def _hop(
        self,
        pool: httpcore.AsyncConnectionPool,
        target: Target,
        accept: Sequence[str],
        limit: int,
        known: Known | None,
    ) -> Fetched | str:
        """One request: what it gave, or the URL that it leads to."""
        headers: dict[bytes | str, bytes | str] = {
            "Host": target.url.netloc.decode("ascii"),
            "User-Agent": USER_AGENT,
            "Accept": ", ".join(accept),
            "Accept-Encoding": "gzip, deflate",
            "Connection": "close",
        }
        if known is not None:
            wishes = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
            # Nothing that a header cannot hold goes back to a server, whatever it once called its answer.
            headers |= {name: text for name, text in wishes.items() if text.isascii() and text.isprintable() and text}
        # From what was checked, not from text that another parser might read in another way.
        address = httpcore.URL(
            scheme=target.url.raw_scheme, host=target.host, port=target.port, target=target.url.raw_path
        )
        try:
            async with pool.stream("GET", address, headers=headers, extensions=self._timeouts()) as response:
                if response.status in REDIRECTS:
                    return self._redirect(target, response)
                if response.status == 304 and known is not None:
                    return _unchanged(target, response)
                return await self._body(target, response, accept, limit)
        except (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.ProxyError) as error:
            logger.info("fetching from %s:%d failed: %s", target.host, target.port, error or type(error).__name__)
            raise not_reachable() from None
        except httpcore.TimeoutException:
            raise TimeoutError from None
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            logger.info("fetching from %s:%d broke off: %s", target.host, target.port, error or type(error).__name__)
            raise InputError("the URL's server broke off or does not speak HTTP", code="fetch_failed") from None

    def _redirect(self, target: Target, response: httpcore.Response) -> str:
        import httpx

        location = _header(response, b"location")
        try:
            joined = str(target.url.join(location))
        except (httpx.InvalidURL, ValueError):
            joined = ""
        if not location or not joined:
            raise InputError("the URL's server redirects to nowhere", code="fetch_failed")
        return joined

    async def _body(self, target: Target, response: httpcore.Response, accept: Sequence[str], limit: int) -> Fetched:
        if response.status != 200:
            raise FetchRefused(response.status, _header(response, b"retry-after")[:100])
        head = Message()
        kind = _header(response, b"content-type")
        head["Content-Type"] = kind if "/" in kind else "application/octet-stream"
        head["Content-Disposition"] = _header(response, b"content-disposition")
        media_type = head.get_content_type()
        if not _accepted(media_type, accept):
            raise InputError(
                f"the URL's server sends {media_type[:100]}, and {', '.join(accept)} is wanted",
                code="unsupported_content_type",
            )
        length = _header(response, b"content-length")
        if length.isascii() and length.isdigit() and int(length[:20]) > limit:
            raise _too_large(limit)
        unpack = decompressor(_header(response, b"content-encoding"))
        data = await _read(response, unpack, limit)
        name = head.get_filename() or unquote(target.url.path.rpartition("/")[2], errors="replace")
        return Fetched(
            data=data,
            media_type=media_type,
            charset=head.get_content_charset() or "",
            url=str(target.url),
            filename=_file_name(name),
            **_marks(response),
        )

    async def _pool(self) -> httpcore.AsyncConnectionPool:
        """A new one for each fetch: no connection is used for two requests, so each hop is resolved and checked."""
        if self._tls is None:
            self._tls = await asyncio.to_thread(_tls_context)
        if self._proxy is not None:
            url, auth = self._proxy
            return httpcore.AsyncHTTPProxy(url, auth, ssl_context=self._tls, max_keepalive_connections=0)
        return httpcore.AsyncConnectionPool(
            ssl_context=self._tls, network_backend=self._network, max_keepalive_connections=0
        )

    def _timeouts(self) -> dict[str, dict[str, float]]:
        most = self.policy.timeout
        return {"timeout": {"connect": min(CONNECT_SECONDS, most), "read": most, "write": most, "pool": most}}


def _proxy(text: str) -> tuple[str, tuple[str, str] | None]:
    """Its URL without the user's name and password, and these. Raises ConfigError, which does not quote them."""
    import httpx

    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise ConfigError("the proxy for fetching is no URL") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError("the proxy for fetching is no http: or https: URL")
    return str(url.copy_with(userinfo=b"")), (url.username, url.password) if url.userinfo else None


def _tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context()  # the system's store, with the operator's own authorities
    context.load_verify_locations(certifi.where())  # slim containers have no store
    return context


async def _read(response: httpcore.Response, unpack: Decompressor, limit: int) -> bytes:
    data = bytearray()
    arrived = 0
    async for chunk in response.aiter_stream():
        arrived += len(chunk)
        if arrived > limit:
            raise _too_large(limit)
        for piece in unpack.feed(chunk):
            data += piece
            if len(data) > limit:
                raise _too_large(limit)
            await asyncio.sleep(0)  # a bomb must not hold up the loop, nor outlast the time
    unpack.finish()
    return bytes(data)


def _unchanged(target: Target, response: httpcore.Response) -> Fetched:
    return Fetched(b"", "", "", str(target.url), "", unchanged=True, **_marks(response))


def _marks(response: httpcore.Response) -> dict[str, Any]:
    return {
        "etag": _header(response, b"etag")[:1_000],
        "last_modified": _header(response, b"last-modified")[:100],
        "robots": _header(response, b"x-robots-tag")[:1_000],
    }


def _too_large(limit: int) -> InputError:
    return InputError(f"the URL's content has more than {limit} bytes", code="file_too_large")


def _header(response: httpcore.Response, name: bytes) -> str:
    """The first of that name, "" for none. Line ends cannot be in it."""
    return next((value.decode("latin-1").strip() for key, value in response.headers if key.lower() == name), "")


def _accepted(media_type: str, accept: Sequence[str]) -> bool:
    main = media_type.partition("/")[0]
    return any(pattern in ("*/*", media_type, f"{main}/*") for pattern in accept)


def _file_name(name: str) -> str:
    """A hint for readers and people; it is never opened."""
    plain = name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in plain if letter.isprintable())[:255]
