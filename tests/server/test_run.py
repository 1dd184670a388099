"""`spatz serve` in a process of its own: keys, the way down, and the greeting's snippets."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import openai
import pytest
from openai import OpenAI

from server.running import RunningServer, serve

WAIT = 300
MODEL = "gpt-4.1-nano"
QUESTION = [{"role": "user", "content": "The capital of France is Paris. So what is the capital of France?"}]


def test_keys_and_the_way_down(server_dir: Path) -> None:
    with serve(server_dir, SPATZ_API_KEY="one-secret") as server:
        assert "one-secret" not in server.greeting
        with OpenAI(base_url=server.base_url, api_key="wrong", timeout=WAIT) as client:
            with pytest.raises(openai.AuthenticationError):
                client.models.list()
            assert client.with_options(api_key="one-secret").models.list().data
        assert server.stop() == 0


def test_two_signals_stop_at_once(server_dir: Path) -> None:
    with serve(server_dir) as server, OpenAI(base_url=server.base_url, api_key="x", timeout=WAIT) as client:
        endless = client.chat.completions.create(
            model=MODEL, messages=QUESTION, stream=True, max_tokens=8000, extra_body={"ignore_eos": True}
        )
        next(iter(endless))
        assert server.stop(signals=2) == 0


def test_the_greeting_works_when_pasted(server: RunningServer) -> None:
    snippet = server.greeting[server.greeting.index("from openai") :]
    done = subprocess.run([sys.executable, "-c", snippet], capture_output=True, timeout=WAIT, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    curl = server.greeting[server.greeting.index("curl ") : server.greeting.index("}'") + 2]
    body = curl[curl.index("'") + 1 : -1]
    url = curl.split()[1]
    request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=WAIT) as response:
        assert json.load(response)["choices"]
