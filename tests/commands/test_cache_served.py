"""The cache on disk with the real model: found again by a server that follows a killed one, filled and deleted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import OpenAI

import spatz
from server.running import serve

TRIES = 100  # of what comes in a moment; each takes a process
WAIT = 300
LEAST = 1024
TEXT = Path(spatz.__file__).with_name("config.py").read_text()[:5600]


@pytest.fixture
def folder(model_path: Path, data_dir: Path, tmp_path: Path) -> Iterator[Path]:
    """A data directory with a cache of its own."""
    (tmp_path / "models").symlink_to(data_dir / "models", target_is_directory=True)
    yield tmp_path


def run(folder: Path, *arguments: str) -> tuple[str, str]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("SPATZ_")}
    done = subprocess.run(
        [sys.executable, "-m", "spatz.cli", *arguments],
        env={**environ, "SPATZ_DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=True,
    )
    return done.stdout, done.stderr


def ask(url: str, question: str) -> tuple[str, list[float], int]:
    """The answer, how likely its tokens were, and how many of the prompt's were known."""
    with OpenAI(base_url=url, api_key="none", timeout=WAIT, max_retries=0) as client:
        answer = client.chat.completions.create(
            model="gpt-4.1-nano",
            messages=[{"role": "user", "content": f"{TEXT}\n\n{question}"}],
            max_tokens=16,
            temperature=0,
            logprobs=True,
        )
    choice, usage = answer.choices[0], answer.usage
    assert choice.logprobs and choice.logprobs.content and usage and usage.prompt_tokens_details
    likely = [token.logprob for token in choice.logprobs.content]
    return choice.message.content or "", likely, usage.prompt_tokens_details.cached_tokens or 0


def test_a_killed_server_is_followed_by_one_that_knows_the_prompt(folder: Path) -> None:
    with serve(folder) as server:
        first = ask(server.base_url, "What is this?")
        assert first[2] == 0
        for _ in range(TRIES):
            if json.loads(run(folder, "cache", "stats", "--json")[0])["entries"] > LEAST // 128:
                break
        server.process.kill()
        server.process.wait(WAIT)
    with serve(folder) as server:
        second = ask(server.base_url, "What is this?")
        assert second[2] >= LEAST
        assert second[:2] == first[:2]  # to the bit
        assert "deleted" in run(folder, "cache", "clear")[0]
        assert json.loads(run(folder, "cache", "stats", "--json")[0])["entries"] == 0
    with serve(folder) as server:
        third = ask(server.base_url, "What is this?")
        assert third[2] == 0 and third[:2] == first[:2]


def test_a_text_is_warmed_by_a_server_or_without_one(folder: Path) -> None:
    file = folder / "text.txt"
    file.write_text(TEXT)
    _, said = run(folder, "cache", "warm", str(file))
    assert "0 of them were known" in said and "blocks were added to the cache" in said
    answer = json.loads(run(folder, "run", "--file", str(file), "What is this?", "-n", "1", "--json")[0])
    assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] >= LEAST
    with serve(folder) as server:
        run(folder, "cache", "clear")
        _, said = run(folder, "cache", "warm", str(file), "--url", server.base_url)
        assert "tokens in" in said
        assert ask(server.base_url, "What is this?")[2] >= LEAST
        with pytest.raises(subprocess.CalledProcessError) as failed:
            run(folder, "cache", "warm", str(file))
        assert "--url" in failed.value.stderr
