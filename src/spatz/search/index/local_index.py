"""Finding in the index: questions in, documents out, best first. Any thread may ask; writing is index_writer.py's.

A search takes the best rows by BM25 (parts of documents, with their titles and headings), puts the parts of one
document together and reads the text of those that are wanted. Readers see what a writer has committed, and a new index
in the place of an old one, without being opened again.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Self

from spatz.search.index import index_file
from spatz.search.index.asking import asked
from spatz.search.index.entry import Entry, Hit, NewDocument
from spatz.search.index.order import Found, in_order
from spatz.search.index.schema import PART_BITS
from spatz.search.index.snippets import snippet
from spatz.search.index.source import Source, from_row
from spatz.search.index.vocabulary import SqlVocabulary

__all__ = ["LocalIndex"]

ROWS = 60  # parts that are put together; more where few are wanted of each document
LONGEST = 60_000  # characters of a document that is given whole
AROUND = 1  # parts given beside one that was found, of longer ones
MOST_CONNECTIONS = 8
ENTRY = "id, url, title, date, hash, etag, last_modified, bytes, mtime_ns, characters, indexed"


class LocalIndex:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = Lock()
        self._free: list[sqlite3.Connection] = []
        self._identity: tuple[int, int] | None = None

    @classmethod
    def open(cls, folder: Path) -> Self:
        """An index that is not there yet is an empty one. Raises IndexUnusable."""
        index = cls(folder)
        with index._connection():
            pass
        return index

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether there is one; it may be empty, or not usable."""
        return index_file.identity(folder) is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Its files, until it is asked again."""
        with self._lock:
            connections, self._free = self._free, []
        for connection in connections:
            connection.close()

    # --- writing, for those who have a few documents ----------------------------------------------------------------

    def add(self, documents: Iterable[NewDocument], source: Source | None = None) -> int:
        """How many were new or changed. source: what they are listed under. Raises IndexUnusable."""
        from spatz.search.index.index_writer import IndexWriter

        with IndexWriter.open(self.folder) as writer:
            number = writer.source(source or Source("file", "added"))
            return sum(writer.put(document, number, document.url) != "unchanged" for document in documents)

    def remove(self, address: str) -> int:
        """A source with all that only it names, or one document by its URL: how many documents went."""
        from spatz.search.index.index_writer import IndexWriter

        with IndexWriter.open(self.folder) as writer:
            return writer.remove(address)

    # --- searching --------------------------------------------------------------------------------------------------

    def search(
        self,
        question: str,
        *,
        count: int = 10,
        domains: Sequence[str] = (),
        blocked_domains: Sequence[str] = (),
        since: str = "",
    ) -> list[Hit]:
        """domains: only these hosts and those below them. since: YYYY-MM-DD; what has no date is found all the same.

        Raises IndexUnusable.
        """
        with self._connection() as connection:
            if connection is None or count < 1:
                return []
            query = asked(question, SqlVocabulary(connection))
            if not query.match:
                return []
            condition, values = _condition(domains, blocked_domains, since)
            rows = connection.execute(
                f"SELECT rowid, rank FROM words WHERE words MATCH ?{condition} ORDER BY rank LIMIT ?",
                (query.match, *values, max(ROWS, 6 * count)),
            ).fetchall()
            found: dict[int, Found] = {}
            for number, rank in rows:
                found.setdefault(number >> PART_BITS, (-rank, []))[1].append(number)
            hits: list[Hit] = []
            texts: set[str] = set()
            for document, (score, numbers) in in_order(connection, found, query.words):
                hit = _hit(connection, document, score, numbers, tuple(query.words), texts)
                if hit is not None:
                    hits.append(hit)
                    if len(hits) == count:
                        break
            return hits

    # --- looking ----------------------------------------------------------------------------------------------------

    def list(self, *, limit: int = -1) -> Iterator[Entry]:
        """Documents, by URL."""
        with self._connection() as connection:
            if connection is not None:
                for row in connection.execute(f"SELECT {ENTRY} FROM document ORDER BY url LIMIT ?", (limit,)):
                    yield Entry(*row)

    def sources(self) -> Sequence[tuple[Source, int, int | None]]:
        """With how many documents each names, and when it was last gone through to its end."""
        with self._connection() as connection:
            if connection is None:
                return []
            rows = connection.execute(
                "SELECT kind, address, options, updated, (SELECT count(*) FROM member WHERE member.source = source.id)"
                " FROM source ORDER BY id"
            ).fetchall()
        return [(from_row(*row[:3]), row[4], row[3]) for row in rows]

    def stats(self) -> dict[str, Any]:
        with self._connection() as connection:
            counts = (0, 0, 0, None)
            parts = forms = 0
            if connection is not None:
                counts = connection.execute(
                    "SELECT count(*), coalesce(sum(characters), 0), count(DISTINCT host), max(indexed) FROM document"
                ).fetchone()
                parts = connection.execute("SELECT count(*) FROM part").fetchone()[0]
                forms = connection.execute("SELECT count(*) FROM word").fetchone()[0]
        files = [path.stat().st_size for path in self.folder.glob("documents.db*")]
        return {
            "folder": str(self.folder),
            "documents": counts[0],
            "characters": counts[1],
            "hosts": counts[2],
            "indexed": counts[3],
            "parts": parts,
            "words": forms,
            "bytes": sum(files),
        }

    def text(self, url: str) -> str | None:
        """A document's whole Markdown."""
        with self._connection() as connection:
            if connection is None:
                return None
            row = connection.execute("SELECT id, parts FROM document WHERE url = ?", (url,)).fetchone()
            return None if row is None else _text(connection, row[0], range(row[1]))

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection | None]:
        """None where there is no index yet. What SQLite complains of while it is used means that it is damaged."""
        there = index_file.identity(self.folder)
        with self._lock:
            if there != self._identity:
                stale, self._free, self._identity = self._free, [], there
            else:
                stale = []
            connection = self._free.pop() if self._free else None
        for old in stale:
            old.close()
        if there is None:
            yield None
            return
        connection = connection or index_file.readable(self.folder)
        try:
            connection.execute("BEGIN")  # all that is read is of one moment
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            connection.close()
            connection = None
            raise index_file.damaged(self.folder, error) from None
        except (Exception, GeneratorExit):
            connection.rollback()
            raise
        finally:
            if connection is not None:
                self._give_back(connection, there)

    def _give_back(self, connection: sqlite3.Connection, identity: tuple[int, int]) -> None:
        with self._lock:
            if identity == self._identity and len(self._free) < MOST_CONNECTIONS:
                self._free.append(connection)
                return
        connection.close()


