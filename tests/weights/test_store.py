"""Installed models, their manifests and the catalog."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from spatz.errors import WeightsError
from spatz.weights import store
from spatz.weights.catalog import DEFAULT, HubSource, PypiSource, catalog, parse_catalog
from spatz.weights.manifest import MANIFEST, Manifest, read_manifest, write_manifest


def _install(data_dir: Path, name: str, content: bytes = b"weights") -> Path:
    (store.stage(data_dir, name) / "m.gguf").write_bytes(content)
    return store.publish(data_dir, name, Manifest(name, f"hf:org/{name}", "m.gguf", "0" * 64, "MIT"))


def test_models_are_listed_and_found_by_name_and_source(tmp_path: Path) -> None:
    assert store.installed(tmp_path) == []
    path = _install(tmp_path, "one")
    _install(tmp_path, "two")
    assert path == tmp_path / "models" / "one" / "m.gguf"
    one, two = store.installed(tmp_path)
    assert (one.name, one.path, one.source, one.licence) == ("one", path, "hf:org/one", "MIT")
    assert one.size > len(b"weights")
    assert store.find(tmp_path, "two") == store.find(tmp_path, "hf:org/two") == two
    assert store.find(tmp_path, "three") is None


def test_publishing_again_replaces_the_model(tmp_path: Path) -> None:
    _install(tmp_path, "one", b"old")
    assert _install(tmp_path, "one", b"new").read_bytes() == b"new"
    assert [model.name for model in store.installed(tmp_path)] == ["one"]
    assert not list((tmp_path / "models" / ".partial").iterdir())


def test_damaged_and_unfinished_models_are_not_found(tmp_path: Path) -> None:
    path = _install(tmp_path, "gone")
    path.unlink()
    (_install(tmp_path, "odd").parent / MANIFEST).write_text("{")
    (store.stage(tmp_path, "unfinished") / "m.gguf").write_bytes(b"x")
    (tmp_path / "models" / "no-manifest").mkdir()
    listed = {model.name: model.problem for model in store.installed(tmp_path)}
    assert listed["gone"] == "m.gguf is missing"
    assert "not valid JSON" in str(listed["odd"])
    assert listed.keys() == {"gone", "odd"}
    assert store.find(tmp_path, "gone") is None


def test_a_file_that_was_put_there_by_hand_is_listed(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.gguf").write_bytes(b"x")
    (model,) = store.installed(tmp_path)
    assert (model.name, model.size, model.source) == ("mine.gguf", 1, None)


def _hold(data_dir: Path, held: object, release: object) -> None:
    with store.lock(data_dir, lambda: None):
        held.set()  # type: ignore[attr-defined]
        release.wait()  # type: ignore[attr-defined]


def test_two_processes_do_not_pull_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, held, release))
    other.start()
    assert held.wait(60)
    waited: list[bool] = []

    def waiting() -> None:
        waited.append(True)
        release.set()

    with store.lock(tmp_path, waiting):
        assert waited == [True]
    other.join()
    assert other.exitcode == 0


def test_manifests_of_another_file_and_of_nonsense(tmp_path: Path) -> None:
    write_manifest(tmp_path, Manifest("tiny", "x", "m.gguf", chat_template="{{ x }}"))
    (tmp_path / "m.gguf").touch()
    (tmp_path / "n.gguf").touch()
    assert read_manifest(tmp_path / "m.gguf").chat_template == "{{ x }}"
    assert read_manifest(tmp_path / "n.gguf") == Manifest()
    assert not list(tmp_path.glob("*.part"))
    for values in ({"name": 5}, {"unknown": "x"}, {"name": "../up"}, {"name": ""}, []):
        (tmp_path / MANIFEST).write_text(json.dumps(values))
        with pytest.raises(WeightsError, match=MANIFEST):
            read_manifest(tmp_path / "m.gguf")


def test_the_catalog_is_sound() -> None:
    entries = catalog()
    assert next(iter(entries)) == DEFAULT
    for name, entry in entries.items():
        assert entry.name == name
        assert entry.sources
        assert entry.licence
        assert entry.description
        assert entry.file.endswith(".gguf")
        assert entry.context >= 8192
        assert entry.sha256 is not None and len(entry.sha256) == 64
        assert entry.size
    assert isinstance(entries[DEFAULT].sources[0], PypiSource)
    assert isinstance(entries["qwen3-0.6b"].sources[0], HubSource)


ENTRY = """
[[model]]
name = "a"
description = "b"
licence = "c"
context = 1
file = "a.gguf"
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ENTRY + 'colour = "red"\nsources = []\n', "unknown field colour"),
        (ENTRY + "sources = []\n" + ENTRY + "sources = []\n", "a twice"),
        (ENTRY + '[[model.sources]]\nkind = "ftp"\n', "'ftp'"),
        (ENTRY + '[[model.sources]]\nkind = "hub"\nrepo = "a/b"\nfile = "c"\nhost = "d"\n', "unknown field host"),
        (ENTRY + '[[model.sources]]\nkind = "pypi"\npackages = ["a"]\nmembers = []\nbytes = 1\n', "one member"),
        (ENTRY + '[[model.sources]]\nkind = "pypi"\npackages = ["a"]\nmembers = ["b"]\nbytes = 1\n', "no sha256"),
    ],
)
def test_mistakes_in_the_catalog_are_found(text: str, said: str) -> None:
    with pytest.raises(WeightsError, match=said):
        parse_catalog(text)
