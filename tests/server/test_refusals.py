"""Endpoints that the API has and this server has not: each refused by name, whatever the method and the body."""

from __future__ import annotations

import httpx
import pytest

from spatz.server.refusals import REFUSALS

METHODS = ("GET", "POST", "DELETE", "PUT", "PATCH")
CALLS = [
    ("/v1/fine_tuning/jobs", 400, "model_not_available"),
    ("/v1/fine_tuning/jobs/ftjob-1/events", 400, "model_not_available"),
    ("/v1/fine_tuning/alpha/graders/run", 400, "model_not_available"),
    ("/v1/embeddings", 403, "model_not_available"),
    ("/v1/moderations", 404, "unsupported_endpoint"),
    ("/v1/audio/speech", 404, "unsupported_endpoint"),
    ("/v1/images/generations", 404, "unsupported_endpoint"),
    ("/v1/videos", 404, "unsupported_endpoint"),
    ("/v1/assistants", 404, "unsupported_endpoint"),
    ("/v1/threads/thread_1/runs", 404, "unsupported_endpoint"),
    ("/v1/vector_stores/vs_1/files", 404, "unsupported_endpoint"),
    ("/v1/uploads", 404, "unsupported_endpoint"),
    ("/v1/evals", 404, "unsupported_endpoint"),
    ("/v1/containers", 404, "unsupported_endpoint"),
    ("/v1/realtime/client_secrets", 404, "unsupported_endpoint"),
    ("/v1/organization/projects", 404, "unsupported_endpoint"),
]


@pytest.mark.parametrize(("path", "status", "code"), CALLS)
async def test_every_method_gets_the_reason(client: httpx.AsyncClient, path: str, status: int, code: str) -> None:
    for method in METHODS:
        response = await client.request(method, path, json={"model": "x"})
        assert response.status_code == status, (method, response.text)
        error = response.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["code"] == code and error["type"] == "invalid_request_error"
        assert len(error["message"]) > 20


async def test_files_of_sound_are_refused_for_what_they_are(client: httpx.AsyncClient) -> None:
    """Not for their content type, which differs from that of the other endpoints."""
    response = await client.post("/v1/audio/transcriptions", files={"file": b"RIFF"}, data={"model": "whisper-1"})
    assert response.status_code == 404
    assert response.json()["error"]["message"].startswith("Audio is not supported")


async def test_models_cannot_be_deleted(client: httpx.AsyncClient) -> None:
    response = await client.delete("/v1/models/gpt-4.1-nano")
    assert response.status_code == 405 and response.headers["allow"] == "GET"
    assert "fine-tuned" in response.json()["error"]["message"]


async def test_a_name_that_only_begins_alike_is_unknown(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/audiobooks")
    assert response.json()["error"]["code"] == "unknown_url"


def test_each_is_told_in_a_sentence() -> None:
    for item in REFUSALS:
        assert item.message.endswith(".") and item.prefix.startswith("/v1/")
        assert item.error().body()["error"]["message"] == item.message
    assert len({item.prefix for item in REFUSALS}) == len(REFUSALS)
