"""What a person does not see on a page does not reach a model; what is seen stays."""

from __future__ import annotations

import pytest

from spatz.inputs.convert import convert
from spatz.inputs.document import ReadOptions
from spatz.inputs.unseen import without_unseen

RUNNING = (
    "The river rose above its banks on Monday night and flooded the centre of the old town, where more than two hundred"
    " people had to leave their houses before dawn."
)
SHORT = "The river rose."


def read(page: str) -> str:
    document = convert(page.encode(), ReadOptions(filename="a.html"))
    assert ("hidden_text_left_out" in {note.code for note in document.notes}) == (
        "SECRET" in page and "<!--" not in page
    )
    return document.markdown


STYLES = [
    "display:none",
    "DISPLAY : none !important",
    "visibility: hidden",
    "visibility:collapse",
    "content-visibility:hidden",
    "opacity:0",
    "opacity: 0.01; color: red",
    "opacity:0%",
    "filter: opacity(0)",
    "font-size:0",
    "font-size:0.5px",
    "font-size: 1px",
    "font:0/0 a",
    "color:transparent",
    "color:#ffffff00",
    "color: rgba(0, 0, 0, 0)",
    "color:#fff",
    "color:white",
    "color:#fefefe;background:white",
    "color:rgb(1,1,1);background-color:#000",
    "color:hsl(0,0%,100%)",
    "background:#c0c0c0 none;color:silver",
    "position:absolute;left:-9999px",
    "position: fixed; top: -100em",
    "text-indent:-9999px",
    "text-indent:100%;white-space:nowrap;overflow:hidden",
    "margin-left:-9999px",
    "position:absolute;clip:rect(0 0 0 0)",
    "clip-path:inset(50%)",
    "clip-path: circle(0)",
    "height:0;overflow:hidden",
    "width:1px;height:1px;overflow:hidden",
    "max-height:0px;overflow:hidden",
    "transform:scale(0)",
    "transform:translateX(-9999px)",
    "display:/**/none",
]


@pytest.mark.parametrize("style", STYLES)
def test_styles_that_hide(style: str) -> None:
    seen = read(f"<!doctype html><body><p>{SHORT}</p><div style='{style}'>SECRET <b>SECRET</b></div>tail<p>end</p>")
    assert "SECRET" not in seen and SHORT in seen and "tail" in seen and "end" in seen
    ruled = read(
        f"<!doctype html><style>p{{margin:0}} .x{{{style}}}</style><p>{SHORT}</p><div class=x>SECRET</div>tail"
    )
    assert "SECRET" not in ruled and SHORT in ruled and "tail" in ruled


@pytest.mark.parametrize(
    "part",
    [
        "<p hidden>SECRET</p>",
        "<p hidden=until-found>SECRET</p>",
        "<span class='a sr-only'>SECRET</span>",
        "<span class=screen-reader-text>SECRET</span>",
        "<font color=white>SECRET</font>",
        "<table bgcolor=#000000><tr><td style='color:black'>SECRET</td></tr></table>",
        "<div style='font-size:0'><p>SECRET</p></div>",
        "<div style='color:white'><p>SECRET <em>SECRET</em></p></div>",
        "<style>#x{display:none}</style><p id=x>SECRET</p>",
        "<style>p.y.z , li{opacity:0}</style><p class='z y'>SECRET</p>",
        "<style>body main .x{display:none}</style><p class=x>SECRET</p>",
        "<style>p[data-a='b']{display:none}</style><p data-a=b>SECRET</p>",
        "<style>@media screen{.x{display:none}}</style><p class=x>SECRET</p>",
        "<style>@media print{.q{color:red}} .x{display:none}</style><p class=x>SECRET</p>",
        "<style>.x{display:block} .x{display:none}</style><p class=x>SECRET</p>",
        "<style>.x{display:none!important}</style><p class=x>SECRET</p>",
    ],
)
def test_elements_that_are_not_shown(part: str) -> None:
    seen = read(f"<!doctype html><body><p>{SHORT}</p>{part}<p>end</p>")
    assert "SECRET" not in seen and SHORT in seen and "end" in seen


@pytest.mark.parametrize(
    "part",
    [
        "<!-- SECRET -->",
        "<template>SECRET <!-- --></template>",
        "<noscript><p>SECRET</p></noscript><!---->",
        "<!----><script type=application/ld+json>{'articleBody': 'SECRET'}</script>",
        "<!----><meta name=description content=SECRET><p title=SECRET>a</p>",
        "<!----><math><mi>x</mi><annotation>SECRET</annotation></math>",
        "<!----><svg><title>SECRET</title></svg><datalist><option>SECRET</datalist><noembed>SECRET</noembed>",
    ],
)
def test_what_no_page_shows(part: str) -> None:
    seen = read(f"<!doctype html><body><p>{SHORT}</p>{part}<p>end</p>")
    assert "SECRET" not in seen and SHORT in seen and "end" in seen


