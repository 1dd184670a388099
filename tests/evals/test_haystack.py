"""Texts of any length: the same for a seed, without repeating, and honest about where they must."""

from __future__ import annotations

import re

import numpy as np
import pytest

from spatz.evals.counting import PromptMaker
from spatz.evals.haystack import Corpus, Haystack, boundary
from spatz.evals.sources import Document, documents, manual_text, paragraphs


def document(name: str, text: str, kind: str = "prose") -> Document:
    return Document(name, kind, lambda: text)  # type: ignore[arg-type]


SMALL = [
    document("one", "The first paragraph.\n\nCommon words, which come twice."),
    document("two", "Common  words,\nwhich come twice.\n\nThe second paragraph."),
    document("three", "def third():\n    return 3", "code"),
    document("empty", ""),
]


def test_the_same_seed_gives_the_same_text(maker: PromptMaker, corpus: Corpus) -> None:
    first, again, other = Haystack(corpus, "a"), Haystack(Corpus(maker.tokenizer), "a"), Haystack(corpus, "b")
    again.tokens(50)  # growing in other steps makes no difference
    assert np.array_equal(first.tokens(5_000), again.tokens(5_000))
    assert not np.array_equal(first.tokens(5_000), other.tokens(5_000))
    assert first.text(5_000).startswith(first.text(700)[:-9])


def test_texts_have_their_length_and_do_not_repeat(corpus: Corpus) -> None:
    haystack = Haystack(corpus, "long")
    assert [len(haystack.tokens(size)) for size in (1, 4_099, 20_000)] == [1, 4_099, 20_000]
    assert haystack.repeated(20_000) == 0
    parts = [" ".join(part.split()) for part in paragraphs(haystack.text(20_000))]
    assert len(parts) > 100
    # A document's own paragraphs may be cut otherwise behind another's, but only a few are.
    assert len(set(parts)) > 0.99 * len(parts)


def test_it_repeats_only_beyond_what_there_is(maker: PromptMaker) -> None:
    corpus = Corpus(maker.tokenizer, SMALL)
    haystack = Haystack(corpus, "a")
    counted = corpus.count()
    assert (counted.documents, counted.paragraphs) == (4, 4)
    unique = next(size for size in range(1, 500) if haystack.repeated(size)) - 1
    assert unique >= sum(counted.tokens.values())
    text = haystack.text(unique)
    for said in ("first paragraph", "second paragraph", "come twice", "def third"):
        assert text.count(said) == 1
    assert text.index("def third") > text.index("second paragraph")  # mixed: code when prose has run out
    assert haystack.repeated(unique + 100) == 100
    assert "def third" not in Haystack(corpus, "a", "prose").text(200)
    assert "paragraph" not in Haystack(corpus, "a", "code").text(200)
    with pytest.raises(ValueError, match="no text"):
        Haystack(Corpus(maker.tokenizer, SMALL[3:]), "a").tokens(1)


def test_there_is_much_real_text() -> None:
    known = documents()
    names = [item.name for item in known]
    assert len(set(names)) == len(names)
    texts = {item.name: item for item in known}
    assert "assert" in texts["python topic assert"].read()
    assert "class JSONDecodeError" in texts["source json/decoder.py"].read()
    assert "class JSONDecodeError" not in texts["docstrings of json/decoder.py"].read()
    assert any(name.startswith("licence ") for name in names)
    assert {item.kind for item in known} == {"prose", "code"}


def test_code_in_order(corpus: Corpus) -> None:
    """Files of a folder follow each other."""
    text = Haystack(corpus, "x", "code", ordered=True).text(30_000)
    sources = [item for item in corpus.documents if item.kind == "code"]
    first = next(place for place, item in enumerate(sources) if item.read() and text[:400] in item.read())
    following = [item for item in (sources * 2)[first + 1 : first + 4] if item.read().strip()]
    assert any(paragraphs(item.read())[-1] in text for item in following)


def test_paragraphs() -> None:
    assert paragraphs("\n\none\ntwo\n\n\n  three\n \t\nfour  \n") == ["one\ntwo", "  three", "four"]
    assert paragraphs(" \n") == []


def test_boundaries() -> None:
    text = "One is here. Two is\nthere!\n\nThree? " + "x" * 1000
    assert boundary(text, 14) == (13, " ")
    assert boundary(text, 27) == (28, "\n\n")
    assert boundary(text, 1) == (0, "\n\n")
    assert boundary("y" * 20_000, 10_000) == (10_000, " ")


def test_manual_pages() -> None:
    page = (
        '.\\" a comment\n.TH LS 1\n.SH "NAME"\nls \\- list \\fIfiles\\fR\n.PP\n'
        ".B ls\nshows \\(aqall\\(aq.\n.IR x y\n\\&.end\n"
    )
    assert manual_text(page) == "NAME\nls - list files\n\nls\nshows 'all'.\nx y\n.end"
    assert manual_text(".so man1/other.1\n") == ""
    assert not re.search(r"\\f[A-Z]", "".join(item.read() for item in documents() if item.name.startswith("manual a")))
