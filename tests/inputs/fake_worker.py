"""A process that reads as inputs/worker.py does, but what it is given says what it does."""

from __future__ import annotations

import os
import sys
import threading

from spatz.inputs.document import Document, InputError, Note, ReadOptions
from spatz.inputs.reading import Accept, Progress
from spatz.inputs.worker import serve


def read(data: bytes, options: ReadOptions, kind: Accept, progress: Progress) -> Document:
    word, _, rest = data.decode().partition(" ")
    if word == "die":
        os._exit(7)
    if word == "hang":
        threading.Event().wait()
    if word == "refuse":
        raise InputError("it is refused", code="invalid_image", status=400)
    if word == "fail":
        raise ValueError(rest)
    if word == "grow":
        return Document("text", str(len(bytes(int(rest) << 20))))
    if word == "print":
        os.write(1, b"noise of a library")
        print("and more", flush=True)
    if word == "pages":
        for page in range(int(rest)):
            progress(page + 1, int(rest))
    if word == "half":
        return Document("text", "half of a pair: \ud83d", title="\udc00")
    said = f"{os.getpid()} {os.nice(0)} {options.filename} {options.pages} {kind} {rest}"
    return Document("image", said, confidence=0.5, notes=(Note("low_confidence", "It is blurred."),), size=(3, 4))


if __name__ == "__main__":
    serve(read, int(sys.argv[1]))
