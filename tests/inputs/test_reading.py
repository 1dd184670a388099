"""What bytes may be, who reads them, and what was read before."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spatz.errors import RequestError
from spatz.inputs import reading, wire
from spatz.inputs.cache import DocumentCache, content_hash, reading_key
from spatz.inputs.document import LATE, Document, InputError, Note, ReadOptions
from spatz.inputs.fetched import FetchedBefore, Trace
from spatz.inputs.reader import CachedReader

PNG = b"\x89PNG\r\n\x1a\n"
OPTIONS = ReadOptions()
DOCUMENT = Document("pdf", "text", "title", 3, 2, 1, 0.5, (Note("a", "b"),), (4, 5))


@pytest.mark.parametrize(
    ("data", "kind", "code"),
    [
        (b"", "image", "empty_image_file"),
        (b"", "file", "empty_file"),
        (b"plain text", "image", "invalid_image_format"),
        (b"%PDF-1.4\n", "image", "invalid_image_format"),
        (b"plain text", "pdf", "unsupported_file"),
        (PNG, "pdf", "unsupported_file"),
        (b"\x7fELF\x00\x01", "file", "unsupported_file"),
        (b"x" * 101, "file", "file_too_large"),
        (PNG + b"x" * 101, "image", "image_file_too_large"),
    ],
)
def test_what_is_refused_at_once(data: bytes, kind: reading.Accept, code: str) -> None:
    with pytest.raises(InputError) as refused:
        reading.check(data, replace(OPTIONS, max_bytes=100), kind)
    assert (refused.value.code, refused.value.status) == (code, 400)


@pytest.mark.parametrize(
    ("data", "kind", "found"),
    [(PNG, "image", "png"), (PNG, "file", "png"), (b"%PDF-1.4\n", "pdf", "pdf"), (b"%PDF-1.4\n", "file", "pdf")],
)
def test_what_is_let_through(data: bytes, kind: reading.Accept, found: str) -> None:
    assert reading.check(data, OPTIONS, kind) == found


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spatz.inputs.pdf", None)
    with pytest.raises(ImportError):  # our own module is no library
        reading.read(b"%PDF-1.4\n", OPTIONS, "pdf")

    def missing(*given: object) -> Document:
        raise ModuleNotFoundError("No module named 'pypdfium2.raw'", name="pypdfium2.raw")

    monkeypatch.setattr(reading, "_read", missing)
    with pytest.raises(InputError, match=r"'pypdfium2' is not installed .*pip install \"spatz\[documents\]\""):
        reading.read(b"%PDF-1.4\n", OPTIONS, "pdf")


# --- what passes between processes ------------------------------------------------------------------------------------


def test_documents_options_and_errors_pass_whole() -> None:
    assert wire.decode_document(wire.encode_document(DOCUMENT)) == DOCUMENT
    assert wire.decode_document(wire.encode_document(Document("text", "ä\U0001f600"))).markdown == "ä\U0001f600"
    for options in (OPTIONS, replace(OPTIONS, pages=(1, 2), filename="ä", detail="low")):
        assert wire.decode_options(wire.encode_options(options, "pdf")) == (options, "pdf")
    error = wire.decode_error(wire.encode_error(InputError("a", code="b", status=413)))
    assert (error.message, error.code, error.status) == ("a", "b", 413)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "secret"},
        {"markdown": 5},
        {"title": None},
        {"pages": -1},
        {"pages": True},
        {"pages": 1 << 60},
        {"pictures": "1"},
        {"confidence": 2},
        {"confidence": "high"},
        {"confidence": float("nan")},
        {"notes": None},
        {"notes": [{"code": 1, "message": "x"}]},
        {"notes": [{}] * 1001},
        {"size": [1]},
        {"size": [1, -2]},
        {"size": "12"},
    ],
)
def test_no_answer_is_believed(change: dict[str, Any]) -> None:
    value = json.loads(wire.encode_document(DOCUMENT)) | change
    with pytest.raises(wire.WireError):
        wire.decode_document(json.dumps(value).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"5", b"{", b"\xff", b"[" * 100_000, b"{}"])
def test_what_is_no_document(data: bytes) -> None:
    for decode in (wire.decode_document, wire.decode_error):
        with pytest.raises(wire.WireError):
            decode(data)


# --- what was read before ---------------------------------------------------------------------------------------------


def test_a_document_is_found_by_all_that_it_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = [
        reading_key("a", OPTIONS, "image"),
        reading_key("b", OPTIONS, "image"),
        reading_key("a", replace(OPTIONS, detail="low"), "image"),
        reading_key("a", replace(OPTIONS, max_pages=1), "image"),
        reading_key("a", OPTIONS, "file"),
    ]
    monkeypatch.setattr("spatz.inputs.cache.reader_version", lambda: "another")
    changed.append(reading_key("a", OPTIONS, "image"))
    assert len(set(changed)) == len(changed)


def test_memory_is_bounded() -> None:
    cache = DocumentCache(None, disk_bytes=0, memory_bytes=10_000)
    for number in range(5):
        cache.put(str(number), Document("text", "x" * 2000))
    cache.put("large", Document("text", "ä" * 3000))
    assert [key for key in ["0", "1", "2", "3", "4", "large"] if cache.find(key)] == ["2", "3", "4"]
    cache.find("2")
    cache.put("5", Document("text", "x" * 2000))
    assert [key for key in "2345" if cache.find(key)] == ["2", "4", "5"]


def test_the_disk_is_bounded_and_private(tmp_path: Path) -> None:
    cache = DocumentCache(tmp_path / "inputs", disk_bytes=5000)
    keys = [character * 64 for character in "abcd"]
    for age, key in enumerate(keys):
        cache.save(key, replace(DOCUMENT, markdown="x" * 1200))
        if (path := tmp_path / "inputs" / f"{key}.json").exists():
            os.utime(path, (1000 + age, 1000 + age))
    assert cache.load(keys[0]) is None
    assert cache.load(keys[3]) == replace(DOCUMENT, markdown="x" * 1200)
    cache.save("e" * 64, replace(DOCUMENT, markdown="x" * 3000))  # more than half of all
    assert cache.load("e" * 64) is None
    assert (tmp_path / "inputs").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "inputs").iterdir()} == {0o600}
    (tmp_path / "inputs" / f"{keys[3]}.json").write_text("{damaged")
    assert cache.load(keys[3]) is None


def test_a_disk_that_takes_nothing_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "inputs").write_text("no folder")
    cache = DocumentCache(tmp_path / "inputs", disk_bytes=1 << 20)
    cache.save("a" * 64, DOCUMENT)
    assert cache.load("a" * 64) is None


class Pool:
    """Reads when it is told to."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.two = asyncio.Event()
        self.go = asyncio.Event()

    async def read(self, data: bytes, *given: object) -> Document:
        self.asked.append(data)
        if len(self.asked) == 2:
            self.two.set()
        await self.go.wait()
        if data == b"broken":
            raise InputError("it is damaged")
        notes = (Note(LATE, "It took too long."),) if data == b"late" else ()
        return Document("text", data.decode(), notes=notes)

    async def close(self) -> None:
        pass


