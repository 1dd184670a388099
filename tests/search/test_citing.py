"""A citation stands behind what its page says, and behind nothing else."""

from __future__ import annotations

import json
import random

import pytest

from spatz.search.citation import Citation
from spatz.search.citing import MOST_PAGES, Citer
from spatz.search.page import Page
from spatz.search.passage import Passage


def passage(url: str, text: str, title: str = "", heading: str = "") -> Passage:
    shown = f"{heading}:\n{text}" if heading else text
    return Passage(Page(url, title, text), 0, len(text), shown, heading=heading)


PASSAGES = (
    passage(
        "kestrel",
        "In the Kestrel distribution an FTP connection is given up after 47 seconds without a reply. "
        "Port 21 is used by default, and port 990 for encrypted connections.",
        title="Kestrel",
        heading="Time limits",
    ),
    passage("merlin", "In the Merlin distribution an FTP connection is given up after 62 seconds. It does not retry."),
    passage(
        "tamarind",
        "The archive server of Tamarind compresses its logs with 256 threads every night. "
        "The minimum is 2 threads, the maximum is 1,000 threads. The cache is cleared before the server starts.",
    ),
    passage("vega", "Name: vega; Role: proxy; Memory: 16 GB\nName: altair; Role: database; Memory: 64 GB"),
    passage("tool", "Install it:\npip install kestrel-tools --no-deps\nIt was written by Ingrid Maupassant in 2019."),
    passage("drucker", "Der Drucker im dritten Stock wird jeden Montag gewartet. Er druckt keine Etiketten."),
    passage("ja", "サーバーの上限は四十接続です。\n既定のポートは8080です。"),
)
QUESTION = "After how many seconds does the Kestrel distribution give up an FTP connection?"


def cited(answer: str, question: str = QUESTION) -> list[tuple[str, str]]:
    """(what is cited, which page), in order."""
    citer = Citer(PASSAGES, question)
    return [(answer[one.start : one.end], one.passage.page.url) for one in [*citer.feed(answer), *citer.end()]]


@pytest.mark.parametrize(
    ("answer", "page"),
    [
        ("In the Kestrel distribution, an FTP connection is given up after 47 seconds without a reply.", "kestrel"),
        ("The Kestrel distribution gives up FTP connections after 47 s.", "kestrel"),
        ("After 62 seconds the Merlin distribution gives up an FTP connection.", "merlin"),
        ("Port 990 is used for encrypted connections.", "kestrel"),
        ("According to the text, Tamarind's archive server compresses its logs with 256 threads.", "tamarind"),
        ("The memory of altair, a database, is 64 GB.", "vega"),
        ("It was written by Ingrid Maupassant in 2019.", "tool"),
        ("Jeden Montag wird der Drucker im dritten Stock gewartet.", "drucker"),
        ("既定のポートは8080です。", "ja"),
    ],
)
def test_what_a_page_says_is_cited(answer: str, page: str) -> None:
    assert cited(answer) == [(answer, page)]


@pytest.mark.parametrize(
    "answer",
    [
        "The Kestrel distribution gives up FTP connections after 48 seconds.",
        "The Kestrel distribution gives up FTP connections after 47 minutes.",
        "In the Kestrel distribution an FTP connection is given up after 62 seconds.",
        "In the Osprey distribution an FTP connection is given up after 47 seconds without a reply.",
        "In the Kestrel distribution an FTP connection is not given up after 47 seconds without a reply.",
        "Port 21 is used for encrypted connections.",
        "The archive server of Tamarind does not compress its logs every night.",
        "The minimum is 1,000 threads and the maximum 2 threads on the Tamarind server.",
        "The cache of the Tamarind server is cleared after the server starts.",
        "The memory of altair, a proxy, is 16 GB.",
        "It was written by Petra Lysander in 2019.",
        "It was written by Ingrid Maupassant in 2020.",
        "Der Drucker im dritten Stock wird jeden Dienstag gewartet.",
        "Der Drucker im dritten Stock druckt Etiketten.",
        "The moon is made of green cheese.",
        "Does the Kestrel distribution give up an FTP connection after 47 seconds without a reply?",
        "既定のポートは9090です。",
        "I could not find that in the pages.",
    ],
)
def test_what_no_page_says_is_not_cited(answer: str) -> None:
    assert cited(answer) == []


@pytest.mark.parametrize("answer", ["47", "47 seconds.", "**47 seconds**", "It is 47.", "After 47 seconds."])
def test_a_short_answer_is_read_with_its_question(answer: str) -> None:
    assert cited(answer) == [(answer, "kestrel")]
    assert cited(answer, "How much memory does altair have?") == []
    assert cited(answer, "") == []


@pytest.mark.parametrize("answer", ["62 seconds.", "It is 62.", "990", "16 GB"])
def test_a_number_that_answers_something_else_is_not_cited(answer: str) -> None:
    assert cited(answer) == []


