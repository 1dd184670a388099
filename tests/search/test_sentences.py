"""Sentences are found where they are, however the answer comes in."""

from __future__ import annotations

import json
import random
import re

import pytest

from spatz.search.sentences import LONGEST, Sentence, Sentences, sentences

PROSE = {
    "One. Two! Three? Four": ["One.", "Two!", "Three?", "Four"],
    "  Space around.  \n\n  More.  ": ["Space around.", "More."],
    "It needs 3.11.2, e.g. on Debian 12.5. It costs $1.50 a day.": [
        "It needs 3.11.2, e.g. on Debian 12.5.",
        "It costs $1.50 a day.",
    ],
    "See https://example.org/a.b?c=d. Then stop.": ["See https://example.org/a.b?c=d.", "Then stop."],
    "Dr. Smith and A. Jones of the U.S. Army agree. So do I.": [
        "Dr. Smith and A. Jones of the U.S. Army agree.",
        "So do I.",
    ],
    "They came from the U.S. The rest stayed.": ["They came from the U.S.", "The rest stayed."],
    "See fig. 3 and no. 5. No. It is not.": ["See fig. 3 and no. 5.", "No.", "It is not."],
    "Wait... what? Yes… it is.": ["Wait... what?", "Yes… it is."],
    'He said "stop." (Then he left.) **Bold.** [1] End.[2] Next': [
        'He said "stop."',
        "(Then he left.)",
        "**Bold.**",
        "[1] End.[2]",
        "Next",
    ],
    "The file is called spatz.toml. json.dumps() writes it. It is 40.": [
        "The file is called spatz.toml.",
        "json.dumps() writes it.",
        "It is 40.",
    ],
    "Am 3. Oktober 1990, z.B. um 12 Uhr. Das sind ca. 40 km. „Ja.“ Gut": [
        "Am 3. Oktober 1990, z.B. um 12 Uhr.",
        "Das sind ca. 40 km.",
        "„Ja.“",
        "Gut",
    ],
    "Il fait beau. « Oui ! » dit-il. C'est bien.": ["Il fait beau.", "« Oui ! » dit-il.", "C'est bien."],
    "今日は。世界\uff01本当\uff1fはい": ["今日は。", "世界\uff01", "本当\uff1f", "はい"],
    "यह एक है। दूसरा": ["यह एक है।", "दूसरा"],
    "42": ["42"],
    "A number 7 \u2060": ["A number 7"],
    "": [],
    " \n ... --- \n": [],
    "A line that somebody has wrapped after some sixty characters and\nthat goes on. New\nLine": [
        "A line that somebody has wrapped after some sixty characters and\nthat goes on.",
        "New",
        "Line",
    ],
}

MARKDOWN = """# The limits

There are some limits. They are:
- The first has no stop
- The second is 40. It has two sentences.
   1. nested
* [x] done

| Name | Value |
|:-----|------:|
| port | 8080  |

> Quoted text. More.

---
```python
x = 1.5

print(x)
```
The end.
"""


def said(text: str) -> list[str]:
    return [sentence.text for sentence in sentences(text)]


def in_pieces(text: str, seed: int) -> list[Sentence]:
    draw = random.Random(seed)
    splitter = Sentences()
    found = []
    while text:
        size = draw.choice((1, 1, 2, 3, 5, 9, 40))
        found += splitter.feed(text[:size])
        text = text[size:]
    return [*found, *splitter.end()]


@pytest.mark.parametrize("text", PROSE)
def test_sentences_of_prose(text: str) -> None:
    assert said(text) == PROSE[text]


@pytest.mark.parametrize("text", [*PROSE, MARKDOWN, '{"a b": "One. \\"Two\\" \\u00fc.", "n": [40, true]} Behind. It'])
def test_the_pieces_of_the_stream_change_nothing(text: str) -> None:
    whole = sentences(text)
    for seed in range(25):
        assert in_pieces(text, seed) == whole


PARTS = re.findall(
    r"\S+",
    'a B 1 . , ; \n " { } [ ] : \\ ` ``` | - # > * _ ! ? ~~~ 47 e.g. \u2026 ( ) \u3002 \u0301 \u200d \u2060 \ud800 "k":'
    " null json --- >> u00e9 \U0001f468",
)


