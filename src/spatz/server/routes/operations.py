"""GET /healthz and /metrics: for those who run the server."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from spatz.server.generate import stopping
from spatz.server.json_response import JsonResponse
from spatz.server.metrics import CONTENT_TYPE
from spatz.server.state import state_of

__all__ = ["router"]

router = APIRouter()


@router.get("/healthz")
async def health(request: Request) -> Response:
    """200 while requests are taken, 503 from the moment that the server is stopping. Needs no key."""
    if state_of(request).draining:
        raise stopping()
    return JsonResponse({"status": "ok"})


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    return Response(state_of(request).metrics.text(), headers={"content-type": CONTENT_TYPE})
