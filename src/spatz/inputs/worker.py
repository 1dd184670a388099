"""A process that reads for the server: `python -m spatz.inputs.worker`. Bytes come in over stdin, a Document goes out.

Started and ended by pool.py. It runs at a low priority, so that the model's tokens keep flowing, with bounded memory,
and it ends at once when the server does: a thread waits at stdin. It knows no request, no key and no settings.
"""

from __future__ import annotations

import os
import queue
import resource
import sys
import threading
import traceback
from collections.abc import Callable
from typing import BinaryIO

from spatz.inputs.document import Document, InputError, ReadOptions
from spatz.inputs.reading import Accept, Progress
from spatz.inputs.wire import (
    DATA,
    DOCUMENT,
    ERROR,
    FAILURE,
    LAST,
    PROGRESS,
    REQUEST,
    decode_options,
    encode_document,
    encode_error,
    frame,
    read_frame,
)

__all__ = ["Reader", "serve"]

Reader = Callable[[bytes, ReadOptions, Accept, Progress], Document]

NICE = 10


def serve(read: Reader, memory_mb: int) -> None:
    """Answer one request after another until stdin ends. memory_mb: address space; 0 is no limit."""
    _limit(memory_mb)
    given = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    # What libraries print, and what they read, must not get between the frames.
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    waiting: queue.SimpleQueue[tuple[bytes, bytes]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(given, waiting), daemon=True).start()
    while True:
        head, data = waiting.get()
        kind, answer = _answer(read, head, data, answers)
        del head, data
        answers.write(frame(kind, answer))
        answers.flush()
        if kind == LAST:
            os._exit(1)


def _answer(read: Reader, head: bytes, data: bytes, answers: BinaryIO) -> tuple[int, bytes]:
    """The last frame."""

    def progress(done: int, total: int) -> None:
        answers.write(frame(PROGRESS, f"[{int(done)},{int(total)}]".encode()))
        answers.flush()

    options, kind = decode_options(head)
    try:
        return DOCUMENT, encode_document(read(data, options, kind, progress))  # type: ignore[arg-type]
    except InputError as error:
        return ERROR, encode_error(error)
    except MemoryError:
        # What else failed for want of it, nobody knows.
        return LAST, encode_error(
            InputError("Reading it takes more memory than this server allows.", code="file_too_large")
        )
    except Exception:
        return FAILURE, traceback.format_exc(limit=-8)[-4000:].encode("utf-8", "replace")


def _listen(given: BinaryIO, waiting: queue.SimpleQueue[tuple[bytes, bytes]]) -> None:
    while True:
        head = read_frame(given)
        data = read_frame(given)
        if head is None or data is None or head[0] != REQUEST or data[0] != DATA:
            os._exit(0)  # the server has gone, or gave up: whatever is being read is not wanted any more
        waiting.put((head[1], data[1]))


def _limit(memory_mb: int) -> None:
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # it would hold what was read
    if memory_mb:
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = memory_mb << 20
        resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def main() -> None:
    from spatz.inputs.reading import read

    serve(read, int(sys.argv[1]) if len(sys.argv) > 1 else 0)


if __name__ == "__main__":
    main()
