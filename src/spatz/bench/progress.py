"""What is being measured right now, on stderr, where a person looks at it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Tell", "showing"]

Tell = Callable[[str], None]


@contextmanager
def showing() -> Iterator[Tell]:
    if not sys.stderr.isatty():
        yield lambda doing: None
        return
    from rich.console import Console

    # Four times a second: what draws takes time from what is measured.
    console = Console(stderr=True)
    with console.status("", refresh_per_second=4) as status:
        yield status.update
