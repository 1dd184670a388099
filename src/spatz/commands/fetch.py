"""Weights for a command that needs them: found, or fetched with a progress bar on stderr."""

from __future__ import annotations

import sys
from pathlib import Path

from spatz.commands.shared import note
from spatz.config import Settings

__all__ = ["fetch", "fetched"]


def fetched(settings: Settings) -> Path:
    """The path of the model that the settings name."""
    from spatz.weights import store

    # An installed model is found without the libraries that fetch one: they cost a fifth of a cold start.
    installed = store.find(settings.data_dir, settings.model)
    if installed is not None:
        return installed.path
    from spatz.weights.pull import resolve

    path = resolve(settings.model, settings.data_dir)
    if path is None:
        note(f"fetching {settings.model} into {settings.data_dir}")
        path = fetch(settings.model, settings.data_dir)
    return path


def fetch(spec: str, data_dir: Path) -> Path:
    from spatz.weights.pull import pull

    if not sys.stderr.isatty():
        return pull(spec, data_dir, lambda done, total, doing: None)
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(spec, total=None)

        def show(done: int, total: int | None, doing: str) -> None:
            progress.update(task, completed=done, total=total, description=doing)

        return pull(spec, data_dir, show)
