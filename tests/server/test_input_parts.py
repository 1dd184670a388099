"""Images and files in chat: where their bytes come from, what becomes of them, what they cost, and what is refused."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from server.batching import jsonl, line
from server.conftest import WAIT, serving
from server.contract import check
from server.fake import FakeModel
from server.reading import FakePool, Reading, check_refusal, data_url, file, image, pdf, png, reading
from spatz.config import Settings
from spatz.errors import OverloadedError
from spatz.inputs.document import InputError
from spatz.inputs.fetch import IMAGES
from spatz.inputs.reader import CachedReader
from spatz.prompt.documents import framed
from spatz.server.input_parts import PIECE, decoded

PATH = "/v1/chat/completions"
WHERE = "messages[0].content[0]"


@pytest.fixture
async def app(model: FakeModel, settings: Settings) -> AsyncIterator[Reading]:
    async with reading(model, settings) as app:
        yield app


async def refused(app: Reading, part: dict[str, Any]) -> httpx.Response:
    body = {"model": "fake-model", "messages": [{"role": "user", "content": [part]}]}
    answer = await app.client.post(PATH, json=body)
    assert not app.model.requests
    check(answer)
    return answer


async def test_parts_stand_in_the_prompt_in_order(app: Reading) -> None:
    answer = await app.chat("First", image(png("a cat")), "then", file(file_data=data_url(pdf("a dog"))), "and?")
    found = app.model.turns[0].inputs
    cat, dog = (framed(item.document, number) for number, item in enumerate(found, start=1))
    assert "a cat" in cat and "a dog" in dog
    assert app.prompt == f"user:First\n{cat}\nthen\n{dog}\nand?\n"
    kinds = [(area.kind, area.source) for area in app.model.requests[0].areas[1:]]
    assert kinds == [("document", 0), ("document", 1)]
    usage = answer["usage"]
    assert usage["spatz"]["inputs"] == [
        {
            "param": "messages[0].content[1].image_url.url",
            "kind": "image",
            "tokens": len(cat),
            "pages": 1,
            "read_pages": 1,
            "pictures": 1,
            "confidence": 0.75,
            "notes": [],
        },
        {
            "param": "messages[0].content[3].file.file_data",
            "kind": "pdf",
            "tokens": len(dog),
            "pages": 9,
            "read_pages": 7,
            "pictures": 0,
            "confidence": None,
            "notes": [],
        },
    ]
    details = usage["prompt_tokens_details"]
    assert details["image_tokens"] == len(cat)
    assert details["text_tokens"] == usage["prompt_tokens"] - len(cat)


async def test_requests_without_any_are_as_they_were(app: Reading) -> None:
    answer = await app.chat("a", "b")
    assert app.prompt == "user:a\nb\n"
    assert "inputs" not in answer["usage"]["spatz"]
    assert answer["usage"]["prompt_tokens_details"]["image_tokens"] == 0


async def test_what_the_caller_has_to_know_is_told(app: Reading) -> None:
    answer = await app.chat(image(png("")))
    assert answer["usage"]["spatz"]["inputs"][0]["notes"] == [
        {"code": "no_text", "message": "Nothing can be read in it."}
    ]
    assert answer["usage"]["spatz"]["inputs"][0]["confidence"] is None


async def test_a_stream_tells_the_same(app: Reading) -> None:
    body = {"model": "fake-model", "messages": [{"role": "user", "content": [image(png("a cat"))]}]}
    answer = await app.client.post(PATH, json={**body, "stream": True, "stream_options": {"include_usage": True}})
    check(answer)
    usage = json.loads(answer.text.split("data: ")[-2])["usage"]
    assert usage["spatz"]["inputs"][0]["tokens"] == usage["prompt_tokens_details"]["image_tokens"] > 0


async def test_a_name_stands_before_the_parts(app: Reading) -> None:
    content = [image(png("a cat"))]
    await app.post(PATH, {"messages": [{"role": "user", "name": "Ada", "content": content}]})
    assert app.prompt.startswith("user:Ada:\n[")


async def test_the_same_bytes_are_read_once(app: Reading) -> None:
    answer = await app.chat(image(png("a cat")), image(png("a cat")), image(png("a dog")))
    assert [item["param"] for item in answer["usage"]["spatz"]["inputs"]] == [
        f"messages[0].content[{index}].image_url.url" for index in range(3)
    ]
    assert len(app.pool.asked) == 2
    await app.chat(image(png("a dog")))
    assert len(app.pool.asked) == 2


async def test_what_was_read_outlives_the_server(model: FakeModel, settings: Settings) -> None:
    for expected in (1, 0):
        async with reading(model, settings) as app:
            await app.chat(image(png("a cat")))
            assert len(app.pool.asked) == expected
    folder = settings.data_dir / "inputs"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o600]


async def test_detail_and_bounds_reach_the_reader(model: FakeModel, settings: Settings) -> None:
    async with reading(model, replace(settings, input_pages=12, input_megapixels=3)) as app:
        await app.chat(image(png("a"), detail="low"), file(file_data=data_url(pdf("b")), filename="b.pdf"))
        (image_options, image_kind), (file_options, file_kind) = sorted(app.pool.asked, key=lambda asked: asked[1])
    assert (image_kind, image_options.detail) == ("image", "low")
    assert (file_kind, file_options.detail, file_options.filename) == ("pdf", "auto", "b.pdf")
    assert (file_options.max_pages, file_options.max_pixels, file_options.max_bytes) == (12, 3_000_000, 1 << 20)


async def test_base64_alone_is_a_file(app: Reading) -> None:
    await app.chat(file(file_data=data_url(pdf("a dog")).partition(",")[2]))
    assert "a dog" in app.prompt


INVALID = "Invalid image URL: 'messages[0].content[0].image_url.url'. Expected a base64-encoded data URL with an image"
NO_PDF = "Expected a base64-encoded data URL with an application/pdf MIME type"
BIG = png("x" * (1 << 20))


@pytest.mark.parametrize(
    ("part", "place", "code", "words"),
    [
        (image("hello"), ".image_url.url", "invalid_value", "a value without the 'data:' prefix."),
        (image("ftp://a.example/x"), ".image_url.url", "invalid_value", INVALID),
        (image("data:image/png,abc"), ".image_url.url", "invalid_value", "an invalid data URL."),
        (image("data:image/png;base64"), ".image_url.url", "invalid_value", "an invalid data URL."),
        (image("data:image/png;base64,"), ".image_url.url", "invalid_value", "empty base64-encoded bytes."),
        (image("data:image/png;base64,AA*A"), ".image_url.url", "invalid_value", "an invalid base64-encoded value."),
        (image("data:image/png;base64,AAA"), ".image_url.url", "invalid_value", "an invalid base64-encoded value."),
        (image("data:image/png;base64,AAAA\n"), ".image_url.url", "invalid_value", "an invalid base64-encoded value."),
        (image("data:image/png;base64,äää="), ".image_url.url", "invalid_value", "an invalid base64-encoded value."),
        (image("data:text/plain;base64,AAAA"), ".image_url.url", "invalid_value", "MIME type 'text/plain'."),
        (image("data:image/png;base64,AAAA"), ".image_url.url", "invalid_image_format", "['png', 'jpeg', 'gif'"),
        (image(data_url(pdf("x"), "image/png")), ".image_url.url", "invalid_image_format", "unsupported image"),
        (image(png("broken")), ".image_url.url", "image_parse_error", "Invalid 'messages[0].content[0].image_url.url'"),
        (image(BIG), ".image_url.url", "image_file_too_large", "at most 1048576"),
        (image("https://a.example/x.png"), ".image_url.url", "fetch_failed", "the status 404."),
        (image(""), ".image_url.url", "empty_string", ""),
        (image(png("x"), detail="original"), ".image_url.detail", "invalid_value", "'auto', 'low' or 'high'"),
        ({"type": "image_url", "image_url": "x"}, ".image_url", "invalid_type", "expected an object"),
        ({"type": "image_url"}, ".image_url", "missing_required_parameter", ""),
        (file(), ".file", "missing_required_parameter", "one of 'file_data', 'file_id'"),
        (file(file_data="AAAA", file_id="x"), ".file", "mutually_exclusive_parameters", ""),
        (file(file_data="data:application/pdf;base64,AA="), ".file.file_data", "invalid_value", NO_PDF),
        (file(file_data="data:text/csv;base64,AAAA"), ".file.file_data", "invalid_value", "MIME type 'text/csv'."),
        (file(file_data=data_url(b"a,b", "application/pdf")), ".file.file_data", "unsupported_file", "/v1/responses"),
        (file(file_data=data_url(png("x"), "application/pdf")), ".file.file_data", "unsupported_file", "no PDF"),
        (file(file_id="nonsense"), ".file.file_id", "file_not_found", "No such File object: nonsense"),
        (file(file_url="https://a.example"), ".file.file_url", "unknown_parameter", ""),
        ({"type": "input_audio", "input_audio": {}}, ".type", "unsupported_value", "input_audio"),
    ],
)
async def test_refusals(app: Reading, part: dict[str, Any], place: str, code: str, words: str) -> None:
    answer = await refused(app, part)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, WHERE + place, code), error
    assert words in error["message"]
    assert len(error["message"]) < 400


@pytest.mark.parametrize("size", [0, 1, 2, 3, PIECE * 3 // 4 - 1, PIECE * 3 // 4, PIECE * 3 // 4 + 1, PIECE * 2 + 5])
def test_base64_in_pieces(size: int) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    assert decoded("data:" + b64encode(data).decode(), 5) == data


@pytest.mark.parametrize(
    "text",
    [
        "A",
        "AAA",
        "AA=A",
        "AAAA=",
        "====",
        "AA==\n",
        " AAA",
        "AA==AAAA",
        "AA==" + "A" * PIECE,
        "A" * PIECE + "A",
        "AA-_",
    ],
)
def test_what_is_no_base64(text: str) -> None:
    with pytest.raises(ValueError):
        decoded(text, 0)


@pytest.mark.parametrize("role", ["system", "developer", "assistant", "tool"])
async def test_only_the_user_sends_images(app: Reading, role: str) -> None:
    message: dict[str, Any] = {"role": role, "content": [image(png("x"))]}
    if role == "tool":
        message["tool_call_id"] = "call_1"
    answer = await app.client.post(PATH, json={"model": "fake-model", "messages": [message]})
    check_refusal(answer, f"{WHERE}.type", "invalid_value", "only allowed in messages of the user")


async def test_stored_files(app: Reading) -> None:
    file_id = await app.upload(pdf("a dog"))
    answer = await app.chat(file(file_id=file_id))
    assert "a dog" in app.prompt
    assert answer["usage"]["spatz"]["inputs"][0]["param"] == f"{WHERE}.file.file_id"
    assert app.pool.asked[0][0].filename == "a.pdf"
    app.model.requests.clear()
    batch = await app.upload(b"{}", purpose="batch")
    check_refusal(
        await refused(app, file(file_id=batch)), f"{WHERE}.file.file_id", "invalid_file_purpose", "'user_data'"
    )
    large = await app.upload(pdf("x" * (1 << 20)))
    check_refusal(await refused(app, file(file_id=large)), f"{WHERE}.file.file_id", "file_too_large")
    assert (await app.client.delete(f"/v1/files/{file_id}")).status_code == 200
    check_refusal(await refused(app, file(file_id=file_id)), f"{WHERE}.file.file_id", "file_not_found")


async def test_another_keys_file_is_not_there(model: FakeModel, settings: Settings) -> None:
    async with reading(model, replace(settings, api_key=("one", "two"))) as app:
        headers = [{"authorization": f"Bearer {key}"} for key in ("one", "two")]
        file_id = await app.upload(pdf("a secret"), headers=headers[0])
        body = {"model": "fake-model", "messages": [{"role": "user", "content": [file(file_id=file_id)]}]}
        assert (await app.client.post(PATH, json=body, headers=headers[0])).status_code == 200
        answer = await app.client.post(PATH, json=body, headers=headers[1])
        check_refusal(answer, f"{WHERE}.file.file_id", "file_not_found")


async def test_urls_are_fetched(app: Reading) -> None:
    app.fetcher.found["https://a.example/cat.png"] = png("a cat")
    await app.chat(image("https://a.example/cat.png"))
    assert "a cat" in app.prompt
    assert app.fetcher.asked == [("https://a.example/cat.png", IMAGES)]
    assert app.pool.asked[0][0].filename == "cat.png"


async def test_an_operator_may_forbid_it(model: FakeModel, settings: Settings) -> None:
    async with reading(model, replace(settings, fetch="off")) as app:
        answer = await refused(app, image("https://a.example/cat.png"))
    check_refusal(answer, f"{WHERE}.image_url.url", "invalid_image_url", "fetches no URLs")


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/x.png",
        "https://localhost/x.png",
        "https://[::1]/x.png",
        "https://[::ffff:127.0.0.1]/x.png",
        "https://169.254.169.254/latest/meta-data",
        "https://2130706433/x.png",
        "http://a.example/x.png",
        "https://user:hunter2@a.example/x.png",
    ],
)
async def test_nothing_of_the_operators_network_is_reached(model: FakeModel, settings: Settings, url: str) -> None:
    async with reading(model, settings) as app:
        app.state.fetcher = real_fetcher(settings)
        answer = await refused(app, image(url))
        app.state.fetcher.close()
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, f"{WHERE}.image_url.url")
    assert error["code"] in ("url_not_allowed", "invalid_url")
    assert "hunter2" not in answer.text


def real_fetcher(settings: Settings) -> Any:
    from spatz.server.state import fetcher_of

    return fetcher_of(settings)


async def test_an_image_that_is_too_large_is_no_body_that_is(app: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    async def large(*given: object) -> None:
        raise InputError("The image has too many pixels.", code="image_too_large", status=413)

    monkeypatch.setattr(app.pool, "read", large)
    answer = await refused(app, image(png("x")))
    check_refusal(answer, f"{WHERE}.image_url.url", "image_too_large", "too many pixels")


async def test_too_many(model: FakeModel, settings: Settings) -> None:
    async with reading(model, replace(settings, input_parts=2)) as app:
        parts = [image(png(str(number))) for number in range(3)]
        await app.chat(*parts[:2])
        answer = await app.client.post(
            PATH, json={"model": "fake-model", "messages": [{"role": "user", "content": parts}]}
        )
    check_refusal(answer, "messages[0].content[2].image_url.url", "too_many_inputs", "3 images and files")


async def test_a_full_queue_is_a_429(app: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*given: object) -> None:
        raise OverloadedError("Too many images and files are waiting to be read. Please try again later.")

    monkeypatch.setattr(app.pool, "read", full)
    answer = await app.client.post(
        PATH, json={"model": "fake-model", "messages": [{"role": "user", "content": [image(png("x"))]}]}
    )
    assert (answer.status_code, answer.json()["error"]["param"]) == (429, None)
    assert answer.headers["retry-after"] == "1"


async def test_a_text_without_end_is_too_long(app: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spatz.server.answer.LONGEST_TEXT", 1000)
    answer = await refused(app, file(file_data=data_url(pdf("x" * 1000))))
    check_refusal(answer, "messages", "context_length_exceeded", "characters of text")


async def test_documents_are_not_what_is_asked(app: Reading) -> None:
    """json_object wants the word in the messages, and whether a tool is called is decided by the user's words."""
    body = {
        "model": "fake-model",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "What is it?"}, image(png("JSON and more"))]}
        ],
    }
    answer = await app.client.post(PATH, json={**body, "response_format": {"type": "json_object"}})
    check_refusal(answer, "messages", None, "must contain the word 'json'")
    asked: list[str] = []
    app.model.likely = lambda prompt, text: asked.append(prompt + text) or -1.0  # type: ignore[func-returns-value]
    tool = {"type": "function", "function": {"name": "f", "description": "Does it."}}
    await app.chat("What is it?", image(png("JSON and more")), tools=[tool])
    assert any("What is it?" in text for text in asked)
    assert not any("JSON and more" in text for text in asked)


