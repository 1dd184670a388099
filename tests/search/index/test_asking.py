"""Questions as queries: which words count, what belongs together, what is corrected."""

from __future__ import annotations

import pytest

from spatz.search.index.asking import asked
from spatz.search.index.vocabulary import distance


class Words:
    """A vocabulary of given words, each in so many parts."""

    def __init__(self, rows: dict[str, int], meant: dict[str, list[str]] | None = None) -> None:
        self._rows = rows
        self._meant = meant or {}

    def rows(self, phrase: str) -> int:
        return self._rows.get(phrase, 0)

    def meant(self, word: str) -> list[str]:
        return self._meant.get(word, [])


def looked_for(question: str, rows: dict[str, int], **meant: list[str]) -> list[str]:
    match = asked(question, Words(rows, meant)).match
    return [one.strip('"') for one in match.split(" OR ")] if match else []


def test_words_of_questions_do_not_count_beside_others_and_the_rarest_come_first() -> None:
    rows = {"what": 90, "is": 95, "the": 99, "default": 40, "port": 3, "default port": 2}
    assert looked_for("What is the default port?", rows) == ["default port", "port", "default"]
    assert asked("What is the default port?", Words(rows)).words == {"default": 40, "port": 3}


def test_words_of_questions_count_where_there_are_no_others() -> None:
    assert looked_for("Who are you?", {"who": 5, "are": 9, "you": 7}) == ["who", "you", "are"]
    assert looked_for("?!", {}) == []


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("os.path.join", "os path join"),
        ("as_completed", "as completed"),
        ("3.11.2", "3 11 2"),
        ("std::fs::read", "std fs read"),
        ("ThreadPool", "thread pool"),
        ("--max-size", "max size"),
    ],
)
def test_a_name_is_looked_for_as_a_phrase(name: str, phrase: str) -> None:
    rows = dict.fromkeys([phrase, *phrase.split(), "threadpool"], 4)
    assert phrase in looked_for(f"what does {name} do", rows)


def test_two_words_are_looked_for_as_one_where_documents_write_them_so() -> None:
    assert "filename" in looked_for("file name", {"file": 9, "name": 9, "filename": 2})


def test_what_has_too_many_rows_to_be_ranked_is_left_out_but_for_two() -> None:
    rows = {"alpha": 5_000, "beta": 9_000, "gamma": 10_000, "delta": 4}
    assert looked_for("alpha beta gamma delta", rows) == ["delta", "alpha"]
    assert looked_for("beta gamma", rows) == ["beta", "gamma"]


def test_an_unknown_word_stands_for_what_was_meant() -> None:
    assert looked_for("what is recieved", {"received": 3}, recieved=["received"]) == ["received"]
    assert looked_for("what is xyzzy", {}) == []


def test_quotes_and_operators_are_text() -> None:
    assert looked_for('say "NEAR(a" OR b* AND title:c', {"near": 1, "title": 1}) == ["near", "title"]


@pytest.mark.parametrize(
    ("one", "two", "steps"),
    [("same", "same", 0), ("recieve", "receive", 1), ("colour", "color", 1), ("abcd", "badc", 2)],
)
def test_letters_that_differ_are_counted(one: str, two: str, steps: int) -> None:
    assert distance(one, two, 3) == steps
    assert distance(two, one, 3) == steps


def test_counting_stops_where_more_differs_than_may() -> None:
    assert distance("entirely", "different", 1) == 2
