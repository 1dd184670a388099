"""Reciprocal rank fusion of providers' lists."""

from __future__ import annotations

from spatz.search.merge import merged
from spatz.search.result import SearchResult


def results(*names: str) -> list[SearchResult]:
    return [SearchResult(f"https://a.org/{name}", name) for name in names]


def order(*lists: list[SearchResult]) -> str:
    return "".join(result.title for result in merged((f"p{number}", found) for number, found in enumerate(lists)))


def test_what_several_find_comes_before_what_one_finds() -> None:
    assert order(results("a", "b", "c"), results("x", "c", "y")) == "caxby"
    assert order(results("a", "b"), results("b", "a")) == "ab"
    assert order([], results("a", "b"), []) == "ab"
    assert order() == ""


def test_a_page_that_one_list_has_twice_counts_once() -> None:
    doubled = results("a", "b", "b", "b", "c")
    assert order(doubled, results("a")) == "abc"
    assert order(results("x", "y"), doubled) == "xaybc"


def test_a_page_is_shown_once_with_what_each_knows_of_it() -> None:
    lists = [
        ("one", [SearchResult("http://a.org/x/?utm_source=1", "Title", "", "")]),
        ("two", [SearchResult("https://a.org/x#top", "Other", "A snippet", "2024-01-02")]),
        ("two", [SearchResult("https://a.org/x", "Again", "Another", "2025-01-02")]),
    ]
    found = SearchResult("https://a.org/x", "Title", "A snippet", "2024-01-02", None, ("one", "two"))
    assert merged(lists) == (found,)


def test_the_text_that_one_has_is_kept_with_its_url() -> None:
    web = (
        "web",
        [SearchResult("https://a.org/x", "Web", "From the web", "2020-01-01"), SearchResult("https://b.org/y")],
    )
    local = ("local", [SearchResult("http://a.org/x/", "Local", "From the disk", "2024-01-01", "# All of it")])
    kept = SearchResult("http://a.org/x/", "Local", "From the web", "2024-01-01", "# All of it", ("web", "local"))
    assert merged([web, local])[0] == kept
    swapped = merged([local, web])[0]
    assert (swapped.url, swapped.text, swapped.snippet) == ("http://a.org/x/", "# All of it", "From the disk")


def test_pages_of_folders_stay_what_they_are() -> None:
    page = SearchResult("file:///docs/a b.html#part", text="Text")
    assert merged([("local", [page])])[0].url == page.url
