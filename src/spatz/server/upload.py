"""A multipart body read to the end, its file written to the disk as it comes: only a window of it is ever in memory.

What is wrong with the form is told after the body has been read: a client that is still sending would not see the
answer. What a client calls its file is kept as a name to show, and becomes no path.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from spatz.errors import RequestError
from spatz.store.drafts import Draft
from spatz.store.files import Files

__all__ = ["Upload", "uploaded"]

WINDOW = 1 << 20  # bytes that are gathered before they are written
MOST_PARTS = 16
LONGEST_FIELD = 4096  # bytes of a field that is not the file
LONGEST_NAME = 255  # characters


class Upload:
    """A form with one file."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.filename: str | None = None  # None: no file has come
        self.fields: dict[str, str] = {}


@asynccontextmanager
async def uploaded(request: Request, files: Files) -> AsyncIterator[Upload]:
    """The form of a request, read to its end. What is not kept of it is gone when the block ends."""
    draft = await files.draft()
    try:
        upload = Upload(draft)
        await _read(request, upload)
        yield upload
    finally:
        await asyncio.to_thread(draft.discard)


async def _read(request: Request, upload: Upload) -> None:
    form = _Form(upload)
    try:
        parser = MultipartParser(_boundary(request), form.callbacks())
    except FormParserError:
        raise _malformed() from None
    wrong: RequestError | None = None
    async for chunk in request.stream():
        if wrong is not None:
            continue
        try:
            parser.write(chunk)
            if len(form.data) >= WINDOW:
                await form.flush()
        except FormParserError:
            wrong = _malformed()
        except RequestError as error:
            wrong = error
    if wrong is None and not form.ended:
        wrong = _malformed()
    if wrong is not None:
        raise wrong
    await form.flush()


class _Form:
    """What the parser tells of the form."""

    def __init__(self, upload: Upload) -> None:
        self.data = bytearray()  # of the file, not written yet
        self.ended = False
        self._upload = upload
        self._parts = 0
        self._name = ""  # of the part
        self._is_file = False
        self._value = bytearray()
        self._header = (bytearray(), bytearray())
        self._disposition = b""

    def callbacks(self) -> Any:
        names = ("part_begin", "part_data", "part_end", "header_field", "header_value", "header_end")
        return {f"on_{name}": getattr(self, f"_{name}") for name in (*names, "headers_finished", "end")}

    async def flush(self) -> None:
        data, self.data = bytes(self.data), bytearray()
        await asyncio.to_thread(self._upload.draft.write, data)

    def _part_begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise RequestError(f"The form has more than {MOST_PARTS} parts.", code="invalid_value")
        self._value = bytearray()
        self._disposition = b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _header_end(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = bytes(value)
        self._header = (bytearray(), bytearray())

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"name" not in options:
            raise _malformed()
        self._name = options[b"name"].decode("utf-8", "replace")
        self._is_file = b"filename" in options
        if self._is_file != (self._name == "file"):
            expected = "a file" if self._name == "file" else "a text"
            shown = self._name[:100]
            raise RequestError(f"Invalid '{shown}': expected {expected}.", param=shown, code="invalid_type")
        if self._is_file:
            if self._upload.filename is not None:
                raise RequestError("Only one file can be uploaded at once.", param="file", code="invalid_value")
            self._upload.filename = clean_name(options[b"filename"].decode("utf-8", "replace"))
        elif self._name in self._upload.fields:
            shown = self._name[:100]
            raise RequestError(f"Invalid '{shown}': it is given more than once.", param=shown, code="invalid_value")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self.data += data[start:end]
            return
        self._value += data[start:end]
        if len(self._value) > LONGEST_FIELD:
            shown = self._name[:100]
            raise RequestError(f"Invalid '{shown}': too long.", param=shown, code="string_above_max_length")

    def _part_end(self) -> None:
        if not self._is_file:
            self._upload.fields[self._name] = self._value.decode("utf-8", "replace")

    def _end(self) -> None:
        self.ended = True


def clean_name(name: str) -> str:
    """The last part of what may be a path, without control characters."""
    name = re.sub(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]", "", name)
    name = re.split(r"[/\\]", name)[-1].strip()[:LONGEST_NAME]
    return name if name.strip(".") else "file"


def _boundary(request: Request) -> bytes:
    _, options = parse_options_header(request.headers.get("content-type", ""))
    if not options.get(b"boundary"):
        raise _malformed()
    return options[b"boundary"]


def _malformed() -> RequestError:
    return RequestError("We could not parse the multipart body of your request.", code="invalid_multipart")
