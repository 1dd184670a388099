"""Answers held against our own OpenAPI document: status, content type, JSON, and the data of every event."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import httpx
from jsonschema import Draft202012Validator

from spatz.server.app import ROUTERS
from spatz.server.openapi import document


@cache
def api() -> dict[str, Any]:
    return document(ROUTERS)


@cache
def _validator(pointer: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": pointer, "components": api()["components"]})


def validate(schema: dict[str, Any], value: Any) -> None:
    if set(schema) == {"$ref"}:
        validator = _validator(schema["$ref"])
    else:
        validator = Draft202012Validator({**schema, "components": api()["components"]})
    errors = [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]
    assert not errors, f"{errors[:3]} in {json.dumps(value)[:2000]}"


def operation(method: str, path: str) -> dict[str, Any] | None:
    """The literal path before one with parameters."""
    paths = api()["paths"]
    for template in sorted(paths, key=lambda text: text.count("{")):
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and method.lower() in paths[template]:
            found: dict[str, Any] = paths[template][method.lower()]
            return found
    return None


def check(response: httpx.Response) -> None:
    """Raises AssertionError where the document promises something else."""
    request = response.request
    found = operation(request.method, request.url.path)
    assert found is not None, f"{request.method} {request.url.path} is not in the document"
    answers = found["responses"]
    assert str(response.status_code) in answers, f"{response.status_code} is not in the document: {response.text}"
    answer = answers[str(response.status_code)]
    if "$ref" in answer:
        answer = api()["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    kind = response.headers["content-type"].partition(";")[0]
    assert kind in answer["content"], f"{kind} is not in the document"
    assert "x-request-id" in response.headers
    if kind == "application/json":
        validate(answer["content"][kind]["schema"], response.json())
    elif kind == "text/event-stream":
        for data in re.findall(r"^data: (.*)$", response.text, re.MULTILINE):
            if data != "[DONE]":
                validate(answer["content"][kind]["x-event-schema"], json.loads(data))
