"""Images and files of a request, from what a message says of them to what was read: before any prompt is made.

Routes hand over the parts; where each one's bytes are (in a data: URL, in a file of the caller's, on another server) is
found out here, and they are read beside the engine (inputs/). What is wrong with one is told with its path. Who asked
puts what was read in the parts' places (prompt/documents.py).
"""

from __future__ import annotations

import asyncio
import re
from binascii import a2b_base64
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from spatz.errors import RequestError
from spatz.inputs.cache import content_hash
from spatz.inputs.document import Document, InputError, ReadOptions
from spatz.inputs.fetch import ANYTHING, IMAGES
from spatz.inputs.fetched import Trace
from spatz.inputs.part import InputPart
from spatz.inputs.reader import read_options
from spatz.inputs.reading import Accept
from spatz.prompt.documents import Readings
from spatz.server.caller import Caller
from spatz.server.state import State

__all__ = ["decoded", "read_parts"]

PAST = ("previous_response_id", "conversation")  # where the items of earlier turns come from
PURPOSES = ("user_data", "vision", "assistants")  # of stored files that can be read
LONG_DATA = 1 << 18  # characters of base64 from which on it is decoded in a thread
PIECE = 1 << 18  # characters that are decoded at once
URL = re.compile(r"https?://", re.IGNORECASE)
DATA_URL = re.compile(r"data:([^,;]*)((?:;[^,;]*)*),")


async def read_parts(state: State, caller: Caller, parts: Sequence[InputPart], *, pdf_only: bool = False) -> Readings:
    """pdf_only: the files of chat. Raises RequestError, with the part's path, for what cannot be had or read."""
    if not parts:
        return Readings()
    most = state.settings.input_parts
    if len(parts) > most:
        raise RequestError(
            f"The request has {len(parts)} images and files, but at most {most} are read.",
            param=parts[most].param,
            code="too_many_inputs",
        )
    # As many as can be read at once: the others' bytes would only lie in memory.
    room = asyncio.Semaphore(state.settings.input_workers)
    documents: dict[InputPart, Document] = {}

    async def read_one(part: InputPart) -> None:
        async with room:
            documents[part] = await _Reading(state, caller, part, pdf_only).document()

    try:
        async with asyncio.TaskGroup() as group:
            for part in dict.fromkeys(parts):
                group.create_task(read_one(part))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return Readings(documents)


@dataclass(slots=True)
class _Source:
    """Where a part's bytes are."""

    data: bytes | Callable[[], Awaitable[bytes]]
    content: str = ""  # the hash of what is to be loaded
    filename: str = ""
    media_type: str = ""


