"""`spatz keys`: make, list, revoke and remove API keys. A running server knows within a second.

The key itself is printed once, alone on stdout; what is kept is a hash of it (store/keys.py).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from spatz.commands.shared import configured, note, set_up_logging
from spatz.config import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from spatz.store.keys import Key

__all__ = ["keys"]

DAY_SECONDS = 86_400

keys = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)


@contextmanager
def _database(settings: Settings) -> Iterator[Connection]:
    from spatz.store.db import Database

    database = Database.open(settings.database_url, settings.data_dir)
    try:
        with database.transaction() as connection:
            yield connection
    finally:
        database.close()


def _limit(switch: str, most: int, what: str) -> Any:
    return typer.Option(None, switch, min=0, max=most, help=f"{what}; 0 is no limit. (default: the server's setting)")


@keys.command()
@configured("data_dir")
def create(
    settings: Settings,
    context: typer.Context,
    name: str = typer.Argument(..., metavar="NAME", help="What the key is for; shown in lists."),
    requests_per_minute: int | None = _limit("--requests-per-minute", 1_000_000, "Requests a minute"),
    tokens_per_minute: int | None = _limit("--tokens-per-minute", 1 << 40, "Tokens a minute, of prompts and answers"),
    max_concurrent: int | None = _limit("--max-concurrent", 1_000_000, "Requests that may be under way at once"),
    expires: int | None = typer.Option(None, "--expires", metavar="DAYS", min=1, max=36_500, help="Ends by itself."),
    admin: bool = typer.Option(False, "--admin", help="May see what all keys have used."),
) -> None:
    """Make a key and print it, this once. From the first key on, the server demands one."""
    from spatz.store.keys import add_key, all_keys

    set_up_logging("warning", context.obj.on)
    with _database(settings) as connection:
        first = not all_keys(connection)
        text, key = add_key(
            connection,
            name,
            admin=admin,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            max_concurrent=max_concurrent,
            expires_at=None if expires is None else int(time.time()) + expires * DAY_SECONDS,
        )
    note(f"{key.id} ({key.name}): keep the key, it cannot be shown again")
    if first:
        note("this is the first key: from now on the server answers nobody without one")
    print(text)


@keys.command("list")
@configured("data_dir")
def list_keys(
    settings: Settings,
    context: typer.Context,
    as_json: bool = typer.Option(False, "--json", help="Print a JSON array."),
) -> None:
    """List all keys, revoked ones included."""
    from spatz.store.keys import all_keys

    set_up_logging("warning", context.obj.on)
    with _database(settings) as connection:
        found = all_keys(connection)
    rows = [_row(key) for key in found]
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
    elif rows:
        _table(rows)
    else:
        note("there are no keys: `spatz keys create NAME` makes one")


@keys.command()
@configured("data_dir")
def revoke(
    settings: Settings, context: typer.Context, key_id: str = typer.Argument(..., metavar="ID", help="key_...")
) -> None:
    """End a key. What it stored and used stays."""
    from spatz.store.keys import all_keys, revoke_key

    set_up_logging("warning", context.obj.on)
    with _database(settings) as connection:
        key = revoke_key(connection, key_id)
        left = any(other.state(time.time()) == "active" for other in all_keys(connection))
    print(f"revoked {key.id} ({key.name})" if key.revoked_at is None else f"{key.id} ({key.name}) was revoked before")
    if not left:
        note("no key is left: keys of the database open nothing until you make one, or remove them all")


@keys.command()
@configured("data_dir")
def remove(
    settings: Settings, context: typer.Context, key_id: str = typer.Argument(..., metavar="ID", help="key_...")
) -> None:
    """Forget a revoked or expired key. Without any key, a server on this machine is open again."""
    from spatz.store.keys import remove_key

    set_up_logging("warning", context.obj.on)
    with _database(settings) as connection:
        key = remove_key(connection, key_id)
    print(f"removed {key.id} ({key.name})")


def _row(key: Key) -> dict[str, object]:
    """What can be told of a key: not its hash."""
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "state": key.state(time.time()),
        "admin": key.admin,
        "requests_per_minute": key.requests_per_minute,
        "tokens_per_minute": key.tokens_per_minute,
        "max_concurrent": key.max_concurrent,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
    }


def _table(rows: list[dict[str, object]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in ("id", "name", "key", "state", "created", "last used", "ends"):
        table.add_column(column, no_wrap=column in ("id", "key"))
    for column in ("req/min", "tok/min", "at once"):
        table.add_column(column, justify="right")
    for row in rows:
        limits = (row[name] for name in ("requests_per_minute", "tokens_per_minute", "max_concurrent"))
        cells = (
            row["id"],
            row["name"],
            f"{row['prefix']}...",
            f"{row['state']}{', admin' if row['admin'] else ''}",
            _date(row["created_at"]),
            _date(row["last_used_at"]),
            _date(row["expires_at"]),
            *("" if limit is None else f"{limit:,}" if limit else "none" for limit in limits),
        )
        # Text: names may have brackets, which rich would read as markup.
        table.add_row(*(Text(str(cell)) for cell in cells))
    # Wide when it is piped into another program: what is wrapped cannot be searched.
    Console(width=None if sys.stdout.isatty() else 240).print(table)


def _date(value: object) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(value)) if isinstance(value, int) else ""
