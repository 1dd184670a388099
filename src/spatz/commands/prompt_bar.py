"""How far a long prompt has been run, on stderr, where a person looks at it: tokens, tokens a second, time left.

It asks the stream a few times a second until the answer begins, and leaves nothing on the screen.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from spatz.engine.request import Progress

if TYPE_CHECKING:
    from spatz.server.served import DeltaStream

__all__ = ["PromptBar", "told"]

LONG = 4_096  # tokens; what is shorter is there before a bar could be read
PAUSE = 0.1  # seconds


class PromptBar:
    """Around the reading of a stream. tokens: of its prompt."""

    def __init__(self, stream: DeltaStream, tokens: int) -> None:
        self._stream = stream
        self._wanted = tokens > LONG and _looked_at()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._wanted:
            self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.end()

    async def end(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()  # raises what it failed of

    async def _follow(self) -> None:
        with _drawn() as show:
            while True:
                progress = self._stream.progress
                if progress is not None:
                    show(progress)
                await asyncio.sleep(PAUSE)


def _looked_at() -> bool:
    return sys.stderr.isatty()


def told(done: int, total: int, speed: float | None) -> str:
    rate = f", {speed:,.0f}/s" if speed else ""
    return f"{done:,}/{total:,} tokens{rate}"  # with the rest it fits into 80 columns


@contextmanager
def _drawn() -> Iterator[Callable[[Progress], None]]:
    # Imported here: most answers need no bar, and it costs a tenth of a cold start.
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    class Count(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(told(int(task.completed), int(task.total), task.speed) if task.total else "")

    columns = (TextColumn("{task.description}"), BarColumn(20), Count(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda progress: bar.update(task, completed=progress.done, total=progress.total)
