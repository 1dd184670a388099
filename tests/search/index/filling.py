"""An index that is filled from a folder or a web server, in one call."""

from __future__ import annotations

from pathlib import Path

from spatz.inputs.document import ReadOptions
from spatz.inputs.fetch import Fetcher
from spatz.search.index.gather import Bounds, Gatherer, index_pool
from spatz.search.index.hosts import Hosts
from spatz.search.index.index_writer import IndexWriter
from spatz.search.index.source import Source
from spatz.search.index.tally import Tally


async def fill(
    folder: Path,
    *sources: Source,
    prune: bool = False,
    fetcher: Fetcher | None = None,
    bounds: Bounds | None = None,
    options: ReadOptions | None = None,
) -> Tally:
    tally = Tally()
    hosts = Hosts(fetcher, rate=1_000) if fetcher is not None else None
    try:
        async with index_pool(workers=1, seconds=60, memory_mb=4096) as pool:
            with IndexWriter.open(folder) as writer:
                gatherer = Gatherer(writer, pool, options or ReadOptions(), bounds or Bounds(), tally, hosts)
                for source in sources:
                    await gatherer.run(source, prune=prune)
    finally:
        if hosts is not None:
            await hosts.close()
    return tally
