"""`spatz usage`: tokens used, by day, key and model, from the database. A running server writes within a second."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from spatz.commands.shared import configured, note, set_up_logging
from spatz.config import Settings

__all__ = ["usage"]

COUNTS = ("requests", "input_tokens", "cached_tokens", "output_tokens")


@configured("data_dir")
def usage(
    settings: Settings,
    context: typer.Context,
    days: int = typer.Option(30, "--days", min=1, max=400, help="How many days, of UTC, with today."),
    as_json: bool = typer.Option(False, "--json", help="Print a JSON array."),
) -> None:
    """Show how many tokens were used, by day, key and model. Cached tokens are part of the input."""
    from spatz.store.db import Database
    from spatz.store.keys import all_keys
    from spatz.store.usage import DAY_SECONDS, read_usage

    set_up_logging("warning", context.obj.on)
    today = int(time.time()) // DAY_SECONDS
    database = Database.open(settings.database_url, settings.data_dir)
    try:
        with database.transaction() as connection:
            found = read_usage(connection, today - days + 1, today + 1)
            names = {key.id: key.name for key in all_keys(connection)}
    finally:
        database.close()
    rows = [
        {
            "date": time.strftime("%Y-%m-%d", time.gmtime(key.day * DAY_SECONDS)),
            "api_key_id": key.owner or None,
            "name": names.get(key.owner),
            "model": key.model,
            "batch": key.batch,
            **{name: getattr(counts, name) for name in COUNTS},
        }
        for key, counts in found
    ]
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
    elif rows:
        _table(rows)
    else:
        note(f"nothing was used in {'this day' if days == 1 else f'these {days} days'}")


def _table(rows: Sequence[Mapping[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_footer=True)
    for column in ("date", "key", "model", ""):
        table.add_column(column, footer="sum" if column == "date" else "", no_wrap=True)
    for column in COUNTS:
        total = sum(row[column] for row in rows)
        table.add_column(column.removesuffix("_tokens"), justify="right", footer=f"{total:,}")
    for row in rows:
        key = row["name"] or row["api_key_id"] or "(no key)"
        cells = (row["date"], key, row["model"], "batch" if row["batch"] else "", *(f"{row[n]:,}" for n in COUNTS))
        # Text: names may have brackets, which rich would read as markup.
        table.add_row(*(Text(cell) for cell in cells))
    Console(width=None if sys.stdout.isatty() else 240).print(table)
