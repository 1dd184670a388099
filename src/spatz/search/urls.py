"""URLs of results: when two name the same page, what of one is only there to track, and whose they are.

Pure text: nothing is resolved or asked. `inputs/address.py` decides what may be fetched; this decides what is shown
once, and what an answer's allowed and blocked domains cover.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import SplitResult, quote, unquote, urlsplit

__all__ = ["allowed", "covers", "host_of", "is_web", "same_page", "tidy"]

MAX_URL = 8_192
_DEFAULT_PORTS = {"http": 80, "https": 443}
# What advertisers and newsletters hang on to links. A page does not depend on any of them.
_NAMES = (
    "gclid gclsrc gbraid wbraid dclid fbclid msclkid yclid twclid ttclid li_fat_id igshid igsh mc_cid mc_eid _ga _gl "
    "_hsenc _hsmi mkt_tok oly_anon_id oly_enc_id rb_clickid s_cid srsltid vero_conv vero_id wickedid"
)
_TRACKING = frozenset(_NAMES.split())
_TRACKING_PREFIXES = ("utm_", "pk_", "mtm_")
_ODD = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_BEYOND = re.compile(r"[^\x00-\x7f]+")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def is_web(url: str) -> bool:
    """An http or https URL with a host, and without the name and password by which one host is shown as another."""
    return _split(url) is not None


def host_of(url: str) -> str:
    """In lower case and ASCII, without a dot at its end; "" for what is no URL of the web."""
    parts = _split(url)
    return _host(parts) if parts else ""


def covers(domain: str, host: str) -> bool:
    """Whether a host (of host_of) is the domain or under it."""
    name = _ascii(domain)
    return bool(name) and (host == name or host.endswith(f".{name}"))


def allowed(url: str, domains: Iterable[str], blocked: Iterable[str]) -> bool:
    """Whether it lies in one of the domains (none: in any) and in none of the blocked ones."""
    wanted = tuple(domains)
    host = host_of(url)
    if wanted and not any(covers(domain, host) for domain in wanted):
        return False
    return not any(covers(domain, host) for domain in blocked)


def tidy(url: str) -> str:
    """The URL to cite: without what tracks, without a fragment and a default port. What is no URL is left as it is."""
    parts = _split(url)
    if parts is None:
        return url
    query = _without_tracking(parts.query)
    return f"{parts.scheme}://{_place(parts)}{parts.path or '/'}{'?' + query if query else ''}"


def same_page(url: str) -> str:
    """Equal for URLs that name the same page: over http or https, with or without a slash at its end."""
    parts = _split(url)
    if parts is None:
        return url
    query = _without_tracking(parts.query)
    return f"{_place(parts)}{_escaped(parts.path).rstrip('/')}{'?' + _escaped(query) if query else ''}"


def _split(url: str) -> SplitResult | None:
    if len(url) > MAX_URL or _ODD.search(url):
        return None
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 (it raises for what is no port)
    except ValueError:
        return None
    shown = parts.hostname and "@" not in parts.netloc
    return parts if parts.scheme in _DEFAULT_PORTS and shown else None


def _host(parts: SplitResult) -> str:
    return _ascii(parts.hostname or "")


def _place(parts: SplitResult) -> str:
    """host or host:port, for ports that are not the scheme's own."""
    host = _host(parts)
    shown = f"[{host}]" if ":" in host else host
    return shown if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f"{shown}:{parts.port}"


def _ascii(name: str) -> str:
    name = name.strip().rstrip(".").lower()
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return name


def _without_tracking(query: str) -> str:
    return "&".join(part for part in query.split("&") if part and not _tracks(part))


def _tracks(part: str) -> bool:
    name = unquote(part.partition("=")[0]).lower()
    return name in _TRACKING or name.startswith(_TRACKING_PREFIXES)


def _escaped(text: str) -> str:
    """In one spelling: letters beyond ASCII as escapes, and no escapes for what needs none."""
    return _BEYOND.sub(lambda found: quote(found.group()), _ESCAPE.sub(_plainer, text))


def _plainer(escape: re.Match[str]) -> str:
    letter = chr(int(escape.group(1), 16))
    return letter if letter in _UNRESERVED else escape.group(0).upper()
