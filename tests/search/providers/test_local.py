"""The local index as a provider: its contract, in a thread, beside a writer."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spatz.search.index import index_file
from spatz.search.index.entry import NewDocument
from spatz.search.index.local_index import LocalIndex
from spatz.search.providers.local import LocalProvider
from spatz.search.query import SearchQuery
from spatz.search.result import ProviderError

TODAY = datetime.now(UTC).date()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with LocalIndex.open(tmp_path) as index:
        index.add(
            NewDocument(f"https://host{n}.test/page", f"Page {n}", f"The heron number{n} stands in water.", date)
            for n, date in enumerate([TODAY.isoformat(), (TODAY - timedelta(days=20)).isoformat(), "2001-01-01", ""])
        )
    return tmp_path


async def test_results_carry_all_that_is_known(folder: Path) -> None:
    [result] = await LocalProvider(folder).search(SearchQuery("what about number2"))
    assert result.url == "https://host2.test/page" and result.title == "Page 2" and result.date == "2001-01-01"
    assert result.text == "The heron number2 stands in water." and result.snippet == result.text
    assert result.providers == ("local",)


async def test_count_domains_and_freshness_are_honoured(folder: Path) -> None:
    provider = LocalProvider(folder)

    async def hosts(**more: object) -> list[str]:
        results = await provider.search(SearchQuery("heron", **more))  # type: ignore[arg-type]
        return sorted(result.url[8:13] for result in results)

    assert await hosts() == ["host0", "host1", "host2", "host3"]
    assert len(await hosts(count=2)) == 2
    assert await hosts(domains=("host1.test",)) == ["host1"]
    assert await hosts(blocked_domains=("host1.test",)) == ["host0", "host2", "host3"]
    assert await hosts(freshness="week") == ["host0", "host3"]  # of what has no date nobody knows
    assert await hosts(freshness="month") == ["host0", "host1", "host3"]


async def test_many_at_once(folder: Path) -> None:
    provider = LocalProvider(folder)
    found = await asyncio.gather(*(provider.search(SearchQuery(f"number{n % 4}", count=1)) for n in range(40)))
    assert [results[0].title for results in found] == [f"Page {n % 4}" for n in range(40)]


async def test_no_index_is_no_results_and_a_damaged_one_an_error_without_its_path(tmp_path: Path) -> None:
    provider = LocalProvider(tmp_path)
    assert await provider.search(SearchQuery("heron")) == []
    index_file.path_of(tmp_path).write_bytes(b"nonsense" * 1000)
    with pytest.raises(ProviderError) as caught:
        await provider.search(SearchQuery("heron"))
    assert str(caught.value) == "cannot be searched: it is damaged"
