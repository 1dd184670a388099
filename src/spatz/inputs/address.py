"""Where a fetch may go: which URLs, hosts, ports and addresses are public, and which the operator has allowed by name.

Pure checks, used by fetch.py for every hop and every address; nothing is resolved or connected to here. The address
that has been checked is the one that is connected to, so how a name or a number was spelled cannot matter; strange
spellings are refused all the same. What is refused reads the same to the caller as a host that is not there.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spatz.errors import ConfigError
from spatz.inputs.document import InputError

if TYPE_CHECKING:
    import httpx  # imported where a URL is read: it is slow to import, and a server's start waits for this module

__all__ = ["AllowedHosts", "Target", "check_url", "is_public", "not_reachable"]

MAX_URL = 8_192
DEFAULT_PORTS = {"http": 80, "https": 443}

# IANA's special-purpose registries. The list is our own, because ipaddress.is_global changes between Python's patches.
_CLOSED_4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",  # carrier-grade NAT; a cloud's metadata (100.100.100.200)
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's host, public by its number
            "169.254.0.0/16",  # link-local; most clouds' metadata
            "172.16.0.0/12",
            "192.0.0.0/24",  # protocol assignments; Oracle's metadata
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
# Of IPv6 only what is handed out as global unicast. That leaves out loopback, mapped and compatible IPv4, NAT64,
# unique local, link-local, site-local and multicast; what of it stays closed is listed.
_OPEN_6 = ipaddress.IPv6Network("2000::/3")
_CLOSED_6 = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
            "2001:db8::/32",
            "2002::/16",  # 6to4 carries an IPv4 address
            "2620:4f:8000::/48",
            "3fff::/20",
        ),
    )
)
_ISATAP = (0x00005EFE, 0x02005EFE)  # the half of an interface that announces an embedded IPv4 address

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be asked for, if the addresses of its host are open too."""

    url: httpx.URL  # its host is ASCII, without a dot at its end; no fragment
    host: str
    port: int
    trusted: bool  # allowed by the operator: any address, and http


class AllowedHosts:
    """What the operator allows by name: "name" (the ports 80 and 443), "name:port", "[address]:port"."""

    def __init__(self, entries: Iterable[str]) -> None:
        """Raises ConfigError."""
        self._pairs: set[tuple[str, int]] = set()
        for entry in entries:
            name, port = _split(entry.strip())
            host = _address_text(name) or _ascii_name(name)
            if host is None or port == 0:
                raise ConfigError(f"fetch_hosts: {entry!r} is no host name and no host:port")
            self._pairs |= {(host, port)} if port else {(host, 80), (host, 443)}

    def covers(self, host: str, port: int) -> bool:
        return (host, port) in self._pairs


def check_url(text: str, allowed: AllowedHosts, ports: Iterable[int] = (443,)) -> Target:
    """Raises InputError for what is no URL that may be fetched. The host's addresses are still to be checked."""
    import httpx

    if len(text) > MAX_URL:
        raise InputError(f"the URL has more than {MAX_URL} characters", code="invalid_url")
    if _ODD.search(text):
        raise InputError("the URL contains a backslash or a control character", code="invalid_url")
    try:
        url = httpx.URL(text)
        raw = url.raw_host.decode("ascii")
    except (httpx.InvalidURL, ValueError):  # an IDNA error is a ValueError
        raise InputError("the URL is not valid", code="invalid_url") from None
    if url.scheme not in DEFAULT_PORTS:
        raise InputError("only https: URLs are fetched", code="invalid_url")
    if url.userinfo:
        raise InputError("the URL must not contain a user name or a password", code="invalid_url")
    host = _address_text(raw) or _ascii_name(raw)
    if host is None:
        raise InputError("the URL's host is not valid", code="invalid_url")
    port = DEFAULT_PORTS[url.scheme] if url.port is None else url.port
    trusted = allowed.covers(host, port)
    if url.scheme != "https" and not trusted:
        raise InputError("only https: URLs are fetched", code="invalid_url")
    if not trusted and port not in set(ports):
        raise InputError(f"URLs with the port {port} are not fetched", code="url_not_allowed")
    if not trusted and (is_public(host) is False if _is_literal(host) else "." not in host):
        raise not_reachable()
    return Target(url.copy_with(host=host, fragment=None), host, port, trusted)


def is_public(address: str) -> bool:
    """Whether an address (as inet_ntop spells it) is one of the open internet's."""
    try:
        number = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(number, ipaddress.IPv4Address):
        return not any(number in block for block in _CLOSED_4)
    if number.scope_id is not None or number not in _OPEN_6 or any(number in block for block in _CLOSED_6):
        return False
    return (int(number) >> 32) & 0xFFFFFFFF not in _ISATAP


def not_reachable() -> InputError:
    """One error for every host that is closed, unknown, silent or refuses: it tells nothing about a network."""
    return InputError("the URL's host cannot be reached or is not allowed", code="url_not_allowed")


def _is_literal(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def _address_text(host: str) -> str | None:
    """An address in its one spelling, or None for what is no address."""
    try:
        return str(ipaddress.ip_address(host.removeprefix("[").removesuffix("]")))
    except ValueError:
        return None


def _ascii_name(name: str) -> str | None:
    """A host's name in lower case, without its last dot; None if it is none.

    What ends in a number is an address to resolvers (octal, hexadecimal, decimal, with parts left out), never a name.
    """
    import httpx

    try:
        plain = name if name.isascii() else httpx.URL(host=name, scheme="https").raw_host.decode("ascii")
    except (httpx.InvalidURL, ValueError):
        return None
    plain = plain.lower().removesuffix(".")
    labels = plain.split(".")
    if len(plain) > 253 or not all(map(_LABEL.fullmatch, labels)) or _NUMBER.fullmatch(labels[-1]):
        return None
    return plain


def _split(entry: str) -> tuple[str, int | None]:
    """("name", port), None for no port and 0 for one that is no number of a port."""
    head, colon, tail = entry.rpartition(":")
    if not colon or (":" in head and not head.endswith("]")) or entry.endswith("]"):
        return entry, None
    return head, int(tail) if re.fullmatch(r"[0-9]{1,5}", tail) and int(tail) < 65_536 else 0
