"""Bytes to a Document: what they are is found out, and the reader of that kind reads them.

The one way in for whoever has bytes; it runs in a worker process (worker.py), because what it reads is not trusted. The
readers are imported when they are needed: they and their libraries are the extra `documents`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from spatz.inputs.document import Document, InputError, ReadOptions
from spatz.inputs.sniff import IMAGES, Kind, sniff, unsupported

__all__ = ["LIBRARIES", "Accept", "Progress", "check", "read", "reader_version"]

Accept = Literal["image", "pdf", "file"]
"""What a part may be: an image, a PDF (the files of chat), or anything that can be read."""
Progress = Callable[[int, int], None]
"""(pages read, pages in all)"""

LIBRARIES = ("lxml", "onnxruntime", "pillow", "pypdfium2", "rapidocr", "trafilatura")


def check(data: bytes, options: ReadOptions, kind: Accept) -> Kind:
    """What data is, by its first bytes: cheap, and safe anywhere. Raises InputError for what is not of that kind."""
    if len(data) > options.max_bytes:
        raise InputError(
            f"The {_noun(kind)} has {len(data)} bytes, but at most {options.max_bytes} are read.",
            code="image_file_too_large" if kind == "image" else "file_too_large",
        )
    if not data:
        raise InputError(f"The {_noun(kind)} is empty.", code="empty_image_file" if kind == "image" else "empty_file")
    found = sniff(data, options)
    if kind == "image" and found not in IMAGES:
        # The API's words, with what is read here.
        raise InputError(
            "You uploaded an unsupported image. Please make sure your image has one of the following formats: "
            "['png', 'jpeg', 'gif', 'webp', 'bmp', 'tiff'].",
            code="invalid_image_format",
        )
    if kind == "pdf" and found != "pdf":
        raise InputError(
            "The file is no PDF. Chat completions take PDFs; other files can be sent to /v1/responses.",
            code="unsupported_file",
        )
    if found == "unsupported":
        raise unsupported(data)
    return found


def read(data: bytes, options: ReadOptions, kind: Accept, progress: Progress | None = None) -> Document:
    """Raises InputError for what is not of that kind, and for what cannot be read."""
    found = check(data, options, kind)
    try:
        return _read(data, options, found, progress)
    except ImportError as error:
        missing = (error.name or "a library").partition(".")[0]
        if missing == "spatz":
            raise
        raise InputError(
            f"This server cannot read the {_noun(kind)}, because '{missing}' is not installed on it: "
            'pip install "spatz[documents]" installs all that it takes.',
            code="unsupported_file",
        ) from None


def _read(data: bytes, options: ReadOptions, found: Kind, progress: Progress | None) -> Document:
    if found in IMAGES and options.cut is not None:
        from spatz.inputs.picture import open_picture
        from spatz.inputs.tiling import cut_picture

        picture = open_picture(data, options)
        cut = cut_picture(picture, options.cut, whole=options.detail == "low")
        return Document("image", "", size=picture.size, cut=cut)
    if found in IMAGES:
        from spatz.inputs.image import read_image

        return read_image(data, options)
    if found == "pdf":
        from spatz.inputs.pdf import read_pdf

        return read_pdf(data, options, progress)
    from spatz.inputs.convert import convert

    return convert(data, options)


def _noun(kind: Accept) -> str:
    return "image" if kind == "image" else "file"


@cache
def reader_version() -> str:
    """Changes with this package's code and with the libraries: what was read before is then read again."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    for name in LIBRARIES:
        try:
            digest.update(f"{name} {version(name)}".encode())
        except PackageNotFoundError:
            digest.update(name.encode())
    return digest.hexdigest()[:16]
