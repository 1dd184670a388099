"""GET /v1/models and /v1/models/{id}: the model under each name that it answers to."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from spatz.engine.request import ContextMode
from spatz.server.context import context_limit
from spatz.server.json_response import JsonResponse
from spatz.server.state import State, state_of

__all__ = ["router"]

router = APIRouter()


def _entry(state: State, name: str) -> dict[str, Any]:
    model = state.model
    context = {
        "context": state.settings.context,
        "native_context": model.context_length,
        "context_limit": context_limit(model, ContextMode.AUTO),
        "images": "seen" if model.tiling else "read",
    }
    return {"id": name, "object": "model", "created": model.created, "owned_by": "spatz", "spatz": context}


@router.get("/v1/models")
async def list_models(request: Request) -> Response:
    state = state_of(request)
    return JsonResponse({"object": "list", "data": [_entry(state, name) for name in state.names]})


# :path, because names of models may have slashes.
@router.get("/v1/models/{model:path}")
async def retrieve_model(request: Request, model: str) -> Response:
    state = state_of(request)
    state.check_model(model)
    return JsonResponse(_entry(state, model))
