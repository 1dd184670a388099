"""What may be asked for: URLs in every spelling, addresses in every form, what the operator allows."""

from __future__ import annotations

import pytest

from spatz.errors import ConfigError
from spatz.inputs.address import AllowedHosts, check_url, is_public
from spatz.inputs.document import InputError

NOBODY = AllowedHosts(())


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)
    assert check_url(f"https://[{address}]/" if ":" in address else f"https://{address}/", NOBODY).host == address


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::a00:1",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::1",
        "2606:2800::5efe:10.0.0.1",
        "2606:2800::200:5efe:10.0.0.1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%lo",
        "2606:2800::1%lo",
        "fec0::1",
        "ff02::1",
    ],
)
def test_closed_addresses(address: str) -> None:
    assert not is_public(address)
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(InputError) as caught:
        check_url(f"https://{host}/", NOBODY)
    assert "not allowed" in caught.value.message or "not valid" in caught.value.message


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "256.1.1.1", "0177.0.0.1", "8.8.8.8 ", "0x8.8.8.8"])
def test_what_is_no_address_is_not_public(text: str) -> None:
    assert not is_public(text)


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "127.1",
        "127.0.0.1.",
        "127.0.0.0x1",
        "1.2.3.4.5",
        "%31%32%37.0.0.1",
        "127。0。0。1",
        "①②⑦.0.0.1",
        "１２７.0.0.1",  # noqa: RUF001
        "[::1%25lo]",
        "[::1",
        "[]",
        "localhost",
        "LOCALHOST.",
        "intranet",
        "",
        ".",
        "a..com",
        "-a.com",
        "a-.com",
        "exa mple.com",
        "exam\tple.com",
        "example.com\\@127.0.0.1",
        "user@example.com",
        "user:secret@example.com",
        ":@example.com",
        "a" * 64 + ".com",
        ".".join(["a" * 60] * 5),
        "example.com:99999",
        "example.com:0",
        "example.com:80",
        "example.com:8443",
        "xn--",
        "x\0.com",
    ],
)
def test_hosts_that_are_refused_before_anything_is_resolved(host: str) -> None:
    with pytest.raises(InputError) as caught:
        check_url(f"https://{host}/", NOBODY)
    error = caught.value
    assert error.status == 400 and error.code in ("invalid_url", "url_not_allowed")
    assert "secret" not in error.message


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "//example.com/",
        "example.com",
        "https:example.com",
        "https:///etc/passwd",
        "data:text/plain,x",
        "unix:/run/x",
        "https://example.com/" + "a" * 9_000,
    ],
)
def test_schemes_and_forms_that_are_refused(url: str) -> None:
    with pytest.raises(InputError):
        check_url(url, NOBODY)


@pytest.mark.parametrize(
    ("url", "host", "asked"),
    [
        ("https://EXAMPLE.com./a b?c=d#e", "example.com", "https://example.com/a%20b?c=d"),
        ("HTTPS://example.com:443", "example.com", "https://example.com"),
        ("https://bücher.example/ä", "xn--bcher-kva.example", "https://xn--bcher-kva.example/%C3%A4"),
        ("https://my_bucket.example.com/x", "my_bucket.example.com", "https://my_bucket.example.com/x"),
        ("https://[2606:2800:021f::1]/", "2606:2800:21f::1", "https://[2606:2800:21f::1]/"),
        ("https://example.com#@127.0.0.1/", "example.com", "https://example.com"),
    ],
)
def test_a_url_has_one_spelling_when_it_has_been_checked(url: str, host: str, asked: str) -> None:
    target = check_url(url, NOBODY)
    assert (target.host, target.port, target.trusted) == (host, 443, False)
    assert str(target.url) == asked


def test_the_operator_allows_hosts_by_name() -> None:
    allowed = AllowedHosts(["files.internal", "Intranet.:8080", "127.0.0.1:9000", "[::1]:9001", "bücher.test"])
    for url in (
        "http://files.internal/a",
        "https://FILES.internal./a",
        "http://intranet:8080/",
        "https://intranet:8080/",
        "http://127.0.0.1:9000/",
        "http://[0::1]:9001/",
        "http://xn--bcher-kva.test/",
    ):
        assert check_url(url, allowed).trusted
    for url in (
        "http://files.internal:8080/a",
        "http://a.files.internal/",
        "http://intranet/",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://u@files.internal/a",
    ):
        with pytest.raises(InputError):
            check_url(url, allowed)


@pytest.mark.parametrize("entry", ["", "a b", "host:", "host:0", "host:70000", "host:x", "http://host", "*", "0x7f.1"])
def test_entries_that_are_no_hosts(entry: str) -> None:
    with pytest.raises(ConfigError):
        AllowedHosts([entry])
