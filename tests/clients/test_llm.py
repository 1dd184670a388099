"""llm, an end user's command: it finds the server through its own configuration file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from clients.asking import ASKED, MODEL, WAIT, quiet_environ


@pytest.fixture
def folder(base_url: str, tmp_path: Path) -> Path:
    (tmp_path / "extra-openai-models.yaml").write_text(
        f"- model_id: spatz\n  model_name: {MODEL}\n  api_base: {base_url}\n  supports_tools: true\n"
        "  supports_schema: true\n"
    )
    return tmp_path


def llm(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "llm", *words],
        env={**quiet_environ(), "LLM_USER_PATH": str(folder), "OPENAI_API_KEY": "none"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


LIMITS = ["-o", "temperature", "0", "-o", "max_tokens", "30"]


@pytest.mark.parametrize("flags", [(), ("--no-stream",)])
def test_prompt(folder: Path, flags: tuple[str, ...]) -> None:
    assert "Paris" in llm(folder, "-m", "spatz", *LIMITS, *flags, ASKED)


def test_conversation(folder: Path) -> None:
    llm(folder, "-m", "spatz", *LIMITS, "My name is Ada.")
    assert llm(folder, "-c", *LIMITS, "What is my name?").strip()


def test_schema(folder: Path) -> None:
    age = {"type": "integer", "minimum": 0, "maximum": 150}
    schema = json.dumps({"type": "object", "properties": {"age": age}, "required": ["age"]})
    said = llm(folder, "-m", "spatz", "-o", "temperature", "0", "--schema", schema, "Ada is 36 years old.")
    assert 0 <= json.loads(said)["age"] <= 150