async def test_what_was_sent_is_kept(app: Reading) -> None:
    parts = [image(png("a cat"))]
    made = await app.chat(*parts, store=True)
    stored = (await app.client.get(f"{PATH}/{made['id']}")).json()
    assert stored["usage"]["spatz"]["inputs"][0]["kind"] == "image"
    messages = await app.client.get(f"{PATH}/{made['id']}/messages")
    check(messages)
    assert messages.json()["data"][0]["content_parts"] == parts


async def test_lines_of_batches_have_images_too(app: Reading) -> None:
    good, bad = ({"messages": [{"role": "user", "content": [image(png(text))]}]} for text in ("a cat", "broken"))
    file_id = await app.upload(jsonl(line(0, body=good), line(1, body=bad)), purpose="batch", name="in.jsonl")
    body = {"input_file_id": file_id, "endpoint": PATH, "completion_window": "24h"}
    batch = (await app.client.post("/v1/batches", json=body)).json()
    async with asyncio.timeout(WAIT):
        while (batch := (await app.client.get(f"/v1/batches/{batch['id']}")).json())["status"] != "completed":
            pass
    assert batch["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    assert "a cat" in app.prompt
    failed = json.loads((await app.client.get(f"/v1/files/{batch['error_file_id']}/content")).text)
    assert failed["response"]["body"]["error"]["param"] == f"{WHERE}.image_url.url"


async def test_who_goes_away_is_not_read_for(model: FakeModel, settings: Settings) -> None:
    async with serving(model, settings) as live:
        pool = FakePool()
        pool.hold.clear()
        state = live.server._state
        assert isinstance(state.reader, CachedReader)
        state.reader.pool = pool  # type: ignore[assignment]
        body = {"model": "fake-model", "messages": [{"role": "user", "content": [image(png("x"))]}]}
        async with httpx.AsyncClient(base_url=live.url, timeout=WAIT) as client:
            asking = asyncio.create_task(client.post(PATH, json=body))
            async with asyncio.timeout(WAIT):
                await pool.begun.wait()
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
                await pool.cancelled.wait()
    assert not model.requests


async def test_a_large_image_fits_into_a_request(model: FakeModel, settings: Settings) -> None:
    """Beside a text of max_body_mb; a few such requests at a time."""
    large = png("x" * ((1 << 20) - 8))
    async with reading(model, settings) as app:
        model.context_length = model.context_limit = 3 << 20  # type: ignore[misc]
        answer = await app.chat("y" * 500_000, image(large))
        assert answer["usage"]["prompt_tokens_details"]["image_tokens"] > 1 << 20


async def test_large_bodies_are_few(model: FakeModel, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spatz.server.gate.LARGE_BODIES", 1)
    model.context_length = model.context_limit = 3 << 20  # type: ignore[misc]
    async with reading(model, settings) as app:
        app.pool.hold.clear()
        large = {"model": "fake-model", "messages": [{"role": "user", "content": [image(png("x" * 900_000))]}]}
        first = asyncio.create_task(app.client.post(PATH, json=large))
        async with asyncio.timeout(WAIT):
            await app.pool.begun.wait()
        for second in (large, {**large, "user": "ada"}):
            answer = await app.client.post(PATH, json=second)
            assert answer.status_code == 429, answer.text
            assert "Too many large requests" in answer.json()["error"]["message"]
        app.pool.hold.set()
        assert (await app.chat(image(png("small"))))["usage"]
        assert (await first).status_code == 200
        assert (await app.client.post(PATH, json=large)).status_code == 200
