"""Content-Encoding undone in small pieces, so that whoever adds them up can stop. gzip and deflate: what we ask for."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from spatz.inputs.document import InputError

__all__ = ["Decompressor", "decompressor"]

PIECE = 1 << 18
_GZIP, _ZLIB, _RAW = 31, 15, -15  # zlib's wbits


class Decompressor:
    """Passes on what it is fed."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Pieces of bounded size."""
        yield chunk

    def finish(self) -> None:
        """Raises InputError where the end is missing."""


class Inflater(Decompressor):
    def __init__(self, wbits: int) -> None:
        self._wbits = wbits
        self._engine = zlib.decompressobj(wbits)
        self._began = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        if not chunk:
            return
        if not self._began:
            self._began = True
            # "deflate" should have zlib's header (RFC 9110), and some servers leave it out.
            if self._wbits == _ZLIB and chunk[0] & 0x0F != 8:
                self._engine = zlib.decompressobj(_RAW)
        while True:
            if self._engine.eof:
                if self._wbits != _GZIP or chunk[:1] != b"\x1f":
                    return  # padding
                self._engine = zlib.decompressobj(_GZIP)  # another member
            try:
                piece = self._engine.decompress(chunk, PIECE)
            except zlib.error:
                raise _damaged() from None
            yield piece
            chunk = self._engine.unused_data if self._engine.eof else self._engine.unconsumed_tail
            if not chunk and (self._engine.eof or len(piece) < PIECE):
                return  # a full piece may have more behind it, without any input

    def finish(self) -> None:
        if self._began and not self._engine.eof:
            raise _damaged()


def decompressor(content_encoding: str) -> Decompressor:
    """Raises InputError for what was not asked for, several layers among it."""
    name = content_encoding.lower()
    if name in ("", "identity"):
        return Decompressor()
    if name in ("gzip", "x-gzip"):
        return Inflater(_GZIP)
    if name == "deflate":
        return Inflater(_ZLIB)
    raise InputError("the URL's server sends an encoding that was not asked for", code="fetch_failed")


def _damaged() -> InputError:
    return InputError("the URL's content is damaged: it cannot be decompressed", code="fetch_failed")
