"""How a request's prompt is read, as the API speaks of it: the field, the limit that goes with it, what is answered.

Routes ask for the mode; generate.py has long prompts planned beside the event loop. What the modes do, and which one
`auto` becomes, is the engine's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from spatz.engine.request import ContextMode, ContextUse, Request
from spatz.server.fields import SpatzOptions
from spatz.server.served import ServedModel

__all__ = ["HEADER", "context_body", "context_limit", "context_mode", "planned", "shared_mode"]

HEADER = b"x-spatz-context"
MIXED = "mixed"  # of several prompts, each was read in its own way
# Planning this many tokens takes less than a millisecond, which is what the event loop can spare.
LONG_PROMPT = 4_096


def context_mode(options: SpatzOptions | None, default: str) -> ContextMode:
    """default: the setting `context`."""
    return ContextMode(default if options is None or options.context is None else options.context)


def context_limit(model: ServedModel, mode: ContextMode) -> int:
    """The most tokens of prompt and answer together."""
    return model.context_length if mode is ContextMode.EXACT else max(model.context_length, model.context_limit)


async def planned(model: ServedModel, request: Request) -> Request:
    """With the mode that it will run in. Raises RequestError for what does not fit."""
    if len(request.prompt) <= LONG_PROMPT and request.images is None:
        return model.plan(request)
    return await asyncio.to_thread(model.plan, request)


def shared_mode(modes: Iterable[ContextMode]) -> str:
    """Of all prompts of a request."""
    found = {mode.value for mode in modes}
    return found.pop() if len(found) == 1 else MIXED


def context_body(uses: Mapping[int, ContextUse]) -> dict[str, Any]:
    """The object `spatz` of a usage. uses: by the place of their prompt. Several prompts are told one by one."""
    told = [
        {"mode": use.mode.value, "blocks": use.blocks, "spans": [list(span) for span in use.spans]}
        for _, use in sorted(uses.items())
    ]
    if len(told) == 1:
        return told[0]
    mode = shared_mode(use.mode for use in uses.values())
    return {"mode": mode, "blocks": sum(use.blocks for use in uses.values()), "prompts": told}
