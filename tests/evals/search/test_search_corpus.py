"""The corpus: real pages with planted facts, the same each time, of which everything that is told is true."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest

from spatz.evals.case import all_found
from spatz.evals.search import corpus as module
from spatz.evals.search.blocks import Code, Heading, Items, Paragraph, Table, blocks
from spatz.evals.search.corpus import SearchCorpus, SitePage, build
from spatz.evals.search.texts import real_texts

FACTS = json.loads(Path(module.__file__).with_name("facts.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def small() -> SearchCorpus:
    return build(pages=40, questions=12, nowhere=4)


def text_of(page: SitePage) -> str:
    """As a browser decodes it, without marks."""
    header = page.content_type.partition("charset=")[2]
    named = re.search(rb"charset=\"?([\w-]+)", page.body[:500])
    if page.body.startswith((b"\xff\xfe", b"\xfe\xff")):
        codec = "utf-16"
    else:
        codec = header or (named[1].decode() if named else "utf-8")
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", page.body.decode(codec))).split())


def test_a_question_knows_its_page(small: SearchCorpus) -> None:
    assert len(small.pages) == 40 and len(small.questions) == 12 and len(small.nowhere) == 4
    texts = {path: text_of(page) for path, page in small.pages.items()}
    for question in small.questions:
        assert [path for path, text in texts.items() if question.says in text] == [question.path]
        assert [path for path, text in texts.items() if question.twist in text] == [question.twist_path]
        assert question.twist_path != question.path
        for group in question.answers:
            assert any(all_found(question.says, [answer]) for answer in group)
            assert not any(all_found(question.twist, [answer]) for answer in group)


def test_it_is_the_same_each_time_and_another_with_another_seed(small: SearchCorpus) -> None:
    assert build(pages=40, questions=12, nowhere=4) == small
    other = build(1, pages=40, questions=12, nowhere=4)
    assert other.pages.keys() != small.pages.keys() and other.questions != small.questions


def test_the_whole_is_as_large_and_as_varied_as_it_should_be() -> None:
    whole = build()
    assert len(whole.pages) >= 300 and len(whole.questions) == 100 and len(whole.nowhere) == 30
    assert {"library", "topics", "packages"} <= {page.section for page in whole.pages.values()}
    assert len({page.content_type for page in whole.pages.values()}) == 4
    assert {question.how for question in whole.questions} == {"direct", "reordered", "paraphrased", "german"}
    assert all(len(page.body) < 500_000 for page in whole.pages.values())


def test_the_facts_are_consistent() -> None:
    assert len({fact["says"] for fact in FACTS["facts"]}) == len({fact["asks"] for fact in FACTS["facts"]}) == 100
    for fact in FACTS["facts"]:
        assert all(before in fact["says"] for before in fact["twist"]), fact["says"]
        assert fact["host"] and fact["answers"]


def test_more_pages_than_there_are_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    few = real_texts()[:60]
    monkeypatch.setattr(module, "real_texts", lambda: few)
    with pytest.raises(ValueError, match="texts for"):
        build(pages=100_000)


def test_blocks() -> None:
    text = """\
Title
=====

One paragraph
of two lines.

- an item that
  goes on
- another

1. first
2. second

| a | b |
|---|---|
| 1 | 2 |

## Below

```python
x = 1
```

Like this::

    y = 2
    z = 3

.. note:: nothing
[![badge](x)](y)
"""
    assert blocks(text) == [
        Heading(1, "Title"),
        Paragraph("One paragraph of two lines."),
        Items(("an item that goes on", "another")),
        Items(("first", "second"), ordered=True),
        Table((("a", "b"), ("1", "2"))),
        Heading(2, "Below"),
        Code("x = 1"),
        Paragraph("Like this:"),
        Code("y = 2\nz = 3"),
    ]
