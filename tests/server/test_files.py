"""Files over HTTP: what may be uploaded, what is told of it, and that nothing else is left on the disk."""

from __future__ import annotations

import hashlib
import random
import stat
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from server.conftest import WAIT, serving
from server.fake import FakeModel
from spatz.config import Settings
from spatz.server.app import create_app
from spatz.server.upload import clean_name

BOUNDARY = "limit"
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    given = f'; filename="{filename}"' if filename is not None else ""
    return f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"{given}\r\n\r\n'.encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


async def upload(client: httpx.AsyncClient, content: bytes = b"hello", **fields: str) -> dict[str, object]:
    name = fields.pop("filename", "a.txt")
    data = {"purpose": "user_data", **fields}
    answer = await client.post("/v1/files", files={"file": (name, content)}, data=data)
    assert answer.status_code == 200, answer.text
    body: dict[str, object] = answer.json()
    return body


def on_disk(settings: Settings) -> list[str]:
    """What lies there, but for the lock of the process."""
    folder = settings.data_dir / "files"
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock") if folder.is_dir() else []


async def test_a_file_comes_back_as_it_was(client: httpx.AsyncClient, settings: Settings) -> None:
    content = bytes(range(256)) * 20
    file = await upload(client, content, filename="käse.bin")
    assert file == {
        "id": file["id"],
        "object": "file",
        "bytes": len(content),
        "created_at": file["created_at"],
        "expires_at": file["expires_at"],
        "filename": "käse.bin",
        "purpose": "user_data",
        "status": "processed",
        "status_details": None,
    }
    assert (await client.get(f"/v1/files/{file['id']}")).json() == file
    answer = await client.get(f"/v1/files/{file['id']}/content")
    assert answer.content == content
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["content-disposition"] == "attachment; filename*=utf-8''k%C3%A4se.bin"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert on_disk(settings) == [file["id"]]
    deleted = await client.delete(f"/v1/files/{file['id']}")
    assert deleted.json() == {"id": file["id"], "object": "file", "deleted": True}
    assert on_disk(settings) == []
    for path in (f"/v1/files/{file['id']}", f"/v1/files/{file['id']}/content"):
        assert (await client.get(path)).status_code == 404
    assert (await client.delete(f"/v1/files/{file['id']}")).status_code == 404


async def test_only_the_owner_of_the_process_reads_the_disk(client: httpx.AsyncClient, settings: Settings) -> None:
    file = await upload(client)
    folder = settings.data_dir / "files"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / str(file["id"])).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/", "file"),
        ("..", "file"),
        ("a/.", "file"),
        ("a\x00b\x1b[2J\r\nc", "ab[2Jc"),
        ("\u202egnp.exe", "gnp.exe"),
        ("x" * 1000, "x" * 255),
        ("", "file"),
        ("привет 🧀.txt", "привет 🧀.txt"),
    ],
)
def test_names_are_no_paths(name: str, shown: str) -> None:
    assert clean_name(name) == shown


async def test_a_hostile_name_goes_nowhere(client: httpx.AsyncClient, settings: Settings) -> None:
    file = await upload(client, filename="../../../../out.txt")
    assert file["filename"] == "out.txt"
    assert on_disk(settings) == [file["id"]]
    answer = await client.get(f"/v1/files/{file['id']}/content")
    assert answer.headers["content-disposition"] == "attachment; filename*=utf-8''out.txt"


