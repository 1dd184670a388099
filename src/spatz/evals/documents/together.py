"""Some of the same task at once, whose first error is the error of all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

__all__ = ["together"]


async def together(count: int, go_on: Callable[[], Coroutine[None, None, None]]) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(go_on())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
