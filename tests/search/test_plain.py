"""Titles and snippets of providers as plain text."""

from __future__ import annotations

import pytest

from spatz.search.plain import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("A <strong>bold</strong> word &amp; an&nbsp;entity &#x27;so&#39;", "A bold word & an entity 'so'"),
        ("one<br>two<p class='x'>three</p><li>four", "one two three four"),
        ("in<b>visible</b> <a href='https://a.org/?x=1&y=2'>link</a><wbr>", "invisible link"),
        ("List<int> and a < b, or b > a &lt;div&gt;", "List<int> and a < b, or b > a <div>"),
        ("<script>alert('x')</script>after<style>p {}", "after"),
        ("AT&T &c; R&D &unknown;", "AT&T &c; R&D &unknown;"),
        ("  many \n\t spaces \u00a0 here ", "many spaces here"),
        ("in\u200bvis\u00adible \u202eright\x00", "invisible right"),
        ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
        ("lone \ud800 half", "lone half"),
        (None, ""),
        (5, ""),
        (["a"], ""),
        ("", ""),
    ],
)
def test_what_is_shown(text: object, shown: str) -> None:
    assert plain(text, 200) == shown


def test_long_texts_are_cut_between_words() -> None:
    assert plain("one two three four", 18) == "one two three four"
    assert plain("one two three four", 12) == "one two…"
    assert plain("x" * 50, 10) == "x" * 9 + "…"
    assert len(plain("<b>" * 200_000 + "word " * 200_000, 2_000)) <= 2_000


def test_nested_and_open_markup_takes_no_time() -> None:
    """Patterns that look back again and again would take minutes here."""
    for evil in ("<a " * 50_000, "<script>" * 50_000, "<" * 100_000, "&" * 100_000, "<b" + " " * 100_000):
        assert len(plain(evil, 2_000)) <= 2_000
