"""200 schemas, each asked for with the embedded model at temperature 1: every answer that ends satisfies its schema.

An answer may also run into max_tokens, which is no failure: a small model that is as free as this rambles. A schema
that cannot be kept is refused with the reason.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import httpx
import pytest

from schemas.cases import COUNT, Case, cases
from schemas.validity import problem
from server.running import RunningServer

AT_ONCE = 32
MAX_TOKENS = 240
FINISHED = 0.65  # of those that are answered; 0.80 when it was measured
WAIT = 600

ASK = "Invent an example record. Answer with short JSON."


async def ask(client: httpx.AsyncClient, case: Case, seed: int) -> tuple[int, dict[str, Any]]:
    answer = await client.post(
        "chat/completions",
        json={
            "model": "gpt-4.1-nano",
            "messages": [{"role": "user", "content": ASK}],
            "temperature": 1,
            "seed": seed,
            "max_tokens": MAX_TOKENS,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "record", "schema": case.schema, "strict": case.strict},
            },
        },
    )
    return answer.status_code, answer.json()


async def test_every_answer_that_ends_satisfies_its_schema(server: RunningServer) -> None:
    everything = cases()
    assert len(everything) == COUNT
    lots = asyncio.Semaphore(AT_ONCE)
    counts = Counter[str]()
    wrong: list[str] = []
    unfinished: list[str] = []

    async with httpx.AsyncClient(base_url=server.base_url, timeout=WAIT) as client:

        async def run(case: Case, seed: int) -> None:
            async with lots:
                status, body = await ask(client, case, seed)
            if status == 400:
                counts["refused"] += 1
                error = body["error"]
                assert set(error) == {"message", "type", "param", "code"}
                assert error["type"] == "invalid_request_error"
                assert error["param"] == "response_format"
                assert case.refused in error["message"]
                assert case.refused or error["code"] == "invalid_json_schema"
                return
            assert status == 200, body
            assert not case.refused, f"{case.name} was answered"
            (choice,) = body["choices"]
            counts[choice["finish_reason"]] += 1
            if choice["finish_reason"] == "length":
                unfinished.append(f"{case.name}: {choice['message']['content'][-80:]!r}")
            if choice["finish_reason"] == "stop":
                found = problem(case.schema, choice["message"]["content"])
                if found is not None:
                    schema = json.dumps(case.schema)[:2000]
                    wrong.append(f"{case.name}: {found}\n  {choice['message']['content']!r}\n  {schema}")

        async with asyncio.TaskGroup() as group:
            for seed, case in enumerate(everything):
                group.create_task(run(case, seed))

    assert not wrong, "\n".join(wrong)
    assert sum(counts.values()) == COUNT
    assert set(counts) == {"stop", "length", "refused"}
    assert counts["stop"] >= FINISHED * (COUNT - counts["refused"]), (counts, unfinished)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "array", "items": {"type": "string"}}, "schema must be a JSON Schema of 'type: \"object\"'"),
        (
            {"type": "object", "properties": {}},
            "In context=(), 'additionalProperties' is required to be supplied and to be false.",
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": [], "additionalProperties": False},
            "'required' is required to be supplied and to be an array including every key in properties. Missing 'a'.",
        ),
    ],
)
async def test_strict_mode_refuses_in_the_api_s_words(
    server: RunningServer, schema: dict[str, Any], message: str
) -> None:
    async with httpx.AsyncClient(base_url=server.base_url, timeout=WAIT) as client:
        status, body = await ask(client, Case("strict", schema, strict=True), 0)
    assert status == 400
    assert body["error"]["message"].startswith("Invalid schema for response_format 'record': ")
    assert message in body["error"]["message"]
    assert body["error"]["param"] == "response_format"
