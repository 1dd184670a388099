"""XML of files that nobody vouches for: no entities, no DTD, nothing from the network, bounded depth.

libxml2 itself bounds depth (256 elements) and the length of a text; a document with a type declaration is refused
where the format has none (Office Open XML forbids it), because entities are what bombs are made of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any

from spatz.inputs.archive import ERRORS
from spatz.inputs.document import InputError

__all__ = ["Element", "attribute", "each", "local", "parse", "whole"]

Element = Any  # lxml.etree._Element: lxml has no types of its own

PIECE = 1 << 16


def _spelled(word: str) -> tuple[bytes, ...]:
    return tuple(word.encode(code) for code in ("ascii", "utf-16-le", "utf-16-be"))


_ENTITY, _DOCTYPE = _spelled("<!ENTITY"), _spelled("<!DOCTYPE")
_OVERLAP = max(map(len, _DOCTYPE))


def parse(data: bytes, *, doctype: bool = False) -> Element:
    """The root. doctype: whether a type declaration may be there; entities may not in any case. Raises InputError."""
    from lxml import etree

    _refuse_declarations(data, doctype)
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, recover=False)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError):
        raise _damaged() from None
    if root is None:
        raise _damaged()
    return root


def each(stream: IO[bytes], *tags: str) -> Iterator[Element]:
    """The elements of these tags as they end, in one walk. Each is emptied after use, so memory stays small."""
    from lxml import etree

    parser = etree.XMLPullParser(
        ("end",), tag=tags, resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False
    )
    tail = b""
    try:
        while piece := stream.read(PIECE):
            _refuse_declarations(tail + piece, False)
            tail = piece[-_OVERLAP:]
            parser.feed(piece)
            for _, element in parser.read_events():
                yield element
                _forget(element)
        parser.close()
        for _, element in parser.read_events():
            yield element
    except (etree.XMLSyntaxError, LookupError, *ERRORS):
        raise _damaged() from None


def local(element: Element) -> str:
    """The tag without its namespace; "" for comments and the like."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: Element, name: str) -> str:
    """An attribute in its element's own namespace."""
    space = element.tag.rpartition("}")[0]
    return element.get(f"{space}}}{name}" if space else name) or ""


def whole(text: str, default: int = 0, most: int = 1_000_000) -> int:
    """A number that a file gives as text, bounded; default for what is none."""
    return min(int(text), most) if re.fullmatch(r"\d{1,9}", text) else default


def _forget(element: Element) -> None:
    element.clear(keep_tail=False)
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _refuse_declarations(data: bytes, doctype: bool) -> None:
    if any(word in data for word in (_ENTITY if doctype else _ENTITY + _DOCTYPE)):
        raise InputError("it is damaged: its XML declares a type or entities")


def _damaged() -> InputError:
    return InputError("it is damaged: its XML cannot be read")
