"""What passes between the server and a process that reads for it: frames of a type and a length, and JSON in them.

Nothing is unpickled. Who reads what nobody trusts may be taken over by it, so an answer's every field is checked.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, replace
from typing import Any, BinaryIO

from spatz.inputs.cut import Cut, Tiling
from spatz.inputs.document import Document, InputError, Note, ReadOptions

__all__ = [
    "DATA",
    "DOCUMENT",
    "ERROR",
    "FAILURE",
    "HEADER",
    "LAST",
    "PROGRESS",
    "REQUEST",
    "WireError",
    "decode_document",
    "decode_error",
    "decode_options",
    "encode_document",
    "encode_error",
    "encode_options",
    "frame",
    "read_frame",
]

HEADER = struct.Struct(">BQ")  # type, bytes that follow
REQUEST, DATA = 1, 2  # to the process: what to do, and the bytes to do it with
PROGRESS, DOCUMENT, ERROR = 3, 4, 5  # from it
LAST = 6  # an error after which it ends itself
FAILURE = 7  # a trace for the log

MOST_NOTES = 1000
MOST_TILES = 64  # in a row or column


class WireError(Exception):
    """What came is not what the other side would send."""


def frame(kind: int, data: bytes) -> bytes:
    return HEADER.pack(kind, len(data)) + data


def read_frame(file: BinaryIO) -> tuple[int, bytes] | None:
    """None: the other side has gone."""
    head = file.read(HEADER.size)
    if len(head) < HEADER.size:
        return None
    kind, size = HEADER.unpack(head)
    data = file.read(size)
    return (kind, data) if len(data) == size else None


def encode_options(options: ReadOptions, kind: str) -> bytes:
    return json.dumps({"kind": kind, "options": asdict(options)}).encode()


def decode_options(data: bytes) -> tuple[ReadOptions, str]:
    """From the server: it is believed."""
    value = json.loads(data)
    options = value["options"]
    pages, cut = options.pop("pages"), options.pop("cut")
    return ReadOptions(
        pages=None if pages is None else (pages[0], pages[1]), cut=None if cut is None else Tiling(**cut), **options
    ), value["kind"]


def encode_document(document: Document) -> bytes:
    """JSON, and behind a line break the tiles of an image that was cut."""
    cut = document.cut
    shape = None if cut is None else (cut.rows, cut.columns)
    head = json.dumps(asdict(replace(document, cut=None)) | {"cut": shape}).encode()
    return head if cut is None else head + b"\n" + cut.tiles


def decode_document(data: bytes) -> Document:
    """Raises WireError."""
    head, _, tiles = data.partition(b"\n")
    value = _object(head)
    cut = value.get("cut")
    if cut is not None:
        rows, columns = _pair(cut)
        cut = Cut(rows, columns, tiles)
        if max(rows, columns) > MOST_TILES or len(tiles) % (3 * cut.count):
            raise WireError("tiles")
    size = value.get("size")
    if size is not None:
        size = _pair(size)
    notes = tuple(
        Note(_text(item.get("code")), _text(item.get("message")))
        for item in _list(value.get("notes"), MOST_NOTES)
        if isinstance(item, dict)
    )
    kind = value.get("kind")
    if kind not in ("image", "pdf", "text"):
        raise WireError("kind")
    confidence = value.get("confidence")
    if confidence is not None and (not isinstance(confidence, int | float) or not 0 <= confidence <= 1):
        raise WireError("confidence")
    return Document(
        kind=kind,
        markdown=_text(value.get("markdown")),
        title=_text(value.get("title")),
        pages=_number(value.get("pages")),
        read_pages=_number(value.get("read_pages")),
        pictures=_number(value.get("pictures")),
        confidence=None if confidence is None else float(confidence),
        notes=notes,
        size=size,
        cut=cut,
    )


def encode_error(error: InputError) -> bytes:
    return json.dumps({"message": error.message, "code": error.code, "status": error.status}).encode()


def decode_error(data: bytes) -> InputError:
    """Raises WireError."""
    value = _object(data)
    status = _number(value.get("status"))
    return InputError(
        _text(value.get("message"))[:2000],
        code=_text(value.get("code"))[:100] or "invalid_file",
        status=status if 400 <= status < 600 else 400,
    )


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise WireError("no JSON") from None
    if not isinstance(value, dict):
        raise WireError("no object")
    return value


def _list(value: object, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise WireError("no list")
    return value


def _pair(value: object) -> tuple[int, int]:
    pair = _list(value, 2)
    if len(pair) != 2:
        raise WireError("no pair")
    return _number(pair[0]), _number(pair[1])


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise WireError("no text")
    # Half of a surrogate pair, which a damaged file may give, has no bytes in UTF-8.
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 53:
        raise WireError("no number")
    return value
