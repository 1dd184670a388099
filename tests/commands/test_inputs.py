"""The files of a command line, read in a process of their own: all of their pages, or those that were asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from spatz.commands.inputs import file_part, read_parts
from spatz.commands.run import page_range
from spatz.config import Settings
from spatz.errors import ConfigError


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PDF of five pages, each with its number in words."""
    canvas = pytest.importorskip("reportlab.pdfgen.canvas")
    pytest.importorskip("pypdfium2")
    path = tmp_path_factory.mktemp("files") / "report.pdf"
    made = canvas.Canvas(str(path))
    for word in ("one", "two", "three", "four", "five"):
        made.drawString(72, 700, f"This is what page {word} says about itself.")
        made.showPage()
    made.save()
    return path


def test_some_pages(path: Path, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    part = file_part(path, settings, image=False)
    for pages, words in (((2, 3), ("two", "three")), (None, ("one", "two", "three", "four", "five"))):
        document = read_parts([part], settings, None, pages)._documents[part]
        assert (document.pages, document.read_pages) == (5, len(words))
        assert [word for word in ("one", "two", "three", "four", "five") if word in document.markdown] == list(words)
    with pytest.raises(ConfigError, match=r"report\.pdf: .*the PDF has 5"):
        read_parts([part], settings, None, (9, 12))


@pytest.mark.parametrize(("text", "pages"), [("7", (7, 7)), (" 10-20 ", (10, 20))])
def test_ranges(text: str, pages: tuple[int, int]) -> None:
    assert page_range(text) == pages


@pytest.mark.parametrize("text", ["", "0", "3-1", "1-", "a", "1,2", "99999999"])
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(ConfigError, match="--pages"):
        page_range(text)
