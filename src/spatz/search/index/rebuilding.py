"""A new index in the place of one that is damaged, of another version, or wanted anew: its sources are kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spatz.search.index import index_file
from spatz.search.index.index_writer import IndexWriter
from spatz.search.index.source import Source, from_row

__all__ = ["begin_anew"]


def begin_anew(folder: Path) -> Sequence[Source]:
    """An empty index with the sources that the old one still tells. Raises IndexUnusable where another writes."""
    with index_file.locked(folder):
        sources = [from_row(*row) for row in index_file.salvaged(folder)]
        index_file.delete(folder)
    with IndexWriter.open(folder) as writer:
        for source in sources:
            writer.source(source)
    return sources