@pytest.fixture
def make(tmp_path: Path) -> Callable[[], tuple[CachedReader, Pool]]:
    def start() -> tuple[CachedReader, Pool]:
        pool = Pool()
        return CachedReader(pool, DocumentCache(tmp_path, disk_bytes=1 << 20)), pool  # type: ignore[arg-type]

    return start


async def test_who_asks_for_the_same_waits_for_it(make: Callable[[], tuple[CachedReader, Pool]]) -> None:
    reader, pool = make()
    asked = [asyncio.create_task(reader.read(b"a text", OPTIONS, "file")) for _ in range(3)]
    asked.append(asyncio.create_task(reader.read(b"broken", OPTIONS, "file")))
    async with asyncio.timeout(30):
        await pool.two.wait()
    asked[0].cancel()  # it may be the one that the others wait for
    pool.go.set()
    found = await asyncio.gather(*asked, return_exceptions=True)
    texts = [item.markdown for item in found if isinstance(item, Document)]
    assert len(texts) == 2 and set(texts) == {"a text"}
    assert isinstance(found[3], InputError)
    assert pool.asked.count(b"broken") == 1 and pool.asked.count(b"a text") <= 2


async def test_bytes_are_loaded_only_when_they_are_needed(make: Callable[[], tuple[CachedReader, Pool]]) -> None:
    reader, pool = make()
    pool.go.set()
    loaded: list[bytes] = []

    async def load() -> bytes:
        loaded.append(b"a text")
        return b"a text"

    content = content_hash(b"a text")
    for _ in range(2):
        assert (await reader.read(load, OPTIONS, "file", content=content)).markdown == "a text"
    assert (await reader.read(b"a text", OPTIONS, "file")).markdown == "a text"
    assert len(loaded) == len(pool.asked) == 1 and reader.hits == 2
    other, _ = make()  # on the same disk
    assert await other.find(content, OPTIONS, "file") is not None
    assert await other.find(content, OPTIONS, "pdf") is None


async def test_what_was_cut_by_time_is_read_again(make: Callable[[], tuple[CachedReader, Pool]]) -> None:
    reader, pool = make()
    pool.go.set()
    for _ in range(2):
        assert (await reader.read(b"late", OPTIONS, "file")).markdown == "late"
    assert pool.asked == [b"late", b"late"] and reader.hits == 0


async def test_what_cannot_be_read_reaches_no_process(make: Callable[[], tuple[CachedReader, Pool]]) -> None:
    reader, pool = make()
    with pytest.raises(RequestError, match="unsupported image"):
        await reader.read(b"a text", OPTIONS, "image")
    assert not pool.asked


def test_the_latest_urls_are_remembered() -> None:
    before = FetchedBefore(most=2)
    for name in "abac":
        before.put(name, Trace(name, "", ""))
    assert [before.find(name) is not None for name in "abc"] == [True, False, True]
