"""Items to a turn that fits into the model's context: with `truncation: auto`, without the oldest of them.

Instructions and the last message of the user always stay; a call of a tool goes with its result. How long a prompt is,
only its rendering tells, so the longest end of the conversation that fits is searched for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from spatz.engine.request import ContextMode
from spatz.errors import ContextLengthError
from spatz.prompt.turn import Turn
from spatz.server.context import context_limit
from spatz.server.generate import LONG_TEXT, text_size
from spatz.server.responses_items import Item
from spatz.server.responses_kept import is_instruction
from spatz.server.responses_request import InputTokensRequest, ResponseRequest
from spatz.server.served import ServedModel

__all__ = ["fit", "prompt_tokens", "too_long"]

ROOM = 256  # tokens for an answer whose length was not limited, where there is a choice


async def fit(
    model: ServedModel,
    body: ResponseRequest | InputTokensRequest,
    items: Sequence[Item],
    mode: ContextMode,
    made: Callable[[Sequence[Item]], Turn],
) -> Turn:
    """The turn of `truncation: auto`. made: makes one of items, with what was read of their images and files.

    Raises ContextLengthError where even what has to stay does not fit.
    """
    asked = body.max_output_tokens if isinstance(body, ResponseRequest) else None
    limit = context_limit(model, mode)
    room = limit - (asked or min(ROOM, limit // 8))
    turn = made(items)
    if await prompt_tokens(model, turn) <= room:
        return turn
    loose = _droppable(items)
    # How many of the newest can be kept: more and more of them until they do not fit, then halved between.
    best: Turn | None = None
    fits, fails, kept = -1, len(loose), 0
    size = 0
    while fits + 1 < fails:
        turn = made(_without(items, set(loose[: len(loose) - kept])))
        size = await prompt_tokens(model, turn)
        if size <= room:
            fits, best = kept, turn
            kept = min(2 * kept + 1, fails - 1) if fails == len(loose) else (fits + fails) // 2
        elif kept == 0:
            break
        else:
            fails = kept
            kept = (fits + fails) // 2
    if best is None:
        raise too_long(limit, size or await prompt_tokens(model, turn), asked)
    return best


async def prompt_tokens(model: ServedModel, turn: Turn) -> int:
    encode = model.encode_turn
    return len(encode(turn) if text_size(turn) < LONG_TEXT else await asyncio.to_thread(encode, turn))


def _droppable(items: Sequence[Item]) -> list[int]:
    """Places, oldest first. Results of tools are not among them: they go with their calls."""
    users = [place for place, item in enumerate(items) if item["type"] == "message" and item["role"] == "user"]
    last = users[-1] if users else -1
    return [
        place
        for place, item in enumerate(items)
        if place != last and not is_instruction(item) and not item["type"].endswith("_output")
    ]


def _without(items: Sequence[Item], dropped: set[int]) -> list[Item]:
    calls = {items[place]["call_id"] for place in dropped if "call_id" in items[place]}
    return [
        item
        for place, item in enumerate(items)
        if place not in dropped and not (item["type"].endswith("_output") and item["call_id"] in calls)
    ]


def too_long(limit: int, size: int, asked: int | None) -> ContextLengthError:
    """limit: of tokens, in the mode that was asked for."""
    words = f"This model's maximum context length is {limit} tokens."
    if asked is not None and size < limit:
        return ContextLengthError(
            f"{words} However, you requested {size + asked} tokens ({size} in the input, {asked} in the completion). "
            "Please reduce the length of the input or completion.",
            param="input",
        )
    return ContextLengthError(
        f"{words} However, your input resulted in {size} tokens. Please reduce the length of the input.", param="input"
    )
