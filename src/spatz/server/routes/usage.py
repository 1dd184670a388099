"""GET /v1/organization/usage/completions: tokens used, by day, as the API lists them.

A key sees what it used itself; an admin key, and everybody on a server without keys, sees all.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from spatz.server.caller import Caller, caller_of
from spatz.server.json_response import JsonResponse
from spatz.server.query import parse_query
from spatz.server.state import state_of
from spatz.server.usage_query import UsageQuery
from spatz.store.usage import DAY_SECONDS, Counts, UsageKey, UsageRow, read_usage

__all__ = ["router"]

router = APIRouter()


@router.get("/v1/organization/usage/completions")
async def list_usage(request: Request) -> Response:
    state = state_of(request)
    query = parse_query(UsageQuery, request)
    days, next_page = query.days(time.time())
    owners = _visible(caller_of(request), query.api_key_ids)
    models = query.models
    if models is not None:  # usage is kept under the model's own name
        models = [state.model.name if name in state.names else name for name in models]
    await state.usage.flush()  # what has been answered is in the list
    rows = await state.database.read(
        lambda connection: read_usage(
            connection, days.start, days.stop, owners=owners, models=models, batch=query.batch
        )
    )
    groups = list(dict.fromkeys(query.group_by or ()))
    found: dict[int, list[UsageRow]] = {day: [] for day in days}
    for row in rows:
        found[row[0].day].append(row)
    return JsonResponse(
        {
            "object": "page",
            "data": [_bucket(day, of_day, groups) for day, of_day in found.items()],
            "has_more": next_page is not None,
            "next_page": next_page,
        }
    )


def _visible(caller: Caller, asked: Sequence[str] | None) -> Sequence[str] | None:
    """The owners whose usage is told; None: all."""
    if caller.admin or not caller.owner:
        return asked
    return (caller.owner,) if asked is None or caller.owner in asked else ()


def _bucket(day: int, rows: Iterable[UsageRow], groups: Sequence[str]) -> dict[str, Any]:
    sums: dict[tuple[object, ...], Counts] = {}
    for key, counts in rows:
        values = _values(key)
        sums.setdefault(tuple(values[group] for group in groups), Counts()).add(counts)
    return {
        "object": "bucket",
        "start_time": day * DAY_SECONDS,
        "end_time": (day + 1) * DAY_SECONDS,
        "results": [_result(dict(zip(groups, values, strict=True)), counts) for values, counts in sums.items()],
    }


def _values(key: UsageKey) -> dict[str, object]:
    # Without a key there is no id: what was used before there were keys.
    return {"api_key_id": key.owner or None, "model": key.model, "batch": key.batch}


def _result(values: dict[str, object], counts: Counts) -> dict[str, Any]:
    return {
        "object": "organization.usage.completions.result",
        "input_tokens": counts.input_tokens,
        "input_cached_tokens": counts.cached_tokens,
        "output_tokens": counts.output_tokens,
        "input_audio_tokens": 0,
        "output_audio_tokens": 0,
        "num_model_requests": counts.requests,
        "project_id": None,
        "user_id": None,
        "service_tier": None,
        **{group: values.get(group) for group in ("api_key_id", "model", "batch")},
    }
