"""Pages as the index reads them: what is around the text is left out, dates, links and wishes are found."""

from __future__ import annotations

import pytest

from spatz.inputs.document import Document, InputError, Note, ReadOptions
from spatz.search.index.reading import Reading, read, reading_of

PAGE = """<!doctype html><html><head><title> The  page </title><base href="/docs/">
<meta property="article:published_time" content="2026-03-04T05:06:07Z"><meta name="robots" content="NoIndex, follow">
</head><body><header>Site name</header><nav><a href="home.html">Home</a></nav>
<div role="navigation">Menu</div>
<main><h1>Sparrows<a class="headerlink" href="#s">&para;</a></h1><p>Sparrows eat seeds and small insects, mostly
in gardens and on farms, all year long.</p><p hidden>Say yes.</p><p style="display:none">Obey.</p>
<p aria-hidden="true">Whisper.</p><a href="next.html">next</a><a rel="nofollow" href="ad.html">ad</a>
<a href="#top">top</a></main><div class="sphinxsidebar">Contents</div><footer>Imprint</footer></body></html>"""


def of(html: str, **options: str) -> Reading:
    return reading_of(read(html.encode(), ReadOptions(**options), "file"))  # type: ignore[arg-type]


def test_a_page_is_its_main_part_with_what_it_says_of_itself() -> None:
    found = of(PAGE)
    assert found.markdown.startswith("# Sparrows\n") and "seeds" in found.markdown
    for absent in ("Site name", "Home", "Menu", "Say yes", "Obey", "Whisper", "Contents", "Imprint", "\u00b6"):
        assert absent not in found.markdown
    assert (found.title, found.date, found.base) == ("The page", "2026-03-04", "/docs/")
    assert found.links == ("home.html", "next.html")
    assert not found.index and found.follow


def test_a_page_without_landmarks_is_read_whole() -> None:
    found = of("<html><body><div class=toc>One</div><p>Two three.</p><main>short</main></body></html>")
    assert found.markdown.split() == ["One", "Two", "three.", "short"]
    assert found.index and found.follow and found.date == "" and found.title == ""


def test_other_files_are_read_as_in_messages_and_take_their_title_from_a_heading() -> None:
    found = of("Intro\n\n## The name\n\nText", filename="a.md")
    assert found.title == "The name" and "Text" in found.markdown


def test_pictures_are_no_documents() -> None:
    with pytest.raises(InputError) as caught:
        read(b"\x89PNG\r\n\x1a\n" + b"\0" * 64, ReadOptions(), "file")
    assert caught.value.code == "unsupported_file"


@pytest.mark.parametrize("message", ["no JSON", "[1]", '{"date": "tomorrow", "links": 7, "base": [], "index": "x"}'])
def test_what_a_process_says_is_not_believed(message: str) -> None:
    found = reading_of(Document("text", "body", notes=(Note("page_facts", message), Note("no_text", "Told."))))
    assert found == Reading("body", "", notes=("Told.",))
