"""The documents name only what there is: files, commands, models, snippets that compile."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from spatz.bench.plan import GROUPS
from spatz.cli import app
from spatz.commands.serve import greeting
from spatz.config import Settings
from spatz.weights.catalog import catalog

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCUMENTS = [README, *sorted((ROOT / "docs").glob("*.md"))]


def code_of(text: str) -> list[str]:
    """The lines of indented blocks."""
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(path: Path) -> None:
    for link in re.findall(r"\]\((?!https?://)([^)#]+)\)", path.read_text()):
        assert (path.parent / link).is_file(), link


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_scripts_that_are_named_can_be_run(path: Path) -> None:
    for name in re.findall(r"`(scripts/\w+)", path.read_text()):
        assert os.access(ROOT / name, os.X_OK), name


def test_commands_and_models_that_are_named_exist() -> None:
    commands = {command.callback.__name__ for command in app.registered_commands if command.callback}
    commands |= {group.name for group in app.registered_groups if group.name}
    lines = [line for line in code_of(README.read_text()) if line.startswith("spatz ")]
    assert {line.split()[1] for line in lines} <= commands
    assert len(lines) >= 5
    named = re.findall(r"(?:pull|--model) ([a-z][\w.-]+)", "\n".join(lines))
    assert named
    assert set(named) <= catalog().keys()


def test_snippets_are_those_that_the_server_prints() -> None:
    text = README.read_text()
    printed = greeting(Settings(), "m", 8000, keys=False)
    snippets = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    compile("\n".join(snippets), "README.md", "exec")
    snippet = snippets[0]
    assert [line for line in snippet.splitlines() if line] == printed[printed.index("from openai") :].splitlines()
    curl = printed[printed.index("curl ") : printed.index("from openai")].split()
    assert " ".join(curl) in " ".join(text.split())


def test_help_names_every_measurement() -> None:
    from spatz.bench.command import bench

    for group in GROUPS:
        assert group in (bench.__doc__ or "") or group in str(bench.__annotations__["only"]), group
