"""Web pages to Markdown: what is kept, what is left out, and that no page is too strange."""

from __future__ import annotations

import pytest

from spatz.inputs.convert import convert
from spatz.inputs.document import Document, InputError, ReadOptions


def read(page: str | bytes, **options: object) -> Document:
    data = page if isinstance(page, bytes) else page.encode()
    return convert(data, ReadOptions(filename="a.html", **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ("<h1>A <b>b</b></h1><p>x\n  y</p>", "# A **b**\n\nx y"),
        ("<p>a<br>b<br/>c</p>", "a\nb\nc"),
        ("<p>a <b> b </b>c <i>d</i> <code>e</code></p>", "a **b** c *d* `e`"),
        ("<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>", "- a\n  - b\n- c"),
        ("<ul><li>a</li><ul><li>b</li></ul></ul>", "- a\n  - b"),
        ("<ol start=9><li>a</li><li><p>b</p><p>c</p></li></ol>", "9. a\n10. b\n    c"),
        ("<ol start=x><li>a</li></ol>", "1. a"),
        ("<pre>a\n  b</pre>", "```\na\n  b\n```"),
        ("<pre>```</pre>", "````\n```\n````"),
        ("<blockquote><p>a</p><p>b</p></blockquote>", "> a\n>\n> b"),
        ("<dl><dt>a</dt><dd>b</dd></dl>", "a\n\n: b"),
        ("a<hr>b", "a\n\n---\n\nb"),
        (
            "<p><a href='https://e.com/x y'>z</a> <a href='/p'>q</a> <a href='javascript:x'>r</a></p>",
            "[z](https://e.com/x%20y) q r",
        ),
        ("<p><a href='https://e.com'>https://e.com</a></p>", "https://e.com"),
        ("<a href='https://e.com/'><div>block</div></a>", "block"),
        ("<p>a<img src=x alt='A chart'><img src=y></p>", "a[Image: A chart]"),
        (
            "<p>Name: <input value=Ada> <input type=password value=no> <input type=checkbox checked>yes</p>",
            "Name: Ada [x] yes",
        ),
        ("<select><option>a</option><option selected>b</option></select>", "b"),
        ("<p>a</p><script>b</script><style>c</style><template>d</template><!-- e --><p hidden>f</p>", "a"),
        ("<p>a</p><p style='color:red; Display : NONE'>b</p><span style='visibility:hidden'>c</span>", "a"),
        ("<p>1 &lt; 2 &amp;&nbsp;&euro;&#8211;</p>", "1 < 2 &\xa0€–"),  # noqa: RUF001
        ("<div>a<span>b<div>c</div>d</span>e</div>", "a\n\nb\n\nc\n\nd\n\ne"),
        ("<p>unclosed <b>bold", "unclosed **bold**"),
    ],
)
def test_elements(html: str, markdown: str) -> None:
    assert read(f"<!doctype html><title>t</title><body>{html}").markdown == markdown


@pytest.mark.parametrize(
    ("html", "lines"),
    [
        ("<tr><th>a<th>b<tr><td>1<td>2|3", ["| a | b |", "| --- | --- |", "| 1 | 2\\|3 |"]),
        (
            "<caption>c</caption><tr><td colspan=2>a<td>b<tr><td>1<td>2<td>3",
            ["c", "", "| a |  | b |", "| --- | --- | --- |", "| 1 | 2 | 3 |"],
        ),
        ("<tr><td rowspan=2>a<td>b<tr><td>c<tr><td>d<td>e", ["| a | b |", "| --- | --- |", "| a | c |", "| d | e |"]),
        ("<tr><td><p>a</p><p>b</p><td><ul><li>c<li>d</ul>", ["| a b | - c - d |", "| --- | --- |"]),
        ("<tr><td>only<tr><td>column", ["only", "", "column"]),
        ("<tr><td>layout<td><table><tr><td>a<td>b</table>", ["layout", "", "| a | b |", "| --- | --- |"]),
        ("<p>text<tr><td>a<td>b</tr>more", ["text", "", "more", "", "| a | b |", "| --- | --- |"]),
        ("<form><tr><td>a<td>b</tr></form>", ["| a | b |", "| --- | --- |"]),
        ("<p><b>all<div>of it</div></p>", ["all", "", "of it"]),
        ("<tr><td colspan=999999999>a<td rowspan=999999999>b", None),
    ],
)
def test_tables(html: str, lines: list[str] | None) -> None:
    found = read(f"<!doctype html><table>{html}</table>").markdown.split("\n")
    assert found == lines if lines else len(found[0]) < 1_000


