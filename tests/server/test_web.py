"""What a server searches with: by its settings, and an index that is made while it runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spatz.config import Settings
from spatz.errors import ConfigError
from spatz.inputs.reader import reader_of
from spatz.search.index.entry import NewDocument
from spatz.search.index.index_writer import IndexWriter
from spatz.search.index.source import Source
from spatz.search.query import SearchQuery
from spatz.server.web import Web


async def test_an_index_that_is_made_later_is_asked(settings: Settings) -> None:
    settings = replace(settings, search_providers=())
    async with reader_of(settings) as reader:
        web = Web(settings, None, reader)
        assert "local" not in [provider.name for provider in web.searcher.providers]
        with IndexWriter.open(settings.data_dir / "index") as writer:
            writer.commit()
        assert "local" not in [provider.name for provider in web.searcher.providers]
        with IndexWriter.open(settings.data_dir / "index") as writer:
            source = writer.source(Source("folder", "/pages"))
            writer.put(NewDocument("https://a.test/", "Brenn", "The tower of Brenn is high.\n"), source, "a")
            writer.commit()
        assert web.searches
        searcher = web.searcher
        assert [provider.name for provider in searcher.providers] == ["local"] and web.searcher is searcher
        found = await searcher.search(SearchQuery("tower of Brenn"))
        assert [result.url for result in found.results] == ["https://a.test/"]


async def test_what_is_set_stays(settings: Settings) -> None:
    async with reader_of(settings) as reader:
        off = Web(replace(settings, search_providers=("off",)), None, reader)
        assert not off.searches
        with pytest.raises(ConfigError):
            Web(replace(settings, search_providers=("brave",)), None, reader)


async def test_the_day_is_that_of_the_time_zone(settings: Settings) -> None:
    async with reader_of(settings) as reader:
        web = Web(settings, None, reader)
    days = {web.today(zone) for zone in ("Pacific/Kiritimati", "Etc/GMT+12", "", "No/Where", "../etc")}
    assert 2 <= len(days) <= 3  # the first two are 26 hours apart
