"""Files and batches as the API's own client uses them, with the real model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from openai import OpenAI
from openai.types import Batch

from server.batching import ENDED, jsonl, line
from server.running import RunningServer


@pytest.fixture
def client(server: RunningServer) -> Iterator[OpenAI]:
    with OpenAI(base_url=server.base_url, api_key="none", max_retries=0) as client:
        yield client


def ended(client: OpenAI, batch: Batch) -> Batch:
    while batch.status not in ENDED:
        assert client.completions.create(model="gpt-4.1-nano", prompt="a live request", max_tokens=1).choices
        batch = client.batches.retrieve(batch.id)
    return batch


def test_files(client: OpenAI, tmp_path: Path) -> None:
    (tmp_path / "a note.txt").write_text("hello")
    expiry = {"anchor": "created_at", "seconds": 3600}
    file = client.files.create(
        file=tmp_path / "a note.txt",
        purpose="user_data",
        expires_after=expiry,  # type: ignore[arg-type]
    )
    assert (file.object, file.filename, file.bytes, file.purpose) == ("file", "a note.txt", 5, "user_data")
    assert file.status == "processed"
    assert file.expires_at == file.created_at + 3600
    assert client.files.retrieve(file.id) == file
    assert client.files.wait_for_processing(file.id) == file
    assert client.files.content(file.id).read() == b"hello"
    with client.files.with_streaming_response.content(file.id) as response:
        response.stream_to_file(tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"hello"
    others = [client.files.create(file=b"x", purpose="vision") for _ in range(3)]
    assert [other.filename for other in others] == ["upload"] * 3
    found = [item.id for item in client.files.list(purpose="vision", limit=1, order="asc")]  # over all pages
    assert found[-3:] == [other.id for other in others]
    for item in (file, *others):
        assert client.files.delete(item.id).deleted
    with pytest.raises(openai.NotFoundError, match="No such File object"):
        client.files.content(file.id)


def test_a_batch(client: OpenAI) -> None:
    short = {"max_tokens": 4, "temperature": 0}
    content = jsonl(*(line(i, body=short) for i in range(6)), line(6, body={"max_tokens": 100_000}))
    file = client.files.create(file=("in.jsonl", content), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"for": "a test"},
        output_expires_after={"anchor": "created_at", "seconds": 3600},
    )
    assert batch.id in [item.id for item in client.batches.list(limit=1)]
    batch = ended(client, batch)
    assert (batch.status, batch.metadata, batch.errors) == ("completed", {"for": "a test"}, None)
    assert batch.request_counts is not None
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (7, 6, 1)
    assert batch.output_file_id is not None
    assert batch.error_file_id is not None
    lines = client.files.content(batch.output_file_id).text.splitlines()
    assert len(lines) == 6
    assert "max_tokens is too large: 100000" in client.files.content(batch.error_file_id).text
    # What a line gets is what anybody gets.
    direct = client.chat.completions.create(**line(0, body=short)["body"])
    first = json.loads(lines[0])["response"]["body"]
    assert first["choices"][0]["message"]["content"] == direct.choices[0].message.content
    assert client.files.retrieve(batch.output_file_id).purpose == "batch_output"
    for file_id in (file.id, batch.output_file_id, batch.error_file_id):
        client.files.delete(file_id)


def test_a_batch_that_is_cancelled(client: OpenAI) -> None:
    content = jsonl(*(line(i, body={"max_tokens": 2000, "ignore_eos": True}) for i in range(100)))
    file = client.files.create(file=("in.jsonl", content), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    while batch.status == "validating":
        batch = client.batches.retrieve(batch.id)
    assert client.batches.cancel(batch.id).status == "cancelling"
    batch = ended(client, batch)
    assert batch.status == "cancelled"
    assert batch.request_counts is not None
    assert batch.request_counts.completed + batch.request_counts.failed == 100
    assert batch.error_file_id is not None
    assert client.files.content(batch.error_file_id).text.count("batch_cancelled") == batch.request_counts.failed
    with pytest.raises(openai.NotFoundError, match="No batch found"):
        client.batches.cancel("batch_none")


def test_what_is_refused(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="Fine-tuning is not available"):
        client.files.create(file=b"x", purpose="fine-tune")
    with pytest.raises(openai.NotFoundError, match="No such File object"):
        client.batches.create(input_file_id="file-x", endpoint="/v1/responses", completion_window="24h")
    with pytest.raises(openai.BadRequestError, match="Supported values are"):
        client.batches.create(input_file_id="file-x", endpoint="/v1/embeddings", completion_window="24h")