@pytest.mark.parametrize(
    ("question", "answer", "page"),
    [
        ("Does the Merlin distribution retry?", "No.", "merlin"),
        ("Does the Merlin distribution retry?", "No, it does not.", "merlin"),
        ("Does the Merlin distribution retry?", "Yes.", None),
        ("Does Tamarind compress its logs every night?", "Yes.", "tamarind"),
        ("Does Tamarind compress its logs every night?", "No.", None),
        ("Does Tamarind compress its pictures every month?", "Yes.", None),
        ("How many threads does Tamarind use?", "Yes.", None),
        ("Druckt der Drucker Etiketten?", "Nein.", "drucker"),
    ],
)
def test_yes_and_no(question: str, answer: str, page: str | None) -> None:
    assert cited(answer, question) == ([] if page is None else [(answer, page)])


def test_a_sentence_may_be_supported_in_part() -> None:
    answer = "Tamarind compresses its logs with 256 threads every night, and the moon is made of green cheese."
    assert cited(answer) == [("Tamarind compresses its logs with 256 threads every night", "tamarind")]


def test_what_goes_on_with_a_cited_sentence_needs_not_repeat_what_was_asked() -> None:
    first = "The archive server of Tamarind compresses its logs with 256 threads."
    assert cited(f"{first} The minimum is two threads.") == [
        (first, "tamarind"),
        ("The minimum is two threads.", "tamarind"),
    ]
    assert cited(f"{first} The minimum is 1,000 threads.") == [(first, "tamarind")]


def test_items_rows_code_and_values_are_cited_without_their_marks() -> None:
    answer = (
        "The machines of the text:\n"
        "- vega has the role proxy and 16 GB of memory\n"
        "- altair has the role proxy and 16 GB of memory\n\n"
        "| Name | Role | Memory |\n|---|---|---|\n| altair | database | 64 GB |\n| vega | database | 64 GB |\n\n"
        "```sh\npip install kestrel-tools --no-deps\n```\n"
    )
    assert cited(answer, "Which machines are there, and how is kestrel-tools installed?") == [
        ("vega has the role proxy and 16 GB of memory", "vega"),
        ("altair | database | 64 GB", "vega"),
        ("pip install kestrel-tools --no-deps", "tool"),
    ]
    body = json.dumps({"seconds": 47, "other": 62, "writer": "Ingrid Maupassant wrote it in 2019."})
    assert cited(body) == [("47", "kestrel"), ("Ingrid Maupassant wrote it in 2019.", "tool")]


def test_several_pages_support_a_sentence_best_first() -> None:
    said = "The Larch daemon listens on port 7731."
    pages = [passage("best", said), passage("best", f"Once more: {said}"), passage("far", "A daemon listens.")]
    pages += [passage(f"again {number}", f"The status pages tell: {said[:-1]} since May.") for number in range(4)]
    citer = Citer(pages)
    found = [*citer.feed(said), *citer.end()]
    assert [one.passage.page.url for one in found] == ["best", "again 0", "again 1"]
    assert len(found) == MOST_PAGES
    assert all((one.start, one.end) == (0, len(said)) and 0 < one.support <= 1 for one in found)


def test_citations_do_not_depend_on_how_the_answer_is_streamed() -> None:
    first = "\U0001f426 So: the Kestrel distribution gives up FTP connections after 47 s."
    answer = f"{first} **It does not retry.**\n\n- 47 seconds"

    def streamed(sizes: random.Random) -> list[Citation]:
        citer, at, found = Citer(PASSAGES, QUESTION), 0, []
        while at < len(answer):
            size = sizes.randint(1, 9)
            found += citer.feed(answer[at : at + size])
            assert all(one.end <= at + size for one in found)
            at += size
        return [*found, *citer.end()]

    expected = streamed(random.Random(0))
    assert [answer[one.start : one.end] for one in expected] == [
        first,
        "47 seconds",
    ]
    for seed in range(1, 20):
        assert streamed(random.Random(seed)) == expected


def test_without_passages_nothing_is_cited() -> None:
    citer = Citer([], QUESTION)
    assert citer.feed("The limit is 47. ") + citer.end() == []
    empty = Citer([passage("empty", "  ")], QUESTION)
    assert empty.feed("The limit is 47. ") + empty.end() == []


@pytest.mark.parametrize(
    "odd", ["\ud800 lone. 47", "\x00\x01. 47", "((((" * 3_000, "not " * 3_000, "1,2;" * 3_000, "47 " * 3_000]
)
def test_odd_text_is_survived(odd: str) -> None:
    citer = Citer([*PASSAGES, passage("odd", odd, odd, odd)], odd)
    assert all(0 <= one.start < one.end <= len(odd) for one in [*citer.feed(odd), *citer.end()])
