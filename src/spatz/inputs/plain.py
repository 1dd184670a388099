"""Bytes of a text to characters: Unicode where it is, what the sender names where that fits, else the likeliest."""

from __future__ import annotations

import codecs
import re

from spatz.inputs.document import Note
from spatz.inputs.sniff import wide_encoding

__all__ = ["decode"]

SAMPLE = 1 << 16
# What Western European and American texts are made of, beside ASCII: letters, quotes, dashes, signs.
_WESTERN = frozenset("äöüÄÖÜßàâçéèêëîïôùûüÿæœÀÂÇÉÈÊËÎÏÔÙÛÜŸÆŒáíóúñÁÍÓÚÑ¿¡åøÅØãõÃÕìòÌÒ°§€£„“”‚‘’«»–—…·•×±²³µ®©™½¼¾\xa0")  # noqa: RUF001
_CHARSET = re.compile(r"""charset\s*=\s*["']?([\w.:-]{2,40})""", re.IGNORECASE)


def decode(data: bytes, media_type: str = "", declared: str = "") -> tuple[str, tuple[Note, ...]]:
    """declared: an encoding that the text itself names. Never fails: a note says what was guessed or replaced."""
    head = data[:SAMPLE]
    if wide := wide_encoding(head):
        return _decode(data, wide)
    try:
        return data.decode("utf-8-sig"), ()
    except UnicodeDecodeError:
        # A file that was cut in the middle of a character, or a bad byte in much good text.
        if _mostly_utf8(data):
            return _decode(data, "utf-8-sig")
    named = _CHARSET.search(media_type)
    for name in (named.group(1) if named else "", declared):
        if name and (known := _codec(name)) and known not in ("utf-8", "utf-8-sig"):  # it is none, whoever says so
            return _decode(data, known)
    guess = _guess(data)
    return _decode(data, guess, Note("encoding_guessed", f"Its encoding is not stated; it was read as {guess}."))


def _decode(data: bytes, encoding: str, *notes: Note) -> tuple[str, tuple[Note, ...]]:
    text = data.decode(encoding, "replace")
    if (lost := text.count("\ufffd")) and lost > data.count(b"\xef\xbf\xbd"):
        note = Note("characters_replaced", f"{lost} characters are not valid in {encoding} and could not be read.")
        return text, (*notes, note)
    return text, notes


def _codec(name: str) -> str:
    """Python's name of a text encoding; "" for none. Latin-1 is read as browsers do: as cp1252."""
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        return ""
    if not getattr(found, "_is_text_encoding", True) or found.name in ("idna", "punycode", "utf-7", "undefined"):
        return ""
    if found.name in ("unicode_escape", "raw_unicode_escape", "unicode-escape", "raw-unicode-escape"):
        return ""
    return "cp1252" if found.name in ("ascii", "iso8859-1") else found.name


def _mostly_utf8(data: bytes) -> bool:
    text = data.decode("utf-8", "replace")
    bad = text.rstrip("\ufffd").count("\ufffd")
    good = len(data) - len(text)  # a character beyond ASCII takes more than one byte, what replaces a bad one takes one
    return bad < 100 and good > 8 * bad


def _guess(data: bytes) -> str:
    # Where the first strange byte is, so that a long head of ASCII does not hide it.
    first = next((match.start() for match in re.finditer(rb"[\x80-\xff]", data)), 0)
    sample = data[max(0, first - 1_024) : first + SAMPLE]
    strange = [byte for byte in sample if byte > 127]
    western = sum(letter in _WESTERN for letter in bytes(strange).decode("cp1252", "replace"))
    # Western texts have few of them, and these are known; other scripts consist of them.
    if western >= 0.9 * len(strange) and len(strange) < 0.3 * len(sample):
        return "cp1252"
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    return "cp1252" if best is None else _codec(best.encoding) or "cp1252"
