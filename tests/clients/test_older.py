"""The clients that pin the SDK's version 2, and that SDK itself, in an environment of their own.

litellm, instructor and openai-agents cannot be installed beside the newest SDK, nor can llm beside the older one. Their
tests are ordinary ones in tests/clients/older; a Python with those packages runs them, with some of the newest SDK's.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from clients.asking import WAIT, quiet_environ
from clients.runner import Run, run

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PYTHON = ROOT / "build" / "older-clients" / "bin" / "python"
FILES = [*sorted((HERE / "older").glob("test_*.py")), HERE / "test_openai_chat.py"]


def names(path: Path) -> list[str]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    body = ast.parse(path.read_text()).body
    found = [node.name for node in body if isinstance(node, kinds) and node.name.startswith("test_")]
    assert found, path
    return [f"{path.stem}::{name}" for name in found]


@pytest.fixture(scope="module")
def older(base_url: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    assert PYTHON.is_file(), "the environment of older clients is missing: run scripts/test"
    report = tmp_path_factory.mktemp("older") / "report.xml"
    environ = {
        **quiet_environ(),
        "CLIENTS_BASE_URL": base_url,
        "PYTHONPATH": str(HERE.parent),
        "OPENAI_API_KEY": "none",
    }
    flags = ["-c", HERE / "older" / "pytest.ini", f"--rootdir={HERE}", f"--confcutdir={HERE}", f"--junitxml={report}"]
    return run([PYTHON, "-m", "pytest", *flags, *FILES], report, environ, HERE, seconds=2 * WAIT)


@pytest.mark.parametrize("name", [name for path in FILES for name in names(path)])
def test_in_the_second_environment(older: Run, name: str) -> None:
    older.check(name)
