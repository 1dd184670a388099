"""`kill -9` in the midst of responses, with the real model: what was answered is kept, what ran has failed."""

from __future__ import annotations

from pathlib import Path

import openai
import pytest
from openai import OpenAI

from server.running import serve

MODEL = "gpt-4.1-nano"


def test_what_was_answered_is_kept(server_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "models").symlink_to((server_dir / "models").resolve(), target_is_directory=True)
    with serve(tmp_path) as server, OpenAI(base_url=server.base_url, api_key="none", max_retries=0) as client:
        answered = client.responses.create(model=MODEL, input="My name is Ada.", temperature=0, max_output_tokens=16)
        talk = client.conversations.create(items=[{"role": "user", "content": "Hello."}])
        with client.responses.create(
            model=MODEL, input="Count to a thousand.", background=True, stream=True, conversation=talk.id
        ) as long:
            event = next(event for event in long if event.type != "response.created")
            assert event.type == "response.queued"
            running = event.response.id
            assert any(event.type == "response.output_item.added" for event in long)  # it is being written
        server.process.kill()
        server.process.wait()
    with serve(tmp_path) as server, OpenAI(base_url=server.base_url, api_key="none", max_retries=0) as client:
        assert client.responses.retrieve(answered.id) == answered
        items = list(client.responses.input_items.list(answered.id))
        assert len(items) == 1
        next_one = client.responses.create(
            model=MODEL, input="And yours?", previous_response_id=answered.id, max_output_tokens=16
        )
        assert next_one.usage is not None and answered.usage is not None
        assert next_one.usage.input_tokens > answered.usage.total_tokens
        failed = client.responses.retrieve(running)
        assert failed.status == "failed" and failed.error is not None
        assert failed.error.code == "server_error" and "stopped" in failed.error.message
        assert len(list(client.conversations.items.list(talk.id))) == 1  # a failed answer is no part of it
        with pytest.raises(openai.BadRequestError):
            client.responses.retrieve(running, stream=True)
        assert client.responses.cancel(running).status == "failed"
