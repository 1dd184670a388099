"""`spatz index`, as people call it: filled, searched, updated, emptied; and what it says when something is wrong."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from spatz.cli import main
from spatz.search.index import gather, index_file
from spatz.search.index.index_writer import IndexWriter


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("SPATZ_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("SPATZ_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "owl.md").write_text("# Owls\n\nOwls hunt at night, without a sound.")
    (folder / "heron.html").write_text("<html><title>Herons</title><main>Herons stand in shallow water.</main></html>")
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + b"\0" * 50)
    return folder


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    assert main(["index", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_from_a_folder_to_an_answer_and_back(docs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "add", str(docs), "--base-url", "https://birds.test/"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("2 added in ") and "1 skipped: no text" in err

    assert main(["index", "search", "when do owls hunt?"]) == 0
    out, err = capsys.readouterr()
    assert "1. Owls" in out and "https://birds.test/owl.md" in out and "Owls hunt at night" in out
    found = printed(capsys, "search", "herons", "-n", "1", "--domain", "birds.test", "--since", "2020-01-01")
    assert [result["title"] for result in found["results"]] == ["Herons"]
    assert main(["index", "search", "zzzqqq"]) == 0 and "nothing was found" in capsys.readouterr().err

    [source] = printed(capsys, "list")["sources"]
    assert (source["kind"], source["source"], source["documents"]) == ("folder", str(docs), 2)
    assert [one["title"] for one in printed(capsys, "list", "--documents")["documents"]] == ["Herons", "Owls"]
    stats = printed(capsys, "stats")
    assert (stats["documents"], stats["sources"], stats["hosts"]) == (2, 1, 1) and stats["bytes"] > 0
    assert main(["index", "list"]) == main(["index", "stats"]) == 0
    assert "2 documents of 1 sources" in capsys.readouterr().out

    (docs / "owl.md").unlink()
    found = printed(capsys, "update", str(docs))
    assert (found["unchanged"], found["removed"], found["failed"]) == (1, 1, 0)
    assert main(["index", "remove", "https://birds.test/heron.html"]) == 0
    assert printed(capsys, "update")["added"] == 1  # its source still leads to it
    assert main(["index", "remove", str(docs)]) == 0 and "(1 document)" in capsys.readouterr().out
    assert main(["index", "list"]) == 0 and "the index is empty" in capsys.readouterr().err
    assert main(["index", "clear", "--yes"]) == main(["index", "clear"]) == 0
    assert not index_file.path_of(tmp_path / "data" / "index").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["add", "/nowhere/at/all"], "there is no such file or folder"),
        (["add", "ftp://a.test/x"], "only http: and https: URLs"),
        (["add", ".", "--base-url", "birds.test"], "--base-url"),
        (["update", "/nowhere"], "no source of the index"),
        (["remove", "https://a.test/"], "neither a source nor a document"),
        (["search", "x", "--since", "yesterday"], "is no date"),
    ],
)
def test_wrong_usage_says_so(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_what_failed_is_listed_and_nothing_but_failures_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "add", "https://10.0.0.1/", "https://127.0.0.1/sitemap.xml"]) == 1
    out, err = capsys.readouterr()
    assert "2 failed" in out and err.count("cannot be reached or is not allowed") == 2
    assert "nothing could be indexed" in err


def test_without_fetching_urls_fail(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "add", "https://docs.test/", "--fetch", "off"]) == 1
    assert "URLs are not fetched" in capsys.readouterr().err


def test_an_interrupt_keeps_what_was_done(
    docs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read = gather.Gatherer.read

    async def interrupted(self: gather.Gatherer, data: bytes, filename: str, media_type: str = "") -> object:
        if filename == "owl.md":
            while not self.tally.added:
                await gather.asyncio.sleep(0)
            raise KeyboardInterrupt
        return await read(self, data, filename, media_type)

    with monkeypatch.context() as patched:
        patched.setattr(gather.Gatherer, "read", interrupted)
        assert main(["index", "add", str(docs)]) == 130
    out, err = capsys.readouterr()
    assert "1 added" in out and "what was done is kept" in err
    found = printed(capsys, "add", str(docs))
    assert (found["added"], found["unchanged"]) == (1, 1)


def test_one_that_cannot_be_used_says_what_to_do(
    docs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data" / "index"
    assert main(["index", "add", str(docs)]) == 0
    with IndexWriter.open(folder):
        assert main(["index", "add", str(docs)]) == 1
    assert "being written by another process" in capsys.readouterr().err
    with sqlite3.connect(index_file.path_of(folder)) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    assert main(["index", "search", "owls"]) == 1 and "update --rebuild" in capsys.readouterr().err
    assert printed(capsys, "update", "--rebuild")["added"] == 2
    index_file.path_of(folder).write_bytes(b"nonsense" * 1_000)
    assert main(["index", "update", "--rebuild"]) == 0
    assert "tells no sources" in capsys.readouterr().err
    assert main(["index", "update"]) == 0 and "has no sources" in capsys.readouterr().err
