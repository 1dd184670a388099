"""What was read from an image or a file: Markdown that goes into the prompt, and what there is to say about it.

Every reader (image.py, pdf.py, ...) makes one from bytes; nothing here reads. A reader raises InputError for bytes that
it cannot serve; who called it knows which part of the request they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from spatz.errors import RequestError
from spatz.inputs.cut import Cut, Tiling

__all__ = ["LATE", "Document", "InputError", "Note", "ReadOptions"]

LATE = "time_ran_out"
"""A note's code: another reading of the same bytes may find more."""


class InputError(RequestError):
    """An image or a file that cannot be served. param is put in by who knows the part."""

    def __init__(self, message: str, *, code: str = "invalid_file", status: int = 400) -> None:
        """code: invalid_image, image_too_large, invalid_file, file_too_large, unsupported_file, ..."""
        super().__init__(message, status=status, code=code)


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the caller has to know, and that the answer's usage tells: nothing is left out silently."""

    code: str  # a word for programs: "no_text", "pages_left_out", "low_confidence", ...
    message: str  # a sentence for people


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Bounds and wishes of one reading."""

    detail: Literal["auto", "low", "high"] = "auto"
    filename: str = ""
    media_type: str = ""  # what the sender says it is; what the bytes say counts
    pages: tuple[int, int] | None = None  # first and last of the pages that are read, from 1; None: all
    max_pages: int = 5_000
    max_pixels: int = 100_000_000
    max_bytes: int = 50 << 20
    max_text: int = 32 << 20  # characters of Markdown
    cut: Tiling | None = None  # an image is cut for a model that sees it, instead of being read
    max_seconds: float = 240.0  # for what is read as a picture; a PDF's pages behind it are left out, and noted


@dataclass(frozen=True, slots=True)
class Document:
    kind: Literal["image", "pdf", "text"]  # text: everything else that has been converted
    markdown: str  # without control tokens' meaning: it is data, whatever it says
    title: str = ""
    pages: int = 1
    read_pages: int = 1
    pictures: int = 0  # pages or images that were read as pictures
    confidence: float | None = None  # mean over what was recognised, 0..1; None: nothing was
    notes: tuple[Note, ...] = ()
    size: tuple[int, int] | None = None  # width and height of an image, in pixels, as it is looked at
    cut: Cut | None = None  # an image that the model is shown, and markdown is empty
