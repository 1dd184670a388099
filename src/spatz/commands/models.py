"""`spatz models`: what is here, and what could be fetched by name."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

import typer

from spatz.commands.shared import configured, set_up_logging
from spatz.config import Settings

__all__ = ["models"]


@configured("model")
def models(
    settings: Settings,
    context: typer.Context,
    as_json: bool = typer.Option(False, "--json", help="Print a JSON array."),
) -> None:
    """List the installed models, and those that `spatz pull` knows by name."""
    from spatz.weights.catalog import catalog
    from spatz.weights.pull import installed

    set_up_logging("warning", context.obj.on)
    here = installed(settings.data_dir)
    rows = [
        {
            "name": model.name,
            "installed": True,
            "size": model.size,
            "licence": model.licence,
            "path": str(model.path),
            "problem": model.problem,
        }
        for model in here
    ]
    names = {model.name for model in here}
    rows += [
        {
            "name": entry.name,
            "installed": False,
            "size": entry.size,
            "licence": entry.licence,
            "context": entry.context,
            "description": entry.description,
        }
        for entry in catalog().values()
        if entry.name not in names
    ]
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
    else:
        _table(rows)


def _table(rows: Sequence[Mapping[str, object]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in ("name", "here", "size"):
        table.add_column(column, no_wrap=True)
    table.add_column("licence")
    table.add_column("")
    for row in rows:
        size = row["size"]
        # Text: names and paths may have brackets, which rich would read as markup.
        cells = (
            row["name"],
            "yes" if row["installed"] else "",
            f"{size / 1e6:,.0f} MB" if isinstance(size, int) else "",
            row["licence"] or "",
            row.get("problem") or row.get("path") or row.get("description") or "",
        )
        table.add_row(*(Text(str(cell)) for cell in cells))
    # Wide when it is piped into another program: what is wrapped cannot be searched.
    Console(width=None if sys.stdout.isatty() else 240).print(table)
