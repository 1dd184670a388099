"""The Hugging Face hub as a source: which files a repository has, which of them make a model, and fetching those.

Used by `pull`. HF_ENDPOINT names another hub, HF_TOKEN gives access to gated repositories. All files come from one
commit and are checked against the hub's own checksums: sha256 for large files, git's blob id for small ones.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import httpx

from spatz.errors import DownloadError
from spatz.weights.catalog import HubSource
from spatz.weights.download import Checksum, Progress, RemoteFile, check_space, download, open_url
from spatz.weights.jsonfile import parse_object
from spatz.weights.safetensors import INDEX, SINGLE, shard_names

__all__ = [
    "SIDE_FILES",
    "Repository",
    "choose_gguf",
    "client",
    "fetch_file",
    "fetch_folder",
    "list_repository",
    "parse_spec",
]

_DEFAULT_ENDPOINT = "https://huggingface.co"
_MAX_LISTING = 32 << 20
_MAX_FILES = 100_000
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_SPEC = re.compile(rf"hf:({_PART}/{_PART})(?::(.+))?")
_FILE = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.+@ -]{0,199}/){0,4}[A-Za-z0-9_][A-Za-z0-9_.+@ -]{0,199}")
SIDE_FILES = (
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
)


@dataclass(frozen=True, slots=True)
class Repository:
    repo: str
    endpoint: str
    commit: str
    licence: str | None
    files: dict[str, RemoteFile]  # by their path in the repository


def parse_spec(spec: str) -> HubSource | None:
    """ "hf:ORG/REPO" or "hf:ORG/REPO:FILE"; file is "" where none is named. None: no hub spec. Raises DownloadError."""
    if not spec.startswith("hf:"):
        return None
    match = _SPEC.fullmatch(spec)
    file = (match.group(2) or "") if match else ""
    if not match or (file and not _safe(file)):
        raise DownloadError(f"{spec!r} is not of the form hf:ORG/REPO or hf:ORG/REPO:FILE")
    return HubSource(match.group(1), file)


def client() -> httpx.Client:
    return httpx.Client(timeout=httpx.Timeout(30.0), headers={"User-Agent": "spatz"})


def list_repository(http: httpx.Client, repo: str) -> Repository:
    """Ask the hub what a repository holds. Raises DownloadError."""
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or _DEFAULT_ENDPOINT
    if not endpoint.startswith(("https://", "http://")):
        raise DownloadError(f"HF_ENDPOINT is {endpoint!r}, which is no web address")
    url = f"{endpoint}/api/models/{repo}/revision/main?blobs=true"
    try:
        with open_url(http, url, headers()) as response:
            if response.status_code in (401, 403, 404):
                raise DownloadError(
                    f"the hub knows no {repo}, or access is denied ({response.status_code}); "
                    "set HF_TOKEN for gated models, after their licence was accepted there"
                )
            if response.status_code != 200:
                raise DownloadError(f"the hub answered {response.status_code} for {repo}")
            body = bytearray()
            for chunk in response.iter_bytes(1 << 16):
                body += chunk
                if len(body) > _MAX_LISTING:
                    raise DownloadError(f"the hub's list of {repo} is longer than {_MAX_LISTING} bytes")
    except httpx.HTTPError as error:
        raise DownloadError(f"the hub at {endpoint} cannot be reached: {error or type(error).__name__}") from None
    return _repository(parse_object(bytes(body), f"the hub's list of {repo}"), repo, endpoint)


def headers() -> dict[str, str]:
    token = os.environ.get("HF_TOKEN", "").strip()
    return {"Authorization": f"Bearer {token}"} if token else {}


def choose_gguf(repository: Repository) -> str | None:
    """The repository's only GGUF file; None where there are safetensors. Raises DownloadError where it is not clear."""
    if SINGLE in repository.files or INDEX in repository.files:
        return None
    names = [name for name in repository.files if name.endswith(".gguf") and "mmproj" not in name]
    if len(names) == 1:
        return names[0]
    if not names:
        raise DownloadError(f"{repository.repo} holds neither safetensors nor GGUF files")
    shown = ", ".join(sorted(names)[:20])
    raise DownloadError(f"{repository.repo} holds {len(names)} GGUF files; add one of them with a colon: {shown}")


