"""The handoff between the step thread and an event loop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from spatz.engine.request import Delta, FinishReason, Usage
from spatz.engine.stream import Mailbox, Stream
from spatz.errors import RequestError


class CountingLoop:
    """Only what a mailbox asks of a loop."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.closed = False

    def call_soon_threadsafe(self, callback: Any) -> None:
        if self.closed:
            raise RuntimeError("Event loop is closed")
        self.calls.append(callback)


def stream_of(mailbox: Mailbox) -> tuple[Stream, list[Stream]]:
    cancelled: list[Stream] = []
    return Stream(mailbox, cancelled.append), cancelled


async def test_items_come_out_in_order_and_end_with_usage() -> None:
    mailbox = Mailbox(asyncio.get_running_loop())
    stream, cancelled = stream_of(mailbox)
    mailbox.post([(stream, Delta(0, "a")), (stream, Delta(0, "b"))])
    mailbox.post([(stream, Delta(0, "c", finish_reason=FinishReason.STOP, usage=Usage(1, 3, 0)))])
    assert [delta.text async for delta in stream] == ["a", "b", "c"]
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    stream.close()
    assert cancelled == []  # it had ended by itself


async def test_a_reader_that_waits_is_woken() -> None:
    mailbox = Mailbox(asyncio.get_running_loop())
    stream, _ = stream_of(mailbox)
    reader = asyncio.create_task(anext(stream))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    mailbox.post([(stream, Delta(0, "a"))])
    assert (await reader).text == "a"


async def test_an_error_comes_after_what_was_said() -> None:
    mailbox = Mailbox(asyncio.get_running_loop())
    stream, _ = stream_of(mailbox)
    mailbox.post([(stream, Delta(0, "a")), (stream, RequestError("broken", status=500))])
    assert (await anext(stream)).text == "a"
    with pytest.raises(RequestError, match="broken"):
        await anext(stream)
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_cancelled_reader_cancels_the_request() -> None:
    mailbox = Mailbox(asyncio.get_running_loop())
    stream, cancelled = stream_of(mailbox)
    reader = asyncio.create_task(anext(stream))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert cancelled == [stream]
    stream.put(Delta(0, "late"))
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_leaving_the_block_cancels_once() -> None:
    mailbox = Mailbox(asyncio.get_running_loop())
    stream, cancelled = stream_of(mailbox)
    async with stream:
        stream.put(Delta(0, "a"))
        await anext(stream)
    await stream.aclose()
    assert cancelled == [stream]


async def test_a_second_consumer_is_refused() -> None:
    stream, _ = stream_of(Mailbox(asyncio.get_running_loop()))
    reader = asyncio.create_task(anext(stream))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="one consumer"):
        await anext(stream)
    stream.put(Delta(0, "a"))
    assert (await reader).text == "a"


async def test_what_is_not_read_is_merged() -> None:
    mailbox = Mailbox(asyncio.get_running_loop())
    stream, _ = stream_of(mailbox)
    stream.put(Delta(0, "x", (7,), prompt_logprobs=()))
    for i in range(10_000):
        stream.put(Delta(i % 2, str(i % 10), (i,)))
        assert len(stream._unread) < 600
    stream.put(Delta(0, "", finish_reason=FinishReason.STOP))
    stream.put(Delta(1, "", finish_reason=FinishReason.LENGTH, usage=Usage(1, 2, 0)))
    deltas = [delta async for delta in stream]
    for index in (0, 1):
        own = [delta for delta in deltas if delta.index == index]
        tokens = [token for delta in own for token in delta.tokens]
        assert tokens == [7] * (index == 0) + list(range(index, 10_000, 2))
        assert "".join(delta.text for delta in own) == "x" * (index == 0) + "02468" * 1000 * (index == 0) + (
            "13579" * 1000 * (index == 1)
        )
    assert next(delta for delta in deltas if delta.index == 0).prompt_logprobs == ()
    assert [delta.finish_reason for delta in deltas[-2:]] == [FinishReason.STOP, FinishReason.LENGTH]
    assert [delta.usage is not None for delta in deltas].index(True) == len(deltas) - 1


def test_a_loop_that_is_behind_gets_one_call() -> None:
    loop = CountingLoop()
    mailbox = Mailbox(loop)  # type: ignore[arg-type]
    streams = [stream_of(mailbox)[0] for _ in range(3)]
    for _ in range(5):
        assert mailbox.post([(stream, Delta(0, "a")) for stream in streams])
    assert len(loop.calls) == 1
    loop.calls.pop()()
    assert [len(stream._unread) for stream in streams] == [5, 5, 5]
    mailbox.post([(streams[0], Delta(0, "b"))])
    assert len(loop.calls) == 1


def test_a_closed_loop_is_reported() -> None:
    loop = CountingLoop()
    loop.closed = True
    mailbox = Mailbox(loop)  # type: ignore[arg-type]
    assert not mailbox.post([(stream_of(mailbox)[0], Delta(0, "a"))])
