"""A generated document: its pixels and its PDFs, and what is known to stand in it.

The makers (of_*.py) write a `Page`, which knows nothing of truth, and say what a reader must find; rendering is
render.py's, what is done to the pixels is degrade.py's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from spatz.evals.documents.made_up import Language

__all__ = ["Sample", "Table", "Truth"]

Table = tuple[tuple[str, ...], ...]  # rows of cells, the header first; "" is an empty cell


@dataclass(frozen=True, slots=True)
class Truth:
    """orders: the full text, in each of the orders in which a person may read it: blocks that stand side by side have
    no order of their own. The cells of a table are read row by row.
    """

    orders: tuple[str, ...]
    tables: tuple[Table, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()  # label and value, as they stand on the page


@dataclass(frozen=True, slots=True)
class Sample:
    name: str
    kind: str  # invoice, letter, ...
    language: Language
    dpi: int  # at which it is rendered
    pdf: bytes  # one page, with its text
    truth: Truth
    fields: Mapping[str, str] = field(default_factory=dict)  # what is asked of it from end to end
