"""Images and files in Responses: in messages and in results of tools, stored, continued, counted, in the background."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from openai.types.responses.response_item_list import ResponseItemList

from server.conftest import WAIT
from server.contract import check
from server.fake import FakeModel
from server.reading import (
    Reading,
    check_refusal,
    data_url,
    input_file,
    input_image,
    pdf,
    png,
    reading,
)
from spatz.config import Settings
from spatz.inputs.fetch import ANYTHING

PATH = "/v1/responses"
WHERE = "input[0].content[0]"


@pytest.fixture
async def app(model: FakeModel, settings: Settings) -> AsyncIterator[Reading]:
    async with reading(model, settings) as app:
        yield app


async def refused(app: Reading, part: dict[str, Any], param: str, code: str, words: str = "") -> None:
    body = {"model": "fake-model", "input": [{"role": "user", "content": [part]}]}
    for path in (PATH, f"{PATH}/input_tokens"):
        answer = await app.client.post(path, json=body)
        check_refusal(answer, param, code, words)
        check(answer)
    assert not app.model.requests


async def test_parts_of_all_kinds(app: Reading) -> None:
    app.fetcher.found["https://a.example/b.csv"] = b"c,d"
    file_id = await app.upload(pdf("a stored dog"))
    answer = await app.respond(
        "First",
        input_image(image_url=data_url(png("a cat")), detail="high"),
        input_file(file_data=data_url(b"a,b", "text/csv"), filename="a.csv"),
        input_file(file_id=file_id),
        input_file(file_url="https://a.example/b.csv"),
        "and?",
    )
    places = [app.prompt.index(text) for text in ("First", "a cat", "a,b", "a stored dog", "c,d", "and?")]
    assert places == sorted(places)
    inputs = answer["usage"]["spatz"]["inputs"]
    names = ["image_url", "file_data", "file_id", "file_url"]
    assert [item["param"] for item in inputs] == [
        f"input[0].content[{index}].{name}" for index, name in enumerate(names, start=1)
    ]
    assert [item["kind"] for item in inputs] == ["image", "text", "pdf", "text"]
    details = answer["usage"]["input_tokens_details"]
    assert details == {"cached_tokens": 0, "cache_write_tokens": 0, "image_tokens": inputs[0]["tokens"]}
    assert app.fetcher.asked == [("https://a.example/b.csv", ANYTHING)]
    asked = {options.filename: (options.detail, kind) for options, kind in app.pool.asked}
    assert asked == {
        "": ("high", "image"),
        "a.csv": ("auto", "file"),
        "a.pdf": ("auto", "file"),
        "b.csv": ("auto", "file"),
    }


@pytest.mark.parametrize(
    ("part", "place", "code", "words"),
    [
        (input_image(), "", "missing_required_parameter", "one of 'image_url', 'file_id'"),
        (input_image(image_url="x", file_id="y"), "", "mutually_exclusive_parameters", "'image_url', 'file_id'"),
        (input_image(image_url="x"), ".image_url", "invalid_value", "without the 'data:' prefix"),
        (input_image(image_url=data_url(pdf("x"), "image/png")), ".image_url", "invalid_image_format", "unsupported"),
        (input_image(image_url=data_url(png("broken"))), ".image_url", "image_parse_error", "damaged after 8 bytes"),
        (input_image(file_id="x"), ".file_id", "file_not_found", "No such File object: x."),
        (input_image(file_id="x", detail="original"), ".detail", "invalid_value", ""),
        (input_file(), "", "missing_required_parameter", "'file_data', 'file_id', 'file_url'"),
        (input_file(file_data="AA", file_url="x"), "", "mutually_exclusive_parameters", ""),
        (input_file(file_data="AA"), ".file_data", "invalid_value", "a valid file MIME type"),
        (input_file(file_data=data_url(b"\0\1\2", "text/plain")), ".file_data", "unsupported_file", "can be read"),
        (input_file(file_url="https://a.example/x"), ".file_url", "fetch_failed", "status 404"),
        (input_file(file_url="file:///etc/passwd"), ".file_url", "invalid_value", ""),
        ({"type": "input_video"}, ".type", "invalid_value", "'input_image', 'input_file'"),
    ],
)
async def test_refusals(app: Reading, part: dict[str, Any], place: str, code: str, words: str) -> None:
    await refused(app, part, WHERE + place, code, words)


async def test_results_of_tools(app: Reading) -> None:
    call = {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}
    said = [{"type": "input_text", "text": "Seen:"}, input_image(image_url=data_url(png("a cat")))]
    items = [
        {"role": "user", "content": "Look."},
        call,
        {"type": "function_call_output", "call_id": "c", "output": said},
    ]
    answer = await app.post(PATH, {"input": items})
    assert app.prompt.index("Result of look({}):") < app.prompt.index("Seen:") < app.prompt.index("a cat")
    [use] = answer["usage"]["spatz"]["inputs"]
    assert use["param"] == "input[2].output[1].image_url" and use["tokens"] > 0
    listed = (await app.client.get(f"{PATH}/{answer['id']}/input_items", params={"order": "asc"})).json()
    assert listed["data"][2]["output"][1] == {**said[1], "detail": "auto", "file_id": None}
    said[1] = input_image(image_url="x")
    refused = await app.client.post(PATH, json={"model": "fake-model", "input": items})
    check_refusal(refused, "input[2].output[1].image_url", "invalid_value")


async def test_items_are_kept_as_they_were_sent(app: Reading) -> None:
    url = data_url(png("a cat"))
    file_part = input_file(file_data=data_url(pdf("a dog")), filename="a.pdf")
    made = await app.respond(input_image(image_url=url), file_part)
    answer = await app.client.get(f"{PATH}/{made['id']}/input_items")
    check(answer)
    ResponseItemList.model_validate_json(answer.text, strict=True)
    content = answer.json()["data"][0]["content"]
    assert content == [
        {"type": "input_image", "detail": "auto", "file_id": None, "image_url": url},
        file_part,
    ]
    # What is listed can be sent again.
    before = app.prompt
    await app.respond(*content)
    assert app.prompt == before


async def test_a_later_turn_reads_them_again(app: Reading) -> None:
    url = "https://a.example/cat.png"
    app.fetcher.found[url] = png("a cat")
    file_id = await app.upload(pdf("a dog"))
    first = await app.respond(input_image(image_url=url), input_file(file_id=file_id))
    before = app.prompt
    app.fetcher.found.clear()
    second = await app.respond("And?", input_image(image_url=data_url(png("a bird"))), previous_response_id=first["id"])
    # The earlier turn reads word for word as before: its tokens are in the cache.
    assert app.prompt.startswith(before)
    assert "a bird" in app.prompt
    params = [item["param"] for item in second["usage"]["spatz"]["inputs"]]
    assert params == ["previous_response_id", "previous_response_id", "input[0].content[1].image_url"]
    assert len(app.fetcher.asked) == 1 and len(app.pool.asked) == 3
    await app.client.delete(f"/v1/files/{file_id}")
    body = {"model": "fake-model", "input": "?", "previous_response_id": first["id"]}
    check_refusal(await app.client.post(PATH, json=body), "previous_response_id", "file_not_found")


async def test_conversations(app: Reading) -> None:
    items = [{"role": "user", "content": [input_image(image_url=data_url(png("a cat")))]}]
    made = await app.client.post("/v1/conversations", json={"items": items})
    id = made.json()["id"]
    listed = await app.client.get(f"/v1/conversations/{id}/items")
    check(listed)
    assert listed.json()["data"][0]["content"][0]["image_url"] == data_url(png("a cat"))
    answer = await app.respond("What is it?", conversation=id)
    assert "a cat" in app.prompt
    assert [item["param"] for item in answer["usage"]["spatz"]["inputs"]] == ["conversation"]


async def test_truncation_leaves_out_files_and_their_cost(app: Reading) -> None:
    old = {"role": "user", "content": [input_file(file_data=data_url(pdf("x" * 3000)))]}
    new = {"role": "user", "content": [input_image(image_url=data_url(png("y" * 2000)))]}
    body = {"model": "fake-model", "input": [old, new]}
    refused = await app.client.post(PATH, json=body)
    assert refused.json()["error"]["code"] == "context_length_exceeded"
    answer = await app.post(PATH, {**body, "truncation": "auto"})
    assert "yyy" in app.prompt and "xxx" not in app.prompt
    assert [item["param"] for item in answer["usage"]["spatz"]["inputs"]] == ["input[1].content[0].image_url"]


async def test_their_tokens_are_counted(app: Reading) -> None:
    body = {"input": [{"role": "user", "content": [input_image(image_url=data_url(png("a cat")))]}]}
    counted = await app.client.post(f"{PATH}/input_tokens", json=body)
    check(counted)
    answer = await app.post(PATH, body)
    assert counted.json()["input_tokens"] == answer["usage"]["input_tokens"]


async def test_json_has_to_be_in_the_words(app: Reading) -> None:
    part = input_image(image_url=data_url(png("JSON")))
    body = {"model": "fake-model", "input": [{"role": "user", "content": [part]}]}
    answer = await app.client.post(PATH, json={**body, "text": {"format": {"type": "json_object"}}})
    check_refusal(answer, "input", None, "must contain the word 'json'")


async def ended(app: Reading, id: str) -> dict[str, Any]:
    async with asyncio.timeout(WAIT):
        while (found := (await app.client.get(f"{PATH}/{id}")).json())["status"] in ("queued", "in_progress"):
            pass
    return dict(found)


async def test_in_the_background_it_is_queued_at_once(app: Reading) -> None:
    app.pool.hold.clear()
    made = await app.respond(input_image(image_url=data_url(png("a cat"))), background=True)
    assert made["status"] == "queued"
    app.pool.hold.set()
    found = await ended(app, made["id"])
    assert found["status"] == "completed"
    assert found["usage"]["spatz"]["inputs"][0]["kind"] == "image"


async def test_in_the_background_it_fails_with_the_reason(app: Reading) -> None:
    made = await app.respond(input_image(image_url=data_url(png("broken"))), background=True)
    found = await ended(app, made["id"])
    assert found["status"] == "failed"
    assert found["error"]["code"] == "image_parse_error"
    assert "damaged after 8 bytes" in found["error"]["message"]
    late = await app.respond(input_file(file_data=data_url(pdf("x" * 5000))), background=True)
    assert "maximum context length" in (await ended(app, late["id"]))["error"]["message"]
    early = {"model": "fake-model", "background": True, "input": [{"role": "user", "content": [input_file()]}]}
    check_refusal(await app.client.post(PATH, json=early), WHERE, "missing_required_parameter")


async def test_it_can_be_cancelled_while_it_is_read(app: Reading) -> None:
    app.pool.hold.clear()
    made = await app.respond(input_image(image_url=data_url(png("a cat"))), background=True)
    async with asyncio.timeout(WAIT):
        await app.pool.begun.wait()
        answer = await app.client.post(f"{PATH}/{made['id']}/cancel")
        assert answer.json()["status"] == "cancelled"
        await app.pool.cancelled.wait()
    assert not app.model.requests
