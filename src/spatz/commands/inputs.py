"""The images and files of a command line: read in a process of their own, with a bar.

What a person should know of what was read goes to stderr. Text files are nobody's business here (run.py).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from spatz.commands.shared import note
from spatz.config import Settings
from spatz.errors import ConfigError, RequestError
from spatz.inputs.cut import Tiling
from spatz.inputs.document import Document
from spatz.inputs.part import InputPart

if TYPE_CHECKING:
    from spatz.inputs.reading import Progress
    from spatz.prompt.documents import Readings

__all__ = ["file_part", "read_parts"]


def file_part(path: Path, settings: Settings, *, image: bool = False, data: bytes | None = None) -> InputPart:
    """data: what is in it, where that is known. Raises ConfigError for what cannot be opened, and at once for what no
    reader knows.
    """
    most = settings.input_mb << 20
    try:
        if data is None:
            with path.open("rb") as file:
                data = file.read(most + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    if len(data) > most:
        raise ConfigError(f"{path}: larger than {settings.input_mb} MiB (--input-mb)")
    from spatz.inputs.reader import read_options
    from spatz.inputs.reading import check

    try:
        check(data, replace(read_options(settings), filename=path.name), "image" if image else "file")
    except RequestError as error:
        raise ConfigError(f"{path}: {error.message}") from None
    return InputPart("image" if image else "file", str(path), data=data, filename=path.name)


def read_parts(
    parts: Sequence[InputPart], settings: Settings, tiling: Tiling | None, pages: tuple[int, int] | None = None
) -> Readings:
    """tiling: of a model that sees images. pages: first and last, of the files. Raises ConfigError, with the path, for
    what cannot be read.
    """
    from spatz.prompt.documents import Readings

    documents = asyncio.run(_read(parts, settings, tiling, pages)) if parts else {}
    for part, document in documents.items():
        for told in document.notes:
            note(f"{part.param}: {told.message}")
    return Readings(documents)


async def _read(
    parts: Sequence[InputPart], settings: Settings, tiling: Tiling | None, pages: tuple[int, int] | None
) -> dict[InputPart, Document]:
    from spatz.inputs.reader import read_options, reader_of

    documents: dict[InputPart, Document] = {}
    async with reader_of(settings) as reader:
        for part in dict.fromkeys(parts):
            assert part.data is not None
            cut = tiling if part.kind == "image" else None
            options = replace(read_options(settings), filename=part.filename, detail=part.detail, cut=cut)
            if part.kind == "file":
                options = replace(options, pages=pages)
            kind = "image" if part.kind == "image" else "file"
            with _bar(Path(part.param).name) as progress:
                try:
                    documents[part] = await reader.read(part.data, options, kind, progress=progress)  # type: ignore[arg-type]
                except RequestError as error:
                    raise ConfigError(f"{part.param}: {error.message}") from None
    return documents


@contextmanager
def _bar(name: str) -> Iterator[Progress | None]:
    """Drawn where a person looks, from the second page on."""
    if not sys.stderr.isatty():
        yield None
        return
    # Imported here: it costs a tenth of a cold start.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4) as bar:
        task = bar.add_task(name[:40], total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=total > 1)
