"""What `spatz index add` and `update` do: sources of what a person names, and going through them.

The work is search/index/gather.py's; here are its bar, what is told at the end, and a Ctrl-C that keeps what was done.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from spatz.commands.shared import note
from spatz.config import Settings
from spatz.errors import ConfigError, SpatzError

if TYPE_CHECKING:
    from spatz.search.index.index_writer import IndexWriter
    from spatz.search.index.source import Source
    from spatz.search.index.tally import Tally

__all__ = ["address_of", "gather", "index_folder", "line", "source_of"]

SHOWN_FAILURES = 50  # without --json


def index_folder(settings: Settings) -> Path:
    return settings.data_dir / "index"


def address_of(target: str) -> str:
    """As a source is called: a URL, or an absolute path."""
    if "://" in target:
        return target
    return str(Path(target).expanduser().resolve())


def source_of(
    target: str, depth: int, max_pages: int, base_url: str, include: tuple[str, ...], exclude: tuple[str, ...]
) -> Source:
    """Raises ConfigError."""
    from spatz.search.index.source import Source

    if "://" in target:
        from spatz.search.urls import is_web

        if not is_web(target):
            raise ConfigError(f"{target}: only http: and https: URLs can be indexed")
        path = target.partition("?")[0].partition("#")[0].lower()
        if path.endswith((".xml", ".xml.gz")):
            return Source("sitemap", target, max_pages=max_pages)
        return Source("crawl" if depth else "page", target, depth=depth, max_pages=max_pages if depth else 1)
    path_ = Path(address_of(target))
    try:
        str(path_).encode()
    except UnicodeEncodeError:
        raise ConfigError("the name of a source must be UTF-8 text") from None
    if path_.is_dir():
        return Source("folder", str(path_), base_url=base_url, include=include, exclude=exclude)
    if path_.is_file():
        return Source("file", str(path_), base_url=base_url)
    raise ConfigError(f"{target}: there is no such file or folder")


def gather(
    settings: Settings, sources: Sequence[Source], max_seconds: float, *, prune: bool = False, as_json: bool
) -> None:
    import asyncio

    from spatz.search.index.index_writer import IndexWriter
    from spatz.search.index.tally import Tally

    start = time.perf_counter()
    tally = Tally()
    interrupted = False
    with IndexWriter.open(index_folder(settings)) as writer, _bar() as progress:
        try:
            asyncio.run(_run(settings, writer, sources, max_seconds, prune, tally, progress))
        except KeyboardInterrupt:
            interrupted = True
    seconds = time.perf_counter() - start
    if as_json:
        print(json.dumps(tally.body() | {"seconds": round(seconds, 2), "interrupted": interrupted}, ensure_ascii=False))
    else:
        _tell(tally, seconds)
    if interrupted:
        note("interrupted: what was done is kept")
        raise KeyboardInterrupt
    if tally.failed and not tally.added + tally.changed + tally.unchanged:
        raise SpatzError("nothing could be indexed")


async def _run(
    settings: Settings,
    writer: IndexWriter,
    sources: Sequence[Source],
    max_seconds: float,
    prune: bool,
    tally: Tally,
    progress: Callable[[int, str], None],
) -> None:
    import os
    from contextlib import AsyncExitStack

    from spatz.inputs.fetch import Fetcher, FetchPolicy
    from spatz.inputs.reader import read_options
    from spatz.search.index.gather import Bounds, Gatherer, index_pool
    from spatz.search.index.hosts import Hosts

    bounds = Bounds(seconds=max_seconds, page_bytes=settings.search_page_mb << 20)
    async with AsyncExitStack() as stack:
        hosts = None
        if settings.fetch == "on" and any(source.kind not in ("folder", "file") for source in sources):
            fetcher = Fetcher(
                FetchPolicy(
                    hosts=settings.fetch_hosts,
                    max_bytes=max(settings.input_mb, 50) << 20,
                    timeout=settings.fetch_seconds,
                    proxy=settings.fetch_proxy,
                )
            )
            stack.callback(fetcher.close)
            hosts = Hosts(fetcher, rate=settings.search_host_rate)
            stack.push_async_callback(hosts.close)
        pool = await stack.enter_async_context(
            index_pool(
                workers=min(os.cpu_count() or 1, 8),
                seconds=settings.input_seconds,
                memory_mb=settings.input_memory_mb,
            )
        )
        gatherer = Gatherer(writer, pool, read_options(settings), bounds, tally, hosts, progress)
        for source in sources:
            await gatherer.run(source, prune=prune)


def _tell(tally: Tally, seconds: float) -> None:
    parts = [
        f"{count:,} {word}"
        for word, count in (
            ("added", tally.added),
            ("changed", tally.changed),
            ("unchanged", tally.unchanged),
            ("removed", tally.removed),
            ("failed", tally.failed),
        )
        if count
    ]
    print(f"{', '.join(parts) or 'nothing to index'} in {seconds:.1f} s")
    for why, count in tally.skipped.most_common():
        note(f"{count:,} skipped: {why}")
    for told in tally.notes:
        note(told)
    for failure in tally.failures[:SHOWN_FAILURES]:
        note(f"failed: {line(failure.address)}: {line(failure.message)}")
    if tally.failed > SHOWN_FAILURES:
        note(f"{tally.failed - SHOWN_FAILURES:,} more failed: --json lists them")


@contextmanager
def _bar() -> Iterator[Callable[[int, str], None]]:
    """Drawn where a person looks."""
    if not sys.stderr.isatty():
        yield lambda count, address: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} documents"), TimeElapsedColumn())
    with Progress(
        *columns, TextColumn("{task.description}"), console=Console(stderr=True), transient=True, refresh_per_second=5
    ) as bar:
        task = bar.add_task("", total=None)
        yield lambda count, address: bar.update(task, completed=count, description=escape(line(address)[-60:]))


def line(text: str) -> str:
    """What pages and files are called may hold what a terminal would obey."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())
