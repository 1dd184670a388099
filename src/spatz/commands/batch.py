"""`spatz batch`: a file of requests run from the shell, without a server, by the code with which the server runs it.

What has been done is kept beside the output, in a hidden folder with a database of its own, until the whole is done. A
second run, after whatever ended the first, goes on from there.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spatz.commands.shared import configured, note, set_up_logging
from spatz.config import Settings
from spatz.errors import ConfigError

if TYPE_CHECKING:
    from spatz.commands.batch_job import Job
    from spatz.server.local import LocalModel
    from spatz.store.batch_tables import Batch

__all__ = ["batch"]

LOOK_SECONDS = 0.2

Show = Callable[["Batch", int], None]  # the batch, and tokens that were generated in this run


@configured("model", "engine", "context")
def batch(
    settings: Settings,
    invocation: typer.Context,
    file: str = typer.Argument(help="Requests, one JSON object a line, as the batch API takes them; - is stdin."),
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where the answers go. (default: FILE.output.jsonl)", show_default=False),
    ] = None,
) -> None:
    """Run a file of requests and write their answers to another.

    Lines that were answered with an error go to a file of errors beside it.
    After an interruption, the same command goes on from there.
    """
    set_up_logging("warning", invocation.obj.on)
    from spatz.commands.batch_job import Job
    from spatz.commands.fetch import fetched
    from spatz.server.local import local_model

    if output is None:
        if file == "-":
            raise ConfigError("what comes from stdin needs an output file: -o OUT")
        path = Path(file)
        output = path.with_name(path.name.removesuffix(".jsonl") + ".output.jsonl")
    with Job(file, output) as job:
        job.prepare(settings)
        with local_model(settings, fetched(settings)) as model:
            sys.setswitchinterval(0.0005)  # as for the server: the event loop and the engine's steps share the GIL
            with _progress(job.source) as show:
                ended = _run(job, model, settings, show)
        job.deliver(ended)
    note(f"{ended.completed} of {ended.total} lines were answered: {output}")
    if ended.failed:
        note(f"{ended.failed} lines failed: {job.errors}")
        raise typer.Exit(1)


def _run(job: Job, model: LocalModel, settings: Settings, show: Show) -> Batch:
    seen: list[Batch] = []
    before = model.stats().tokens_out

    async def follow() -> Batch:
        async with job.running(model, settings) as find:
            while not (found := await find()).ended:
                seen[:] = [found]
                show(found, model.stats().tokens_out - before)
                await asyncio.sleep(LOOK_SECONDS)
            show(found, model.stats().tokens_out - before)
            return found

    try:
        return asyncio.run(follow())
    except KeyboardInterrupt:
        if seen and seen[0].total:
            done = seen[0].completed + seen[0].failed
            note(f"stopped after {done} of {seen[0].total} lines: the same command goes on from there")
        raise


def _progress(name: str) -> AbstractContextManager[Show]:
    """A bar on a terminal; elsewhere nothing."""
    if not sys.stderr.isatty():
        return nullcontext(lambda found, tokens: None)
    return _Bar(name)


class _Bar:
    """Lines done, tokens a second, time left: of this run, as what an earlier one did took none of its time."""

    def __init__(self, name: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task(name, total=None, speed="")
        self._start = 0.0

    def __enter__(self) -> Show:
        self._progress.start()
        return self.show

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def show(self, found: Batch, tokens: int) -> None:
        self._start = self._start or time.perf_counter()
        seconds = time.perf_counter() - self._start
        self._progress.update(
            self._task,
            description=found.status.replace("_", " "),
            completed=found.completed + found.failed,
            total=found.total or None,
            speed=f"{tokens / seconds:.0f} tokens/s" if seconds > 1 else "",
        )
