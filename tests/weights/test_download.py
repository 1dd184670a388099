"""Downloads from a hub: resumed, verified, bounded, and never left half-done under their final name."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hub_server import COMMIT, Hub

from spatz.errors import DownloadError
from spatz.weights import download as downloads
from spatz.weights import hub as hubs
from spatz.weights.catalog import HubSource
from spatz.weights.download import MAX_FILE_BYTES, Checksum, RemoteFile, download

REPO, NAME = "org/repo", "model.gguf"
CONTENT = bytes(range(256)) * 12_000  # about 3 MB


def _fetch(hub: Hub, folder: Path, name: str = NAME, seen: list[tuple[int, int | None]] | None = None) -> Path:
    def progress(done: int, total: int | None, label: str) -> None:
        if seen is not None:
            seen.append((done, total))

    with hubs.client() as http:
        return hubs.fetch_file(http, hubs.list_repository(http, REPO), name, folder, progress)


@pytest.fixture
def served(hub: Hub) -> Hub:
    hub.files[REPO] = {NAME: CONTENT, "config.json": b'{"a": 1}', "sub/other.gguf": CONTENT[:5000]}
    return hub


def test_a_file_arrives_whole_with_progress(served: Hub, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    path = _fetch(served, tmp_path, seen=seen)
    assert path.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [path]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)


def test_small_files_are_checked_by_their_blob_id_and_folders_are_flattened(served: Hub, tmp_path: Path) -> None:
    assert _fetch(served, tmp_path, "config.json").read_bytes() == b'{"a": 1}'
    assert _fetch(served, tmp_path, "sub/other.gguf") == tmp_path / "other.gguf"
    served.alter = lambda content: b'{"a": 2}'
    with pytest.raises(DownloadError, match="checksum"):
        _fetch(served, tmp_path, "config.json")


def test_cut_connections_are_resumed_where_they_ended(served: Hub, tmp_path: Path) -> None:
    served.cuts = [1_000_000, 0, 700_000, 1]
    assert _fetch(served, tmp_path).read_bytes() == CONTENT
    ranges = [headers.get("Range") for headers in served.content_requests()]
    assert ranges[0] is None
    starts = [int(asked.removeprefix("bytes=").removesuffix("-")) for asked in ranges[1:]]
    assert starts == sorted(starts)
    assert starts[-1] == 1_700_001


def test_a_download_that_was_given_up_goes_on_at_the_next_try(served: Hub, tmp_path: Path) -> None:
    served.cuts = [2_000_000, 0, 0, 0, 0, 0]
    with pytest.raises(DownloadError, match="could not be fetched"):
        _fetch(served, tmp_path)
    part = next(tmp_path.iterdir())
    assert part.name.startswith(f"{NAME}.") and part.suffix == ".part"
    assert part.stat().st_size == 2_000_000
    served.cuts = []
    served.requests.clear()
    assert _fetch(served, tmp_path).read_bytes() == CONTENT
    assert served.content_requests()[0]["Range"] == "bytes=2000000-"
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_servers_without_ranges_start_again(served: Hub, tmp_path: Path) -> None:
    served.cuts, served.ranges = [1_000_000], False
    assert _fetch(served, tmp_path).read_bytes() == CONTENT


def test_a_refused_range_starts_again(served: Hub, tmp_path: Path) -> None:
    served.cuts, served.statuses = [1_000_000], [200, 416, 200]
    assert _fetch(served, tmp_path).read_bytes() == CONTENT


def test_busy_servers_are_asked_again(served: Hub, tmp_path: Path) -> None:
    served.statuses = [503, 429, 500]
    assert _fetch(served, tmp_path).read_bytes() == CONTENT
    served.statuses = [503] * 5
    with pytest.raises(DownloadError, match="503"):
        _fetch(served, tmp_path / "..", "sub/other.gguf")


def test_the_pause_grows_between_attempts(served: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "PAUSE", 1.0)
    served.statuses = [503, 503, 503]
    pauses: list[float] = []
    with hubs.client() as http:
        remote = hubs.list_repository(http, REPO).files[NAME]
        download(http, remote, tmp_path / NAME, lambda *_: None, pause=pauses.append)
    assert pauses == [1.0, 2.0, 4.0]


def test_wrong_content_is_not_kept(served: Hub, tmp_path: Path) -> None:
    served.alter = lambda content: content[:-1] + b"?"
    with pytest.raises(DownloadError, match="does not match its checksum"):
        _fetch(served, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_wrong_beginning_is_fetched_again(served: Hub, tmp_path: Path) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    (tmp_path / f"{NAME}.{digest[:16]}.part").write_bytes(b"?" * 1000)
    assert _fetch(served, tmp_path).read_bytes() == CONTENT
    assert len(served.content_requests()) == 2


def test_a_part_that_is_too_long_is_fetched_again(served: Hub, tmp_path: Path) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    (tmp_path / f"{NAME}.{digest[:16]}.part").write_bytes(CONTENT + b"more")
    assert _fetch(served, tmp_path).read_bytes() == CONTENT


def test_content_that_does_not_end_is_cut_off(served: Hub, tmp_path: Path) -> None:
    served.alter = lambda content: content * 3
    with pytest.raises(DownloadError, match="more than the"):
        _fetch(served, tmp_path)
    assert NAME not in [path.name for path in tmp_path.iterdir()]


def test_an_interrupt_leaves_only_the_part(served: Hub, tmp_path: Path) -> None:
    def interrupt(done: int, total: int | None, label: str) -> None:
        raise KeyboardInterrupt

    with hubs.client() as http, pytest.raises(KeyboardInterrupt):
        hubs.fetch_file(http, hubs.list_repository(http, REPO), NAME, tmp_path, interrupt)
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]


def test_the_token_reaches_the_hub_and_no_other_host(
    served: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.token = "secret"
    with pytest.raises(DownloadError, match="HF_TOKEN"):
        _fetch(served, tmp_path)
    monkeypatch.setenv("HF_TOKEN", "secret")
    served.requests.clear()
    _fetch(served, tmp_path)
    for host, path, headers in served.requests:
        assert (headers.get("Authorization") == "Bearer secret") is (host == "127.0.0.1"), path


def test_redirects_are_bounded(served: Hub, tmp_path: Path) -> None:
    served.redirect = f"{served.url}/{REPO}/resolve/{COMMIT}/{NAME}"
    with pytest.raises(DownloadError, match="redirects more than"):
        _fetch(served, tmp_path)
    served.redirect = "file:///etc/passwd"
    with pytest.raises(DownloadError, match="not followed"):
        _fetch(served, tmp_path)


def test_sizes_and_disk_are_checked_before_anything_is_fetched(
    served: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = RemoteFile(served.url, MAX_FILE_BYTES + 1, Checksum("sha256", "0" * 64))
    with hubs.client() as http, pytest.raises(DownloadError, match="sane"):
        download(http, remote, tmp_path / NAME, lambda *_: None)

    def full(folder: object) -> Any:
        return type("Usage", (), {"free": 1 << 20})()

    monkeypatch.setattr(downloads.shutil, "disk_usage", full)
    with pytest.raises(DownloadError, match="free"):
        _fetch(served, tmp_path)
    assert not served.content_requests()


def test_an_unreachable_hub_is_said_to_be_so(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(DownloadError, match="cannot be reached"):
        _fetch(hub, tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", "ftp://example")
    with pytest.raises(DownloadError, match="no web address"):
        _fetch(hub, tmp_path)


def test_unknown_repositories_and_files_are_named(served: Hub, tmp_path: Path) -> None:
    with hubs.client() as http, pytest.raises(DownloadError, match="org/none"):
        hubs.list_repository(http, "org/none")
    with pytest.raises(DownloadError, match=r"no file 'x\.gguf'"):
        _fetch(served, tmp_path, "x.gguf")


@pytest.mark.parametrize(
    "listing",
    [
        lambda good: [],
        lambda good: {},
        lambda good: good | {"sha": "../../x"},
        lambda good: good | {"sha": None},
        lambda good: good | {"siblings": None},
    ],
)
def test_listings_that_make_no_sense_are_refused(served: Hub, tmp_path: Path, listing: Any) -> None:
    served.listing = listing
    with pytest.raises(Exception, match="list of org/repo") as caught:
        _fetch(served, tmp_path)
    assert type(caught.value).__name__ in ("DownloadError", "WeightsError")


def test_names_that_leave_the_folder_and_files_without_checksum_are_not_listed(served: Hub) -> None:
    odd = ["../../etc/x.gguf", "/etc/x.gguf", ".hidden.gguf", "a/../b.gguf", "a\\b.gguf", "x" * 500, "a//b.gguf", ""]
    good = served.describe(REPO)["siblings"][0]
    entries = [good | {"rfilename": name} for name in odd]
    entries += [
        {"rfilename": "no-checksum.gguf", "size": 4},
        good | {"rfilename": "negative.gguf", "size": -1},
        good | {"rfilename": "bad-hash.gguf", "lfs": {"sha256": "zz"}},
        7,
        good | {"rfilename": None},
    ]
    served.listing = lambda listing: listing | {"siblings": entries}
    with hubs.client() as http:
        assert hubs.list_repository(http, REPO).files == {}


def test_specs() -> None:
    assert hubs.parse_spec("hf:org/repo") == HubSource("org/repo", "")
    assert hubs.parse_spec("hf:org/repo:a/b.gguf") == HubSource("org/repo", "a/b.gguf")
    assert hubs.parse_spec("smollm2") is None
    for bad in ("hf:", "hf:org", "hf:org/repo/more", "hf:../repo", "hf:org/repo:../x", "hf:org/repo:/x", "hf:o r/repo"):
        with pytest.raises(DownloadError, match="hf:ORG/REPO"):
            hubs.parse_spec(bad)


def test_which_gguf_file_is_meant(served: Hub) -> None:
    def choose(*names: str) -> str | None:
        served.files["org/some"] = dict.fromkeys(names, b"x")
        with hubs.client() as http:
            return hubs.choose_gguf(hubs.list_repository(http, "org/some"))

    assert choose("a.gguf", "README.md") == "a.gguf"
    assert choose("a.gguf", "mmproj-a.gguf") == "a.gguf"
    assert choose("a.gguf", "model.safetensors") is None
    with pytest.raises(DownloadError, match=r"2 GGUF files; add one of them with a colon: a.gguf, b.gguf"):
        choose("a.gguf", "b.gguf")
    with pytest.raises(DownloadError, match="neither"):
        choose("README.md")
