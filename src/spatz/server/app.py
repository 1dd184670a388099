"""The ASGI app: routes, the gate around them, and errors that always have the API's shape.

It runs no server (run.py does) and loads no model (the caller gives one).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ExceptionHandler

from spatz import __version__
from spatz.config import Settings
from spatz.errors import RequestError
from spatz.server import openapi
from spatz.server.auth import Auth
from spatz.server.batches import BatchRunner
from spatz.server.cors import Cors
from spatz.server.expiry import Expiry
from spatz.server.gate import Gate, error_response
from spatz.server.metrics import Metrics
from spatz.server.refusals import refusal
from spatz.server.responses_background import Background
from spatz.server.routes import (
    batches,
    chat,
    completions,
    conversations,
    files,
    models,
    operations,
    responses,
    stored_chats,
    usage,
)
from spatz.server.served import ServedModel
from spatz.server.state import State
from spatz.store.db import Database

__all__ = ["ROUTERS", "create_app"]

ROUTERS = tuple(
    routes.router
    for routes in (
        chat,
        stored_chats,
        responses,
        conversations,
        completions,
        files,
        batches,
        models,
        usage,
        operations,
    )
)


def create_app(model: ServedModel, settings: Settings) -> FastAPI:
    database = Database.open(settings.database_url, settings.data_dir)
    state = State(model=model, settings=settings, metrics=Metrics(model.stats), database=database)
    # No interactive pages: theirs load scripts from elsewhere. The document itself is at /openapi.json.
    app = FastAPI(
        title="Spatz", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False, lifespan=_lifespan
    )
    app.state.spatz = state
    app.state.batches = BatchRunner(app, state)
    state.services.append(app.state.batches)
    app.state.background = Background(state)
    state.services.append(app.state.background)
    state.services.append(Expiry(database))
    for router in ROUTERS:
        app.include_router(router)
    openapi.install(app, ROUTERS)
    handlers: dict[type[Exception], ExceptionHandler] = {
        RequestError: _request_error,
        HTTPException: _http_error,
        RequestValidationError: _validation_error,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
    auth = Auth(settings, state.keys)
    app.add_middleware(Gate, state=state, auth=auth)
    if settings.cors_origins:
        app.add_middleware(Cors, origins=settings.cors_origins)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state: State = app.state.spatz
    async with AsyncExitStack() as running:
        running.callback(state.database.close)
        for service in state.services:
            await running.enter_async_context(service)
        yield


async def _request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return error_response(error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    method, path = request.method, request.url.path[:200]
    missing = refusal(method, request.url.path) if error.status_code in (404, 405) else None
    if missing is not None:
        known = missing
    elif error.status_code == 404:
        known = RequestError(f"Invalid URL ({method} {path})", status=404, code="unknown_url")
    elif error.status_code == 405:
        known = RequestError(
            f"Not allowed to {method} on {path} (HINT: Perhaps you meant to use a different HTTP method?)",
            status=405,
            code="method_not_allowed",
        )
    else:
        known = RequestError(str(error.detail), status=error.status_code)
    response = error_response(known)
    response.headers.update(error.headers or {})
    if response.status_code == 405:
        response.headers["allow"] = ", ".join(_methods(request))
    return response


def _methods(request: Request) -> list[str]:
    """Those that the path has in any route: Starlette names the ones of a single route."""
    return [
        method
        for method in ("DELETE", "GET", "POST")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    ]


async def _validation_error(request: Request, error: Exception) -> Response:
    """FastAPI's own checks see paths and queries alone; bodies are validated in problems.py."""
    return error_response(RequestError("Invalid request.", code="invalid_value"))
