"""URLs of results: which are the same page, and what domains cover."""

from __future__ import annotations

import pytest

from spatz.search.urls import allowed, covers, host_of, is_web, same_page, tidy


@pytest.mark.parametrize(
    "other",
    [
        "http://docs.a.org/x",
        "https://DOCS.A.org/x",
        "HTTPS://docs.a.org:443/x",
        "http://docs.a.org:80/x",
        "https://docs.a.org./x",
        "https://docs.a.org/x/",
        "https://docs.a.org/x#part",
        "https://docs.a.org/x?",
        "https://docs.a.org/x?utm_source=mail&utm_medium=b",
        "https://docs.a.org/x/?gclid=1&fbclid=2&_ga=3#top",
        "https://docs.a.org/%78",
    ],
)
def test_urls_of_the_same_page(other: str) -> None:
    assert same_page(other) == same_page("https://docs.a.org/x")


@pytest.mark.parametrize(
    "other",
    [
        "https://docs.a.org/X",
        "https://a.org/x",
        "https://docs.a.org:8443/x",
        "https://docs.a.org/x?id=1",
        "https://docs.a.org/x?utm=1",
        "https://docs.a.org/x%2Fy",
        "https://docs.a.org/",
    ],
)
def test_urls_of_other_pages(other: str) -> None:
    assert same_page(other) != same_page("https://docs.a.org/x")


def test_more_spellings_of_one_page() -> None:
    assert same_page("https://a.org") == same_page("http://a.org/")
    assert same_page("https://a.org/?b=%2f&a=1") == same_page("https://a.org/?b=%2F&a=1")
    assert same_page("https://a.org/wiki/Bücher?q=é") == same_page("https://a.org/wiki/B%c3%bccher?q=%C3%A9")
    assert same_page("https://bücher.example/") == same_page("https://xn--bcher-kva.example")
    assert same_page("https://a.org/?b=1&a=1") != same_page("https://a.org/?a=1&b=1")  # an order may matter
    assert same_page("https://[2001:DB8::1]:443/x") == same_page("http://[2001:db8::1]/x")
    assert same_page("file:///home/x") == "file:///home/x"


def test_a_url_to_cite_has_nothing_that_tracks() -> None:
    assert tidy("https://A.org:443/x/?id=5&utm_source=a&UTM_medium=b&gclid=c#frag") == "https://a.org/x/?id=5"
    assert tidy("http://a.org:8080?msclkid=1") == "http://a.org:8080/"
    assert tidy("https://a.org/x?q=a%20b&empty=&flag") == "https://a.org/x?q=a%20b&empty=&flag"
    assert tidy("mailto:a@b.org") == "mailto:a@b.org"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.org/x",
        "//a.org/x",
        "ftp://a.org/",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://",
        "https:///x",
        "https://a.org:99999999/",
        "https://a.org/a b",
        "https://a.org/\nx",
        "https://a.org\\@b.org/",
        "https://bank.example@b.org/",
        "http://[::1",
        "https://a.org/" + "x" * 9_000,
    ],
)
def test_what_is_no_url_of_the_web(url: str) -> None:
    assert not is_web(url) and host_of(url) == ""
    assert not allowed(url, ["a.org"], []) and allowed(url, [], ["a.org"])


def test_domains_cover_themselves_and_what_is_under_them() -> None:
    assert covers("a.org", "a.org") and covers("a.org", "docs.a.org") and covers("A.org.", "x.y.a.org")
    assert not covers("a.org", "ba.org") and not covers("docs.a.org", "a.org") and not covers("", "a.org")
    assert covers("bücher.example", host_of("https://www.bücher.example/x"))
    assert allowed("https://docs.a.org/x", ["b.org", "a.org"], ["old.a.org"])
    assert not allowed("https://old.a.org/x", ["a.org"], ["old.a.org"])
    assert not allowed("https://c.org/x", ["b.org", "a.org"], [])
    assert not allowed("https://x.c.org/x", [], ["c.org"])
