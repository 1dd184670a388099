"""What a person asks, read by form: the query, what a follow-up takes from the conversation, URLs, the language."""

from __future__ import annotations

from datetime import date

import pytest

from spatz.search.dates import about_now, dated, freshness_of
from spatz.search.places import placed
from spatz.search.questions import LONGEST_QUERY, question_of, urls_in

TODAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("said", "query"),
    [
        ("Who wrote the novel Solaris?", "Who wrote the novel Solaris"),
        ("Please search the web for the latest version of Django", "latest version of Django"),
        ("Can you tell me who wrote Faust, please?", "who wrote Faust"),
        ("Hi! How tall is K2?", "How tall is K2"),
        ("Look up what the --reload flag of uvicorn does.", "what the --reload flag of uvicorn does"),
        ("Kannst du mir bitte sagen, wer den Faust schrieb?", "sagen, wer den Faust schrieb"),
        ("Suche im Internet nach Wanderwegen in Tirol", "Wanderwegen in Tirol"),
        ("please", "please"),
        ("", ""),
    ],
)
def test_the_query_is_the_question_without_what_is_said_to_the_searcher(said: str, query: str) -> None:
    assert question_of([said]).query == query


@pytest.mark.parametrize(
    ("earlier", "said", "query"),
    [
        (["Who wrote Solaris?"], "And in Germany?", "wrote Solaris in Germany"),
        (["What is the Pinnace tool?"], "When was it retired?", "Pinnace tool When was it retired"),
        (["How big is Oslo?", "And Bergen?"], "What about its port?", "big Oslo Bergen its port"),
        (["Was ist Linz?"], "Und wie viele Einwohner hat es?", "Linz wie viele Einwohner hat es"),
    ],
)
def test_a_follow_up_takes_what_it_lacks(earlier: list[str], said: str, query: str) -> None:
    found = question_of([*earlier, said])
    assert found.query == query and found.about and not found.wider
    assert found.full == f"{found.about}: {said}"


def test_what_is_asked_in_full_is_without_what_is_said_to_the_searcher() -> None:
    assert question_of(["Can you tell me who wrote Faust, please?"]).full == "Who wrote Faust?"
    assert question_of(["Search the web for the tower of Brenn."]).full == "Tower of Brenn"
    assert question_of(["Who wrote Faust?"]).full == "Who wrote Faust?"


def test_a_question_that_lacks_nothing_takes_nothing() -> None:
    found = question_of(["What is Kafka?", "Which port does RabbitMQ use?"])
    assert (found.query, found.about, found.wider) == ("Which port does RabbitMQ use", "", "")


def test_a_question_without_a_name_is_asked_both_ways() -> None:
    found = question_of(["What is the Vesper network?", "When does the root certificate expire?"])
    assert found.query == "When does the root certificate expire"
    assert found.wider == "Vesper network When does the root certificate expire"
    assert found.full == "Vesper network: When does the root certificate expire?"


def test_of_a_long_message_the_last_question_is_asked() -> None:
    text = "I moved here. " * 100 + "Which bus goes to Lund? " + "It is late. " * 5
    assert question_of([text]).query == "Which bus goes to Lund"
    assert len(question_of(["x" * 100_000]).query) <= LONGEST_QUERY


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("See https://example.com/a_(b)?", ["https://example.com/a_(b)"]),
        ("(http://x.org/y). And www.python.org!", ["http://x.org/y", "https://www.python.org"]),
        ("<https://a.de/b?c=d&e=f#g>, https://a.de/b?c=d&e=f#g", ["https://a.de/b?c=d&e=f#g"]),
        ("“https://a.de/b”…", ["https://a.de/b"]),
        ("no https:// url, nor ftp://a.de/b or a.de/b", []),
    ],
)
def test_urls(text: str, urls: list[str]) -> None:
    assert urls_in(text) == urls


def test_urls_are_bounded() -> None:
    assert len(urls_in(" ".join(f"https://a{number}.de/" for number in range(1_000)))) == 8


@pytest.mark.parametrize(
    ("said", "pattern"),
    [
        ("What does https://a.de/ say about retries?", "retries"),
        ("Summarize https://a.de/ for me", ""),
        ("https://a.de/", ""),
        ("Fasse mir https://a.de/ zusammen", ""),
        ("Which port does the server of https://a.de/x use?", "port server use"),
    ],
)
def test_what_is_asked_of_a_page(said: str, pattern: str) -> None:
    assert question_of([said]).pattern == pattern


@pytest.mark.parametrize(
    ("said", "language"),
    [
        ("Where is the station?", "en"),
        ("Wo ist der Bahnhof?", "de"),
        ("Où est la gare ?", "fr"),
        ("¿Dónde está la estación de tren?", "es"),
        ("uvicorn --reload", ""),
    ],
)
def test_language(said: str, language: str) -> None:
    assert question_of([said]).language == language


@pytest.mark.parametrize(
    ("text", "language", "query"),
    [
        ("latest version of Django", "en", "latest version of Django 2026"),
        ("news today about Mars", "en", "news today about Mars 23 November 2026"),
        ("Nachrichten über Mars", "de", "Nachrichten über Mars November 2026"),
        ("aktueller Bundeskanzler", "de", "aktueller Bundeskanzler 2026"),
        ("Who won this year?", "en", "Who won this year? 2026"),
        ("latest news of 2019", "en", "latest news of 2019"),
        ("height of K2", "en", "height of K2"),
    ],
)
def test_the_date_is_added_where_the_question_is_about_now(text: str, language: str, query: str) -> None:
    assert dated(text, text, TODAY, language) == query


def test_freshness() -> None:
    texts = ("What happened today?", "Wetter diese Woche", "Any news?", "Who won this year?", "latest Django", "Mars")
    assert [freshness_of(text) for text in texts] == ["day", "week", "month", "year", None, None]
    assert [about_now(text) for text in texts] == [True] * 5 + [False]


def test_the_place_is_added_where_the_question_is_about_here() -> None:
    assert placed("weather tomorrow", "What's the weather tomorrow?", "Berlin") == "weather tomorrow Berlin"
    assert placed("weather in Berlin", "weather in Berlin", "Berlin") == "weather in Berlin"
    assert placed("height of K2", "height of K2?", "Berlin") == "height of K2"
    assert placed("weather", "weather", "") == "weather"
