"""Who is asked for a search, by the operator's settings. Each provider is a file beside this one.

No library of a provider is imported before it is asked.
"""

from __future__ import annotations

from collections.abc import Callable

from spatz.config import Settings
from spatz.errors import ConfigError
from spatz.search.result import Provider

__all__ = ["NAMES", "providers_of"]


def providers_of(settings: Settings) -> list[Provider]:
    """In the order of the setting; empty for "off". Raises ConfigError for a name that is not known or not set up."""
    names = [name.strip().lower() for name in settings.search_providers if name.strip()]
    if "off" in names:
        if len(names) > 1:
            raise ConfigError("search_providers: off stands alone")
        return []
    for name in names:
        if name not in _MADE:
            raise ConfigError(f"search_providers: there is no {name!r}; there are {', '.join(NAMES)}, and off")
    return [_MADE[name](settings) for name in dict.fromkeys(names or _automatic(settings))]


def _automatic(settings: Settings) -> list[str]:
    """All that is set up, and only without any of it what needs nothing."""
    from spatz.search.providers.ddgs import is_installed

    set_up = {
        "local": _has_index(settings),
        "searxng": bool(settings.search_url.strip()),
        "brave": bool(settings.brave_key.strip()),
        "tavily": bool(settings.tavily_key.strip()),
    }
    names = [name for name, usable in set_up.items() if usable]
    return names or (["ddgs"] if is_installed() else [])


def _has_index(settings: Settings) -> bool:
    """Also where it cannot be read: whoever has one hears of that with each search."""
    from spatz.search.index.local_index import LocalIndex
    from spatz.search.index.schema import IndexUnusable

    folder = settings.data_dir / "index"
    if not LocalIndex.exists(folder):
        return False
    try:
        with LocalIndex.open(folder) as index:
            return next(iter(index.list(limit=1)), None) is not None
    except IndexUnusable:
        return True


def _local(settings: Settings) -> Provider:
    from spatz.search.providers.local import LocalProvider

    return LocalProvider(settings.data_dir / "index")


def _searxng(settings: Settings) -> Provider:
    from spatz.search.providers.searxng import SearxngProvider

    if not settings.search_url.strip():
        raise ConfigError("search_providers names searxng, and search_url (SPATZ_SEARCH_URL) is empty")
    return SearxngProvider(settings.search_url)


def _brave(settings: Settings) -> Provider:
    from spatz.search.providers.brave import BraveProvider

    return BraveProvider(_key("brave", settings.brave_key), proxy=settings.fetch_proxy)


def _tavily(settings: Settings) -> Provider:
    from spatz.search.providers.tavily import TavilyProvider

    return TavilyProvider(_key("tavily", settings.tavily_key), proxy=settings.fetch_proxy)


def _ddgs(settings: Settings) -> Provider:
    from spatz.search.providers.ddgs import INSTALL, DdgsProvider, is_installed

    if not is_installed():
        raise ConfigError(f"search_providers names ddgs, which is not installed: {INSTALL}")
    return DdgsProvider(proxy=settings.fetch_proxy)


def _key(name: str, told: str) -> str:
    """As a header takes it."""
    key = told.strip()
    if not key:
        raise ConfigError(f"search_providers names {name}, and {name}_key (SPATZ_{name.upper()}_KEY) is empty")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(f"{name}_key has characters that no key has")
    return key


_MADE: dict[str, Callable[[Settings], Provider]] = {
    "local": _local,
    "searxng": _searxng,
    "brave": _brave,
    "tavily": _tavily,
    "ddgs": _ddgs,
}
NAMES = tuple(_MADE)
