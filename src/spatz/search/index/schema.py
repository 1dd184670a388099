"""The index's tables, in SQLite with its full-text search (FTS5), and their version.

SQLite, because it was as good as a search library of its own and needs no dependency: docs/log.md has the figures. Its
log (WAL) lets a running server read while a command writes, and a crash loses at most what was not committed.
"""

from __future__ import annotations

from spatz.errors import SpatzError

__all__ = ["APPLICATION", "PART_BITS", "TABLES", "VERSION", "IndexUnusable"]

APPLICATION = 0x53705A69  # "SpZi", in the file's header
# Of the tables and of what is fed to them (feeding.py): whoever changes either counts on.
VERSION = 1
PART_BITS = 13  # a part's number is the document's, shifted, and its place in it

# Weights of title, headings, body and other names, measured on ten thousand pages.
RANK = "bm25(8.0, 2.0, 1.0, 1.5)"

TABLES = (
    """CREATE TABLE source(
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, address TEXT NOT NULL UNIQUE, options TEXT NOT NULL,
        added INTEGER NOT NULL, updated INTEGER)""",
    """CREATE TABLE document(
        id INTEGER PRIMARY KEY, url TEXT NOT NULL UNIQUE, host TEXT NOT NULL, title TEXT NOT NULL, date TEXT NOT NULL,
        hash TEXT NOT NULL, text_hash TEXT NOT NULL, etag TEXT NOT NULL, last_modified TEXT NOT NULL,
        bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, characters INTEGER NOT NULL, parts INTEGER NOT NULL,
        links BLOB, indexed INTEGER NOT NULL)""",
    "CREATE INDEX document_host ON document(host)",
    # Which source named it, and by which key: a path, or the URL that was asked for.
    """CREATE TABLE member(
        source INTEGER NOT NULL, key TEXT NOT NULL, document INTEGER NOT NULL, PRIMARY KEY(source, key)
        ) WITHOUT ROWID""",
    "CREATE INDEX member_document ON member(document)",
    "CREATE TABLE part(id INTEGER PRIMARY KEY, heading TEXT NOT NULL, text BLOB NOT NULL)",
    # Words as they are written, for corrections of a question's. None is taken out but by a new index.
    "CREATE TABLE word(form TEXT PRIMARY KEY) WITHOUT ROWID",
    """CREATE VIRTUAL TABLE words USING fts5(
        title, headings, body, also, content='', tokenize='porter unicode61 remove_diacritics 2')""",
    f"INSERT INTO words(words, rank) VALUES('rank', '{RANK}')",
    f"PRAGMA application_id={APPLICATION}",
    f"PRAGMA user_version={VERSION}",
)


class IndexUnusable(SpatzError):
    """The index is damaged, of another version, or being written by another process."""

    def __init__(self, message: str, reason: str) -> None:
        """reason: half a sentence without paths, for those who ask a server."""
        super().__init__(message)
        self.reason = reason
