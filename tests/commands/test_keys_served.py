"""Keys from the shell, a server of the real model beside it, and clients between the two."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from server.running import START_WAIT, serve

MODEL = "gpt-4.1-nano"
TRIES = 10_000  # of what a second will bring
WAIT = 300

pytestmark = pytest.mark.usefixtures("model_path")


def spatz(database: str, *arguments: str) -> str:
    """`spatz ...` as a process beside the server, on the same database."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("SPATZ_")}
    done = subprocess.run(
        [sys.executable, "-m", "spatz.cli", *arguments],
        env={**environ, "SPATZ_DATABASE_URL": database},
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=True,
    )
    return done.stdout


def ask(client: OpenAI, **given: Any) -> Any:
    return client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Hello"}], max_tokens=4, temperature=0, **given
    )


def client_of(url: str, key: str) -> OpenAI:
    return OpenAI(base_url=url, api_key=key, admin_api_key=key, timeout=WAIT, max_retries=0)


def test_from_the_first_key_to_a_killed_server(data_dir: Path, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'spatz.db'}"
    with serve(data_dir, "--log-level", "debug", SPATZ_DATABASE_URL=database) as server:
        with client_of(server.base_url, "none") as nobody:
            ask(nobody)  # there are no keys yet
            text = spatz(database, "keys", "create", "ada", "--requests-per-minute", "3").strip()
            for _ in range(TRIES):
                try:
                    nobody.models.list()
                except openai.AuthenticationError:
                    break
            else:
                pytest.fail("the server goes on answering without a key")
        with client_of(server.base_url, text) as ada:
            stream = ask(ada, stream=True, stream_options={"include_usage": True})
            usages = [[chunk.usage for chunk in stream][-1]]
            with pytest.raises(openai.RateLimitError) as caught:
                for _ in range(TRIES):  # the fourth, unless three have taken longer than 20 seconds
                    usages.append(ask(ada).usage)
            assert len(usages) >= 3
            assert caught.value.response.headers["x-ratelimit-limit-requests"] == "3"
            assert 1 <= int(caught.value.response.headers["retry-after"]) <= 20
            page = ada.admin.organization.usage.completions(start_time=1_700_000_000, end_time=4_000_000_000, limit=1)
            assert page.data[0].results == []
            wanted = {
                "requests": len(usages),
                "input_tokens": sum(usage.prompt_tokens for usage in usages),
                "output_tokens": sum(usage.completion_tokens for usage in usages),
            }
            for _ in range(TRIES):
                rows = {row["name"]: row for row in json.loads(spatz(database, "usage", "--json"))}
                if "ada" in rows and rows["ada"]["requests"] == len(usages):
                    break
            else:
                pytest.fail("what was used is not written")
            assert {name: rows["ada"][name] for name in wanted} == wanted
            assert rows[None]["requests"] == 1  # what was asked without a key
            server.process.send_signal(signal.SIGKILL)
            server.process.wait(START_WAIT)
    assert {row["name"]: row for row in json.loads(spatz(database, "usage", "--json"))} == rows
    (key,) = json.loads(spatz(database, "keys", "list", "--json"))
    assert key["last_used_at"] is not None
    with serve(data_dir, SPATZ_DATABASE_URL=database) as server:
        assert "$SPATZ_API_KEY" in server.greeting
        with client_of(server.base_url, text) as ada:
            ask(ada)
            spatz(database, "keys", "revoke", key["id"])
            for _ in range(TRIES):
                try:
                    ada.models.list()
                except openai.AuthenticationError:
                    break
            else:
                pytest.fail("a revoked key goes on opening the server")
        assert server.stop() == 0
