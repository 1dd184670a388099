"""Pages that are used again: until they expire, and within a bound on memory."""

from __future__ import annotations

from spatz.search.page import PageFailure
from spatz.search.page_cache import FAILED_SECONDS, PageCache, WebPage


def page(url: str, text: str = "words") -> WebPage:
    return WebPage(url, "", text, 0, len(text))


def test_pages_expire_and_failures_sooner() -> None:
    cache = PageCache(seconds=3_600)
    failure = PageFailure("b", "fetch_failed", "it failed")
    cache.put("a", page("a"), 0)
    cache.put("b", failure, 0)
    assert cache.find("a", 3_599) == page("a") and cache.find("b", FAILED_SECONDS - 1) is failure
    assert cache.find("b", FAILED_SECONDS) is None and cache.find("a", 3_600) is None and cache.find("c", 0) is None


def test_the_longest_unused_goes_first() -> None:
    cache = PageCache(seconds=9, memory_bytes=10_000)
    for name in "abc":
        cache.put(name, page(name, "x" * 2_000), 0)
    cache.find("a", 1)
    cache.put("d", page("d", "x" * 2_000), 1)
    assert [name for name in "abcd" if cache.find(name, 1)] == ["a", "c", "d"]
    cache.put("a", page("a", "y" * 9_500), 1)
    assert cache.find("a", 1) is None  # larger than all that may be kept
    cache.put("\u00e4", page("\u00e4", "\u00e4" * 2_400), 1)
    assert cache.find("\u00e4", 1) is None


def test_nothing_is_kept_for_no_time() -> None:
    cache = PageCache(seconds=0)
    cache.put("a", page("a"), 0)
    assert cache.find("a", 0) is None
