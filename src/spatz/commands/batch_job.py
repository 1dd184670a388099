"""One run of `spatz batch`: its folder, what is in it already, and the way of the answers to where they are wanted.

The folder is a data directory like a server's, with one file and one batch in it; the batch is run by the server's own
app and service, in this process and without a socket.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self

from pydantic_core import from_json

from spatz.commands.shared import note
from spatz.config import Settings
from spatz.errors import ConfigError
from spatz.server.app import create_app
from spatz.server.batch_body import ENDPOINTS
from spatz.server.batch_lines import MAX_BYTES, LineError, check_lines, read_lines
from spatz.server.body import body_limit
from spatz.server.served import ServedModel
from spatz.server.state import State
from spatz.store.batch_tables import Batch
from spatz.store.batches import Batches
from spatz.store.drafts import Draft

__all__ = ["Job"]

OWNER = ""
PIECE = 1 << 20
SHOWN_ERRORS = 10


class Job:
    """To be entered: then the folder is this process's alone."""

    def __init__(self, source: str, output: Path) -> None:
        """source: a path, or "-" for stdin."""
        self.source = "stdin" if source == "-" else source
        self.output = output
        self.errors = output.with_name(output.name.removesuffix(".jsonl") + ".errors.jsonl")
        self._path = None if source == "-" else Path(source)
        self._folder = output.with_name(f".{output.name}.spatz")
        self._input = self._folder / "input.jsonl"
        self._lock = -1
        self._endpoint = ""
        self._most = 0
        self._begun = False

    def __enter__(self) -> Self:
        try:
            self._begun = self._folder.exists()
            if not self._begun and (self.output.exists() or self.errors.exists()):
                there = self.output if self.output.exists() else self.errors
                raise ConfigError(f"{there} exists already: remove it, or give another output with -o")
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._lock = os.open(self._folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(f"{self.output}: {error.strerror or error}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise ConfigError(f"another run of spatz batch writes {self.output}") from None
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._lock)

    # --- before the model is loaded ----------------------------------------------------------------------------------

    def prepare(self, settings: Settings) -> None:
        """Look at the input: it has to be a batch, and the one that was begun. It costs no model to find out."""
        self._most = max(body_limit(settings, endpoint) for endpoint in ENDPOINTS)
        kept = self._folder / "sha256"
        try:
            digest = self._copy()
            if kept.exists() and kept.read_text() != digest:
                raise ConfigError(
                    f"{self.source} is not what {self._folder} was begun with: remove that folder to begin anew"
                )
            self._check()
            kept.write_text(digest)
        except BaseException as error:
            if not self._begun:
                shutil.rmtree(self._folder, ignore_errors=True)
            if isinstance(error, OSError):
                raise ConfigError(f"{self.source}: {error.strerror or error}") from None
            raise

    def _copy(self) -> str:
        """The input as it is now, which may change while it is being run; gives its hash."""
        digest = hashlib.sha256()
        size = 0
        with (
            sys.stdin.buffer if self._path is None else self._path.open("rb") as source,
            self._input.open("wb") as copy,
        ):
            while piece := source.read(PIECE):
                size += len(piece)
                if size > MAX_BYTES:
                    raise ConfigError(f"{self.source}: larger than the {MAX_BYTES} bytes that a batch may have")
                digest.update(piece)
                copy.write(piece)
        return digest.hexdigest()

    def _check(self) -> None:
        with self._input.open("rb") as file:
            self._endpoint = _endpoint(next(read_lines(file, self._most), (0, b""))[1])
            file.seek(0)
            checked = check_lines(file, 0, self._endpoint, None, self._most)
        if checked.errors:
            raise self._wrong(checked.errors)

    def _wrong(self, errors: Sequence[LineError]) -> ConfigError:
        for error in errors[:SHOWN_ERRORS]:
            note(f"{self.source}, line {error.line}: {error.message}" if error.line else error.message)
        shown = f", {SHOWN_ERRORS} of which are shown" if len(errors) > SHOWN_ERRORS else ""
        return ConfigError(f"{self.source} cannot be run as a batch: it has errors{shown}")

    # --- with the model ----------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def running(self, model: ServedModel, settings: Settings) -> AsyncIterator[Callable[[], Awaitable[Batch]]]:
        """The batch is run while the block lasts; what it is given tells how far it is."""
        own = replace(settings, data_dir=self._folder, database_url="", api_key=(), file_days=0)
        app = create_app(model, own)
        state: State = app.state.spatz
        batches = Batches(state.database)
        async with app.router.lifespan_context(app):
            found, _ = await batches.list(OWNER, after=None, limit=1)
            batch_id = found[0].id if found else await self._begin(state, batches)
            app.state.batches.wake()

            async def find() -> Batch:
                batch = await batches.find(OWNER, batch_id)
                assert batch is not None
                return batch

            yield find

    async def _begin(self, state: State, batches: Batches) -> str:
        draft = await state.files.draft()
        try:
            await asyncio.to_thread(self._fill, draft)
            file = await state.files.keep(draft, OWNER, self._input.name, "batch")
        finally:
            draft.discard()
        batch = await batches.create(
            owner=OWNER, owner_name="", endpoint=self._endpoint, input_file_id=file.id, seconds=None
        )
        assert batch is not None
        return batch.id

    def _fill(self, draft: Draft) -> None:
        with self._input.open("rb") as file:
            while piece := file.read(PIECE):
                draft.write(piece)

    # --- afterwards --------------------------------------------------------------------------------------------------

    def deliver(self, batch: Batch) -> None:
        """The answers to where they are wanted; the folder is gone then. Raises ConfigError for what was no batch."""
        if batch.status == "failed":
            errors = [LineError(**error) for error in json.loads(batch.errors or "[]")]
            shutil.rmtree(self._folder, ignore_errors=True)
            raise self._wrong(errors)
        for file_id, target in ((batch.output_file_id, self.output), (batch.error_file_id, self.errors)):
            if file_id is not None:
                made = self._folder / "files" / file_id
                if made.exists():  # if not, an earlier run came so far
                    made.chmod(0o666 & ~_umask())
                    made.replace(target)
        self.output.touch()  # also where nothing succeeded: the batch is done
        shutil.rmtree(self._folder, ignore_errors=True)


def _endpoint(line: bytes) -> str:
    """The URL of the first request, which all others have to share."""
    try:
        value = from_json(line)
    except ValueError:
        value = None
    url = value.get("url") if isinstance(value, dict) else None
    return url if url in ENDPOINTS else ENDPOINTS[0]  # what is wrong with it, the check says


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
