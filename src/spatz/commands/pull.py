"""`spatz pull`: weights by name, path or hub address."""

from __future__ import annotations

import typer

from spatz.commands.shared import configured, set_up_logging
from spatz.config import Settings

__all__ = ["pull"]


@configured("model")
def pull(
    settings: Settings,
    context: typer.Context,
    spec: str | None = typer.Argument(None, help="A name of the catalog, a path, or hf:ORG/REPO[:FILE]."),
) -> None:
    """Fetch a model's weights and check them. Without a name: the model of the settings."""
    from spatz.commands.fetch import fetch

    set_up_logging("warning", context.obj.on)
    print(fetch(spec or settings.model, settings.data_dir))
