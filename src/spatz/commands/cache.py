"""`spatz cache`: look at what is kept of prompts, delete it, and run a text ahead of the questions about it.

What is kept lies in the data directory (context/block_store.py). A running server has it for itself: `stats` reads its
index beside it, and `clear` leaves a wish there, which it fulfils within seconds.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spatz.commands.shared import configured, note, set_up_logging
from spatz.config import Settings
from spatz.errors import ConfigError, SpatzError

if TYPE_CHECKING:
    from spatz.context.block_index import BlockIndex

__all__ = ["cache"]

WAIT_SECONDS = 30.0  # for a server to fulfil a wish
LOOK_SECONDS = 0.1

cache = typer.Typer(help="Show, delete and fill what is kept of prompts on disk.", no_args_is_help=True)


@cache.command()
@configured("data_dir", "cache_mb")
def stats(
    settings: Settings,
    invocation: typer.Context,
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    entries: bool = typer.Option(False, "--entries", help="List every block, the latest used first."),
) -> None:
    """Show how much is kept, of whom, and how often it was found again."""
    set_up_logging("warning", invocation.obj.on)
    from spatz.context.block_index import BlockIndex, IndexUnusable

    folder = settings.data_dir / "cache"
    try:
        index = BlockIndex.read_only(folder)
        if index is None:
            report = _report(settings, folder, None, entries)
        else:
            try:
                report = _report(settings, folder, index, entries)
            finally:
                index.close()
    except (IndexUnusable, OSError) as error:
        raise SpatzError(f"the cache {folder} cannot be read ({error}); the next server begins it anew") from None
    if as_json:
        print(json.dumps(report))
    else:
        _show(report)


@cache.command()
@configured("data_dir")
def clear(
    settings: Settings,
    invocation: typer.Context,
    owner: str | None = typer.Option(None, "--owner", "--key", metavar="ID", help="Only what this API key has made."),
    entry: str | None = typer.Option(None, "--entry", metavar="ADDRESS", help="Only this block, as `stats` lists it."),
) -> None:
    """Delete what is kept, also beside a running server. Without options, all of it."""
    set_up_logging("warning", invocation.obj.on)
    from spatz.context.block_store import BlockStore

    try:
        digest = None if entry is None else bytes.fromhex(entry)
    except ValueError:
        raise ConfigError("--entry: an address is hexadecimal") from None
    folder = settings.data_dir / "cache"
    if not folder.is_dir():
        note("nothing is kept")
        return
    with BlockStore(folder, limit_bytes=sys.maxsize, memory_bytes=0) as store:
        deleted = store.clear(owner=owner, digest=digest) if store.on_disk else None
    if deleted is None:
        deleted = _wish(folder, owner, digest)
    print(f"deleted {deleted:,} {'block' if deleted == 1 else 'blocks'}")


@cache.command()
@configured("model", "engine", "context")
def warm(
    settings: Settings,
    invocation: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A text file.")],
    system: str | None = typer.Option(None, "--system", "-s", help="The instructions that come before it."),
    raw: bool = typer.Option(False, "--raw", help="It begins the prompt as it is, without the chat template."),
    url: str | None = typer.Option(
        None, "--url", help="Let this server do it, such as http://127.0.0.1:8000/v1. [key: SPATZ_API_KEY]"
    ),
) -> None:
    """Run a text through the model, so that prompts that begin with it start at once.

    They are those of `spatz run --file FILE`, and chats whose first message begins with the text.
    """
    set_up_logging("warning", invocation.obj.on)
    from spatz.commands import warming
    from spatz.commands.run import read_file
    from spatz.context.disk_tier import LEAST_TOKENS

    if settings.context == "skim":
        raise ConfigError("--context skim runs what a question asks for: there is nothing to run ahead")
    if raw and system is not None:
        raise ConfigError("--system has no place in a --raw prompt: it is a message of the chat template")
    text = read_file(file).strip("\n")
    if not text:
        raise ConfigError(f"{file}: it is empty")
    start = time.perf_counter()
    if url is not None:
        warmed = warming.through(url, text, system, raw=raw)
    else:
        warmed = warming.here(settings, text, system, raw=raw)
    seconds = time.perf_counter() - start
    note(f"{warmed.tokens:,} tokens in {seconds:.1f} s, {warmed.cached:,} of them were known")
    if warmed.added:
        note(f"{warmed.added:,} blocks were added to the cache")
    elif warmed.added == 0 and warmed.tokens - warmed.cached >= LEAST_TOKENS:
        note("nothing was added to the cache: see the warnings above")
    elif warmed.added == 0 and not warmed.cached:
        note(f"it is too short to be kept: that takes {LEAST_TOKENS:,} tokens")


def _wish(folder: Path, owner: str | None, digest: bytes | None) -> int:
    """Have a running server delete it."""
    from spatz.context.block_index import BlockIndex, IndexUnusable

    try:
        index = BlockIndex.wishing(folder)
    except IndexUnusable as error:
        raise SpatzError(f"the cache {folder} cannot be used ({error})") from None
    if index is None:
        raise SpatzError(f"the cache {folder} is in use by another process, and has no index")
    try:
        number = index.wish(owner, digest)
        end = time.monotonic() + WAIT_SECONDS
        while (deleted := index.fulfilled(number)) is None:
            if time.monotonic() > end:
                raise SpatzError(
                    "the server that has the cache has not answered; it will be deleted when it does, or is restarted"
                )
            time.sleep(LOOK_SECONDS)
        return deleted
    finally:
        index.close()


def _report(settings: Settings, folder: Path, index: BlockIndex | None, entries: bool) -> dict[str, Any]:
    usage = index.usage() if index is not None else []
    files = [path.stat() for path in folder.glob("*") if path.is_file()] if folder.is_dir() else []
    report: dict[str, Any] = {
        "folder": str(folder),
        "entries": sum(row[3] for row in usage),
        "bytes": sum(row[4] for row in usage),
        "disk_bytes": sum(status.st_blocks * 512 for status in files),
        "limit_bytes": settings.cache_mb << 20,
        **dict.fromkeys(("hits", "misses", "evictions", "damaged"), 0),
        **(index.counters() if index is not None else {}),
        "spaces": [
            {"space": space, "owner": owner or None, "entries": count, "bytes": size}
            for space, owner, _, count, size in usage
        ],
    }
    if entries:
        rows = index.rows()[0] if index is not None else []
        names = {space.id: space.name for space in index.spaces()} if index is not None else {}
        report["blocks"] = [
            {"space": names.get(row.space, ""), "address": row.digest.hex(), "owner": row.owner or None}
            for row in sorted(rows, key=lambda row: -row.used)
        ]
    return report


def _show(report: dict[str, Any]) -> None:
    if not report["entries"]:
        note("nothing is kept")
    else:
        columns = ("space", "key", "blocks", "MB")
        cells = [
            (row["space"], row["owner"] or "(no key)", f"{row['entries']:,}", f"{row['bytes'] / 1e6:,.1f}")
            for row in report["spaces"]
        ]
        _table(columns, cells)
        limit = f"of {report['limit_bytes'] / 1e6:,.0f} MB" if report["limit_bytes"] else "and none is to be kept"
        print(f"\n{report['disk_bytes'] / 1e6:,.1f} MB on disk {limit}, in {report['folder']}")
        names = ("hits", "misses", "evictions", "damaged")
        print(", ".join(f"{report[name]:,} {name}" for name in names))
    if report.get("blocks"):
        print()
        rows = [(row["space"], row["owner"] or "(no key)", row["address"]) for row in report["blocks"]]
        _table(("space", "key", "address"), rows)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True, justify="right" if column in ("blocks", "MB") else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # Text: names may have brackets, which rich would read as markup
    # Wide when it is piped into another program: what is wrapped cannot be searched.
    Console(width=None if sys.stdout.isatty() else 240).print(table)
