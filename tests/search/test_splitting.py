"""Pages cut into passages."""

from __future__ import annotations

import itertools

import pytest

from spatz.search.page import Page
from spatz.search.passage import Passage
from spatz.search.splitting import plain, sentences, split

PAGE = """# Gateway

The gateway forwards **all** requests. See [the manual](https://a.example/b_(c) "Manual") for more.

## Install

Run the following:

```sh
apt install gateway

systemctl start gateway
```

| Port | Use |
| --- | --- |
| 80 | web |
| 443 |  |

Options
-------

- `--quiet` says
  nothing
- `--loud` says all

**Notes**

It was written in 2014.
"""


def passages(markdown: str) -> list[Passage]:
    return split(Page("https://a.example/", "A page", markdown))


def test_passages_stand_under_their_headings_and_read_as_text() -> None:
    assert [(passage.heading, passage.body) for passage in passages(PAGE)] == [
        ("Gateway", "The gateway forwards all requests. See the manual for more."),
        (
            "Gateway > Install",
            "Run the following:\napt install gateway\n\nsystemctl start gateway\nPort: 80; Use: web\nPort: 443",
        ),
        ("Gateway > Options", "- --quiet says nothing\n- --loud says all"),
        ("Options > Notes", "It was written in 2014."),
    ]


def test_a_passage_says_where_it_stands() -> None:
    found = passages(PAGE)
    assert [PAGE[one.start : one.end].split()[0] for one in found] == ["The", "Run", "-", "It"]
    assert all(one.end <= other.start for one, other in itertools.pairwise(found))
    assert all(one.text == f"{one.heading}:\n{one.body}" for one in found)


def test_long_paragraphs_are_cut_at_sentences() -> None:
    text = " ".join(f"Sentence number {number} says a little about the matter at hand." for number in range(60))
    found = passages(text)
    assert len(found) > 5
    assert all(one.text.startswith("Sentence") and one.text.endswith("hand.") for one in found)
    assert max(len(one.text) for one in found) < 800
    assert " ".join(one.text for one in found) == text


def test_short_code_and_tables_stay_whole_and_long_ones_are_cut_at_lines() -> None:
    code = "\n".join(f"line_{number} = {number}" for number in range(40))
    assert passages(f"```python\n{code}\n```")[0].text == code
    long = "\n".join(f"line_{number} = {number}" for number in range(400))
    parts = passages(f"```python\n{long}\n```\nafter")
    assert "\n".join(part.text for part in parts) == f"{long}\nafter"
    rows = "\n".join(f"| name{number} | {number} |" for number in range(200))
    table = passages(f"| Name | Size |\n|---|---|\n{rows}")
    assert len(table) > 3
    assert all(line.startswith("Name: name") for part in table for line in part.text.split("\n"))


def test_what_announces_a_list_goes_with_it() -> None:
    filler = "This is a sentence of some length that says nothing. " * 10
    items = "\n".join(f"- item {number} of the list, with some words" for number in range(6))
    found = passages(f"{filler}\n\nThe steps are as follows:\n\n{items}")
    assert found[1].text.startswith("The steps are as follows:\n- item 0")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One is here. Two is there! Three?", ["One is here.", "Two is there!", "Three?"]),
        ("Bis zum 11. März. Then came Dr. Meier.", ["Bis zum 11. März.", "Then came Dr. Meier."]),
        ("Use 3.1.2, e.g. from a.b.c (see below.) It works", ["Use 3.1.2, e.g. from a.b.c (see below.)", "It works"]),
        ("", []),
        ("   ", []),
    ],
)  # fmt: skip
def test_sentences(text: str, parts: list[str]) -> None:
    assert [text[start:end] for start, end in sentences(text.strip())] == parts


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("**bold** and *light* and `code`", "bold and light and code"),
        ("__init__ of *args and **kwargs, a_b_c", "__init__ of *args and **kwargs, a_b_c"),
        ("5 * 3 * 2", "5 * 3 * 2"),
        ("![a picture](x.png) and [a\nlink](http://a/b)", "a picture and [a link](http://a/b)"),
    ],
)
def test_markdown_is_shown_as_plain_text(markdown: str, text: str) -> None:
    assert plain(markdown) == text


@pytest.mark.parametrize(
    "unit", ["#", "- ", "|\n", "[](", "[a](", "```\n", "*a ", "_a ", ". ", "word ", "word\n", "\n", " \n", '." ', "**"]
)
def test_any_text_is_cut(unit: str) -> None:
    """A page is untrusted: nothing takes long, and passages stay short."""
    assert all(len(one.text) < 1200 for one in passages(unit * (200_000 // len(unit))))


def test_nothing_comes_of_nothing() -> None:
    assert passages("") == passages("\n\n---\n\n***\n") == passages("# Only a heading\n") == []