@pytest.mark.parametrize(
    "part",
    [
        "<div style='color:white;background:navy'>SEEN</div>",
        "<div style='background:url(a.png)'><p style='color:white'>SEEN</p></div>",
        "<div style='background:linear-gradient(red,blue)'><p style='color:white'>SEEN</p></div>",
        "<table bgcolor=navy><tr><td><font color=white>SEEN</font></td></tr></table>",
        "<style>body{background:#111}</style><p style='color:#fff'>SEEN</p>",
        "<style>thead tr{background:navy} th{color:white}</style><table><thead><tr><th>SEEN</th></tr></table>",
        "<link rel=stylesheet href=a.css><div class=hero><p style='color:white'>SEEN</p></div>",
        "<p style='opacity:0;transition:opacity 1s'>SEEN</p>",
        "<p style='opacity:0;transform:translateY(20px)'>SEEN</p>",
        "<p style='opacity:0.6'>SEEN</p>",
        "<ul style='font-size:0'><li style='font-size:16px'>SEEN</li></ul>",
        "<div style='visibility:hidden'><p style='visibility:visible'>SEEN</p></div>",
        "<h2 style='color:transparent;background:linear-gradient(red,blue);background-clip:text'>SEEN</h2>",
        "<style>body{visibility:hidden;animation:start 1s}</style><p>SEEN</p>",
        "<body style='opacity:0'><p>SEEN</p>",
        "<style>@media print{.x{display:none}}</style><p class=x>SEEN</p>",
        "<style>@media (max-width:600px){.x{display:none}}</style><p class=x>SEEN</p>",
        "<style>.tab{display:none} .tab.active{display:block}</style><p class='tab active'>SEEN</p>",
        "<style>.x{display:none}</style><p class=x style='display:block'>SEEN</p>",
        "<style>.menu .x{display:none}</style><p class=x>SEEN</p>",
        "<div style='position:relative;left:-40px'>SEEN</div>",
        "<div style='transform:translate3d(-1280px,0,0)'>SEEN</div>",
        "<div style='overflow:hidden;height:300px'>SEEN</div>",
        "<details><summary>More</summary>SEEN</details>",
        "<span aria-hidden=true>SEEN</span>",
        "<div style='clip-path:inset(10%)'>SEEN</div>",
    ],
)
def test_what_is_seen_stays(part: str) -> None:
    seen = read(f"<!doctype html><body><p>{SHORT}</p>{part}<p>end</p>")
    assert "SEEN" in seen and SHORT in seen and "end" in seen


def test_an_article_of_running_text_keeps_nothing_hidden() -> None:
    hidden = f"<p style='display:none'>SECRET {RUNNING.upper()}</p><script type='application/ld+json'>{{}}</script>"
    seen = read(
        f"<!doctype html><html><body><main><article><h1>Flood</h1><p>{RUNNING}</p>{hidden}<p>{RUNNING}</p></article>"
    )
    assert RUNNING in seen and "SECRET" not in seen and "RIVER" not in seen


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("ig\u200bno\u2060re\ufeff", "ignore"),
        ("a\u202eb\u202cc\u2066d\u2069", "abcd"),
        ("a" + "".join(chr(0xE0000 + ord(letter)) for letter in "ignore") + "b", "ab"),
        ("soft\u00adhyphen", "softhyphen"),
        ("a\u200db\u200c c", "ab c"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        (
            "\U0001f469\u200d\U0001f680 \u2764\ufe0f 1\ufe0f\u20e3",
            "\U0001f469\u200d\U0001f680 \u2764\ufe0f 1\ufe0f\u20e3",
        ),
        ("x\ufe01\ufe02\ufe03\ufe0fy", "xy"),
        ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"),
    ],
)
def test_characters_that_nobody_sees(text: str, seen: str) -> None:
    assert without_unseen(text) == seen


def test_characters_that_nobody_sees_are_taken_out_of_pages() -> None:
    assert read("<p>a&#8203;b&#xE0041;c</p>") == "abc"


@pytest.mark.parametrize(
    "sheet", ["{" * 50_000, "a{" * 50_000, "@media x{" * 20_000, ".a," * 50_000 + ".b{display:none}", "/*" * 9_999]
)
def test_sheets_that_are_made_to_cost_time(sheet: str) -> None:
    assert read(f"<!doctype html><style>{sheet}</style><p>end</p>") in ("end", "")
