"""Clients that are slow, rude or half gone, over real sockets: each is told if it can be, and none holds the server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from server.conftest import WAIT, serving
from server.fake import FakeModel
from spatz.config import Settings
from spatz.server import body as body_module

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
BODY = json.dumps({"model": "gpt-4.1-nano", "messages": [{"role": "user", "content": "hi"}]}).encode()
WHOLE = HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
QUICK = 0.05  # seconds: what a slow client is given in these tests


class Wire:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], Any]:
        """Status, headers and JSON of one answer."""
        async with asyncio.timeout(WAIT):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            content = await self.reader.readexactly(int(headers["content-length"]))
        return int(head[0].split()[1]), headers, json.loads(content)

    async def rest(self) -> bytes:
        """All until the server closes."""
        async with asyncio.timeout(WAIT):
            return await self.reader.read()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Wire]:
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


@pytest.fixture
def hasty(settings: Settings) -> Settings:
    return replace(settings, request_seconds=QUICK)


def check_error(answer: tuple[int, dict[str, str], Any], status: int, code: str) -> None:
    assert answer[0] == status, answer
    assert set(answer[2]["error"]) == {"message", "type", "param", "code"}
    assert answer[2]["error"]["code"] == code
    assert answer[1]["content-type"] == "application/json"
    assert answer[1]["x-request-id"].startswith("req_")


async def test_a_body_that_comes_too_slowly_is_a_408(model: FakeModel, hasty: Settings) -> None:
    async with serving(model, hasty) as live, connected(live.url) as wire:
        await wire.send(HEAD + b"content-length: 1000\r\n\r\n{")
        answer = await wire.answer()
        check_error(answer, 408, "request_timeout")
        assert answer[1]["connection"] == "close"
        assert await wire.rest() == b""
        assert model.requests == []


async def test_a_body_in_pieces_that_comes_too_slowly_is_a_408(model: FakeModel, hasty: Settings) -> None:
    async with serving(model, hasty) as live, connected(live.url) as wire:
        await wire.send(HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n")
        check_error(await wire.answer(), 408, "request_timeout")
        assert await wire.rest() == b""


async def test_a_head_that_comes_too_slowly_is_a_408(model: FakeModel, hasty: Settings) -> None:
    async with serving(model, hasty) as live, connected(live.url) as wire:
        await wire.send(b"POST /v1/chat/compl")
        check_error(await wire.answer(), 408, "request_timeout")
        assert await wire.rest() == b""


async def test_a_second_head_that_comes_too_slowly_is_a_408(model: FakeModel, hasty: Settings) -> None:
    async with serving(model, hasty) as live, connected(live.url) as wire:
        await wire.send(WHOLE)
        assert (await wire.answer())[0] == 200
        await wire.send(b"GET /v1/models HT")
        check_error(await wire.answer(), 408, "request_timeout")
        assert await wire.rest() == b""


async def test_a_connection_that_asks_for_nothing_is_closed(model: FakeModel, hasty: Settings) -> None:
    async with serving(model, hasty) as live, connected(live.url) as wire:
        assert await wire.rest() == b""


async def test_an_answer_may_take_longer_than_a_request(model: FakeModel, hasty: Settings) -> None:
    model.held = True
    async with serving(model, hasty) as live, connected(live.url) as wire, connected(live.url) as late:
        await wire.send(WHOLE)
        stream = await model.streams.get()
        assert await late.rest() == b""  # the time for requests has run out meanwhile
        stream.play(("late",))
        status, _, answer = await wire.answer()
        assert status == 200 and answer["choices"][0]["message"]["content"] == "late"


async def test_a_client_that_does_not_read_is_dropped(model: FakeModel, hasty: Settings) -> None:
    model.held = True
    async with serving(model, hasty) as live, connected(live.url) as wire:
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        body = BODY[:-1] + b',"stream":true}'
        await wire.send(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
        stream = await model.streams.get()
        for _ in range(16):
            stream.put("x" * 1_000_000)  # far more than the buffers of the system hold
        async with asyncio.timeout(WAIT):
            await stream.closed.wait()


async def test_a_client_that_ends_its_side_is_gone(model: FakeModel, settings: Settings) -> None:
    model.held = True
    async with serving(model, settings) as live, connected(live.url) as wire:
        await wire.send(WHOLE)
        stream = await model.streams.get()
        wire.writer.write_eof()
        async with asyncio.timeout(WAIT):
            await stream.closed.wait()
        model.held = False
        async with connected(live.url) as other:
            await other.send(WHOLE)
            assert (await other.answer())[0] == 200


async def test_a_client_that_goes_in_the_middle_of_its_body_is_forgotten(model: FakeModel, settings: Settings) -> None:
    async with serving(model, settings) as live:
        async with connected(live.url) as wire:
            await wire.send(HEAD + b"content-length: 1000\r\n\r\n{")
        async with connected(live.url) as other:
            await other.send(WHOLE)
            assert (await other.answer())[0] == 200
    assert len(model.requests) == 1


async def test_a_huge_head_is_a_431(model: FakeModel, settings: Settings) -> None:
    async with serving(model, settings) as live, connected(live.url) as wire:
        await wire.send(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 70_000)
        check_error(await wire.answer(), 431, "request_header_fields_too_large")
        assert await wire.rest() == b""


@pytest.mark.parametrize(
    "data", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nbad header\r\n\r\n", b"\x16\x03\x01\x02\x00\r\n\r\n"]
)
async def test_what_is_not_http_is_a_400(model: FakeModel, settings: Settings, data: bytes) -> None:
    async with serving(model, settings) as live, connected(live.url) as wire:
        await wire.send(data)
        check_error(await wire.answer(), 400, "invalid_request")
        assert await wire.rest() == b""


async def test_a_chunk_that_is_none_ends_the_connection(model: FakeModel, settings: Settings) -> None:
    async with serving(model, settings) as live:
        async with connected(live.url) as wire:
            await wire.send(HEAD + b"transfer-encoding: chunked\r\n\r\nnonsense\r\n")
            check_error(await wire.answer(), 400, "invalid_request")
            assert await wire.rest() == b""
        async with connected(live.url) as other:
            await other.send(WHOLE)
            assert (await other.answer())[0] == 200


async def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(
    model: FakeModel, settings: Settings
) -> None:
    async with serving(model, settings) as live, connected(live.url) as wire:
        await wire.send(HEAD + b"content-length: 100000000\r\n\r\n")
        answer = await wire.answer()
        check_error(answer, 413, "request_too_large")
        assert answer[1]["connection"] == "close"


async def test_a_body_that_is_too_large_is_told_to_a_client_that_sends_all_of_it(
    model: FakeModel, settings: Settings
) -> None:
    """A connection that is closed while data arrives is reset, and the answer lost."""
    async with serving(model, settings) as live, connected(live.url) as wire:
        await wire.send(HEAD + b"content-length: 4000000\r\n\r\n" + b" " * 4_000_000)
        check_error(await wire.answer(), 413, "request_too_large")
        assert await wire.rest() == b""


async def test_a_body_without_end_is_not_read_for_ever(
    model: FakeModel, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_module, "MUCH", 1 << 20)
    piece = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    async with serving(model, settings) as live, connected(live.url) as wire:
        await wire.send(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        reading = asyncio.create_task(wire.answer())
        with pytest.raises(ConnectionError):
            for _ in range(10_000):
                await wire.send(piece)
        check_error(await reading, 413, "request_too_large")


async def test_a_small_body_that_nobody_read_keeps_the_connection(model: FakeModel, settings: Settings) -> None:
    async with serving(model, settings) as live, connected(live.url) as wire:
        wrong = WHOLE.replace(b"application/json", b"text/plain")
        for _ in range(2):
            await wire.send(wrong)
            answer = await wire.answer()
            check_error(answer, 415, "unsupported_content_type")
            assert "connection" not in answer[1]
        await wire.send(WHOLE)
        assert (await wire.answer())[0] == 200


async def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(model: FakeModel, settings: Settings) -> None:
    head, _, body = WHOLE.partition(b"\r\n\r\n")
    async with serving(model, settings) as live, connected(live.url) as wire:
        await wire.send(head + b"\r\nexpect: 100-continue\r\n\r\n")
        async with asyncio.timeout(WAIT):
            assert b" 100 " in await wire.reader.readuntil(b"\r\n\r\n")
        await wire.send(body)
        assert (await wire.answer())[0] == 200


async def test_a_client_that_waits_to_be_asked_is_refused_without_its_body(
    model: FakeModel, settings: Settings
) -> None:
    head, _, _ = WHOLE.replace(b"application/json", b"text/plain").partition(b"\r\n\r\n")
    async with serving(model, settings) as live, connected(live.url) as wire:
        await wire.send(head + b"\r\nexpect: 100-continue\r\n\r\n")
        answer = await wire.answer()
        check_error(answer, 415, "unsupported_content_type")
        assert answer[1]["connection"] == "close"


async def test_requests_that_come_all_at_once_are_answered_in_turn(model: FakeModel, settings: Settings) -> None:
    async with serving(model, settings) as live, connected(live.url) as wire:
        await wire.send(WHOLE * 3)
        assert [(await wire.answer())[0] for _ in range(3)] == [200, 200, 200]