class _Reading:
    """Of one part. A model that sees images itself is given them instead: this is where that is decided."""

    def __init__(self, state: State, caller: Caller, part: InputPart, pdf_only: bool) -> None:
        self._state = state
        self._caller = caller
        self._part = part
        self._pdf_only = pdf_only
        cut = state.model.tiling if part.kind == "image" else None
        self._options: ReadOptions = replace(read_options(state.settings), detail=part.detail, cut=cut)

    async def document(self) -> Document:
        start = perf_counter()
        outcome = "failed"
        try:
            document = await self._before() or await self._read(await self._source())
            outcome = document.kind
        except RequestError as error:
            raise _placed(error, self._part.param) from None
        finally:
            self._state.metrics.read_input(outcome, perf_counter() - start)
        return document

    async def _read(self, source: _Source) -> Document:
        return await self._state.reader.read(source.data, self._options_for(source), self._kind, content=source.content)

    async def _before(self) -> Document | None:
        """What an earlier turn's URL gave then: it may give something else by now, and need not be asked again."""
        part = self._part
        trace = self._state.fetched.find(part.url) if part.param in PAST else None
        if trace is None:
            return None
        options = self._options_for(_Source(b"", trace.content, trace.filename, trace.media_type))
        return None if options.cut else await self._state.reader.find(trace.content, options, self._kind)

    @property
    def _kind(self) -> Accept:
        return "image" if self._part.kind == "image" else "pdf" if self._pdf_only else "file"

    def _options_for(self, source: _Source) -> ReadOptions:
        name = self._part.filename or source.filename
        return replace(self._options, filename=name, media_type=source.media_type)

    async def _source(self) -> _Source:
        part = self._part
        if part.data is not None:
            return _Source(part.data)
        if part.file_id:
            return await self._stored()
        if part.url[:5].lower() == "data:":
            if len(part.url) < LONG_DATA:
                return self._decoded()
            return await asyncio.to_thread(self._decoded)
        return await self._fetched()

    def _decoded(self) -> _Source:
        """Of a data: URL."""
        url = self._part.url
        head = DATA_URL.match(url[:1024])
        if head is None or ";base64" not in head[2].lower():
            raise self._invalid("an invalid data URL")
        media_type = head[1].strip().lower()
        if self._part.kind == "image" and not media_type.startswith("image/"):
            raise self._invalid(f"unsupported MIME type '{media_type[:100]}'")
        if self._pdf_only and self._part.kind == "file" and media_type not in _PDF_TYPES:
            raise self._invalid(f"unsupported MIME type '{media_type[:100]}'")
        size = (len(url) - head.end()) // 4 * 3
        if size > self._options.max_bytes + 2:
            raise self._too_large(size)
        try:
            data = decoded(url, head.end())
        except ValueError:
            raise self._invalid("an invalid base64-encoded value") from None
        if not data:
            raise self._invalid("empty base64-encoded bytes")
        return _Source(data, media_type=media_type)

    async def _stored(self) -> _Source:
        """Of the caller's own files."""
        file_id = self._part.file_id
        files = self._state.files
        file = await files.find(self._caller.owner, file_id) if _FILE_ID.fullmatch(file_id) else None
        if file is None:
            raise RequestError(f"No such File object: {file_id[:100]}", code="file_not_found")
        if file.purpose not in PURPOSES:
            known = ", ".join(f"'{purpose}'" for purpose in PURPOSES)
            raise RequestError(
                f"The file '{file_id}' has the purpose '{file.purpose}' and cannot be used as input. "
                f"Upload it with one of {known}.",
                code="invalid_file_purpose",
            )
        if file.bytes > self._options.max_bytes:
            raise self._too_large(file.bytes)

        async def load() -> bytes:
            try:
                return await asyncio.to_thread(files.directory.path(file.id).read_bytes)
            except FileNotFoundError:  # deleted since
                raise RequestError(f"No such File object: {file_id}", code="file_not_found") from None

        return _Source(load, file.sha256, file.filename)

    async def _fetched(self) -> _Source:
        if URL.match(self._part.url) is None:
            raise self._invalid("a value without the 'data:' prefix")
        fetcher = self._state.fetcher
        if fetcher is None:
            raise InputError(
                "This server fetches no URLs (setting 'fetch'): send the content as a data: URL, or upload it.",
                code="invalid_image_url" if self._part.kind == "image" else "invalid_file_url",
            )
        found = await fetcher.fetch(self._part.url, IMAGES if self._part.kind == "image" else ANYTHING)
        content = await asyncio.to_thread(content_hash, found.data)
        self._state.fetched.put(self._part.url, Trace(content, found.filename, found.content_type))
        return _Source(found.data, content, found.filename, found.content_type)

    def _invalid(self, got: str) -> RequestError:
        """In the API's words."""
        path = self._part.param
        if self._part.kind == "image":
            expected = "an image MIME type (e.g. 'data:image/png;base64,aW1nIGJ5dGVzIGhlcmU=')"
            words = "Invalid image URL"
        elif self._pdf_only:
            expected = "an application/pdf MIME type (e.g. 'data:application/pdf;base64,SGVsbG8sIFdvcmxkIQ==')"
            words = "Invalid file data"
        else:
            expected = "a valid file MIME type (e.g. 'data:text/plain;base64,SGVsbG8sIFdvcmxkIQ==')"
            words = "Invalid file data"
        return RequestError(
            f"{words}: '{path}'. Expected a base64-encoded data URL with {expected}, but got {got}.",
            code="invalid_value",
        )

    def _too_large(self, size: int) -> InputError:
        image = self._part.kind == "image"
        return InputError(
            f"The {self._part.kind} has {size} bytes, but at most {self._options.max_bytes} are read.",
            code="image_file_too_large" if image else "file_too_large",
        )


def decoded(text: str, start: int) -> bytes:
    """The base64 from there on, strictly: no spaces, no line ends, nothing after the padding. Raises ValueError.

    In pieces, because one call of the library holds all other threads up: it takes half a second for 50 MB.
    """
    if (len(text) - start) % 4 or "=" in text[start:-2]:
        raise ValueError("no whole groups")
    return b"".join(
        a2b_base64(text[place : place + PIECE], strict_mode=True) for place in range(start, len(text), PIECE)
    )


def _placed(error: RequestError, param: str) -> RequestError:
    """With the part's path. Readers say what is wrong in half a sentence, the API has whole ones for some things."""
    if isinstance(error, InputError) or error.status == 400:
        error.status = 400  # whatever a reader thinks: it is one part that is wrong, not the whole body
        if not error.message.endswith("."):
            error.message = f"Invalid '{param}': {error.message}."
        error.param = error.param or param
    return error


_FILE_ID = re.compile(r"file-[0-9a-f]{24}")
_PDF_TYPES = ("application/pdf", "application/x-pdf", "application/octet-stream", "")
