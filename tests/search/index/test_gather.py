"""Folders into the index: every kind of file, only what is new, what is gone, and all that failed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from search.index.filling import fill
from spatz.inputs.document import ReadOptions
from spatz.search.index import gather
from spatz.search.index.gather import Bounds
from spatz.search.index.local_index import LocalIndex
from spatz.search.index.source import Source


def found(folder: Path, question: str) -> list[str]:
    with LocalIndex.open(folder) as index:
        return [hit.url for hit in index.search(question)]


def docx(path: Path, text: str) -> None:
    from docx import Document

    document = Document()
    document.add_heading("A letter", 1)
    document.add_paragraph(text)
    document.save(str(path))


def pdf(path: Path, text: str) -> None:
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(path))
    canvas.drawString(72, 700, text)
    canvas.save()


async def test_a_folder_with_all_kinds_of_files(tmp_path: Path) -> None:
    root, folder = tmp_path / "docs", tmp_path / "index"
    (root / "sub" / ".git").mkdir(parents=True)
    (root / "a b.html").write_text("<html><title>Owls</title><main><p>Owls hunt at night, without a sound.</p></main>")
    (root / "sub" / "notes.md").write_text("# Herons\n\nHerons stand in shallow water.")
    (root / "sub" / "latin.txt").write_bytes("Der Käuz ruft über die Straße.".encode("cp1252"))
    docx(root / "letter.docx", "The cormorant dries its wings.")
    pdf(root / "print.pdf", "The kingfisher dives for sticklebacks.")
    (root / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 100)
    (root / "program").write_bytes(b"\x7fELF" + bytes(range(256)))
    (root / "empty.txt").write_bytes(b"")
    (root / "broken.docx").write_bytes((root / "letter.docx").read_bytes()[:-200])
    (root / ".hidden.txt").write_text("secret herons")
    (root / "sub" / ".git" / "config.txt").write_text("secret herons")
    (root / "outside.txt").symlink_to("/etc/hostname")
    tally = await fill(folder, Source("folder", str(root), base_url="https://birds.test/x/"))
    assert (tally.added, tally.changed, tally.unchanged) == (5, 0, 0)
    assert sum(tally.skipped.values()) + tally.failed == 4
    assert tally.skipped["empty"] == 1 and tally.skipped["no text"] >= 2
    assert found(folder, "which birds hunt at night?") == ["https://birds.test/x/a%20b.html"]
    assert found(folder, "where do herons stand") == ["https://birds.test/x/sub/notes.md"]
    assert found(folder, "Kauz Strasse") == ["https://birds.test/x/sub/latin.txt"]
    assert found(folder, "cormorant") == ["https://birds.test/x/letter.docx"]
    assert found(folder, "kingfisher") == ["https://birds.test/x/print.pdf"]
    assert found(folder, "secret") == []


async def test_only_what_has_changed_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, folder = tmp_path / "docs", tmp_path / "index"
    root.mkdir()
    for name in ("one", "two", "three", "four"):
        (root / f"{name}.txt").write_text(f"The file {name} says {name}word.")
    source = Source("folder", str(root), exclude=("four*",))
    assert (await fill(folder, source)).added == 3
    reads: list[str] = []
    read = gather.Gatherer.read

    async def noted(self: gather.Gatherer, data: bytes, filename: str, media_type: str = "") -> object:
        reads.append(filename)
        return await read(self, data, filename, media_type)

    monkeypatch.setattr(gather.Gatherer, "read", noted)
    (root / "one.txt").write_text("Now it says otherword.")
    os.utime(root / "two.txt", (1, 1))  # touched, and the same
    (root / "three.txt").unlink()
    tally = await fill(folder, source)
    assert (tally.added, tally.changed, tally.unchanged, tally.removed) == (0, 1, 1, 0) and reads == ["one.txt"]
    assert found(folder, "oneword") == [] and len(found(folder, "otherword")) == 1
    assert len(found(folder, "threeword")) == 1  # add takes nothing out
    tally = await fill(folder, source, prune=True)
    assert (tally.unchanged, tally.removed) == (2, 1) and found(folder, "threeword") == []
    assert reads == ["one.txt"]
    # What is no text any more is not there any more.
    (root / "two.txt").write_bytes(b"\x7fELF" + bytes(range(256)))
    tally = await fill(folder, source)
    assert tally.removed == 1 and found(folder, "twoword") == []


async def test_what_cannot_be_looked_at_is_told_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, folder = tmp_path / "docs", tmp_path / "index"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "a.txt").write_text("alphaword")
    (root / "b.txt").write_text("betaword")
    source = Source("folder", str(root))
    await fill(folder, source)
    scan = os.scandir

    def refused(path: object) -> object:
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", refused)
    tally = await fill(folder, source, prune=True)
    assert [one.message for one in tally.failures] == ["Permission denied"] and tally.removed == 0
    assert len(found(folder, "alphaword")) == 1
    monkeypatch.undo()
    tally = await fill(folder, Source("folder", str(tmp_path / "gone")), prune=True)
    assert tally.failed == 1 and "gone" in tally.failures[0].address


async def test_bounds_end_it_and_say_so(tmp_path: Path) -> None:
    root, folder = tmp_path / "docs", tmp_path / "index"
    root.mkdir()
    (root / "a.txt").write_text("alphaword")
    (root / "large.txt").write_text("largeword " * 1_000)
    tally = await fill(folder, Source("folder", str(root)), options=ReadOptions(max_bytes=1_000))
    assert tally.added == 1 and tally.skipped == {"too large": 1}
    tally = await fill(folder, Source("folder", str(root)), prune=True, bounds=Bounds(seconds=1e-9))
    assert tally.removed == tally.unchanged == 0 and "not everything" in tally.notes[0]
    assert len(found(folder, "alphaword")) == 1


async def test_names_that_are_no_text(tmp_path: Path) -> None:
    root, folder = tmp_path / "docs", tmp_path / "index"
    root.mkdir()
    (Path(os.fsdecode(bytes(root))) / os.fsdecode(b"na\xefve.txt")).write_text("strangeword")
    tally = await fill(folder, Source("folder", str(root)))
    assert tally.added == 1 and found(folder, "strangeword")[0].endswith("na%EFve.txt")
