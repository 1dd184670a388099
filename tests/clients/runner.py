"""Tests that another program runs (another Python, node): run once, and each of its cases is one of pytest's.

The names are read from the sources, so that a case that the other runner did not run fails here and is not missed.
"""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    passed: bool
    said: str


@dataclass(frozen=True)
class Run:
    outcomes: Mapping[str, Outcome]
    said: str  # the end of what the runner printed

    def check(self, name: str) -> None:
        outcome = self.outcomes.get(name)
        assert outcome is not None, f"{name} was not run:\n{self.said}"
        assert outcome.passed, outcome.said


def run(command: Iterable[str | Path], report: Path, environ: Mapping[str, str], folder: Path, seconds: float) -> Run:
    """command writes a JUnit report. Its exit status is not looked at: every case is, by `check`."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
    said = done.stdout[-20_000:]
    if not report.is_file():
        return Run({}, said)
    outcomes: dict[str, Outcome] = {}
    for name, outcome in _cases(report):  # a name comes several times where the case has parameters
        before = outcomes.get(name, Outcome(True, ""))
        outcomes[name] = Outcome(before.passed and outcome.passed, before.said + outcome.said)
    return Run(outcomes, said)


def _cases(report: Path) -> Iterator[tuple[str, Outcome]]:
    for case in ElementTree.parse(report).iter("testcase"):
        # pytest names the module in classname; node the kind of test.
        module = case.get("classname", "").rpartition(".")[2]
        name = case.get("name", "").partition("[")[0]
        bad = [child for child in case if child.tag in ("failure", "error", "skipped")]
        said = "\n".join(f"{child.tag}: {child.get('message', '')}\n{child.text or ''}" for child in bad)
        yield (f"{module}::{name}" if module.startswith("test_") else name), Outcome(not bad, said)
