"""What was read of an image or a file, as the text that stands for it in the prompt.

The model sees where it begins, what it is and where it ends, so that it can tell it from what it is asked. Where the
text comes from is the business of inputs/. `Readings` puts it into the messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from spatz.inputs.document import Document
from spatz.inputs.fields import fields
from spatz.inputs.part import InputPart
from spatz.prompt.turn import InputRead, Message, Turn

__all__ = ["Readings", "framed", "parts_of"]

NOUNS = {"image": "Image", "pdf": "PDF", "text": "File"}


def framed(document: Document, number: int) -> str:
    """number: of this one among the request's images and files, from 1. What comes after it must not change a word of
    it: the next turn of a conversation begins with the same tokens then, which are not run again.
    """
    name = f"{NOUNS[document.kind]} {number}"
    title = f": {document.title}" if document.title else ""
    return f"[{name}{title}]\n{document.markdown.strip()}\n[End of {name}]"


class Readings:
    """What was read of a request's images and files."""

    def __init__(self, documents: Mapping[InputPart, Document] | None = None) -> None:
        self._documents = documents or {}

    def put(self, turn: Turn) -> Turn:
        """The turn with text in the places of its images and files, or with the images for a model that sees them."""
        if not parts_of(turn.messages):
            return turn
        found: list[InputRead] = []

        def text(part: object) -> object:
            if not isinstance(part, InputPart):
                return part
            document = self._documents[part]
            found.append(InputRead(part.param, document))
            place = {"kind": "document", "source": len(found) - 1}
            if document.cut is not None:
                return {"type": "image", "image": document.cut, "text": "", **place}
            return {"type": "text", "text": framed(document, len(found)), **place}

        def content(message: Message) -> list[object]:
            first = len(found)
            return [*(text(part) for part in _parts(message)), *_fields(found, first)]

        messages = [
            {**message, "content": content(message)} if _parts(message) else message for message in turn.messages
        ]
        return replace(turn, messages=messages, inputs=tuple(found))


def parts_of(messages: Iterable[Message]) -> list[InputPart]:
    return [part for message in messages for part in _parts(message) if isinstance(part, InputPart)]


def _parts(message: Message) -> Sequence[object]:
    content = message.get("content")
    return content if isinstance(content, list) else ()


def _fields(found: Sequence[InputRead], first: int) -> Iterator[object]:
    """What the forms among a message's documents say, line by line, at the message's end: close to the answer, a small
    model finds it wherever the question stands.
    """
    for place, read in enumerate(found[first:], first):
        said = fields(read.document.markdown) if read.document.cut is None else ""
        if said:
            name = f"{NOUNS[read.document.kind]} {place + 1}"
            yield {"type": "text", "text": f"Fields of {name}:\n{said}", "kind": "document", "source": place}