async def test_lists_are_pages(client: httpx.AsyncClient) -> None:
    ids = [(await upload(client, purpose="vision" if i % 2 else "batch"))["id"] for i in range(5)]
    whole = (await client.get("/v1/files")).json()
    assert [file["id"] for file in whole["data"]] == ids[::-1]
    assert (whole["object"], whole["has_more"]) == ("list", False)
    assert (whole["first_id"], whole["last_id"]) == (ids[-1], ids[0])
    first = (await client.get("/v1/files", params={"limit": 2, "order": "asc"})).json()
    assert [file["id"] for file in first["data"]] == ids[:2]
    assert first["has_more"]
    rest = (await client.get("/v1/files", params={"after": ids[1], "order": "asc", "limit": 3})).json()
    assert [file["id"] for file in rest["data"]] == ids[2:]
    assert not rest["has_more"]
    seen = (await client.get("/v1/files", params={"purpose": "vision"})).json()
    assert [file["id"] for file in seen["data"]] == [ids[3], ids[1]]
    assert (await client.get("/v1/files", params={"purpose": "evals"})).json()["data"] == []


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("limit=x", "limit"),
        ("order=up", "order"),
        ("after=file-x", "after"),
        ("after=file-" + "0" * 24, "after"),
        ("purpose=%00", "purpose"),
    ],
)
async def test_bad_queries(client: httpx.AsyncClient, query: str, param: str) -> None:
    answer = await client.get(f"/v1/files?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize("file_id", ["nothing", "file-" + "0" * 24, "file-%00", "..%2f..%2fspatz.db"])
async def test_unknown_files(client: httpx.AsyncClient, file_id: str) -> None:
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        answer = await client.request(method, f"/v1/files/{file_id}{path}")
        assert answer.status_code == 404
        assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (form(part("purpose", b"batch")), "file", "missing_required_parameter"),
        (form(part("file", b"x", "a")), "purpose", "missing_required_parameter"),
        (form(part("purpose", b"batch"), part("file", b"x")), "file", "invalid_type"),
        (form(part("purpose", b"batch"), part("file", b"", "a")), "file", "empty_file"),
        (form(part("purpose", b"party"), part("file", b"x", "a")), "purpose", "invalid_value"),
        (form(part("purpose", b"batch_output"), part("file", b"x", "a")), "purpose", "invalid_value"),
        (form(part("purpose", b"fine-tune"), part("file", b"x", "a")), "purpose", "model_not_available"),
        (form(part("purpose", b"batch"), part("file", b"x", "a"), part("file", b"y", "b")), "file", "invalid_value"),
        (form(part("purpose", b"batch"), part("purpose", b"batch")), "purpose", "invalid_value"),
        (form(part("purpose", b"b" * 5000), part("file", b"x", "a")), "purpose", "string_above_max_length"),
        (form(part("purpose", b"batch", "p"), part("file", b"x", "a")), "purpose", "invalid_type"),
        (form(part("purpose", b"batch"), part("file", b"x", "a"), part("colour", b"red")), None, None),
        (form(*[part(f"f{i}", b"") for i in range(30)]), None, "invalid_value"),
        (form(part("purpose", b"batch"), part("expires_after", b"1"), part("file", b"x", "a")), "expires_after", None),
        (form(part("purpose", b"batch"), part("file", b"x", "a"))[:-30], None, "invalid_multipart"),
        (b"", None, "invalid_multipart"),
        (b"what is this", None, "invalid_multipart"),
        (form(b"--limit\r\ncontent-disposition: form-data\r\n\r\nx\r\n"), None, "invalid_multipart"),
        (form(b"--limit\r\n" + b"x: y\r\n" * 10_000 + b"\r\nz\r\n"), None, "invalid_multipart"),
        (form(b"--limit\r\nx: " + b"y" * 100_000 + b"\r\n\r\nz\r\n"), None, "invalid_multipart"),
    ],
)
async def test_bad_forms(
    client: httpx.AsyncClient, settings: Settings, body: bytes, param: str | None, code: str | None
) -> None:
    answer = await client.post("/v1/files", content=body, headers=FORM)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["param"] == param
    assert code is None or error["code"] == code
    assert on_disk(settings) == []
    assert (await client.get("/v1/files")).json()["data"] == []


@pytest.mark.parametrize(
    "kind",
    ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "x" * 1000],
)
async def test_boundaries_that_are_none(client: httpx.AsyncClient, kind: str) -> None:
    answer = await client.post("/v1/files", content=b"--x--", headers={"content-type": kind})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_multipart"


async def test_a_form_is_read_in_any_order_and_any_pieces(client: httpx.AsyncClient) -> None:
    content = b"\r\n--limi\r\n--limit-\r\r\n" * 50
    body = form(part("file", content, "a"), part("purpose", b"vision"))

    async def pieces() -> AsyncIterator[bytes]:
        for place in range(0, len(body), 7):
            yield body[place : place + 7]

    answer = await client.post("/v1/files", content=pieces(), headers=FORM)
    assert answer.status_code == 200, answer.text
    assert (await client.get(f"/v1/files/{answer.json()['id']}/content")).content == content


