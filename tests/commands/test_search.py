"""`spatz run --search` over a local index: the answer, its sources below it, and what --json says of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spatz.commands.answer import Answer
from spatz.commands.search import Searched
from spatz.engine.request import ContextMode, ContextUse, FinishReason, Usage
from spatz.search.citation import Citation
from spatz.search.index.entry import NewDocument
from spatz.search.index.index_writer import IndexWriter
from spatz.search.index.source import Source
from spatz.search.page import Page, PageFailure
from spatz.search.passage import Passage
from spatz.search.result import ProviderReport
from spatz.search.use import SearchUse

FACT = "The tower of Brenn is 312 metres high."
URL = "https://a.test/tower"


@pytest.fixture(scope="module")
def indexed(model_path: Path, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("indexed")
    (folder / "models").symlink_to(data_dir / "models", target_is_directory=True)
    with IndexWriter.open(folder / "index") as writer:
        source = writer.source(Source("folder", "/pages"))
        writer.put(NewDocument(URL, "The tower of Brenn", f"# The tower of Brenn\n\n{FACT}\n"), source, "a")
        writer.put(NewDocument("https://b.test/", "Cats", "Cats are animals. They like milk.\n"), source, "b")
        writer.commit()
    return folder


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "spatz.cli", "run", "--search", "--data-dir", str(folder), "-t", "0", "-n", "60"]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("SPATZ_")}
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120, env=environ
    )


def test_json(indexed: Path) -> None:
    done = run(indexed, "--json", "How high is the tower of Brenn?")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "312" in told["text"]
    assert told["sources"][0] == {"url": URL, "title": "The tower of Brenn"}
    assert told["citations"]
    for cited in told["citations"]:
        assert cited["url"] == URL and "312" in told["text"][cited["start_index"] : cited["end_index"]]
    search = told["usage"]["spatz"]["search"]
    assert search["queries"] == ["How high is the tower of Brenn"] and search["tokens"] > 0


def test_what_is_not_found_is_said(indexed: Path) -> None:
    done = run(indexed, "Who runs the zoo of Xanten?")
    assert (done.returncode, done.stdout) == (0, "I found nothing about this.\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--search-provider", "off", "hi"], "there is no provider"), (["--raw", "hi"], "--search has no place")],
)
def test_what_cannot_be(indexed: Path, arguments: list[str], words: str) -> None:
    done = run(indexed, *arguments)
    assert done.returncode == 2 and words in done.stderr and not done.stdout


def test_lines_for_people() -> None:
    page = Page("https://a.test/\x1b[31mx", "Tower\n of\x07 Brenn", FACT)
    passage = Passage(page, 0, len(FACT), FACT)
    text = f"{FACT} So high. {FACT}"
    cited = (Citation(0, 38, passage), Citation(48, 86, passage))
    use = SearchUse(
        providers=(ProviderReport("brave", error="the key is not valid"), ProviderReport("local", 2)),
        failures=(PageFailure("https://c.test/", "url_timeout", "it took too long"),),
    )
    usage = Usage(1, 1, 0, ContextUse(ContextMode.EXACT))
    searched = Searched(Answer(text, FinishReason.STOP, usage), cited, (), use)
    assert list(searched.lines()) == ["[1] Tower of Brenn", "    https://a.test/ [31mx", f'    "{FACT}"']
    assert list(searched.notes()) == [
        "brave found nothing: the key is not valid",
        "https://c.test/ was not read: it took too long",
    ]
