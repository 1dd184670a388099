"""The settings under which the evals of search ask: their own site may be fetched, and nobody else is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from spatz.config import Settings
from spatz.evals.search.client import SearchClient
from spatz.evals.search.serving import served

__all__ = ["asking", "through_engine", "through_index"]

_HOST_RATE = 1000.0  # pages a second of one host: all pages are of one here


def through_engine(settings: Settings, site_url: str) -> Settings:
    """Searches go to the site's own engine, and pages are fetched from it."""
    return replace(_fetching(settings, site_url), search_providers=("searxng",), search_url=site_url)


def through_index(settings: Settings, site_url: str) -> Settings:
    return replace(_fetching(settings, site_url), search_providers=("local",))


def _fetching(settings: Settings, site_url: str) -> Settings:
    hosts = (urlsplit(site_url).netloc,)
    return replace(settings, fetch="on", fetch_hosts=hosts, fetch_proxy="", search_host_rate=_HOST_RATE)


@contextmanager
def asking(
    settings: Settings, model: Path, size: str = "medium", data_dir: Path | None = None
) -> Iterator[SearchClient]:
    """A client of the app in this process, with a data directory that is gone afterwards unless one is given."""
    with (
        TemporaryDirectory(prefix="spatz-eval-") as folder,
        served(settings, model, data_dir or Path(folder)) as (url, name),
        SearchClient(url, name, size=size) as client,
    ):
        client.name = f"{name} in this process"
        yield client