@pytest.mark.parametrize(
    ("fields", "days", "seconds"),
    [
        ({}, 30, 30 * 86_400),
        ({}, 0, None),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}, 0, 3600),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "2592000"}, 1, 86_400),
    ],
)
async def test_files_expire(
    model: FakeModel, settings: Settings, fields: dict[str, str], days: int, seconds: int | None
) -> None:
    transport = httpx.ASGITransport(create_app(model, replace(settings, file_days=days)))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        file = await upload(client, **fields)
    expected = None if seconds is None else int(str(file["created_at"])) + seconds
    assert file["expires_at"] == expected


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"expires_after[seconds]": "3600"}, "expires_after.anchor"),
        ({"expires_after[anchor]": "created_at"}, "expires_after.seconds"),
        ({"expires_after[anchor]": "now", "expires_after[seconds]": "3600"}, "expires_after.anchor"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "3599"}, "expires_after.seconds"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "2592001"}, "expires_after.seconds"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "soon"}, "expires_after.seconds"),
        ({"expires_after[mood]": "x"}, "expires_after.anchor"),
    ],
)
async def test_bad_expiry(client: httpx.AsyncClient, fields: dict[str, str], param: str) -> None:
    data = {"purpose": "batch", **fields}
    answer = await client.post("/v1/files", files={"file": ("a", b"x")}, data=data)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


async def test_a_file_that_is_too_large(model: FakeModel, settings: Settings) -> None:
    transport = httpx.ASGITransport(create_app(model, replace(settings, max_upload_mb=1)))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        large = form(part("purpose", b"batch"), part("file", bytes(1 << 20), "a"))

        async def pieces() -> AsyncIterator[bytes]:
            yield large

        for content in (large, pieces()):  # with a length, and without one
            answer = await client.post("/v1/files", content=content, headers=FORM)
            assert answer.status_code == 413
            assert answer.json()["error"]["code"] == "request_too_large"
        assert on_disk(settings) == []


async def test_the_storage_has_an_end(model: FakeModel, settings: Settings) -> None:
    transport = httpx.ASGITransport(create_app(model, replace(settings, max_storage_mb=1)))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        file = await upload(client, bytes(700_000))
        answer = await client.post("/v1/files", files={"file": ("a", bytes(700_000))}, data={"purpose": "batch"})
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "storage_limit_exceeded"
        assert on_disk(settings) == [file["id"]]
        await client.delete(f"/v1/files/{file['id']}")
        await upload(client, bytes(700_000))
        await upload(client, bytes((1 << 20) - 700_000))
        answer = await client.post("/v1/files", files={"file": ("a", b"x")}, data={"purpose": "batch"})
        assert answer.json()["error"]["code"] == "storage_limit_exceeded"


async def test_owners_do_not_see_one_another(model: FakeModel, settings: Settings) -> None:
    transport = httpx.ASGITransport(create_app(model, replace(settings, api_key=("one", "two"))))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        one, two = ({"authorization": f"Bearer {key}"} for key in ("one", "two"))
        sent = await client.post("/v1/files", files={"file": ("a", b"x")}, data={"purpose": "batch"}, headers=one)
        file_id = sent.json()["id"]
        assert (await client.get("/v1/files", headers=two)).json()["data"] == []
        for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
            answer = await client.request(method, f"/v1/files/{file_id}{path}", headers=two)
            assert answer.status_code == 404
        assert (await client.get(f"/v1/files/{file_id}/content", headers=one)).content == b"x"


async def test_a_client_that_goes_leaves_nothing(model: FakeModel, settings: Settings) -> None:
    """Over a real socket: half of a file comes, and then nobody is there."""
    async with serving(model, settings) as live, httpx.AsyncClient(base_url=live.url, timeout=WAIT) as client:

        async def pieces() -> AsyncIterator[bytes]:
            yield part("purpose", b"batch") + part("file", bytes(3 << 20), "a")
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            await client.post("/v1/files", content=pieces(), headers=FORM)
        while on_disk(settings):  # a file that is deleted when the server has noticed
            assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/v1/files")).json()["data"] == []
        content = bytes(2_500_000)
        file = await upload(client, content)
        downloaded = (await client.get(f"/v1/files/{file['id']}/content")).content
        assert hashlib.sha256(downloaded).digest() == hashlib.sha256(content).digest()


async def test_damaged_forms_are_errors_and_no_more(client: httpx.AsyncClient, settings: Settings) -> None:
    whole = form(part("purpose", b"batch"), part("expires_after[seconds]", b"3600"), part("file", b"x" * 40, "a"))
    chance = random.Random(5)
    for _ in range(300):
        body = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            place = chance.randrange(len(body))
            if chance.random() < 0.5:
                body[place] = chance.choice(b'-\r\n:;="\x00\xff li')
            else:
                del body[place : place + chance.randrange(20)]
        answer = await client.post("/v1/files", content=bytes(body), headers=FORM)
        assert answer.status_code in (200, 400), bytes(body)
        assert answer.status_code == 200 or answer.json()["error"]["message"]
    kept = [file["id"] for file in (await client.get("/v1/files")).json()["data"]]
    assert on_disk(settings) == sorted(kept)