def fetch_file(http: httpx.Client, repository: Repository, name: str, folder: Path, progress: Progress) -> Path:
    """Fetch one file into the folder, under the last part of its name."""
    remote = repository.files.get(name)
    if remote is None:
        raise DownloadError(f"{repository.repo} has no file {name!r}")
    target = folder / PurePosixPath(name).name
    download(http, remote, target, progress, headers=headers())
    return target


def fetch_folder(
    http: httpx.Client, repository: Repository, folder: Path, progress: Progress, check: Callable[[Path], None]
) -> None:
    """Fetch safetensors with everything that belongs to them: the small files first, then the shards.

    check: called with the folder before the shards are fetched; it raises where they would be fetched in vain.
    """
    if "config.json" not in repository.files:
        raise DownloadError(f"{repository.repo} has no config.json")
    small = ["config.json", *(name for name in SIDE_FILES if name in repository.files)]
    sharded = INDEX in repository.files
    for name in [*small, *([INDEX] if sharded else [])]:
        fetch_file(http, repository, name, folder, progress)
    shards = shard_names(parse_object((folder / INDEX).read_bytes(), INDEX)) if sharded else [SINGLE]
    check(folder)
    missing = [name for name in shards if name not in repository.files]
    if missing:
        raise DownloadError(f"{repository.repo} has no file {missing[0]!r}, which its index names")
    check_space(folder, sum(repository.files[name].size for name in shards if not (folder / name).exists()))
    for name in shards:
        if not (folder / name).exists():
            fetch_file(http, repository, name, folder, progress)


def _repository(listing: dict[str, Any], repo: str, endpoint: str) -> Repository:
    commit, siblings, card = listing.get("sha"), listing.get("siblings"), listing.get("cardData")
    if not isinstance(commit, str) or not re.fullmatch(r"[0-9a-f]{40}", commit) or not isinstance(siblings, list):
        raise DownloadError(f"the hub's list of {repo} is not what it should be")
    if len(siblings) > _MAX_FILES:
        raise DownloadError(f"the hub lists {len(siblings)} files in {repo}, more than the {_MAX_FILES} that are sane")
    files: dict[str, RemoteFile] = {}
    for sibling in siblings:
        name = sibling.get("rfilename") if isinstance(sibling, dict) else None
        if not isinstance(name, str) or not _safe(name):
            continue  # hidden files and the like; a name that is asked for and not here is reported as missing
        checksum = _checksum(sibling)
        size = sibling.get("size")
        if checksum is not None and type(size) is int and size >= 0:
            url = f"{endpoint}/{repo}/resolve/{commit}/{quote(name)}"
            files[name] = RemoteFile(url, size, checksum)
    licence = card.get("license") if isinstance(card, dict) else None
    return Repository(repo, endpoint, commit, licence if isinstance(licence, str) else None, files)


def _checksum(sibling: dict[str, Any]) -> Checksum | None:
    large = sibling.get("lfs")
    sha256 = large.get("sha256") if isinstance(large, dict) else None
    if isinstance(sha256, str) and re.fullmatch(r"[0-9a-f]{64}", sha256):
        return Checksum("sha256", sha256)
    blob = sibling.get("blobId")
    if large is None and isinstance(blob, str) and re.fullmatch(r"[0-9a-f]{40}", blob):
        return Checksum("git", blob)
    return None


def _safe(name: str) -> bool:
    """Relative, without hidden or parent parts, and of plain characters."""
    return _FILE.fullmatch(name) is not None and ".." not in name
