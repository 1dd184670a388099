"""Fetching, with a server on 127.0.0.1 and names that lead to it: what comes back, what is refused, what is bounded."""

from __future__ import annotations

import asyncio
import gzip
import os
import zlib
from collections.abc import AsyncIterator

import pytest

from inputs.asking import PUBLIC, TRUST, Names, Network, Web, answer, local_fetcher, public_fetcher, redirect, web
from spatz.errors import ConfigError
from spatz.inputs.document import InputError
from spatz.inputs.fetch import IMAGES, PAGES, Fetcher, FetchPolicy, FetchRefused, Known


@pytest.fixture
async def served() -> AsyncIterator[Web]:
    async with web() as server:
        yield server


async def refusal(fetcher: Fetcher, url: str, **more: object) -> InputError:
    with pytest.raises(InputError) as caught:
        await fetcher.fetch(url, **more)  # type: ignore[arg-type]
    assert caught.value.status == 400 and "127.0.0.1" not in caught.value.message
    return caught.value


async def test_a_public_host_is_asked_over_tls_with_its_name_and_its_checked_address(served: Web) -> None:
    served.pages["/a.png?x=1"] = answer(b"picture", kind="image/png")
    network, names = Network(served), Names({"pictures.test": [[PUBLIC], ["127.0.0.1"]]})
    found = await public_fetcher(network, names).fetch("https://pictures.test/a.png?x=1#top", IMAGES)
    assert (found.data, found.media_type, found.filename) == (b"picture", "image/png", "a.png")
    assert found.url == "https://pictures.test/a.png?x=1"
    assert network.connected == [f"{PUBLIC}:443"]
    assert names.asked == ["pictures.test"]  # once: there is no second answer to be tricked with
    head = served.asked[0]
    assert "\r\nHost: pictures.test\r\n" in head and "\r\nUser-Agent: Spatz/" in head
    assert "\r\nAccept: image/*, " in head and "Cookie" not in head and "Referer" not in head


async def test_a_certificate_of_another_name_is_refused(served: Web) -> None:
    network, names = Network(served), Names({"wrong.test": [[PUBLIC]]})
    error = await refusal(public_fetcher(network, names), "https://wrong.test/")
    assert error.code == "url_not_allowed" and served.asked == []


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        [PUBLIC, "10.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        ["169.254.169.254"],
        ["fe80::1%eth0"],
        ["nonsense"],
        [],
    ],
)
async def test_closed_unknown_silent_and_refusing_hosts_read_the_same(served: Web, addresses: list[str]) -> None:
    network = Network(served, silent=[PUBLIC])
    names = Names({"a.test": [addresses], "silent.test": [[PUBLIC]]} if addresses else {"silent.test": [[PUBLIC]]})
    fetcher = public_fetcher(network, names)
    closed = await refusal(fetcher, "https://a.test/")
    assert network.connected == []
    assert closed.body() == (await refusal(fetcher, "https://silent.test/")).body()
    assert closed.body() == (await refusal(fetcher, "https://10.1.2.3/")).body()
    assert closed.code == "url_not_allowed"


async def test_the_next_address_is_tried_when_one_does_not_answer(served: Web) -> None:
    served.pages["/"] = answer()
    network = Network(served, silent=["2606:2800:21f::1"])
    names = Names({"pictures.test": [["2606:2800:21f::1", PUBLIC]]})
    assert (await public_fetcher(network, names).fetch("https://pictures.test")).data == b"hello"
    assert network.connected == ["2606:2800:21f::1:443", f"{PUBLIC}:443"]


