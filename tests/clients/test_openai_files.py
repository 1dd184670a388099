"""Files and batches with the SDK: uploaded, listed, read, run to the end, cancelled."""

from __future__ import annotations

import json

import openai
import pytest
from openai import OpenAI
from openai.types import Batch

from clients.asking import MODEL, QUESTION

ENDED = ("completed", "failed", "expired", "cancelled")
LINE = {"method": "POST", "url": "/v1/chat/completions"}


def lines(count: int, **fields: object) -> bytes:
    body = {"model": MODEL, "messages": QUESTION, "temperature": 0, "max_tokens": 5, **fields}
    return b"".join(
        json.dumps({"custom_id": f"line-{number}", **LINE, "body": body}).encode() + b"\n" for number in range(count)
    )


def ended(client: OpenAI, batch: Batch) -> Batch:
    for _ in range(100_000):  # every look is a whole request
        if batch.status in ENDED:
            break
        batch = client.batches.retrieve(batch.id)
    return batch


def test_files(client: OpenAI) -> None:
    data = "Grüße, heron\n".encode() * 1000
    made = client.files.create(file=("notes.txt", data), purpose="user_data")
    assert (made.bytes, made.filename, made.purpose) == (len(data), "notes.txt", "user_data")
    assert client.files.retrieve(made.id) == made
    assert made.id in [file.id for file in client.files.list(purpose="user_data")]
    assert made.id not in [file.id for file in client.files.list(purpose="batch")]
    assert client.files.content(made.id).read() == data
    with client.files.with_streaming_response.content(made.id) as response:
        assert b"".join(response.iter_bytes()) == data
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(made.id)
    with pytest.raises(openai.BadRequestError):
        client.files.create(file=("train.jsonl", b"{}"), purpose="fine-tune")


def test_a_batch(client: OpenAI) -> None:
    alone = client.chat.completions.create(model=MODEL, messages=QUESTION, temperature=0, max_tokens=5)
    source = client.files.create(file=("lines.jsonl", lines(6)), purpose="batch")
    made = client.batches.create(
        input_file_id=source.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"test": "a-batch"},
    )
    batch = ended(client, made)
    assert batch.status == "completed"
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (6, 6, 0)
    assert made.id in [one.id for one in client.batches.list()]
    output = [json.loads(line) for line in client.files.content(batch.output_file_id).text.splitlines()]
    assert sorted(line["custom_id"] for line in output) == [f"line-{number}" for number in range(6)]
    for line in output:
        assert line["error"] is None
        assert line["response"]["status_code"] == 200
        assert line["response"]["body"]["choices"][0]["message"]["content"] == alone.choices[0].message.content


def test_a_batch_with_errors(client: OpenAI) -> None:
    source = client.files.create(file=("lines.jsonl", lines(2, temperature=9)), purpose="batch")
    made = client.batches.create(input_file_id=source.id, endpoint="/v1/chat/completions", completion_window="24h")
    batch = ended(client, made)
    assert batch.status == "completed"
    assert batch.request_counts.failed == 2
    errors = [json.loads(line) for line in client.files.content(batch.error_file_id).text.splitlines()]
    assert {line["response"]["status_code"] for line in errors} == {400}


def test_cancel(client: OpenAI) -> None:
    source = client.files.create(file=("lines.jsonl", lines(2000, max_tokens=200)), purpose="batch")
    made = client.batches.create(input_file_id=source.id, endpoint="/v1/chat/completions", completion_window="24h")
    assert client.batches.cancel(made.id).status in ("cancelling", "cancelled")
    batch = ended(client, made)
    assert batch.status == "cancelled"
    assert batch.request_counts.completed < 2000


def test_a_broken_file(client: OpenAI) -> None:
    source = client.files.create(file=("lines.jsonl", b'{"custom_id": "a"\n'), purpose="batch")
    made = client.batches.create(input_file_id=source.id, endpoint="/v1/chat/completions", completion_window="24h")
    batch = ended(client, made)
    assert batch.status == "failed"
    assert batch.errors.data[0].line == 1
