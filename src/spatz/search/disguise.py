"""Text as the rules for orders see it, whatever letters it is written with, and orders that hide in other writings.

fold() keeps the length of a text, so that what is found in it has a place in the text itself. What changes the length
(letters with spaces between them, digits for letters, base64, ROT13) is looked for where a piece of it gives it away.
"""

from __future__ import annotations

import base64
import codecs
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cache

from spatz.search.orders import Words, windows

__all__ = ["disguised", "fold"]

# Letters of other scripts that look like Latin ones; what Unicode itself calls a variant needs no entry.
_ALIKE = dict(
    zip(
        "авеёзкмнорстухгіјѕһԁӏԛԝ" + "αβγεηικνορστυχω" + "ոսօցհ" + "ıɡɑɩʀʏꜱᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘᴛᴜᴠᴡᴢ",  # noqa: RUF001
        "abeeзkmhopctyxrijshdlqw" + "aByenikvopotuxw" + "nuogh" + "igaiRysabcdefghijklmnoptuvwz",
        strict=True,
    )
)
_PLAIN = {
    **dict.fromkeys("*_`~#|>\\\t\r\u00a0\u2009\u202f\u3000\u2028\u2029\u2002\u2003", " "),
    **dict.fromkeys("\u2018\u2019\u201b\u2032\u00b4", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb\u2033", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
    "\u3002": ".",
    "\uff1a": ":",
}
_ASCII = str.maketrans({letter: plain for letter, plain in _PLAIN.items() if letter.isascii()})

_SPACED = ("ignore", "instruct", "disregard", "prompt", "ignorier", "oublie", "olvid")
_SEPARATORS = (".", "-", "/", "\u00b7")
_COMPACT = re.compile(
    r"(?:ignor|disregard|forget|overrid|oublie|olvid)[\w ]{0,40}?"
    r"(?:instruct|prompt|rules|previous|prior|above|guideline|anweisung|consigne|instruc)"
)
_BETWEEN = re.compile(r"(?<=\w)[^\w\n]{1,2}(?=\w\b)")
_LEET = (
    "gn0r",
    "1gnor",
    "1nstr",
    "uct10n",
    "pr3v",
    "prev10",
    "0verr",
    "pr0mpt",
    "d1sreg",
    "f0rg3",
    "forg3",
    "!gnor",
    "1gn0",
)
_DIGITS = str.maketrans("0134578@$!", "oieastbasi")
_ROT = tuple(
    codecs.encode(word, "rot13")
    for word in ("instruction", "ignore all", "ignore the", "ignore your", "ignore prev", "prompt")
)
_ENCODED = ("base64", "decode", "decodier", "encoded", "hex ", "b64")
_BASE64 = re.compile(r"(?<![\w+/])[A-Za-z0-9+/_-]{20,4000}={0,2}")
_HEX = re.compile(r"(?<!\w)(?:[0-9a-fA-F]{2}[ :]?){16,2000}")
MOST_BLOBS = 500
FEW = 64  # letters that are replaced one after another, which is faster up to there


def fold(text: str) -> str:
    """Lower case without accents, of the same length; marks of emphasis and quotation are spaces."""
    lower = text.lower()
    if text.isascii():
        return lower.translate(_ASCII)
    if len(lower) != len(text):
        lower = "".join(letter.lower()[0] for letter in text)
    strange = {letter: plain for letter in set(lower) if (plain := _folded(letter)) != letter}
    if len(strange) > FEW:
        return lower.translate({ord(letter): plain for letter, plain in strange.items()})
    for letter, plain in strange.items():
        lower = lower.replace(letter, plain)
    return lower


def disguised(text: str, folded: str, words: Words, speaks: Callable[[str], bool]) -> Iterator[int]:
    """Places in lines that speak to a model once they are read as they are meant. words: the text's own."""
    for place in _found(folded, _spelled(words)):
        if _COMPACT.search(_BETWEEN.sub("", _line(folded, place))):
            yield place
    for place in _found(folded, [piece for piece in _LEET if piece in words.joined]):
        if speaks(_line(folded, place).translate(_DIGITS)):
            yield place
    for place in _found(folded, [piece for piece in _ROT if piece.split()[0] in words.joined]):
        if speaks(fold(codecs.encode(_line(folded, place), "rot13"))):
            yield place
    if gates := [word for word in _ENCODED if word.strip() in words.joined]:
        for start, end in windows(folded, gates):
            for place, plain in _decoded(text, start, end):
                if speaks(fold(plain)):
                    yield place


def _spelled(words: Words) -> list[str]:
    """Words with something between their letters, those that may be there."""
    found = [spelled for word in _SPACED for mark in _SEPARATORS if (spelled := mark.join(word)) in words.joined]
    return found + [mark.join(word) for word in _SPACED for mark in (" ", "  ") if words.each.issuperset(word)]


def _decoded(text: str, start: int, end: int) -> Iterator[tuple[int, str]]:
    for pattern, decode in ((_BASE64, _base64), (_HEX, _hex)):
        for count, blob in enumerate(pattern.finditer(text, start, end)):
            if count == MOST_BLOBS:
                break
            plain = decode(blob[0])
            if len(plain) > 12 and plain.isprintable():
                yield blob.start(), plain


def _base64(blob: str) -> str:
    body = blob.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(body[: len(body) // 4 * 4]).decode("ascii", "ignore")


def _hex(blob: str) -> str:
    return bytes.fromhex(blob.replace(":", " ")).decode("ascii", "ignore")


def _found(text: str, pieces: Iterable[str]) -> Iterator[int]:
    """The first place of each on a line: lines are looked at whole."""
    for piece in pieces:
        place = text.find(piece)
        while place >= 0:
            yield place
            end = text.find("\n", place)
            place = text.find(piece, min(end if end >= 0 else len(text), place + 1_000))


def _line(text: str, place: int) -> str:
    """What stands around a place on its line."""
    start = max(text.rfind("\n", max(0, place - 300), place) + 1, place - 300, 0)
    end = text.find("\n", place, place + 1_000)
    return text[start : end if end >= 0 else place + 1_000]


@cache
def _folded(letter: str) -> str:
    """One letter for one: without accents, and the Latin one where it looks like that."""
    if letter in _PLAIN or letter.isascii():
        return _PLAIN.get(letter, letter)
    bare = [part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part)]
    plain = bare[0].lower()[0] if len(bare) == 1 else letter
    return _ALIKE.get(plain, plain)
