"""Who may ask: API keys, and (without keys) only those who address this machine by a name that is its own.

A web page can send requests to 127.0.0.1, and by DNS rebinding even under its own name. So a server without keys
looks at the Host header, and refuses what a browser says comes from a page of another origin.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from collections.abc import Sequence
from urllib.parse import urlsplit

from spatz.errors import ConfigError, RequestError
from spatz.server.caller import Caller

__all__ = ["Auth", "check_binding", "is_loopback"]

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_binding(host: str, keys: Sequence[str]) -> None:
    if not keys and not is_loopback(host):
        raise ConfigError(f"refusing to listen on {host} without an API key: set SPATZ_API_KEY, or listen on 127.0.0.1")


class Auth:
    def __init__(self, keys: Sequence[str], allowed_hosts: Sequence[str], cors_origins: Sequence[str]) -> None:
        self._keys = [key.encode() for key in keys]
        self._hosts = LOCAL_NAMES | {host.lower() for host in allowed_hosts}
        self._origins = frozenset(cors_origins)

    def check(self, headers: dict[bytes, bytes]) -> Caller:
        """Who asks. Raises RequestError: 401 without a valid key, 403 for a host or origin that is not ours."""
        if self._keys:
            return self._check_key(headers.get(b"authorization", b""))
        self._check_host(headers)
        return Caller()

    def _check_key(self, header: bytes) -> Caller:
        scheme, _, key = header.partition(b" ")
        key = key.strip()
        if scheme.lower() != b"bearer" or not key:
            raise RequestError(
                "You didn't provide an API key. You need to provide your API key in an Authorization header using "
                "Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
                status=401,
                code="invalid_api_key",
            )
        # All are compared, each in constant time, so that the time tells nothing about any of them.
        if not sum(secrets.compare_digest(key, known) for known in self._keys):
            raise RequestError("Incorrect API key provided.", status=401, code="invalid_api_key")
        return Caller("key_" + hashlib.sha256(key).hexdigest()[:24])

    def _check_host(self, headers: dict[bytes, bytes]) -> None:
        host = _host_name(headers.get(b"host", b"").decode("latin-1"))
        if host not in self._hosts:
            raise RequestError(
                f"This server does not answer to the host name '{host[:100]}'. Set an API key, or add the name to "
                "allowed_hosts.",
                status=403,
                code="host_not_allowed",
            )
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin and origin not in self._origins and "*" not in self._origins:
            try:
                name = _host_name(urlsplit(origin).netloc)
            except ValueError:
                name = ""
            if name not in self._hosts:
                raise RequestError(
                    "Requests of web pages from other origins are not allowed. Add the origin to cors_origins.",
                    status=403,
                    code="origin_not_allowed",
                )


def _host_name(netloc: str) -> str:
    """The host of host[:port], lower case; IPv6 keeps its brackets."""
    netloc = netloc.strip().lower()
    if netloc.startswith("["):
        return netloc.partition("]")[0] + "]"
    return netloc.partition(":")[0]
