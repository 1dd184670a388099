"""Who is asked over the API: a server at an address, or Spatz's own app in this process, with a database of its own."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatz.config import Settings
from spatz.errors import RequestError, SpatzError
from spatz.evals.documents.fields import Post

if TYPE_CHECKING:
    import httpx

__all__ = ["posting_here", "posting_to"]

_WAIT_SECONDS = 600.0
_SHOWN = 400  # characters of an error


@asynccontextmanager
async def posting_to(url: str, model: str, key: str) -> AsyncIterator[Post]:
    import httpx

    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx.AsyncClient(base_url=url.rstrip("/") + "/", headers=headers, timeout=_WAIT_SECONDS) as client:
        yield _poster(client, model, url)


@asynccontextmanager
async def posting_here(settings: Settings, path: Path) -> AsyncIterator[Post]:
    """path: of the model. What is asked leaves nothing in the person's database and cache, and needs no key."""
    import httpx

    from spatz.server.app import create_app
    from spatz.server.local import local_model

    with tempfile.TemporaryDirectory(prefix="spatz-eval-") as folder:
        own = replace(settings, data_dir=Path(folder), database_url="", api_key=())
        with local_model(own, path) as model:
            app = create_app(model, own)
            async with (
                app.router.lifespan_context(app),
                httpx.AsyncClient(
                    transport=httpx.ASGITransport(app), base_url="http://127.0.0.1/v1/", timeout=_WAIT_SECONDS
                ) as client,
            ):
                yield _poster(client, model.name, "this process")


def _poster(client: httpx.AsyncClient, model: str, where: str) -> Post:
    import httpx

    async def post(body: dict[str, Any]) -> dict[str, Any]:
        try:
            response = await client.post("chat/completions", json={"model": model, **body})
            data = response.json()
        except httpx.HTTPError as error:
            raise SpatzError(f"{where} does not answer: {type(error).__name__}: {error}") from None
        except ValueError:
            raise SpatzError(f"{where} answered {response.status_code} with no JSON") from None
        if not isinstance(data, dict):
            raise SpatzError(f"{where} answered in no shape of the API")
        if response.status_code >= 400:
            said = data.get("error", data)
            said = said.get("message", said) if isinstance(said, dict) else said
            message = f"{response.status_code}: {str(said)[:_SHOWN]}"
            # Who may not ask, or asks for what is not there, need not ask again.
            if response.status_code in (401, 403, 404):
                raise SpatzError(f"{where}: {message}")
            raise RequestError(message, status=response.status_code)
        return data

    return post
