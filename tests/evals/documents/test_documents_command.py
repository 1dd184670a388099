"""`spatz eval documents` on the real readers and the real model, as small as it can be; and what wrong usage gets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

for library in ("PIL", "pypdfium2", "rapidocr", "reportlab"):
    pytest.importorskip(library)

from spatz.cli import main  # noqa: E402


def test_reading_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "found.json"
    asked = ["--kinds", "receipt", "--conditions", "pdf,clean", "--documents", "1", "--workers", "1"]
    more = ["--tasks", "reading,damage", "--damaged", "3", "--save", str(tmp_path), "--json", str(file)]
    assert main(["eval", "documents", *asked, *more]) == 0
    data = json.loads(file.read_text())
    assert [(read["kind"], read["condition"], read["error"]) for read in data["reads"]] == [
        ("receipt", "pdf", ""),
        ("receipt", "clean", ""),
    ]
    for read in data["reads"]:
        assert read["score"]["edits"] <= read["score"]["characters"] * 0.05
        assert read["score"]["pairs"] == read["score"]["pairs_wanted"] > 0
        assert (tmp_path / f"{read['name']}.{read['condition']}.md").read_text()
    assert data["damage"]["files"] == 3 and data["damage"]["failed"] == []
    captured = capsys.readouterr()
    for words in ("character errors", "receipt", "3 damaged files"):
        assert words in captured.out
    assert "spatz: reading\n" in captured.err


def test_fields_from_end_to_end(model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "found.json"
    asked = ["--tasks", "fields", "--invoices", "1", "--seed", "3", "--conditions", "scan", "--json", str(file)]
    assert main(["eval", "documents", "--model", str(model_path), "--data-dir", str(tmp_path), *asked]) == 0
    data = json.loads(file.read_text())
    assert len(data["answers"]) == len(data["fields"]) == 2
    for answer in data["answers"]:
        assert json.loads(answer["said"]).keys() == answer["expected"].keys()
        assert answer["right"]["invoice_number"] and answer["right"]["total"]
    assert "fields of invoices, asked of" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".db") == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["documents", "--tasks", "song"], "--tasks: 'song' is none of reading, fields"),
        (["documents", "--kinds", "letter,poem"], "--kinds: 'poem' is none of"),
        (["documents", "--conditions", ""], "--conditions: '' is none of"),
        (["documents", "--documents", "0"], "--documents"),
        (["documents", "--json", "/no/such/folder/x.json"], "/no/such/folder is no directory"),
        (["documents", "--save", "/no/such/folder"], "--save: /no/such/folder is no directory"),
        (["documents", "--key-env", "X"], "need --url"),
        (["documents", "--tasks", "fields", "--url", "localhost"], "is no address"),
        (["--lengths", "8k", "documents"], "--lengths must stand behind documents"),
        (["poems"], "poems"),
    ],
)
def test_wrong_usage(more: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", *more]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err and captured.err.count("\n") == 1


def test_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--tasks", "fields", "--invoices", "1", "--url", "http://127.0.0.1:9/v1"]
    assert main(["eval", "documents", *asked]) == 1
    assert "does not answer" in capsys.readouterr().err
