"""`kill -9` in the midst of a batch, with the real model: what was finished stays so, and nothing is done twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import OpenAI
from openai.types import Batch

from server.batching import ENDED, jsonl
from server.running import serve

LINES = 500
KILLS = 3


def request(number: int) -> dict[str, object]:
    """The shortest that there is: a token or two in, one out."""
    body = {"model": "gpt-4.1-nano", "prompt": str(number), "max_tokens": 1}
    return {"custom_id": f"line-{number}", "method": "POST", "url": "/v1/completions", "body": body}


@pytest.fixture
def folder(server_dir: Path, tmp_path: Path) -> Iterator[Path]:
    """A data directory of the test's own, with the model in it."""
    (tmp_path / "models").symlink_to((server_dir / "models").resolve(), target_is_directory=True)
    return tmp_path


def follow(client: OpenAI, batch: Batch, enough: int) -> Batch:
    """Until so many lines are done, or the batch has ended. Meanwhile others are answered."""
    while True:
        assert client.completions.create(model="gpt-4.1-nano", prompt="a live request", max_tokens=2).choices
        batch = client.batches.retrieve(batch.id)
        assert batch.request_counts is not None
        if batch.status in ENDED or batch.request_counts.completed >= enough:
            return batch


def test_each_line_is_answered_once(folder: Path) -> None:
    batch = None
    for _ in range(KILLS):
        with serve(folder) as server:
            client = OpenAI(base_url=server.base_url, api_key="none", max_retries=0)
            if batch is None:
                content = jsonl(*(request(number) for number in range(LINES)))
                file = client.files.create(file=("in.jsonl", content), purpose="batch")
                batch = client.batches.create(
                    input_file_id=file.id, endpoint="/v1/completions", completion_window="24h"
                )
            before = client.batches.retrieve(batch.id).request_counts
            assert before is not None
            batch = follow(client, batch, before.completed + LINES // (2 * KILLS + 2))
            assert batch.request_counts is not None
            assert before.completed < batch.request_counts.completed < LINES  # in the midst of it
            server.process.kill()
    assert batch is not None
    with serve(folder) as server:
        client = OpenAI(base_url=server.base_url, api_key="none", max_retries=0)
        batch = follow(client, batch, LINES + 1)
        assert batch.status == "completed"
        assert batch.request_counts is not None
        assert (batch.request_counts.completed, batch.request_counts.failed) == (LINES, 0)
        assert batch.output_file_id is not None
        assert batch.error_file_id is None
        lines = [json.loads(line) for line in client.files.content(batch.output_file_id).text.splitlines()]
        assert [line["custom_id"] for line in lines] == [f"line-{number}" for number in range(LINES)]
        assert len({line["response"]["body"]["id"] for line in lines}) == LINES
        assert batch.usage is not None
        usages = [line["response"]["body"]["usage"] for line in lines]
        assert batch.usage.output_tokens == sum(usage["completion_tokens"] for usage in usages)
        assert sorted(path.suffix for path in (folder / "files").iterdir() if path.suffix != ".lock") == ["", ""]
        assert server.stop() == 0
