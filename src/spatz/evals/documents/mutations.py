"""Damaged images and PDFs, by a seed: what a reader must refuse or read, without a crash and within bounds.

Bits are flipped, pieces are cut off, left out, repeated and swapped with another file's, numbers are made huge. Nothing
is read here (damage.py does it).
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator, Mapping

from spatz.evals.documents.corpus import samples
from spatz.evals.documents.render import png, rendered, scanned
from spatz.inputs.reading import Accept

__all__ = ["KINDS", "mutated", "mutations", "originals"]

_HUGE = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x00", b"\x80\x00\x00\x00", b"99999999", b"-1")
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


def originals(width: int = 400) -> list[tuple[bytes, Accept]]:
    """Whole files of each format, small, because it is the bytes that count: a page and a part of it.

    width: of the pictures in pixels.
    """
    found: list[tuple[bytes, Accept]] = []
    for sample in samples(("receipt", "invoice"), 1, 0):
        page = rendered(sample.pdf, 72)
        page = page.resize((width, width * page.height // page.width))
        if sample.kind == "receipt":
            for name in _FORMATS:
                out = io.BytesIO()
                page.save(out, name)
                found.append((out.getvalue(), "image"))
        found.append((sample.pdf, "pdf"))
        found.append((scanned(page, 72), "pdf"))
        found.append((png(page), "image"))
    return found


def mutations(count: int, seed: int, width: int = 400) -> Iterator[tuple[str, bytes, Accept]]:
    """Each with what was done to it."""
    files = originals(width)
    for number in range(count):
        data, kind = files[number % len(files)]
        name = list(KINDS)[number // len(files) % len(KINDS)]
        draw = random.Random(f"{seed} {number}")
        other = draw.choice(files)[0]
        yield f"{number}: {name}", mutated(name, data, other, draw), kind


def mutated(name: str, data: bytes, other: bytes, draw: random.Random) -> bytes:
    return KINDS[name](bytearray(data), other, draw)


def _flipped(data: bytearray, other: bytes, draw: random.Random) -> bytes:
    for _ in range(draw.choice((1, 4, 32, 256))):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(data)


def _head_flipped(data: bytearray, other: bytes, draw: random.Random) -> bytes:
    """Behind the bytes that say what it is, where sizes stand."""
    for _ in range(draw.randint(1, 6)):
        data[draw.randrange(4, min(200, len(data)))] = draw.randrange(256)
    return bytes(data)


def _cut(data: bytearray, other: bytes, draw: random.Random) -> bytes:
    return bytes(data[: draw.randrange(1, len(data))])


def _left_out(data: bytearray, other: bytes, draw: random.Random) -> bytes:
    first, last = sorted(draw.sample(range(8, len(data)), 2))
    del data[first : min(last, first + 4096)]
    return bytes(data)


def _repeated(data: bytearray, other: bytes, draw: random.Random) -> bytes:
    first = draw.randrange(len(data))
    piece = data[first : first + draw.randint(1, 512)]
    return bytes(data[:first] + piece * draw.choice((2, 16, 256)) + data[first:])


def _spliced(data: bytearray, other: bytes, draw: random.Random) -> bytes:
    """The head of one and the rest of another."""
    return bytes(data[: draw.randint(8, 400)]) + other[draw.randrange(len(other)) :]


def _huge(data: bytearray, other: bytes, draw: random.Random) -> bytes:
    for _ in range(draw.randint(1, 4)):
        value = draw.choice(_HUGE)
        first = draw.randrange(8, len(data))
        data[first : first + len(value)] = value
    return bytes(data)


def _noise(data: bytearray, other: bytes, draw: random.Random) -> bytes:
    first = draw.randrange(8, len(data))
    data[first : first + 256] = draw.randbytes(len(data[first : first + 256]))
    return bytes(data)


KINDS: Mapping[str, Callable[[bytearray, bytes, random.Random], bytes]] = {
    "bits flipped": _flipped,
    "head changed": _head_flipped,
    "cut off": _cut,
    "piece left out": _left_out,
    "piece repeated": _repeated,
    "spliced": _spliced,
    "huge numbers": _huge,
    "noise": _noise,
}
