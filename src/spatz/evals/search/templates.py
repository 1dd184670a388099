"""Blocks as the HTML pages of a real site: six kinds of them, each with what stands around the text on such pages."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from spatz.evals.search.blocks import Block, Code, Heading, Items, Paragraph, Table

__all__ = ["TEMPLATES", "Around", "body_of", "inline"]


@dataclass(frozen=True, slots=True)
class Around:
    """What a page says besides its text."""

    title: str
    section: str
    date: str
    links: Sequence[tuple[str, str]]  # path and title of other pages
    charset: str  # named in the page; "" names none


_MARKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"`([^`&]+?) &lt;[^&]*&gt;`_{1,2}"), r'<a href="https://elsewhere.example/">\1</a>'),
    (re.compile(r"\[([^\]\[]+)\]\([^)\s]*\)"), r'<a href="https://elsewhere.example/">\1</a>'),
    (re.compile(r":[\w:]+:`~?([^`]+)`"), r"<code>\1</code>"),
    (re.compile(r"``([^`]+)``"), r"<code>\1</code>"),
    (re.compile(r"`([^`]+)`_{0,2}"), r"<code>\1</code>"),
    (re.compile(r"\*\*([^*\s][^*]*)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])"), r"<em>\1</em>"),
)


def inline(text: str) -> str:
    said = html.escape(text, quote=False)
    for pattern, put in _MARKS:
        said = pattern.sub(put, said)
    return said


def body_of(blocks: Sequence[Block]) -> str:
    return "\n".join(map(_block, blocks))


def _block(block: Block) -> str:
    if isinstance(block, Heading):
        level = min(block.level + 1, 6)  # the page's title is h1
        return f"<h{level}>{inline(block.text)}</h{level}>"
    if isinstance(block, Paragraph):
        return f"<p>{inline(block.text)}</p>"
    if isinstance(block, Items):
        tag = "ol" if block.ordered else "ul"
        return f"<{tag}>" + "".join(f"<li>{inline(text)}</li>" for text in block.texts) + f"</{tag}>"
    if isinstance(block, Code):
        return f"<pre><code>{html.escape(block.text)}</code></pre>"
    return _table(block)


def _table(table: Table) -> str:
    head, *rows = table.rows
    said = "<tr>" + "".join(f"<th>{inline(cell)}</th>" for cell in head) + "</tr>"
    said += "".join("<tr>" + "".join(f"<td>{inline(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{said}</table>"


def _menu(around: Around, kind: str = "ul") -> str:
    items = "".join(f'<li><a href="{path}">{html.escape(title)}</a></li>' for path, title in around.links)
    return f"<{kind}>{items}</{kind}>"


def _head(around: Around, more: str = "") -> str:
    charset = f'<meta charset="{around.charset}">' if around.charset else ""
    title = html.escape(around.title)
    return f"<head>{charset}<title>{title}</title>{more}</head>"


def _manual(around: Around, body: str) -> str:
    style = "<style>div.sphinxsidebar{float:left;width:230px}div.body{margin-left:240px}</style>"
    return f"""<!DOCTYPE html>
<html lang="en">{_head(around, style)}<body>
<div class="related" role="navigation"><h3>Navigation</h3>{_menu(around)}</div>
<div class="document"><div class="documentwrapper"><div class="bodywrapper"><div class="body" role="main">
<section id="top"><h1>{html.escape(around.title)}</h1>
{body}
</section></div></div></div>
<div class="sphinxsidebar" role="navigation"><h3>Table of contents</h3>{_menu(around)}
<div role="search"><form action="/search"><input name="q"><input type="submit" value="Go"></form></div></div></div>
<div class="footer" role="contentinfo">&copy; Copyright 2026. Last updated on {around.date}.</div>
</body></html>"""


def _article(around: Around, body: str) -> str:
    told = {
        "@context": "https://schema.org",
        "@type": "Article",
        "headline": around.title,
        "datePublished": around.date,
    }
    more = (
        f'<meta name="description" content="{html.escape(around.title)}">'
        f'<meta property="article:published_time" content="{around.date}">'
        f'<script type="application/ld+json">{json.dumps(told)}</script>'
    )
    return f"""<!doctype html>
<html lang="en">{_head(around, more)}<body class="post">
<header><a href="/">The documentation blog</a><nav>{_menu(around)}</nav></header>
<div id="cookies">We use cookies. <button>Accept all</button> <button>Only necessary ones</button></div>
<main><article><header><h1>{html.escape(around.title)}</h1>
<p class="byline">Published on <time datetime="{around.date}">{around.date}</time></p></header>
{body}
</article></main>
<aside><h2>You may also like</h2>{_menu(around)}</aside>
<footer><p>Subscribe to our newsletter. All rights reserved.</p><script>window.loaded = Date.now();</script></footer>
</body></html>"""


def _old(around: Around, body: str) -> str:
    charset = (
        f'<META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset={around.charset}">' if around.charset else ""
    )
    links = " | ".join(f'<A HREF="{path}">{html.escape(title)}</A>' for path, title in around.links)
    return f"""<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2//EN">
<HTML><HEAD>{charset}<TITLE>{html.escape(around.title)}</TITLE></HEAD><BODY BGCOLOR="#FFFFFF">
<TABLE WIDTH="100%" BORDER=0><TR><TD COLSPAN=2><FONT SIZE="-1">{links}</FONT><HR></TD></TR>
<TR><TD VALIGN=TOP><CENTER><H1>{html.escape(around.title)}</H1></CENTER>
{body.replace("</p>", "").replace("</li>", "")}
</TD></TR></TABLE><HR><ADDRESS>Last change: {around.date}</ADDRESS></BODY></HTML>"""


def _modern(around: Around, body: str) -> str:
    more = '<link rel="stylesheet" href="/site.css"><meta name="viewport" content="width=device-width">'
    return f"""<!DOCTYPE html><html lang="en">{_head(around, more)}<body>
<div id="root"><div class="layout"><nav class="sidebar" aria-label="Docs">{_menu(around, "ol")}</nav>
<main class="content"><nav aria-label="breadcrumbs"><a href="/">Home</a> / <a href="/{around.section}/">
{around.section}</a></nav><article class="markdown"><h1>{html.escape(around.title)}</h1>
{body}
</article><div class="feedback">Was this page helpful? <button>Yes</button><button>No</button></div></main></div></div>
<script>self.__data={{"route":"/{around.section}","n":{len(body)}}};</script></body></html>"""


def _wiki(around: Around, body: str) -> str:
    return f"""<!DOCTYPE html><html class="client-nojs" lang="en" dir="ltr">{_head(around)}<body class="wiki">
<div id="content"><h1 id="firstHeading">{html.escape(around.title)}</h1><div id="bodyContent">
<div id="siteSub">From the documentation wiki</div><div id="toc" class="toc"><h2>Contents</h2>{_menu(around)}</div>
<div id="mw-content-text">{body}</div>
<div id="catlinks">Categories: <a href="/{around.section}/">{around.section}</a></div></div></div>
<div id="footer">This page was last edited on {around.date}. Text is available under its own licence.</div>
</body></html>"""


def _bare(around: Around, body: str) -> str:
    charset = f'<meta charset="{around.charset}">' if around.charset else ""
    title = html.escape(around.title)
    return f"<html>{charset}<title>{title}</title><h1>{title}</h1>\n{body}</html>\n"


TEMPLATES: Mapping[str, Callable[[Around, str], str]] = {
    "manual": _manual,
    "article": _article,
    "old": _old,
    "modern": _modern,
    "wiki": _wiki,
    "bare": _bare,
}
