"""Sitemaps: pages with dates, lists of lists, packed, as text; and what is none."""

from __future__ import annotations

import gzip

import pytest

from spatz.inputs.document import InputError
from spatz.search.index import sitemap
from spatz.search.index.sitemap import is_sitemap, parse

PAGES = (
    b'<?xml version="1.0"?><!-- made --><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
    b"<url><loc> https://a.test/1 </loc><lastmod>2026-02-03T04:05:06Z</lastmod></url>"
    b"<url><loc>https://a.test/2?a=1&amp;b=2</loc></url><url><lastmod>2026-01-01</lastmod></url></urlset>"
)


def test_pages_and_their_dates() -> None:
    assert parse(PAGES).pages == (("https://a.test/1", "2026-02-03"), ("https://a.test/2?a=1&b=2", ""))
    assert parse(gzip.compress(PAGES)) == parse(PAGES)
    assert parse(b"https://a.test/x\nhttps://a.test/y\n").pages == (("https://a.test/x", ""), ("https://a.test/y", ""))


def test_a_list_of_sitemaps() -> None:
    data = b"<sitemapindex><sitemap><loc>https://a.test/s1.xml</loc></sitemap></sitemapindex>"
    assert is_sitemap(data) and parse(data).sitemaps == ("https://a.test/s1.xml",)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html><body>no</body></html>",
        b"some text",
        b"<urlset><url><loc>https://a.test/</loc>",
        b'<!DOCTYPE x [<!ENTITY e "boom">]><urlset><url><loc>&e;</loc></url></urlset>',
        gzip.compress(PAGES)[:40],
    ],
)
def test_what_is_no_sitemap_is_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        parse(data)


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sitemap, "MOST_BYTES", 1_000)
    with pytest.raises(InputError, match="more than"):
        parse(gzip.compress(PAGES + b" " * 5_000_000))
    monkeypatch.setattr(sitemap, "MOST_URLS", 1)
    with pytest.raises(InputError, match="more than 1 pages"):
        parse(PAGES)
