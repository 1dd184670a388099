"""What a request used is told when it ends, also when nobody reads on: limits and bills depend on it."""

from __future__ import annotations

import asyncio

import pytest

from engine.test_engine import GUARD, GatedModel, request, running, step_is_running
from spatz.engine.engine import Engine
from spatz.engine.request import Usage
from spatz.engine.stream import Stream
from spatz.errors import OverloadedError


class Told:
    def __init__(self, stream: Stream) -> None:
        self.usages: list[Usage] = []
        self.some = asyncio.Event()
        stream.on_usage = self

    def __call__(self, usage: Usage) -> None:
        self.usages.append(usage)
        self.some.set()


async def only(told: Told, engine: Engine) -> Usage:
    async with asyncio.timeout(GUARD):
        await told.some.wait()
        await engine.drain(GUARD)
    await asyncio.sleep(0)  # whatever would come a second time has come
    (usage,) = told.usages
    return usage


async def test_read_to_the_end() -> None:
    async with running() as engine:
        stream = engine.submit(request(max_tokens=7, n=2))
        told = Told(stream)
        deltas = [delta async for delta in stream]
        assert await only(told, engine) == deltas[-1].usage == Usage(5, 14, 0)


async def test_closed_in_the_middle() -> None:
    model = GatedModel(eos_logit=-50.0)
    async with running(model) as engine:
        stream = engine.submit(request(max_tokens=250))
        told = Told(stream)
        model.gate.release(3)
        for _ in range(3):
            await anext(stream)
        for _ in range(4):
            await step_is_running(model)  # in the end, the one that makes the fourth token
        stream.close()
        model.open()
        usage = await only(told, engine)
        assert usage.prompt_tokens == 5
        assert usage.completion_tokens in (3, 4)  # the note may come before the step's end or after it


async def test_closed_when_the_end_is_there_but_was_not_read() -> None:
    async with running() as engine:
        stream = engine.submit(request(max_tokens=3))
        told = Told(stream)
        async with asyncio.timeout(GUARD):
            await told.some.wait()
        stream.close()
        assert await only(told, engine) == Usage(5, 3, 0)


async def test_a_failure_tells_nothing() -> None:
    model = GatedModel(eos_logit=-50.0)
    async with running(model) as engine:
        stream = engine.submit(request(max_tokens=250))
        told = Told(stream)
        await step_is_running(model)
        model.open()
        await asyncio.to_thread(engine.stop)
        with pytest.raises(OverloadedError):
            [delta async for delta in stream]
        assert told.usages == []