async def test_this_machine_is_not_reached_by_a_public_address_of_its_own(
    served: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spatz.inputs.pinned.is_public", lambda address: True)
    fetcher = Fetcher(
        FetchPolicy(ports=(443, served.tls_port)), resolve=Names({"web.test": [["127.0.0.1"]]}), tls=TRUST
    )
    error = await refusal(fetcher, f"https://web.test:{served.tls_port}/")
    assert error.code == "url_not_allowed" and served.asked == []


@pytest.mark.parametrize(
    "location",
    [
        "https://127.0.0.1/",
        "https://localhost/",
        "http://pictures.test/",
        "https://[::1]/",
        "https://0x7f000001/",
        "https://inside.test/",
        "//inside.test/",
        "https://user:secret@pictures.test/",
        "file:///etc/passwd",
        "https://pictures.test:8443/",
    ],
)
async def test_a_redirect_leads_only_where_a_request_may(served: Web, location: str) -> None:
    served.pages["/"] = redirect(location)
    names = Names({"pictures.test": [[PUBLIC]], "inside.test": [["127.0.0.1"]], "localhost": [["127.0.0.1"]]})
    network = Network(served)
    await refusal(public_fetcher(network, names), "https://pictures.test/")
    assert len(served.asked) == 1 and network.connected == [f"{PUBLIC}:443"]


async def test_a_name_that_changes_between_two_hops_is_checked_at_each(served: Web) -> None:
    served.pages["/"] = redirect("/next")
    names = Names({"pictures.test": [[PUBLIC], ["127.0.0.1"]]})
    await refusal(public_fetcher(Network(served), names), "https://pictures.test/")
    assert len(served.asked) == 1


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_redirects_are_followed(served: Web, status: str) -> None:
    served.pages["/a/b"] = redirect("../c%20d.txt?e=f g", status)
    served.pages["/c%20d.txt?e=f%20g"] = answer(b"there", "Set-Cookie: a=b")
    found = await local_fetcher(served).fetch(served.local("/a/b"))
    assert found.data == b"there" and found.filename == "c d.txt"
    assert "Cookie" not in served.asked[1]


async def test_redirects_end(served: Web) -> None:
    served.pages["/"] = redirect("/")
    error = await refusal(local_fetcher(served, max_redirects=2), served.local("/"))
    assert "2 redirects" in error.message and len(served.asked) == 3
    served.pages["/"] = redirect("")
    assert "nowhere" in (await refusal(local_fetcher(served), served.local("/"))).message


async def test_what_the_operator_allows_is_that_host_and_port(served: Web) -> None:
    served.pages["/"] = answer()
    fetcher = local_fetcher(served)
    assert (await fetcher.fetch(served.local("/"))).data == b"hello"
    for url in (f"http://127.0.0.1:{served.port}/", f"http://other.test:{served.port}/", "http://web.test/"):
        await refusal(fetcher, url)
    assert len(served.asked) == 1


async def test_the_environment_gives_no_proxy(served: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    served.pages["/"] = answer()
    assert (await local_fetcher(served).fetch(served.local("/"))).data == b"hello"


async def test_the_operators_proxy_is_asked_for_what_is_checked_by_name(served: Web) -> None:
    served.pages["http://files.internal:80/a.txt"] = answer(b"by proxy")
    policy = FetchPolicy(hosts=("files.internal",), proxy=f"http://me:secret@127.0.0.1:{served.port}")
    fetcher = Fetcher(policy, resolve=Names({}), tls=TRUST)
    assert (await fetcher.fetch("http://files.internal/a.txt")).data == b"by proxy"
    assert "\r\nProxy-Authorization: Basic " in served.asked[0]
    await refusal(fetcher, "https://10.0.0.1/")
    assert len(served.asked) == 1


@pytest.mark.parametrize("proxy", ["socks5://a:secret@b", "http://", "http://a:secret@b:x"])
def test_proxies_that_are_none(proxy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Fetcher(FetchPolicy(proxy=proxy))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "accept", "fits"),
    [
        ("image/png", IMAGES, True),
        ("IMAGE/PNG; q=1", IMAGES, True),
        ("binary/octet-stream", IMAGES, True),
        ("nonsense", IMAGES, True),  # no type at all: the bytes are looked at in any case
        ("text/html; charset=utf-8", IMAGES, False),
        ("text/html", PAGES, True),
        ("image/png", PAGES, False),
        ("x/y", ("*/*",), True),
    ],
)
async def test_content_types(served: Web, kind: str, accept: tuple[str, ...], fits: bool) -> None:
    served.pages["/"] = answer(kind=kind)
    if fits:
        assert (await local_fetcher(served).fetch(served.local("/"), accept)).data == b"hello"
    else:
        error = await refusal(local_fetcher(served), served.local("/"), accept=accept)
        assert error.code == "unsupported_content_type"


async def test_names_and_charsets(served: Web) -> None:
    header = "Content-Disposition: attachment; filename*=UTF-8''..%2F%C3%BCber%0a.csv"
    served.pages["/"] = answer(b"a,b", header, kind="Text/CSV; charset=Latin1")
    found = await local_fetcher(served).fetch(served.local("/"))
    assert (found.filename, found.media_type, found.charset) == ("über.csv", "text/csv", "latin1")
    assert found.content_type == "text/csv; charset=latin1"


@pytest.mark.parametrize("status", ["204 No Content", "206 Partial", "304 Not Modified", "404 Not Found", "500 Oh"])
async def test_statuses(served: Web, status: str) -> None:
    served.pages["/"] = f"HTTP/1.1 {status}\r\nConnection: close\r\n\r\n".encode()
    error = await refusal(local_fetcher(served), served.local("/"))
    assert status[:3] in error.message and error.code == "fetch_failed"


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 30_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    ],
)
async def test_servers_that_break_off_or_speak_something_else(served: Web, page: bytes) -> None:
    served.pages["/"] = page
    assert (await refusal(local_fetcher(served), served.local("/"))).code == "fetch_failed"


