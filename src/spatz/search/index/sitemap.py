"""Sitemaps (sitemaps.org): the pages that a site lists, and lists of such lists; also packed, also as plain text."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

from spatz.inputs.decompress import decompressor
from spatz.inputs.document import InputError
from spatz.inputs.xml_tree import each, local

__all__ = ["MOST_BYTES", "Sitemap", "is_sitemap", "parse", "unpacked"]

MOST_BYTES = 50 << 20  # the protocol's, unpacked
MOST_URLS = 50_000  # the protocol's
_BEGINS = re.compile(
    rb"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,2000}?-->\s*|<\?[^>]{0,500}\?>\s*)*<(?:\w{1,20}:)?(urlset|sitemapindex)\b",
    re.DOTALL,
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Sitemap:
    pages: tuple[tuple[str, str], ...]  # (URL, when it was last changed: YYYY-MM-DD or "")
    sitemaps: tuple[str, ...]


def is_sitemap(data: bytes) -> bool:
    return _BEGINS.match(data[:4_096].removeprefix(b"\xef\xbb\xbf")) is not None


def unpacked(data: bytes) -> bytes:
    """What is packed with gzip as a file, too. Raises InputError."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    unpack = decompressor("gzip")
    found = bytearray()
    for piece in unpack.feed(data):
        found += piece
        if len(found) > MOST_BYTES:
            raise InputError(f"the sitemap has more than {MOST_BYTES >> 20} MiB", code="file_too_large")
    unpack.finish()
    return bytes(found)


def parse(data: bytes) -> Sitemap:
    """Raises InputError for what is damaged, and for what has more than the protocol allows."""
    data = unpacked(data)
    if not is_sitemap(data):
        lines = data.decode("utf-8", "replace").lstrip("\ufeff").split()
        if lines and all(line.startswith(("http://", "https://")) for line in lines):
            return Sitemap(tuple((line, "") for line in lines[:MOST_URLS]), ())
        raise InputError("it is no sitemap")
    pages: dict[str, str] = {}
    sitemaps: dict[str, None] = {}
    for element in each(io.BytesIO(data), "{*}url", "{*}sitemap"):
        said = {local(child): (child.text or "").strip() for child in element}
        url = said.get("loc", "")
        if not url or len(url) > 8_192:
            continue
        if local(element) == "sitemap":
            sitemaps[url] = None
        else:
            date = _DATE.match(said.get("lastmod", ""))
            pages[url] = date[0] if date else ""
        if len(pages) > MOST_URLS or len(sitemaps) > MOST_URLS:
            raise InputError(f"the sitemap lists more than {MOST_URLS} pages", code="file_too_large")
    return Sitemap(tuple(pages.items()), tuple(sitemaps))
