"""What an eval is doing right now, on stderr: each question where a person looks at it, else each task."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from spatz.commands.shared import note

__all__ = ["telling"]


@contextmanager
def telling() -> Iterator[Callable[[str], None]]:
    """What is told is "task: question", or a task alone."""
    if not sys.stderr.isatty():
        yield _Log().tell
        return
    from rich.console import Console

    with Console(stderr=True).status("", refresh_per_second=4) as status:
        yield status.update


class _Log:
    def __init__(self) -> None:
        self._last = ""

    def tell(self, doing: str) -> None:
        task = doing.partition(":")[0]
        if task != self._last:
            note(task)
        self._last = task
