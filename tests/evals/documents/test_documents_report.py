"""Sums over documents, the limits they are held to, and how they are shown."""

from __future__ import annotations

import pytest

from spatz.evals.documents.damage import Damage
from spatz.evals.documents.fields import FIELDS, Answer
from spatz.evals.documents.reading import Read
from spatz.evals.documents.report import Report, Sums, as_json, print_report
from spatz.evals.documents.scoring import Cells, Score
from spatz.evals.documents.speed import Speed


def read(condition: str, edits: int, cells: Cells, *, error: str = "") -> Read:
    score = None if error else Score(edits, 100, cells, 1, 2)
    return Read(f"table-{condition}", "table", "en", condition, score, 2.0, error=error)


def answer(right: bool) -> Answer:
    return Answer("invoice-1", "de", "image, question first", dict.fromkeys(FIELDS, right), "{}", {})


def test_sums_add_characters_and_cells_up() -> None:
    sums = Sums.of(
        [read("clean", 1, Cells(3, 4, 4)), read("scan", 3, Cells(1, 4, 6)), read("pdf", 0, Cells(0, 0, 0), error="x")]
    )
    assert (sums.documents, sums.failed, sums.character_errors, sums.seconds) == (3, 1, 0.02, 2.0)
    assert (sums.precision, sums.recall, sums.cells_f1, sums.pairs) == (0.5, 0.4, 8 / 18, 0.5)
    assert Sums.of([]) == Sums(0, 0, None, None, None, None, None, None)
    nothing = Sums.of([read("clean", 100, Cells(0, 0, 4))])
    assert (nothing.precision, nothing.recall, nothing.cells_f1) == (0.0, 0.0, 0.0)


def test_what_is_missed_is_named() -> None:
    kept = Report({}, [read("clean", 1, Cells(97, 100, 100)), read("noisy", 6, Cells(1, 9, 9))], [answer(True)])
    assert kept.missed() == [] and kept.failures() == []
    lost = Report({}, [read("clean", 2, Cells(96, 100, 100)), read("noisy", 7, Cells(1, 9, 9))], [answer(False)])
    assert [line.partition(":")[0] for line in lost.missed()] == [
        "clean character errors",
        "degraded character errors",
        "clean cells",
        "fields",
    ]
    assert Report({}).missed() == []


def test_failures_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    damage = Damage(5, 3, failed=["4: cut off: it ended with -11"])
    report = Report({"seed": 1}, [read("pdf", 0, Cells(0, 0, 0), error="It is damaged.")], [answer(True)], "a model")
    report.damage, report.speed = damage, Speed((1.0, 2.0, 1.5), 200, 1.0)
    assert report.failures() == ["table-pdf, pdf: It is damaged.", "4: cut off: it ended with -11"]
    print_report(report)
    out = capsys.readouterr().out
    for words in (
        "1 (1 failed)",
        "a model",
        "200 pages a second",
        "1.50 s",
        "1 failed; at most 0 MB",
        "ended with -11",
    ):
        assert words in out
    data = as_json(report)
    assert data["by_condition"]["pdf"]["failed"] == 1 and data["fields"] == {"image, question first": 1.0}
