"""What was read of an image or a file, as the text that stands for it in the prompt.

The model sees where it begins, what it is and where it ends, so that it can tell it from what it is asked. Where the
text comes from is inputs/ business, and where it goes is the message's.
"""

from __future__ import annotations

from spatz.inputs.document import Document

__all__ = ["framed"]

NOUNS = {"image": "Image", "pdf": "PDF", "text": "File"}


def framed(document: Document, number: int, of: int) -> str:
    """number: of this one among the request's `of` images and files, from 1."""
    name = f"{NOUNS[document.kind]} {number} of {of}" if of > 1 else NOUNS[document.kind]
    title = f": {document.title}" if document.title else ""
    return f"[{name}{title}]\n{document.markdown.strip()}\n[End of {name}]"
