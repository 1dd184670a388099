"""GET /v1/organization/usage/completions: tokens used, by day, as the API lists them.

A key sees what it used itself; an admin key, and everybody on a server without keys, sees all.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from spatz.server.caller import Caller, caller_of
from spatz.server.state import state_of
from spatz.server.usage_query import GROUPS, UsageQuery
from spatz.store.usage import DAY_SECONDS, Counts, UsageKey, UsageRow, read_usage

__all__ = ["router"]

router = APIRouter()


@router.get("/v1/organization/usage/completions")
async def list_usage(request: Request) -> JSONResponse:
    state = state_of(request)
    query = UsageQuery.parse(request.query_params.multi_items(), time.time())
    owners = _visible(caller_of(request), query.api_key_ids)
    await state.usage.flush()  # what has been answered is in the list
    rows = await state.database.run(
        lambda connection: read_usage(
            connection, query.first_day, query.page_end, owners=owners, models=query.models, batch=query.batch
        )
    )
    days: dict[int, list[UsageRow]] = {day: [] for day in range(query.first_day, query.page_end)}
    for row in rows:
        days[row[0].day].append(row)
    return JSONResponse(
        {
            "object": "page",
            "data": [_bucket(day, found, query.groups) for day, found in days.items()],
            "has_more": query.next_page is not None,
            "next_page": query.next_page,
        }
    )


def _visible(caller: Caller, asked: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The owners whose usage is told; None: all."""
    if caller.admin or not caller.owner:
        return asked
    return (caller.owner,) if asked is None or caller.owner in asked else ()


def _bucket(day: int, rows: Iterable[UsageRow], groups: tuple[str, ...]) -> dict[str, Any]:
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
        **{group: values.get(group) for group in GROUPS},
    }