@pytest.mark.parametrize("seed", range(40))
def test_no_text_is_read_in_two_ways(seed: int) -> None:
    draw = random.Random(seed)
    text = "".join(
        draw.choice([*PARTS, " ", "\n", "\n", "```json\n", "\t", "\u00a0"]) for _ in range(draw.choice((20, 60, 400)))
    )
    text = '{"' + text if seed % 4 == 0 else text
    whole = sentences(text)
    assert in_pieces(text, seed) == whole
    end = 0
    for sentence in whole:
        shown = text[sentence.start : sentence.end]
        assert end <= sentence.start and shown == shown.strip() != ""
        end = sentence.end


@pytest.mark.parametrize("text", [*PROSE, MARKDOWN])
def test_places_are_those_of_the_text(text: str) -> None:
    end = 0
    for sentence in sentences(text):
        assert text[sentence.start : sentence.end] == sentence.text == sentence.text.strip()
        assert sentence.start >= end
        end = sentence.end


def test_markdown_is_cut_into_what_it_is_made_of() -> None:
    assert [(one.kind, one.text, one.lead) for one in sentences(MARKDOWN)] == [
        ("prose", "There are some limits.", "The limits"),
        ("prose", "They are:", "The limits"),
        ("item", "The first has no stop", "The limits They are:"),
        ("item", "The second is 40.", "The limits They are:"),
        ("item", "It has two sentences.", "The limits They are:"),
        ("item", "nested", "The limits They are:"),
        ("item", "done", "The limits They are:"),
        ("row", "port | 8080", "The limits Name | Value"),
        ("prose", "Quoted text.", "The limits"),
        ("prose", "More.", "The limits"),
        ("code", "x = 1.5\n\nprint(x)", "The limits"),
        ("prose", "The end.", "The limits"),
    ]


@pytest.mark.parametrize("fence", [False, True])
def test_values_of_json_stand_under_their_keys(fence: bool) -> None:
    body = {
        "max_size": 40,
        "text": 'It is "so". Gr\u00fc\u00dfe\nTwo lines',
        "list": [True, "Aa. Bb"],
        "o": {"inner": None},
    }
    text = json.dumps(body)
    text = f"```json\n{text}\n```\nAnd prose." if fence else text
    found = sentences(text)
    assert [(one.text, one.lead) for one in found if one.kind == "value"] == [
        ("40", "max size"),
        ('It is "so".', "text"),
        ("Gr\u00fc\u00dfe", "text"),
        ("Two lines", "text"),
        ("true", "list"),
        ("Aa.", "list"),
        ("Bb", "list"),
        ("null", "inner"),
    ]
    assert [text[one.start : one.end] for one in found[:3]] == ["40", 'It is \\"so\\".', "Gr\\u00fc\\u00dfe"]
    assert [one.text for one in found if one.kind == "prose"] == (["And prose."] if fence else [])


@pytest.mark.parametrize(
    "text", ['{"broken": "no end. Of it', '{"a" "b"} {', "{not json} at all.", "[link](x) is here."]
)
def test_what_only_looks_like_json_is_read_as_well(text: str) -> None:
    assert all(text[one.start : one.end].strip() for one in sentences(text))
    assert in_pieces(text, 1) == sentences(text)


@pytest.mark.parametrize(
    "endless",
    [
        "word " * 20_000,
        "x" * 100_000,
        "." * 100_000,
        "a " + " " * 100_000,
        "\n" * 50_000 + "x",
        "[1" * 50_000,
        "語" * 50_000,
    ],
)
def test_what_has_no_end_is_cut_and_never_piles_up(endless: str) -> None:
    splitter = Sentences()
    found = []
    for at in range(0, len(endless), 7):
        found += splitter.feed(endless[at : at + 7])
        assert len(splitter._rest) <= LONGEST + 7
    found += splitter.end()
    assert all(one.end - one.start <= LONGEST + 1 for one in found)
    assert "".join(one.text for one in found).replace(" ", "") in endless.replace(" ", "").replace("\n", "")


def test_no_character_is_cut_from_what_belongs_to_it() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    text = "a" * (LONGEST - 2) + family + "e\u0301" * LONGEST
    for one in sentences(text):
        assert text[one.start] not in "\u200d\u0301"
        assert text[one.end - 1] != "\u200d"
