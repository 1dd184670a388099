"""One file over HTTP: resumed after cuts, bounded in size, verified, and never under its final name before it is whole.

Used by the hub source. What has arrived is kept as NAME.DIGEST.part beside the target, so that a later try goes on from
there and a part of another version is never mixed in. It knows no hub and chooses no files.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from spatz.errors import DownloadError

__all__ = ["Checksum", "Progress", "RemoteFile", "check_space", "download", "open_url"]

Progress = Callable[[int, int | None, str], None]
"""Called with the bytes that are there, the bytes that there will be (None: unknown), and what is being done."""

MAX_FILE_BYTES = 128 << 30
SPARE_BYTES = 64 << 20  # left free on the disk

_CHUNK = 1 << 20
_MAX_REDIRECTS = 5
_ATTEMPTS = 5  # in a row without a single new byte
PAUSE = 1.0  # seconds before the second attempt; twice as long before each further one


@dataclass(frozen=True, slots=True)
class Checksum:
    """sha256 of the content, or the id that git gives it (sha1 over a header and the content)."""

    kind: str  # "sha256" or "git"
    digest: str  # hexadecimal

    def start(self, size: int) -> Any:
        if self.kind == "sha256":
            return hashlib.sha256()
        return hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    url: str
    size: int
    checksum: Checksum


class _Transient(Exception):
    """Worth another attempt."""


def download(
    client: httpx.Client,
    remote: RemoteFile,
    target: Path,
    progress: Progress,
    *,
    headers: dict[str, str] | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Fetch a file to target. Raises DownloadError; what has arrived by then stays as .part, unless it is wrong."""
    if not 0 <= remote.size <= MAX_FILE_BYTES:
        raise DownloadError(f"{target.name} has {remote.size} bytes, more than the {MAX_FILE_BYTES} that are sane")
    part = target.with_name(f"{target.name}.{remote.checksum.digest[:16]}.part")
    failures = 0
    with part.open("a+b") as file:
        have = file.seek(0, os.SEEK_END)
        if have > remote.size:
            have = file.truncate(0)
        check_space(target.parent, remote.size - have)
        resumed = have > 0
        digest = _digest_of(file, remote)
        while have < remote.size:
            before = have
            try:
                have, digest = _attempt(client, remote, file, have, digest, headers or {}, target.name, progress)
            except (_Transient, httpx.TransportError) as error:
                have = file.seek(0, os.SEEK_END)
                failures = 1 if have > before else failures + 1
                if failures >= _ATTEMPTS:
                    raise DownloadError(
                        f"{target.name} could not be fetched: {error or type(error).__name__}"
                    ) from None
                pause(PAUSE * 2 ** (failures - 1))
                digest = _digest_of(file, remote)
            except OSError as error:
                raise DownloadError(f"{part} cannot be written: {error.strerror or error}") from None
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != remote.checksum.digest:
        part.unlink()
        if resumed:  # perhaps only what was there before is wrong
            download(client, remote, target, progress, headers=headers, pause=pause)
            return
        raise DownloadError(f"{target.name} does not match its checksum; nothing of it was kept")
    part.replace(target)


def _digest_of(file: Any, remote: RemoteFile) -> Any:
    """The digest of what is there already."""
    digest = remote.checksum.start(remote.size)
    file.seek(0)
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest


def _attempt(
    client: httpx.Client,
    remote: RemoteFile,
    file: Any,
    have: int,
    digest: Any,
    headers: dict[str, str],
    name: str,
    progress: Progress,
) -> tuple[int, Any]:
    """Append to the file until it is whole or the connection ends. Gives its size and digest."""
    asked = headers | {"Accept-Encoding": "identity"}
    if have:
        asked["Range"] = f"bytes={have}-"
    with open_url(client, remote.url, asked) as response:
        status = response.status_code
        if status == 416 or (status == 200 and have):  # no ranges here: from the start again
            file.truncate(0)
            have, digest = 0, remote.checksum.start(remote.size)
        if status == 416:
            raise _Transient("the server refused to go on from where it stopped")
        _check_status(response, name)
        if status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            raise DownloadError(f"{name}: the server sent another part than the one that was asked for")
        for chunk in response.iter_bytes():  # as they come: what is gathered is lost when the connection ends
            have += len(chunk)
            if have > remote.size:
                file.truncate(0)
                raise DownloadError(f"{name}: the server sent more than the {remote.size} bytes that were announced")
            file.write(chunk)
            digest.update(chunk)
            progress(have, remote.size, name)
    if have < remote.size:
        raise _Transient(f"the connection ended after {have} of {remote.size} bytes")
    return have, digest


def _check_status(response: httpx.Response, name: str) -> None:
    status = response.status_code
    if status in (200, 206):
        return
    if status in (401, 403):
        raise DownloadError(
            f"{name}: access denied ({status}); set HF_TOKEN, and accept the model's licence on the hub"
        )
    if status == 404:
        raise DownloadError(f"{name}: not found")
    if status in (408, 429) or status >= 500:
        raise _Transient(f"the server answered {status}")
    raise DownloadError(f"{name}: the server answered {status}")


@contextlib.contextmanager
def open_url(client: httpx.Client, url: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
    """GET with redirects followed by hand: a token never goes to another host, and https never becomes http."""
    current = httpx.URL(url)
    for _ in range(_MAX_REDIRECTS + 1):
        with client.stream("GET", current, headers=headers, follow_redirects=False) as response:
            if not response.has_redirect_location:
                yield response
                return
            following = current.join(response.headers["Location"])
        if following.scheme not in ("http", "https") or (current.scheme == "https" and following.scheme != "https"):
            raise DownloadError(f"{url} redirects to {following.scheme}:, which is not followed")
        if (following.scheme, following.host, following.port) != (current.scheme, current.host, current.port):
            headers = {key: value for key, value in headers.items() if key.lower() != "authorization"}
        current = following
    raise DownloadError(f"{url} redirects more than {_MAX_REDIRECTS} times")


def check_space(folder: Path, needed: int) -> None:
    """Raise DownloadError when the disk has not the room."""
    free = shutil.disk_usage(folder).free
    if needed + SPARE_BYTES > free:
        raise DownloadError(f"{folder} has {free >> 20} MB free, but {(needed + SPARE_BYTES) >> 20} MB are needed")
