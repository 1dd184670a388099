"""robots.txt, by the examples of RFC 9309 and what is found in the wild."""

from __future__ import annotations

import pytest

from spatz.search.index.robots import EVERYTHING, NOTHING, parse


def allows(text: str, path: str) -> bool:
    return parse(text.encode()).allows(f"https://a.test{path}")


@pytest.mark.parametrize(
    ("rule", "path", "fits"),
    [
        ("/fish", "/fish/salmon.html", True),
        ("/fish", "/Fish", False),
        ("/fish*.php", "/fishheads/catfish.php?id=1", True),
        ("/*.php$", "/a.php", True),
        ("/*.php$", "/a.php?x", False),
        ("/*.php$", "/a.php/b.php", True),
        ("/$", "/", True),
        ("/$", "/a", False),
        ("/a%3cd.html", "/a%3Cd.html", True),
        ("/ä", "/%C3%A4", True),
        ("/*?session=", "/x?y=1&session=2", False),
        ("/*session=", "/x?y=1&session=2", True),
        ("*", "/x", True),
        ("/a*b*c$", "/aXbXbc", True),
        ("/a*b*bc$", "/abc", False),
    ],
)
def test_patterns(rule: str, path: str, fits: bool) -> None:
    assert allows(f"User-agent: *\nDisallow: {rule}", path) is not fits


def test_the_longest_rule_decides_and_of_equal_ones_the_one_that_allows() -> None:
    text = "User-agent: *\nDisallow: /docs\nAllow: /docs/public\nDisallow: /page\nAllow: /page"
    assert not allows(text, "/docs/x") and allows(text, "/docs/public/x") and allows(text, "/page")


def test_the_group_that_names_us_counts_alone_and_all_of_its_pieces() -> None:
    text = (
        "User-agent: *\nDisallow: /\n\nUser-agent: other\nUser-agent: Spatz/1.0\nDisallow: /a\nCrawl-delay: 2.5\n\n"
        "user-agent: SPATZ # again\ndisallow: /b\n"
    )
    assert not allows(text, "/a") and not allows(text, "/b") and allows(text, "/c")
    assert parse(text.encode()).delay == 2.5
    assert allows("User-agent: spatz\nDisallow:\n\nUser-agent: *\nDisallow: /", "/x")


def test_without_rules_all_is_allowed_and_strange_lines_are_passed_over() -> None:
    assert allows("", "/x") and allows("<html>not found</html>", "/x") and allows("Disallow: /x", "/x")
    assert allows("\ufeffUser-agent: *\r\nDisallow: /y\r\n\0nonsense", "/x")
    assert not NOTHING.allows("https://a.test/x") and NOTHING.allows("https://a.test/robots.txt")
    assert EVERYTHING.allows("https://a.test/x")
    found = parse(b"Sitemap: https://a.test/s.xml\nUser-agent: *\nCrawl-delay: soon\n")
    assert found.sitemaps == ("https://a.test/s.xml",) and found.delay == 0


def test_a_rule_of_many_stars_is_no_work() -> None:
    assert allows("User-agent: *\nDisallow: /" + "*a" * 900 + "$", "/" + "a" * 800 + "b")
