"""Images and files for tests of the server, and a reader that says what it was given: no process, no library."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx

from server.conftest import WAIT
from server.fake import FakeModel
from spatz.config import Settings
from spatz.inputs.document import Document, InputError, Note, ReadOptions
from spatz.inputs.fetch import Fetched
from spatz.inputs.reading import Accept, Progress
from spatz.server.app import create_app

PNG = b"\x89PNG\r\n\x1a\n"
PDF = b"%PDF-1.7\n"


def png(text: str) -> bytes:
    return PNG + text.encode()


def pdf(text: str) -> bytes:
    return PDF + text.encode()


def data_url(data: bytes, media_type: str = "") -> str:
    found = media_type or ("image/png" if data.startswith(PNG) else "application/pdf")
    return f"data:{found};base64,{b64encode(data).decode()}"


class FakePool:
    """The text of an image is what stands behind its magic bytes; some of it says what goes wrong."""

    def __init__(self) -> None:
        self.asked: list[tuple[ReadOptions, Accept]] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def read(self, data: bytes, options: ReadOptions, kind: Accept, progress: Progress | None = None) -> Document:
        self.asked.append((options, kind))
        self.begun.set()
        try:
            await self.hold.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        text = data.removeprefix(PNG).removeprefix(PDF).decode()
        if text == "broken":
            raise InputError("it is damaged after 8 bytes", code="image_parse_error")
        if data.startswith(PNG):
            notes = () if text else (Note("no_text", "Nothing can be read in it."),)
            return Document("image", text or "no text", confidence=0.75 if text else None, notes=notes, pictures=1)
        if data.startswith(PDF):
            return Document("pdf", text, pages=9, read_pages=7)
        return Document("text", text)

    async def close(self) -> None:
        pass


class FakeFetcher:
    """Gives what the test put there under a URL."""

    def __init__(self) -> None:
        self.found: dict[str, bytes] = {}
        self.asked: list[tuple[str, Sequence[str]]] = []

    async def fetch(self, url: str, accept: Sequence[str], *, max_bytes: int | None = None) -> Fetched:
        self.asked.append((url, accept))
        if url not in self.found:
            raise InputError("the URL's server answered with the status 404", code="fetch_failed")
        return Fetched(self.found[url], "application/octet-stream", "", url, url.rpartition("/")[2])

    def close(self) -> None:
        pass


class Reading:
    """An app whose readers are fakes, and a client of it."""

    def __init__(self, model: FakeModel, settings: Settings) -> None:
        self.model = model
        self.app = create_app(model, settings)
        self.state = self.app.state.spatz
        self.pool, self.fetcher = FakePool(), FakeFetcher()
        self.state.reader.pool = self.pool
        if self.state.fetcher is not None:
            self.state.fetcher = self.fetcher
        self.client: httpx.AsyncClient

    async def post(self, path: str, body: dict[str, Any], **more: Any) -> dict[str, Any]:
        answer = await self.client.post(path, json={"model": "gpt-4.1-nano", **body}, **more)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def chat(self, *parts: dict[str, Any] | str, **fields: Any) -> dict[str, Any]:
        content = [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]
        return await self.post("/v1/chat/completions", {"messages": [{"role": "user", "content": content}], **fields})

    async def respond(self, *parts: dict[str, Any] | str, **fields: Any) -> dict[str, Any]:
        content = [{"type": "input_text", "text": part} if isinstance(part, str) else part for part in parts]
        return await self.post("/v1/responses", {"input": [{"role": "user", "content": content}], **fields})

    async def upload(self, data: bytes, purpose: str = "user_data", name: str = "a.pdf", **more: Any) -> str:
        answer = await self.client.post("/v1/files", data={"purpose": purpose}, files={"file": (name, data)}, **more)
        assert answer.status_code == 200, answer.text
        file_id: str = answer.json()["id"]
        return file_id

    @property
    def prompt(self) -> str:
        """The last one."""
        return bytes(self.model.requests[-1].prompt).decode()


@asynccontextmanager
async def reading(model: FakeModel, settings: Settings) -> AsyncIterator[Reading]:
    found = Reading(model, settings)
    transport = httpx.ASGITransport(found.app)
    async with (
        found.app.router.lifespan_context(found.app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=WAIT) as found.client,
    ):
        yield found


def image(data: bytes | str, **more: Any) -> dict[str, Any]:
    """Of a chat message."""
    url = data if isinstance(data, str) else data_url(data)
    return {"type": "image_url", "image_url": {"url": url, **more}}


def file(**given: Any) -> dict[str, Any]:
    return {"type": "file", "file": given}


def input_image(**given: Any) -> dict[str, Any]:
    return {"type": "input_image", **given}


def input_file(**given: Any) -> dict[str, Any]:
    return {"type": "input_file", **given}


def check_refusal(answer: httpx.Response, param: str | None, code: str | None, words: str = "") -> None:
    error = answer.json()["error"]
    found = (answer.status_code, error["type"], error["param"], error["code"])
    assert found == (400, "invalid_request_error", param, code), error
    assert words in error["message"]
    assert error["message"].endswith((".", "'")), error["message"]
