"""`spatz index`: fill, search and empty the local index, from which searches are answered without any network.

It lies in the data directory (search/index). A running server finds what is added as soon as it is there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from spatz.commands.indexing import address_of, gather, index_folder, line, source_of
from spatz.commands.shared import configured, note, set_up_logging
from spatz.config import Settings
from spatz.errors import ConfigError

__all__ = ["index"]

index = typer.Typer(help="Fill and search the local index, which needs no network.", no_args_is_help=True)
_JSON = typer.Option(False, "--json", help="Print one JSON object.")
_SECONDS = typer.Option(0.0, "--max-seconds", min=0, help="Stop after so long, and keep what was done; 0 is no bound.")


@index.command()
@configured("data_dir", "inputs", "search_page_mb", "search_host_rate")
def add(
    settings: Settings,
    invocation: typer.Context,
    targets: Annotated[list[str], typer.Argument(metavar="DIR|FILE|URL|SITEMAP...", help="What to index.")],
    depth: int = typer.Option(0, "--depth", min=0, max=100, help="Follow a URL's links so far, on its own host."),
    max_pages: int = typer.Option(1_000, "--max-pages", min=1, max=1_000_000, help="Most pages of a URL or sitemap."),
    base_url: str = typer.Option("", "--base-url", help="The public URL of a folder: what is in it is cited by that."),
    include: Annotated[
        list[str] | None, typer.Option("--include", metavar="GLOB", help="Only such files of folders: '*.html'.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="GLOB", help="No such files and folders of folders.")
    ] = None,
    max_seconds: float = _SECONDS,
    as_json: bool = _JSON,
) -> None:
    """Index folders, files, web pages (with --depth, what they link to) and sitemaps. What has not changed is skipped.

    Sitemaps are URLs that end in .xml or .xml.gz. robots.txt is respected.
    """
    set_up_logging("warning", invocation.obj.on)
    if base_url and not base_url.startswith(("http://", "https://")):
        raise ConfigError(f"--base-url: {base_url!r} is no http: or https: URL")
    sources = [
        source_of(target, depth, max_pages, base_url, tuple(include or ()), tuple(exclude or ())) for target in targets
    ]
    gather(settings, sources, max_seconds, as_json=as_json)


@index.command()
@configured("data_dir", "inputs", "search_page_mb", "search_host_rate")
def update(
    settings: Settings,
    invocation: typer.Context,
    addresses: Annotated[
        list[str] | None, typer.Argument(metavar="[SOURCE...]", help="Only these of `spatz index list`.")
    ] = None,
    rebuild: bool = typer.Option(False, "--rebuild", help="Make the index anew from its sources, also a damaged one."),
    max_seconds: float = _SECONDS,
    as_json: bool = _JSON,
) -> None:
    """Go through all sources again: what is new or changed is indexed, what is gone is removed."""
    set_up_logging("warning", invocation.obj.on)
    from spatz.search.index.local_index import LocalIndex

    folder = index_folder(settings)
    if rebuild:
        from spatz.search.index.rebuilding import begin_anew

        sources = begin_anew(folder)
        if not sources:
            note("the old index tells no sources: add them again")
    else:
        with LocalIndex.open(folder) as held:
            sources = [source for source, _, _ in held.sources()]
    if addresses:
        wanted = [address_of(address) for address in addresses]
        unknown = sorted(set(wanted) - {source.address for source in sources})
        if unknown:
            raise ConfigError(f"{unknown[0]}: no source of the index; `spatz index list` shows them")
        chosen = [source for source in sources if source.address in wanted]
        sources = sources if rebuild else chosen
    if not sources:
        note("the index has no sources: `spatz index add` adds them")
        return
    gather(settings, sources, max_seconds, prune=True, as_json=as_json)


@index.command("list")
@configured("data_dir")
def list_sources(
    settings: Settings,
    invocation: typer.Context,
    documents: bool = typer.Option(False, "--documents", help="List every document."),
    as_json: bool = _JSON,
) -> None:
    """List the sources, or the documents."""
    set_up_logging("warning", invocation.obj.on)
    from spatz.search.index.local_index import LocalIndex

    with LocalIndex.open(index_folder(settings)) as held:
        rows: list[dict[str, Any]] = [
            {"kind": source.kind, "source": source.address, **json.loads(source.options()), "documents": count}
            | {"updated": updated}
            for source, count, updated in held.sources()
        ]
        if documents:
            found = [
                {"url": entry.url, "title": entry.title, "date": entry.date, "characters": entry.characters}
                for entry in held.list()
            ]
            _print_list("documents", found, ("url", "title", "date", "characters"), as_json)
            return
    _print_list("sources", rows, ("kind", "source", "documents", "updated"), as_json)


@index.command()
@configured("data_dir")
def remove(
    settings: Settings,
    invocation: typer.Context,
    addresses: Annotated[list[str], typer.Argument(metavar="SOURCE|URL...", help="Of `spatz index list`.")],
) -> None:
    """Take sources out, with all that only they name, or single documents."""
    set_up_logging("warning", invocation.obj.on)
    from spatz.search.index.index_writer import IndexWriter

    with IndexWriter.open(index_folder(settings)) as writer:
        for address in addresses:
            known = {source.address for _, source in writer.sources()}
            name = address if address in known else address_of(address)
            if name not in known and writer.by_url(name) is None:
                if name.startswith("/") and writer.by_url(Path(name).as_uri()) is not None:
                    name = Path(name).as_uri()
                else:
                    raise ConfigError(f"{address}: neither a source nor a document of the index")
            count = writer.remove(name)
            print(f"removed {name} ({_documents(count)})")


@index.command()
@configured("data_dir")
def search(
    settings: Settings,
    invocation: typer.Context,
    question: str = typer.Argument(..., metavar="QUESTION", help="In words of your own."),
    count: int = typer.Option(5, "-n", "--count", min=1, max=50, help="Results."),
    domain: Annotated[list[str] | None, typer.Option("--domain", help="Only of this host and those below it.")] = None,
    since: str = typer.Option("", "--since", metavar="YYYY-MM-DD", help="Nothing that is known to be older."),
    as_json: bool = _JSON,
) -> None:
    """Show what the index has on a question."""
    set_up_logging("warning", invocation.obj.on)
    from datetime import date

    from spatz.search.index.local_index import LocalIndex

    if since:
        try:
            since = date.fromisoformat(since).isoformat()
        except ValueError:
            raise ConfigError(f"--since: {since!r} is no date such as 2026-01-31") from None
    start = time.perf_counter()
    with LocalIndex.open(index_folder(settings)) as held:
        hits = held.search(question, count=count, domains=domain or (), since=since)
    seconds = time.perf_counter() - start
    if as_json:
        results = [
            {"url": hit.url, "title": hit.title, "date": hit.date, "snippet": hit.snippet, "score": round(hit.score, 3)}
            for hit in hits
        ]
        print(json.dumps({"results": results, "seconds": round(seconds, 4)}, ensure_ascii=False))
        return
    for number, hit in enumerate(hits, 1):
        print(f"{number}. {line(hit.title) or hit.url}{f'  ({hit.date})' if hit.date else ''}")
        print(f"   {line(hit.url)}")
        print(f"   {line(hit.snippet)}\n")
    note(f"{len(hits)} results in {1000 * seconds:.0f} ms" if hits else "nothing was found")


@index.command()
@configured("data_dir")
def stats(settings: Settings, invocation: typer.Context, as_json: bool = _JSON) -> None:
    """Show how much the index holds."""
    set_up_logging("warning", invocation.obj.on)
    from spatz.search.index.local_index import LocalIndex

    with LocalIndex.open(index_folder(settings)) as held:
        found = held.stats() | {"sources": len(held.sources())}
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    print(f"{_documents(found['documents'])} of {found['sources']:,} sources, {found['characters']:,} characters")
    print(f"{found['bytes'] / 1e6:,.1f} MB on disk, in {found['folder']}")
    if found["indexed"]:
        print(f"last written {_when(found['indexed'])}")


@index.command()
@configured("data_dir")
def clear(
    settings: Settings,
    invocation: typer.Context,
    yes: bool = typer.Option(False, "-y", "--yes", help="Do not ask."),
) -> None:
    """Delete the index, also one that cannot be read."""
    set_up_logging("warning", invocation.obj.on)
    from spatz.search.index import index_file

    folder = index_folder(settings)
    if index_file.identity(folder) is None:
        note("there is no index")
        return
    if not yes and not typer.confirm(f"Delete the index {folder}?", err=True):
        raise typer.Abort
    with index_file.locked(folder):
        index_file.delete(folder)
    print(f"deleted {folder}")


# --- how it is done ---------------------------------------------------------------------------------------------------


def _print_list(name: str, rows: list[dict[str, Any]], columns: Sequence[str], as_json: bool) -> None:
    if as_json:
        print(json.dumps({name: rows}, ensure_ascii=False))
        return
    if not rows:
        note("the index is empty: `spatz index add` fills it")
        return
    for row in rows:
        cells = [_when(row[column]) if column == "updated" else line(str(row[column])) for column in columns]
        print("\t".join(cells))


def _when(seconds: int | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds)) if seconds else "never to its end"


def _documents(count: int) -> str:
    return f"{count:,} document{'' if count == 1 else 's'}"