def _condition(domains: Sequence[str], blocked: Sequence[str], since: str) -> tuple[str, list[str]]:
    """What narrows the rows down, and its values."""
    parts: list[str] = []
    values: list[str] = []
    if domains:
        parts.append("(" + " OR ".join(["host = ? OR host LIKE ? ESCAPE '!'"] * len(domains)) + ")")
        values += _hosts(domains)
    if blocked:
        parts.append("NOT (" + " OR ".join(["host = ? OR host LIKE ? ESCAPE '!'"] * len(blocked)) + ")")
        values += _hosts(blocked)
    if since:
        parts.append("(date = '' OR date >= ?)")
        values.append(since)
    if not parts:
        return "", []
    return f" AND (rowid >> {PART_BITS}) IN (SELECT id FROM document WHERE {' AND '.join(parts)})", values


def _hosts(domains: Sequence[str]) -> Iterator[str]:
    for domain in domains:
        plain = domain.lower().strip(".")
        yield plain
        yield "%." + plain.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def _hit(
    connection: sqlite3.Connection,
    document: int,
    score: float,
    numbers: list[int],
    words: Sequence[str],
    texts: set[str],
) -> Hit | None:
    """None for what was given already under another URL."""
    row = connection.execute(
        "SELECT url, title, date, text_hash, characters, parts FROM document WHERE id = ?", (document,)
    ).fetchone()
    if row is None or row[3] in texts:
        return None
    url, title, date, text_hash, characters, parts = row
    texts.add(text_hash)
    best = numbers[0] - (document << PART_BITS)
    if characters <= LONGEST:
        wanted: Sequence[int] = range(parts)
    else:
        near = {
            number - (document << PART_BITS) + step for number in numbers[:4] for step in range(-AROUND, AROUND + 1)
        }
        wanted = [place for place in sorted(near) if 0 <= place < parts]
    shown = snippet(_text(connection, document, (best,)), words)
    return Hit(url, title, date, shown, _text(connection, document, wanted), score)


def _text(connection: sqlite3.Connection, document: int, places: Sequence[int]) -> str:
    first = document << PART_BITS
    pieces: list[str] = []
    last = -1
    for place in places:
        row = connection.execute("SELECT text FROM part WHERE id = ?", (first + place,)).fetchone()
        if row is not None:
            pieces += ["\n\n[...]\n\n"] if place != last + 1 else []
            pieces.append(zlib.decompress(row[0]).decode())
        last = place
    return "".join(pieces)
