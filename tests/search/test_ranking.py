"""Which passages are picked."""

from __future__ import annotations

import pytest

from spatz.search.page import Page
from spatz.search.ranking import rank, tells
from spatz.search.words import counted, stem, terms

FILLER = "\n\n".join(f"Paragraph {number} is about settings of servers and how they are run." for number in range(30))


def page(name: str, *paragraphs: str) -> Page:
    return Page(f"https://{name}.example/", name, "\n\n".join(paragraphs))


def best(question: str, *pages: Page) -> str:
    return rank(question, [], pages, most=3)[0].body


def test_the_passage_with_the_rare_words_comes_first() -> None:
    pages = [
        page("Servers", FILLER, "# Kestrel\n\nThe Kestrel server listens on port 7341.", FILLER),
        page("Gateways", FILLER, "# Merlin\n\nThe Merlin server listens on port 9000.", FILLER),
    ]
    found = rank("Which port does the Kestrel server listen on?", [], pages, most=3)
    assert "7341" in found[0].text
    assert found[0].score > found[1].score
    assert 0 < found[1].covers < found[0].covers <= 1


@pytest.mark.parametrize(
    ("question", "right", "wrong"),
    [
        ("When were the licences renewed?", "The licence was renewed in May.", "The lice were fed in May."),
        ("What does --max-size do?", "With --max-size it stops early.", "The max of a size is the size."),
        ("What is new in 3.1?", "News of 3.1: it is fast.", "News of 3.11: it is new."),
        ("What is as_completed for?", "as_completed gives the first results.", "It is completed as planned."),
        ("Wann wurde das Häuschen verkauft?", "Das HÄUSCHEN wurde 1950 verkauft.", "Der Hausrat wurde verkauft."),
    ],
)
def test_words_are_found_in_other_forms_and_names_as_written(question: str, right: str, wrong: str) -> None:
    assert best(question, page("a", wrong), page("b", right), page("c", wrong + " Once more.")) == right


def test_neighbours_in_the_question_count_where_they_are_neighbours() -> None:
    apart = "The event was seen by all. A long time went by until then, and nobody ever heard of the loop again."
    assert best(
        "What is an event loop?", page("a", apart), page("b", "It has an event loop, and time went by.")
    ).startswith("It has")


def test_headings_and_titles_count_for_what_stands_under_them() -> None:
    pages = [
        page("Notes", "# Oakum\n\nRun it with --renew.", "# Hemp\n\nRun it with --extend."),
        page("Hemp", "Nothing."),
    ]
    assert best("How do I run Oakum?", *pages) == "Run it with --renew."
    assert (
        best("How do I run it in Oakum?", page("Hemp", "Run it twice."), page("Oakum", "Run it once."))
        == "Run it once."
    )


def test_what_two_pages_say_word_for_word_is_taken_once() -> None:
    text = "The Kestrel server listens on port 7341 unless the operator says something else in the settings."
    found = rank(
        "Which port of Kestrel?", [], [page("a", text), page("b", text), page("c", "Kestrel has a port.")], most=5
    )
    assert [passage.page.title for passage in found] == ["c", "a"]


def test_no_page_takes_all_places_unless_it_is_alone() -> None:
    many = page(
        "many", *(f"# Part {n}\n\nKestrel has port number {n} for the purpose called {n * n}." for n in range(9))
    )
    other = page("other", "Somewhere it is said that Kestrel is a bird.")
    found = rank("Which ports has Kestrel?", [], [many, other], most=4)
    assert [passage.page.title for passage in found].count("many") == 3
    assert len(rank("Which ports has Kestrel?", [], [many], most=6)) == 6


def test_whether_anything_is_to_the_point() -> None:
    pages = [page("a", FILLER, "The Kestrel server listens on port 7341.")]
    for question, told in [
        ("Which port does the Kestrel server use?", True),
        ("Who painted the Halden lighthouse?", False),
    ]:
        assert tells(question, rank(question, [], pages, most=3)) is told
    assert not tells("Anything?", rank("Anything?", [], [], most=3))


def test_queries_add_words_at_less_weight() -> None:
    pages = [page("a", "Kestrel was begun in 2014."), page("b", "Merlin was begun in 2015.")]
    assert rank("When was it begun?", ["Merlin begun"], pages, most=1)[0].page.title == "b"


def test_terms_are_bounded_and_found_in_long_texts() -> None:
    wanted = terms("why " + " ".join(f"word{number}" for number in range(500)))
    assert len(wanted) <= 32
    assert sum(counted(["word1 " * 50_000], terms("word1"))[terms("word1")[0]].values()) > 1_000


def test_stems() -> None:
    for forms in (("license", "licenses", "licensed"), ("story", "stories"), ("install", "installing", "installer")):
        assert len({stem(form) for form in forms}) == 1, forms
    assert stem("class") == "class"
    assert stem("3.1") == "3.1"
