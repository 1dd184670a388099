"""Responses and the events of their streams hold to openresponses-types, which is made from the open specification."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import openresponses_types.types as shapes
import pytest
from pydantic import BaseModel

from clients.asking import ASKED, MODEL, WAIT
from clients.things import RESPONSES_TOOL, SENTENCE, Person

LOGPROBS = "message.output_text.logprobs"
SCHEMA = {**Person.model_json_schema(), "additionalProperties": False}
KINDS: dict[str, dict[str, Any]] = {
    "text": {"input": ASKED, "max_output_tokens": 30, "temperature": 0},
    "cut short": {"input": ASKED, "max_output_tokens": 16, "temperature": 1, "instructions": "Write a novel."},
    "logprobs": {
        "input": ASKED,
        "max_output_tokens": 16,
        "top_logprobs": 2,
        "include": ["message.output_text.logprobs"],
    },
    "items": {
        "input": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "input_text", "text": ASKED}]},
        ],
        "max_output_tokens": 16,
        "metadata": {"a": "b"},
        "truncation": "auto",
    },
    "schema": {
        "input": SENTENCE,
        "text": {"format": {"type": "json_schema", "name": "person", "strict": True, "schema": SCHEMA}},
    },
    "tool": {"input": "How is the weather in Paris?", "tools": [RESPONSES_TOOL], "tool_choice": "required"},
}


def event_models() -> dict[str, type[BaseModel]]:
    """The model of each event, by its name in the stream."""
    found = {}
    for model in vars(shapes).values():
        if isinstance(model, type) and issubclass(model, BaseModel) and model.__name__.endswith("StreamingEvent"):
            (kind,) = model.model_fields["type"].annotation  # an enum of one
            found[kind.value] = model
    assert "response.completed" in found
    return found


def plain(response: dict[str, Any]) -> dict[str, Any]:
    """Without the schema of a format: the types allow null alone there, the API sends the schema back."""
    if response["text"]["format"]["type"] == "json_schema":
        assert response["text"]["format"].pop("schema") == SCHEMA
        response["text"]["format"]["schema"] = None
    return response


@pytest.mark.parametrize("kind", KINDS)
def test_whole(base_url: str, kind: str) -> None:
    with httpx.Client(base_url=base_url, timeout=WAIT) as client:
        made = client.post("/responses", json={"model": MODEL, **KINDS[kind]})
        assert made.status_code == 200, made.text
        shapes.ResponseResource.model_validate(plain(made.json()))
        found = client.get(f"/responses/{made.json()['id']}", params={"include": LOGPROBS})
        assert found.json() == made.json()


@pytest.mark.parametrize("kind", KINDS)
def test_streamed(base_url: str, kind: str) -> None:
    models = event_models()
    with httpx.Client(base_url=base_url, timeout=WAIT) as client:
        sent = client.post("/responses", json={"model": MODEL, **KINDS[kind], "stream": True})
    assert sent.status_code == 200, sent.text
    events = re.findall(r"^event: (.+)\ndata: (.+)$", sent.text, re.MULTILINE)
    assert len(events) > 5
    for name, data in events:
        body = json.loads(data)
        assert body["type"] == name
        if "response" in body:
            body["response"] = plain(body["response"])
        models[name].model_validate(body)
