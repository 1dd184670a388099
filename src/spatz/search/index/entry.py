"""A document as the index keeps it: what it is, where it came from, how to see whether it has changed."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Entry", "Hit", "NewDocument"]


@dataclass(frozen=True, slots=True)
class NewDocument:
    url: str  # that is cited
    title: str
    markdown: str
    date: str = ""  # YYYY-MM-DD; "" where it is not known
    hash: str = ""  # of the bytes that it was read from
    etag: str = ""  # as the server says
    last_modified: str = ""
    bytes: int = 0
    mtime_ns: int = 0  # a file's
    links: tuple[str, ...] = ()  # a page's, whole URLs: a crawl goes on from a page that has not changed


@dataclass(frozen=True, slots=True)
class Entry:
    id: int
    url: str
    title: str
    date: str
    hash: str = field(repr=False)
    etag: str = field(repr=False)
    last_modified: str = field(repr=False)
    bytes: int
    mtime_ns: int = field(repr=False)
    characters: int
    indexed: int  # when, in seconds since 1970


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that was found."""

    url: str
    title: str
    date: str
    snippet: str
    text: str  # its Markdown; of a very long document the parts around what was found
    score: float