PARAGRAPH = (
    "The river rose above its banks on Monday night and flooded the centre of the old town, where more than two hundred"
    " people had to leave their houses before dawn."
)
ARTICLE = (
    "<!doctype html><html><head><title>Floods</title></head><body><div id=top><ul><li><a href=/>Home</a><li>"
    "<a href=/s>Sports</a></ul></div><div class=cookie>We use cookies.</div><main><article><h1>River floods town</h1>"
    f"<p>{PARAGRAPH}</p><p>The mayor said that the water had come faster than in any year since records began, and that"
    " the bridge would remain closed for at least a week while engineers look at its pillars.</p></article></main>"
    "<div class=sidebar><ul><li><a href=/1>Ten tips for a better garden</a></ul></div></body></html>"
)


def test_an_article_is_its_main_text() -> None:
    document = read(ARTICLE)
    assert PARAGRAPH in document.markdown and "mayor" in document.markdown
    assert "Sports" not in document.markdown and "cookies" not in document.markdown
    assert document.title == "Floods"
    assert [note.code for note in document.notes] == ["boilerplate_left_out"]


def test_an_invoice_loses_nothing() -> None:
    page = (
        "<!doctype html><title>Rechnung</title><nav><a href=/>Menü</a></nav><div class=header>Müller GmbH<br>"
        "Berlin</div>"
        "<p>Nummer: <b>RE-1</b></p><table><tr><th>Pos<th>Preis<tr><td>1<td>5,00</table><p>Gesamt: 5,00 EUR</p>"
        "<div class=footer>IBAN DE12 3456</div>"
    )
    document = read(page)
    for part in ("Müller GmbH\nBerlin", "**RE-1**", "| 1 | 5,00 |", "Gesamt: 5,00 EUR", "IBAN DE12 3456"):
        assert part in document.markdown
    assert "Menü" not in document.markdown
    assert [note.code for note in document.notes] == ["boilerplate_left_out"]


@pytest.mark.parametrize(
    "page",
    [
        "<?xml version='1.0' encoding='iso-8859-1'?><html><body><p>Größe</p></body></html>".encode("latin-1"),
        "<html><head><meta charset=windows-1252></head><p>Größe".encode("cp1252"),
        "<html><meta http-equiv=x content='text/html; charset=utf-8'><p>Größe".encode(),
        "<html><p>Größe".encode("utf-16"),
    ],
)
def test_encodings(page: bytes) -> None:
    assert read(page).markdown == "Größe"


def test_pages_without_text_say_so() -> None:
    document = read("<html><body><div id=app></div><script>render()</script></body></html>")
    assert document.markdown == "" and [note.code for note in document.notes] == ["no_text"]


def test_depth_is_bounded_and_text_is_not_lost_for_it() -> None:
    for depth in (100, 1_000):
        markdown = read("<html><body>" + "<div>" * depth + "deep" + "</div>" * depth + "<p>after</p>").markdown
        assert markdown == "deep\n\nafter"
    with pytest.raises(InputError, match="deep"):
        read("<html><body>" + "<div>" * 3_000 + "deep")


def test_entities_of_a_page_are_not_expanded() -> None:
    page = '<!DOCTYPE html [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
    markdown = read(f"{page}<html><p>x &b; &f; y</p></html>").markdown
    assert "aaaa" not in markdown and "root:" not in markdown and "y" in markdown


def test_a_page_that_the_library_cannot_take_is_written_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> str:
        raise AssertionError

    monkeypatch.setattr("trafilatura.extract", fail)
    assert "We use cookies." in read(ARTICLE).markdown