async def test_sizes(served: Web) -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 4_096)
            await writer.drain()

    served.pages |= {"/endless": endless, "/said": answer(b"x" * 1_001), "/fits": answer(b"x" * 1_000)}
    fetcher = local_fetcher(served, max_bytes=1_000)
    assert len((await fetcher.fetch(served.local("/fits"))).data) == 1_000
    for url, most in (("/endless", None), ("/said", None), ("/fits", 999)):
        error = await refusal(fetcher, served.local(url), max_bytes=most)
        assert error.code == "file_too_large"


async def test_a_decompression_bomb_ends_at_the_limit(served: Web) -> None:
    bomb = gzip.compress(bytes(50 << 20))
    served.pages["/"] = answer(bomb, "Content-Encoding: gzip")
    assert len(bomb) < 1 << 18
    assert (await refusal(local_fetcher(served, max_bytes=1 << 20), served.local("/"))).code == "file_too_large"


PLAIN = os.urandom(300_000) + b"a" * 700_000


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(PLAIN)),
        ("x-GZIP", gzip.compress(PLAIN[:9]) + gzip.compress(PLAIN[9:]) + bytes(9)),
        ("deflate", zlib.compress(PLAIN)),
        ("deflate", zlib.compress(PLAIN)[2:-4]),
        ("identity", PLAIN),
        ("gzip", b""),
    ],
    ids=["gzip", "two-members", "zlib", "deflate", "identity", "empty"],  # the same in each process
)
async def test_encodings(served: Web, encoding: str, body: bytes) -> None:
    served.pages["/"] = answer(body, f"Content-Encoding: {encoding}")
    assert (await local_fetcher(served).fetch(served.local("/"))).data == (PLAIN if body else b"")


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(PLAIN)[:-9]),
        ("gzip", b"no gzip"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"x"))),
        ("br", b"x"),
        ("zstd", b"x"),
    ],
    ids=["cut", "none", "twice", "br", "zstd"],
)
async def test_encodings_that_are_damaged_or_were_not_asked_for(served: Web, encoding: str, body: bytes) -> None:
    served.pages["/"] = answer(body, f"Content-Encoding: {encoding}")
    assert (await refusal(local_fetcher(served), served.local("/"))).code == "fetch_failed"


async def test_slow_servers_end_with_the_time_and_hold_no_place(served: Web) -> None:
    gone = asyncio.Event()

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        try:
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)
        finally:
            gone.set()

    served.pages |= {"/drip": drip, "/": answer()}
    fetcher = local_fetcher(served, timeout=0.2, max_parallel=1)
    errors = await asyncio.gather(*(refusal(fetcher, served.local("/drip")) for _ in range(2)))
    assert [error.code for error in errors] == ["url_timeout", "url_timeout"]
    await asyncio.wait_for(gone.wait(), 5)
    assert (await fetcher.fetch(served.local("/"))).data == b"hello"


async def test_a_resolver_that_hangs_ends_with_the_time() -> None:
    async def hang(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    assert (await refusal(Fetcher(FetchPolicy(timeout=0.05), resolve=hang), "https://a.test/")).code == "url_timeout"


async def test_the_systems_resolver_knows_this_machine_and_is_not_led_there(served: Web) -> None:
    served.pages["/"] = answer()
    fetcher = Fetcher(FetchPolicy(hosts=(f"localhost:{served.port}",)))
    try:
        assert (await fetcher.fetch(f"http://localhost:{served.port}/")).data == b"hello"
        await refusal(fetcher, "https://localhost/")
    finally:
        fetcher.close()


async def test_what_is_known_is_not_sent_again(served: Web) -> None:
    served.pages["/"] = answer(b"hello", 'ETag: "v1"', "Last-Modified: Tue, 05 May 2026 10:00:00 GMT")
    fetcher = local_fetcher(served)
    found = await fetcher.fetch(served.local("/"))
    assert (found.etag, found.last_modified) == ('"v1"', "Tue, 05 May 2026 10:00:00 GMT") and not found.unchanged
    assert "If-None-Match" not in served.asked[-1] and "If-Modified-Since" not in served.asked[-1]
    served.pages["/"] = b'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\n\r\n'
    found = await fetcher.fetch(served.local("/"), known=Known(found.etag, found.last_modified))
    assert found.unchanged and found.data == b"" and found.url == served.local("/")
    assert 'If-None-Match: "v1"\r\nIf-Modified-Since: Tue, 05 May' in served.asked[-1]
    await fetcher.fetch(served.local("/"), known=Known("a\r\nX-Evil: 1", "\u0101"))
    assert "Evil" not in served.asked[-1] and "If-" not in served.asked[-1]


async def test_a_server_that_refuses_says_for_how_long(served: Web) -> None:
    served.pages["/"] = answer(b"", "Retry-After: 120", status="429 Too Many")
    with pytest.raises(FetchRefused) as caught:
        await local_fetcher(served).fetch(served.local("/"))
    assert (caught.value.answered, caught.value.retry_after) == (429, "120") and caught.value.code == "fetch_failed"
