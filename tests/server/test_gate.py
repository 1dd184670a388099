"""What every request passes: headers, keys, hosts, sizes, and errors that never leave the API's shape."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from server.conftest import WAIT
from server.fake import CONTEXT, FakeModel
from spatz.config import Settings
from spatz.errors import ConfigError
from spatz.server.app import create_app
from spatz.server.auth import check_binding

Body = Callable[..., dict[str, Any]]
PATH = "/v1/chat/completions"


@asynccontextmanager
async def client_of(
    model: FakeModel, settings: Settings, base_url: str = "http://localhost"
) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(model, settings))
    async with httpx.AsyncClient(transport=transport, base_url=base_url, timeout=WAIT) as client:
        yield client


def check_error(response: httpx.Response, status: int, code: str | None) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    check_headers(response)
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code
    return error


def check_headers(response: httpx.Response) -> None:
    assert response.headers["x-request-id"].startswith("req_")
    assert response.headers["openai-version"] == "2020-10-01"
    assert int(response.headers["openai-processing-ms"]) >= 0


async def test_headers_on_every_answer(client: httpx.AsyncClient, chat: Body) -> None:
    ids = set()
    for response in (
        await client.post(PATH, json=chat()),
        await client.post(PATH, json=chat(stream=True)),
        await client.get("/v1/models"),
        await client.get("/healthz"),
        await client.get("/nowhere"),
    ):
        check_headers(response)
        ids.add(response.headers["x-request-id"])
    assert len(ids) == 5


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v1/chat/completions/", "/v1/nonsense", "/v1/../etc", "/%00"])
async def test_unknown_routes(client: httpx.AsyncClient, path: str) -> None:
    check_error(await client.get(path), 404, "unknown_url")


@pytest.mark.parametrize(("method", "path"), [("PATCH", PATH), ("DELETE", "/v1/models"), ("PUT", "/v1/completions")])
async def test_wrong_methods(client: httpx.AsyncClient, method: str, path: str) -> None:
    response = await client.request(method, path)
    check_error(response, 405, "method_not_allowed")
    assert response.headers["allow"]


async def test_all_methods_of_a_path_are_named(client: httpx.AsyncClient) -> None:
    """Also where several routes share the path."""
    assert (await client.put("/v1/files")).headers["allow"] == "GET, POST"
    assert (await client.put("/v1/chat/completions/x")).headers["allow"] == "DELETE, GET, POST"


async def test_models(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/v1/models")).json()
    assert [entry["id"] for entry in listed["data"]] == ["fake-model", "gpt-4.1-nano"]
    for entry in listed["data"]:
        assert entry == {
            "id": entry["id"],
            "object": "model",
            "created": 1_700_000_000,
            "owned_by": "spatz",
            "spatz": {"context": "auto", "native_context": CONTEXT, "context_limit": CONTEXT, "images": "read"},
        }
        assert (await client.get(f"/v1/models/{entry['id']}")).json() == entry
    check_error(await client.get("/v1/models/a/b"), 404, "model_not_found")


async def test_aliases_are_configurable(model: FakeModel, settings: Settings, chat: Body) -> None:
    async with client_of(model, replace(settings, aliases=("one", "org/two"))) as client:
        assert (await client.get("/v1/models/org/two")).status_code == 200
        assert (await client.post(PATH, json={**chat(), "model": "one"})).status_code == 200
        check_error(await client.post(PATH, json=chat()), 404, "model_not_found")


async def test_keys(model: FakeModel, settings: Settings, chat: Body, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with client_of(model, replace(settings, api_key=("one-secret", "another")), "http://any.example") as client:
        for header in ({}, {"authorization": "Bearer"}, {"authorization": "Basic one-secret"}):
            check_error(await client.post(PATH, json=chat(), headers=header), 401, "invalid_api_key")
        for wrong in ("one-secre", "one-secrett", "ONE-SECRET", "x", "é" * 9):
            header = {b"authorization": f"Bearer {wrong}".encode()}
            error = check_error(await client.post(PATH, json=chat(), headers=header), 401, "invalid_api_key")
            assert wrong not in error["message"]
        check_error(await client.get("/v1/models"), 401, "invalid_api_key")
        check_error(await client.get("/metrics"), 401, "invalid_api_key")
        check_error(await client.get("/openapi.json"), 401, "invalid_api_key")
        assert (await client.get("/healthz")).status_code == 200
        for right in ("one-secret", "another"):
            header = {"authorization": f"Bearer {right}"}
            assert (await client.post(PATH, json=chat(), headers=header)).status_code == 200
    assert "one-secret" not in caplog.text


async def test_any_key_will_do_without_one(client: httpx.AsyncClient, chat: Body) -> None:
    response = await client.post(PATH, json=chat(), headers={"authorization": "Bearer whatever"})
    assert response.status_code == 200


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000", "my.box"])
async def test_hosts_of_this_machine(model: FakeModel, settings: Settings, host: str) -> None:
    async with client_of(model, replace(settings, allowed_hosts=("my.box",))) as client:
        assert (await client.get("/v1/models", headers={"host": host})).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "[::2]"])
async def test_other_hosts_are_refused_without_a_key(client: httpx.AsyncClient, host: str) -> None:
    check_error(await client.get("/v1/models", headers={"host": host}), 403, "host_not_allowed")


async def test_pages_of_other_origins_are_refused(model: FakeModel, settings: Settings, chat: Body) -> None:
    async with client_of(model, settings) as client:
        for origin in ("http://evil.example", "null", "http://[", "file://"):
            response = await client.post(PATH, json=chat(), headers={"origin": origin})
            check_error(response, 403, "origin_not_allowed")
        assert (await client.post(PATH, json=chat(), headers={"origin": "http://localhost:3000"})).status_code == 200


async def test_cors_is_off_and_can_be_turned_on(model: FakeModel, settings: Settings, chat: Body) -> None:
    asked = {"origin": "http://page.example", "access-control-request-method": "POST"}
    async with client_of(model, settings) as client:
        response = await client.options(PATH, headers=asked)
        assert "access-control-allow-origin" not in response.headers
    async with client_of(model, replace(settings, cors_origins=("http://page.example",))) as client:
        response = await client.options(PATH, headers=asked)
        assert response.headers["access-control-allow-origin"] == "http://page.example"
        response = await client.post(PATH, json=chat(), headers={"origin": "http://page.example"})
        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == "http://page.example"
        assert "x-request-id" in response.headers["access-control-expose-headers"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "example.org", ""])
def test_binding_beyond_loopback_needs_a_key(host: str) -> None:
    with pytest.raises(ConfigError, match="without an API key"):
        check_binding(host, ())
    check_binding(host, ("key",))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost"])
def test_loopback_needs_none(host: str) -> None:
    check_binding(host, ())


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_content_types(client: httpx.AsyncClient, chat: Body, kind: str) -> None:
    response = await client.post(PATH, content=json.dumps(chat()), headers={"content-type": kind})
    check_error(response, 415, "unsupported_content_type")


async def test_content_type_with_a_charset(client: httpx.AsyncClient, chat: Body) -> None:
    header = {"content-type": "Application/JSON; charset=utf-8"}
    assert (await client.post(PATH, content=json.dumps(chat()), headers=header)).status_code == 200


async def test_bodies_have_a_limit(client: httpx.AsyncClient, model: FakeModel) -> None:
    async def drip() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b" " * 65_536

    header = {"content-type": "application/json"}
    check_error(await client.post(PATH, content=b" " * 3_000_000, headers=header), 413, "request_too_large")
    check_error(await client.post(PATH, content=drip(), headers=header), 413, "request_too_large")
    for length in ("-1", "9" * 30, "abc"):
        response = await client.post(PATH, content=b"{}", headers={**header, "content-length": length})
        check_error(response, 413, "request_too_large")
    assert not model.requests


DEEP = b"[" * 100_000 + b"]" * 100_000
BAD_JSON = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"1",
    b'"x"',
    b"{'model': 1}",
    b'{"model": NaN}',
    b'{"n": Infinity}',
    b'{"model": "\xff\xfe"}',
    b'{"model": "\\ud800"}',
    b'\xef\xbb\xbf{"model": "x"}',
    b'{"seed": ' + b"9" * 10_000 + b"}",
    b'{"messages": ' + DEEP + b"}",
    b'{"a":1}{"b":2}',
    b"\x00",
    '{"model":"x"}'.encode("utf-16"),
]


@pytest.mark.parametrize("data", BAD_JSON, ids=range(len(BAD_JSON)))
@pytest.mark.parametrize("path", [PATH, "/v1/completions"])
async def test_bodies_that_are_no_json_object(client: httpx.AsyncClient, path: str, data: bytes) -> None:
    response = await client.post(path, content=data, headers={"content-type": "application/json"})
    error = check_error(response, 400, response.json()["error"]["code"])
    assert error["code"] in ("invalid_json", "invalid_type")
    assert len(error["message"]) < 500


@pytest.mark.parametrize(
    "text",
    [
        '"temperature": 1e999',
        '"temperature": -1e999',
        f'"temperature": {10**400}',
        f'"seed": {10**30}',
        f'"max_tokens": {10**18}',
        f'"n": {2**64}',
        '"logit_bias": {"1": 1e999}',
        '"stop": ["' + "x" * 2000 + '"]',
        '"messages": {"role": "user"}',
        '"messages": [[[[[]]]]]',
        '"top_k": -0.0',
        '"stream": 1',
        '"' + "x" * 5000 + '": 1',
    ],
)
async def test_absurd_values(client: httpx.AsyncClient, model: FakeModel, text: str) -> None:
    data = f'{{"model": "fake-model", "messages": [{{"role": "user", "content": "hi"}}], {text}}}'
    response = await client.post(PATH, content=data, headers={"content-type": "application/json"})
    error = check_error(response, 400, response.json()["error"]["code"])
    assert len(error["message"]) < 1000
    assert not model.requests


async def test_a_prompt_that_does_not_fit(client: httpx.AsyncClient, chat: Body) -> None:
    messages = [{"role": "user", "content": "x" * 5000}]
    error = check_error(await client.post(PATH, json=chat(messages=messages)), 400, "context_length_exceeded")
    assert error["param"] == "messages"
    assert error["message"].startswith("This model's maximum context length is 4096 tokens. However, your messages")


async def test_long_texts_are_tokenized_beside_the_loop(client: httpx.AsyncClient, model: FakeModel) -> None:
    body = {"model": "fake-model", "prompt": "x" * 20_000}
    check_error(await client.post("/v1/completions", json=body), 400, "context_length_exceeded")


async def test_a_failure_inside_tells_nothing(
    client: httpx.AsyncClient, model: FakeModel, chat: Body, caplog: pytest.LogCaptureFixture
) -> None:
    for streamed in (False, True):
        model.answers.append(ValueError("a secret path"))
        response = await client.post(PATH, json=chat(stream=streamed))
        error = check_error(response, 500, None)
        assert error["type"] == "server_error"
        assert "secret" not in response.text
        assert response.headers["x-request-id"] in error["message"]
    assert "a secret path" in caplog.text


async def test_the_access_log_names_the_user(
    client: httpx.AsyncClient, chat: Body, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "spatz.access")
    await client.post(PATH, json=chat(user="ada\nfake line", safety_identifier="s-1"))
    line = caplog.messages[-1]
    assert "user='ada\\nfake line'" in line
    assert "safety_identifier='s-1'" in line
    assert "\n" not in line


async def test_metrics(client: httpx.AsyncClient, chat: Body) -> None:
    await client.post(PATH, json=chat())
    await client.post(PATH, json=chat(stream=True))
    await client.post(PATH, json=chat(n=0))
    await client.get("/made-up/1")
    await client.get("/made-up/2")
    text = (await client.get("/metrics")).text
    for line in (
        'spatz_requests_total{route="/v1/chat/completions",status="200"} 2.0',
        'spatz_requests_total{route="/v1/chat/completions",status="400"} 1.0',
        'spatz_requests_total{route="other",status="404"} 2.0',
        "spatz_first_token_seconds_count 2.0",
        "spatz_token_seconds_count 2.0",
        "spatz_queue_requests 1.0",
        "spatz_batch_sequences 3.0",
        "spatz_kv_pages_used 10.0",
        "spatz_prompt_tokens_total 11.0",
        "spatz_cached_tokens_total 13.0",
        "spatz_output_tokens_total 17.0",
    ):
        assert line in text.splitlines()


async def test_the_openapi_document(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    assert "temperature" in schemas["ChatRequest"]["properties"]
    text = json.dumps(document)
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in schemas
