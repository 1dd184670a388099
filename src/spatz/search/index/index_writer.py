"""Writing the index: documents put in, changed and taken out, under the lock that one process has.

What is put in is seen by readers after the next commit, which happens by itself every few seconds and at the end, also
where the end is an error or Ctrl-C: what was done is kept. Sources name documents; one that no source names any more is
deleted.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from spatz.search.index import index_file
from spatz.search.index.entry import Entry, NewDocument
from spatz.search.index.feeding import feed, forms, name_of, parts
from spatz.search.index.local_index import ENTRY
from spatz.search.index.schema import PART_BITS
from spatz.search.index.source import Source, from_row

__all__ = ["IndexWriter", "Put"]

COMMIT_SECONDS = 3.0
COMMIT_DOCUMENTS = 500
TIDY = 500  # documents written after which the index is put in order, which searches profit of

Put = Literal["added", "changed", "unchanged"]

_SURROGATES = re.compile("[\ud800-\udfff]")


class IndexWriter:
    """As a context manager it commits at the end, whatever ended it."""

    def __init__(self, folder: Path, connection: sqlite3.Connection, held: ExitStack) -> None:
        self.folder = folder
        self._connection = connection
        self._held = held
        self._known: set[str] = set()  # words that are in the index
        self._pending = 0
        self._written = 0
        self._committed = time.monotonic()

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Raises IndexUnusable, also where another process writes."""
        with ExitStack() as stack:
            stack.enter_context(index_file.locked(folder))
            connection = index_file.writable(folder)
            stack.callback(connection.close)
            return cls(folder, connection, stack.pop_all())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            with self._errors():
                self.commit()
                if self._written >= TIDY:
                    self._connection.execute("INSERT INTO words(words) VALUES('optimize')")
                    with suppress(sqlite3.OperationalError):  # a reader that looks at older pages
                        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self._held.close()

    # --- sources ----------------------------------------------------------------------------------------------------

    def source(self, source: Source) -> int:
        """Its number: new, or that of the one with this address, which is then gone through as this one says."""
        with self._change():
            self._connection.execute(
                "INSERT INTO source(kind, address, options, added) VALUES(?, ?, ?, ?)"
                " ON CONFLICT(address) DO UPDATE SET kind = excluded.kind, options = excluded.options",
                (source.kind, source.address, source.options(), int(time.time())),
            )
            row = self._connection.execute("SELECT id FROM source WHERE address = ?", (source.address,)).fetchone()
        return int(row[0])

    def sources(self) -> list[tuple[int, Source]]:
        with self._errors():
            rows = self._connection.execute("SELECT id, kind, address, options FROM source ORDER BY id").fetchall()
        return [(row[0], from_row(*row[1:])) for row in rows]

    def gone_through(self, source: int) -> None:
        with self._change():
            self._connection.execute("UPDATE source SET updated = ? WHERE id = ?", (int(time.time()), source))

    def keys(self, source: int) -> dict[str, int]:
        """By which keys a source names which documents."""
        with self._errors():
            return dict(self._connection.execute("SELECT key, document FROM member WHERE source = ?", (source,)))

    # --- documents --------------------------------------------------------------------------------------------------

    def known(self, source: int, key: str) -> Entry | None:
        """What a source's key led to when it was last looked at."""
        with self._errors():
            row = self._connection.execute(
                f"SELECT {ENTRY} FROM document WHERE id = (SELECT document FROM member WHERE source = ? AND key = ?)",
                (source, key),
            ).fetchone()
        return None if row is None else Entry(*row)

    def by_url(self, url: str) -> Entry | None:
        with self._errors():
            row = self._connection.execute(f"SELECT {ENTRY} FROM document WHERE url = ?", (url,)).fetchone()
        return None if row is None else Entry(*row)

    def links(self, document: int) -> tuple[str, ...]:
        with self._errors():
            row = self._connection.execute("SELECT links FROM document WHERE id = ?", (document,)).fetchone()
        return tuple(json.loads(zlib.decompress(row[0]))) if row is not None and row[0] is not None else ()

    def put(self, document: NewDocument, source: int, key: str) -> Put:
        """In the place of what has its URL. Only what says of when it is may change without making it another."""
        with self._change():
            text = _SURROGATES.sub("\ufffd", document.markdown)
            title = _SURROGATES.sub("\ufffd", document.title)
            text_hash = hashlib.sha256(text.encode()).hexdigest()
            row = self._connection.execute(
                "SELECT id, text_hash, title FROM document WHERE url = ?", (document.url,)
            ).fetchone()
            result: Put = "added" if row is None else "unchanged" if tuple(row[1:]) == (text_hash, title) else "changed"
            if row is not None and result == "changed":
                self._take_out(row[0])
            number = row[0] if row is not None else None
            number = self._write_facts(document, title, text_hash, len(text), number)
            if result != "unchanged":
                self._write_text(number, document.url, title, text)
            self._name(source, key, number)
            self._written += result != "unchanged"
        return result

    def touch(self, source: int, key: str, document: int, mtime_ns: int | None = None) -> None:
        """It is there, and as it was."""
        with self._change():
            self._name(source, key, document)
            if mtime_ns is not None:
                self._connection.execute("UPDATE document SET mtime_ns = ? WHERE id = ?", (mtime_ns, document))

    def forget(self, source: int, key: str) -> bool:
        """A source's key leads to nothing any more: whether a document went with it."""
        with self._change():
            row = self._connection.execute(
                "DELETE FROM member WHERE source = ? AND key = ? RETURNING document", (source, key)
            ).fetchall()
            gone = sum(self._sweep(document) for (document,) in row)
        return gone > 0

    def remove(self, address: str) -> int:
        """A source by its address with all that only it names, or one document by its URL: how many documents went."""
        with self._change():
            row = self._connection.execute("SELECT id FROM source WHERE address = ?", (address,)).fetchone()
            if row is not None:
                documents = self._connection.execute(
                    "DELETE FROM member WHERE source = ? RETURNING document", row
                ).fetchall()
                self._connection.execute("DELETE FROM source WHERE id = ?", row)
            else:
                documents = self._connection.execute("SELECT id FROM document WHERE url = ?", (address,)).fetchall()
                self._connection.executemany("DELETE FROM member WHERE document = ?", documents)
            return sum(self._sweep(document) for document in dict.fromkeys(one for (one,) in documents))

    def commit(self) -> None:
        with self._errors():
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")
        self._pending = 0
        self._committed = time.monotonic()

    # --- rows -------------------------------------------------------------------------------------------------------

    def _write_facts(
        self, document: NewDocument, title: str, text_hash: str, characters: int, number: int | None
    ) -> int:
        try:
            host = (urlsplit(document.url).hostname or "").lower()
        except ValueError:
            host = ""
        links = zlib.compress(json.dumps(document.links).encode()) if document.links else None
        values = {
            "id": number,
            "url": document.url,
            "host": host,
            "title": title,
            "date": document.date,
            "hash": document.hash,
            "text_hash": text_hash,
            "etag": document.etag,
            "last_modified": document.last_modified,
            "bytes": document.bytes,
            "mtime_ns": document.mtime_ns,
            "characters": characters,
            "parts": 0,
            "links": links,
            "indexed": int(time.time()),
        }
        changed = ", ".join(f"{name} = excluded.{name}" for name in values if name not in ("id", "url", "parts"))
        row = self._connection.execute(
            f"INSERT INTO document({', '.join(values)}) VALUES({', '.join('?' * len(values))})"
            f" ON CONFLICT(url) DO UPDATE SET {changed} RETURNING id",
            tuple(values.values()),
        ).fetchall()
        return int(row[0][0])

    def _write_text(self, number: int, url: str, title: str, text: str) -> None:
        name = name_of(url)
        place = 0
        for place, (heading, part) in enumerate(parts(text) if text else [("", "")]):
            row = (number << PART_BITS) + place
            packed = zlib.compress(part.encode(), 3)
            self._connection.execute("INSERT INTO part(id, heading, text) VALUES(?, ?, ?)", (row, heading, packed))
            fed = feed(title, heading, part, name)
            self._connection.execute(
                "INSERT INTO words(rowid, title, headings, body, also) VALUES(?, ?, ?, ?, ?)", (row, *fed)
            )
            new = forms(" ".join((fed.title, fed.body))) - self._known
            self._known |= new
            self._connection.executemany(
                "INSERT OR IGNORE INTO word(form) VALUES(?)", [(form,) for form in sorted(new)]
            )
        self._connection.execute("UPDATE document SET parts = ? WHERE id = ?", (place + 1, number))

    def _take_out(self, number: int) -> None:
        """A document's text, before its row changes: the same must be fed to take it out as was to put it in."""
        url, title, count = self._connection.execute(
            "SELECT url, title, parts FROM document WHERE id = ?", (number,)
        ).fetchone()
        name = name_of(url)
        first = number << PART_BITS
        for row, heading, packed in self._connection.execute(
            "SELECT id, heading, text FROM part WHERE id >= ? AND id < ? ORDER BY id", (first, first + count)
        ).fetchall():
            fed = feed(title, heading, zlib.decompress(packed).decode(), name)
            self._connection.execute(
                "INSERT INTO words(words, rowid, title, headings, body, also) VALUES('delete', ?, ?, ?, ?, ?)",
                (row, *fed),
            )
        self._connection.execute("DELETE FROM part WHERE id >= ? AND id < ?", (first, first + count))

    def _name(self, source: int, key: str, document: int) -> None:
        row = self._connection.execute(
            "SELECT document FROM member WHERE source = ? AND key = ?", (source, key)
        ).fetchone()
        if row is not None and row[0] == document:
            return
        self._connection.execute(
            "INSERT INTO member(source, key, document) VALUES(?, ?, ?)"
            " ON CONFLICT(source, key) DO UPDATE SET document = excluded.document",
            (source, key, document),
        )
        if row is not None:
            self._sweep(row[0])

    def _sweep(self, document: int) -> bool:
        """Delete it if no source names it."""
        if self._connection.execute("SELECT 1 FROM member WHERE document = ? LIMIT 1", (document,)).fetchone():
            return False
        self._take_out(document)
        self._connection.execute("DELETE FROM document WHERE id = ?", (document,))
        self._written += 1
        return True

    # --- transactions -----------------------------------------------------------------------------------------------

    @contextmanager
    def _change(self) -> Iterator[None]:
        """All of a change or nothing, also where Ctrl-C comes in the middle of it."""
        with self._errors():
            if not self._connection.in_transaction:
                self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("SAVEPOINT change")
            try:
                yield
            except BaseException:
                if self._connection.in_transaction:  # a full disk has ended it already
                    self._connection.execute("ROLLBACK TO change")
                self._known.clear()
                raise
            self._connection.execute("RELEASE change")
        self._pending += 1
        if self._pending >= COMMIT_DOCUMENTS or time.monotonic() - self._committed > COMMIT_SECONDS:
            self.commit()

    def _errors(self) -> index_file.Errors:
        return index_file.Errors(self.folder)
