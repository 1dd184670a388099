"""Who may ask: API keys, and (without keys) only those who address this machine by a name that is its own.

Keys are those of the settings and those of the database (keyring.py). Once there is one, also if it is revoked or
expired, keys are demanded, and they always are where the server listens beyond this machine.

A web page can send requests to 127.0.0.1, and by DNS rebinding even under its own name. So a server without keys
looks at the Host header, and refuses what a browser says comes from a page of another origin.
"""

from __future__ import annotations

import ipaddress
import secrets
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from spatz.config import Settings
from spatz.errors import ConfigError, RequestError
from spatz.server.caller import Caller, Limits
from spatz.server.keyring import KeyRing
from spatz.store.db import Database
from spatz.store.keys import Key, all_keys, key_hash

__all__ = ["Auth", "check_binding", "is_loopback", "stored_keys"]

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
        raise ConfigError(
            f"refusing to listen on {host} without an API key: make one with `spatz keys create`, set SPATZ_API_KEY, "
            "or listen on 127.0.0.1"
        )


def stored_keys(settings: Settings) -> list[str]:
    """The ids of the keys in the database that open something."""
    database = Database.open(settings.database_url, settings.data_dir)
    try:
        with database.transaction() as connection:
            return [key.id for key in all_keys(connection) if key.state(time.time()) == "active"]
    finally:
        database.close()


class Auth:
    def __init__(self, settings: Settings, stored: KeyRing) -> None:
        self._keys = [key.encode() for key in settings.api_key]
        self._stored = stored
        self._beyond = not is_loopback(settings.host)
        self._hosts = LOCAL_NAMES | {host.lower() for host in settings.allowed_hosts}
        self._origins = frozenset(settings.cors_origins)
        self._limits = Limits(settings.requests_per_minute, settings.tokens_per_minute, settings.max_concurrent)

    @property
    def demands_keys(self) -> bool:
        return bool(self._keys) or self._stored.known or self._beyond

    async def check(self, headers: dict[bytes, bytes]) -> Caller:
        """Who asks. Raises RequestError: 401 without a valid key, 403 for a host or origin that is not ours."""
        await self._stored.refresh()
        if self.demands_keys:
            return self._check_key(headers.get(b"authorization", b""))
        self._check_host(headers)
        return Caller(limits=self._limits)

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
        # All are compared, each in constant time, so that the time tells nothing about any of them. A stored key is
        # looked up by its hash: how long that takes depends on nothing that who asks could choose bit by bit.
        of_settings = sum(secrets.compare_digest(key, known) for known in self._keys)
        stored = self._stored.find(key)
        if of_settings:
            return Caller("key_" + key_hash(key).hex()[:24], limits=self._limits)
        if stored is None:
            raise RequestError("Incorrect API key provided.", status=401, code="invalid_api_key")
        return Caller(stored.id, stored.name, limits=self._limits_of(stored), admin=stored.admin)

    def _limits_of(self, key: Key) -> Limits:
        own = (key.requests_per_minute, key.tokens_per_minute, key.max_concurrent)
        default = self._limits
        defaults = (default.requests_per_minute, default.tokens_per_minute, default.max_concurrent)
        return Limits(*(d if limit is None else limit for limit, d in zip(own, defaults, strict=True)))

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
