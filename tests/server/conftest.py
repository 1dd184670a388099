"""The app over the fake model, and clients of it: in process, and over a real socket."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from server.fake import FakeModel
from spatz.config import Settings
from spatz.server.app import create_app
from spatz.server.run import Server, bind
from spatz.store.db import Database

WAIT = 30  # seconds that anything may take before a test fails instead of hanging


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as it is before anything is stored: copied, because its migrations would be most of a test's time."""
    folder = tmp_path_factory.mktemp("migrated")
    Database.open("", folder).close()
    return folder / "spatz.db"


@pytest.fixture
def settings(tmp_path: Path, migrated: Path) -> Settings:
    """What searches the web has a provider of the test's own: nothing goes out of the machine."""
    shutil.copy(migrated, tmp_path)
    return Settings(data_dir=tmp_path, port=0, max_body_mb=1, input_mb=1, drain_seconds=WAIT, search_providers=("off",))


@pytest.fixture
async def client(model: FakeModel, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(model, settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=WAIT) as client:
        yield client


class Live:
    """A server on a free port, in the test's own event loop."""

    def __init__(self, server: Server, port: int) -> None:
        self.server = server
        self.url = f"http://127.0.0.1:{port}"
        self.task: asyncio.Task[None]


@asynccontextmanager
async def serving(model: FakeModel, settings: Settings) -> AsyncIterator[Live]:
    listener = bind(settings)
    started = asyncio.Event()
    server = Server(create_app(model, settings), settings, started=started.set)
    live = Live(server, listener.getsockname()[1])
    live.task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(WAIT):
            await started.wait()
        yield live
    finally:
        server.force_exit = server.should_exit = True
        async with asyncio.timeout(WAIT):
            await live.task
            await server.lifespan.shutdown()  # which an exit by force leaves out: the app's services have to end
        listener.close()


@pytest.fixture
async def live(model: FakeModel, settings: Settings) -> AsyncIterator[Live]:
    async with serving(model, settings) as live:
        yield live


@pytest.fixture
def chat() -> Callable[..., dict[str, object]]:
    def body(**fields: object) -> dict[str, object]:
        return {"model": "gpt-4.1-nano", "messages": [{"role": "user", "content": "hi"}], **fields}

    return body
