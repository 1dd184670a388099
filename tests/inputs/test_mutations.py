"""Damaged images and PDFs: they are read or refused, and no process that reads them ends or holds much."""

from __future__ import annotations

import pytest

for library in ("PIL", "pypdfium2", "rapidocr", "reportlab"):
    pytest.importorskip(library)

from spatz.evals.documents.damage import read_damaged  # noqa: E402

FILES = 44  # four of each original; `spatz eval documents --tasks damage` reads a thousand


def test_damaged_files_harm_nobody() -> None:
    found = read_damaged(FILES, seed=5, workers=1, width=200, tell=lambda doing: None)
    assert found.failed == []
    assert found.read + sum(found.refused.values()) == FILES
    assert found.read and found.refused
    assert 0 < found.memory_mb < 2048
