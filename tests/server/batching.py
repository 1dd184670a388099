"""Batches for tests: input files, the app with its services running, and waiting for a batch without a clock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI

from server.conftest import WAIT
from server.fake import FakeModel
from spatz.config import Settings
from spatz.server.app import create_app

ENDED = ("completed", "failed", "expired", "cancelled")
CHAT = "/v1/chat/completions"


def line(number: int, url: str = CHAT, **changes: Any) -> dict[str, Any]:
    body = {
        CHAT: {"messages": [{"role": "user", "content": f"say {number}"}]},
        "/v1/completions": {"prompt": f"say {number}"},
        "/v1/responses": {"input": f"say {number}", "store": False},
    }[url]
    body = {"model": "gpt-4.1-nano", **body, **changes.pop("body", {})}
    return {"custom_id": f"line-{number}", "method": "POST", "url": url, "body": body, **changes}


def jsonl(*lines: object) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in lines)


@dataclass
class Running:
    app: FastAPI
    client: httpx.AsyncClient

    async def upload(self, content: bytes, purpose: str = "batch") -> str:
        answer = await self.client.post("/v1/files", files={"file": ("in.jsonl", content)}, data={"purpose": purpose})
        assert answer.status_code == 200, answer.text
        file_id: str = answer.json()["id"]
        return file_id

    async def begin(self, content: bytes, endpoint: str = CHAT, **fields: object) -> dict[str, Any]:
        body = {"input_file_id": await self.upload(content), "endpoint": endpoint, "completion_window": "24h", **fields}
        answer = await self.client.post("/v1/batches", json=body)
        assert answer.status_code == 200, answer.text
        batch: dict[str, Any] = answer.json()
        return batch

    async def state(self, batch: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = (await self.client.get(f"/v1/batches/{batch['id']}")).json()
        return found

    async def until(self, batch: dict[str, Any], *statuses: str) -> dict[str, Any]:
        async with asyncio.timeout(WAIT):
            while (batch := await self.state(batch))["status"] not in statuses:
                pass
        return batch

    async def whole(self, content: bytes, endpoint: str = CHAT, **fields: object) -> dict[str, Any]:
        return await self.until(await self.begin(content, endpoint, **fields), *ENDED)

    async def lines(self, file_id: str | None) -> list[dict[str, Any]]:
        if file_id is None:
            return []
        text = (await self.client.get(f"/v1/files/{file_id}/content")).text
        return [json.loads(item) for item in text.splitlines()]


@asynccontextmanager
async def running(model: FakeModel, settings: Settings) -> AsyncIterator[Running]:
    app = create_app(model, settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=WAIT) as client,
    ):
        yield Running(app, client)
