"""Which sentences may answer a question, by the kind of thing that it asks for."""

from __future__ import annotations

import pytest

from spatz.search.answering import answers, asked
from spatz.search.page import Page
from spatz.search.ranking import rank, tells

FILLER = "\n\n".join(f"Paragraph {number} is about settings of servers and how they are run." for number in range(12))


def told(question: str, *texts: str) -> bool:
    pages = [
        Page(f"https://{at}.example/", "Notes", f"{FILLER}\n\n{text}\n\n{FILLER}") for at, text in enumerate(texts)
    ]
    return tells(question, rank(question, [], pages, most=5))


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What is the telephone number of the Merrow ferry?", "The Merrow ferry answers at +44 (0)1856 872044."),
        ("What is the e-mail address of the Merrow ferry?", "Write to desk@merrow.example about the Merrow ferry."),
        ("What is the website of the Merrow ferry?", "The Merrow ferry has its timetable at www.merrow.example."),
        ("What colour is the Merrow ferry?", "The Merrow ferry is painted bright red."),
        ("In which language is the Orrin library written?", "The Orrin library is written in Rust."),
        ("How much does a ticket for the Merrow ferry cost?", "A ticket for the Merrow ferry is 4 euros."),
        ("How heavy is the Pimpernel robot?", "The Pimpernel robot weighs 14 kg."),
        ("How old is the Merrow ferry?", "The Merrow ferry was born in 1951 in a yard at Leith."),
        ("How tall is the Gannet lighthouse?", "The Gannet lighthouse rises 41 metres above the sea."),
        ("What is the height of the Gannet lighthouse?", "The Gannet lighthouse rises 41 metres above the sea."),
        ("How fast is the Merrow ferry?", "The Merrow ferry makes 18 knots in calm water."),
        ("What is the melting point of Corundite?", "Corundite becomes liquid at 1,420 °C."),
        ("What percentage of the Pumice budget is spent on tea?", "Of the Pumice budget, a third is spent on tea."),
        ("In which year was the Merrow ferry built?", "The Merrow ferry was built in 1951."),
        ("On which port does the Larch daemon listen?", "The Larch daemon listens on 7731."),
        ("Which version of Wherry has task groups?", "Task groups came to Wherry with 2.31."),
        ("When was the Calloway bridge repainted?", "The Calloway bridge was repainted last October."),
        ("When is the Calloway bridge closed?", "The Calloway bridge is closed whenever the wind is strong."),
        ("How long are the Ostrava logs kept?", "The Ostrava logs are kept for 18 days."),
        ("How many windows has the Gannet lighthouse?", "The Gannet lighthouse has eleven windows."),
        ("In which town is the Pomfret archive?", "The Pomfret archive was moved to Ghent."),
        ("What is the capital of Vellmark?", "Quenby is the capital of Vellmark."),
        ("On which street is the Montalbany embassy?", "The Montalbany embassy is at 12 Harbour Road."),
        ("Where does the Juneberry font lie?", "The Juneberry font lies in /srv/type."),
        ("Who designed the Osprey toolkit?", "The Osprey toolkit was designed by Tilda Brandvold."),
        ("Who designed the Osprey toolkit?", "Brandvold designed the Osprey toolkit."),
        ("Who may read the Osprey index?", "The Osprey index may be read by its owner alone."),
        ("Who is the author of the Osprey toolkit?", "The Osprey toolkit was written by Tilda Brandvold."),
        ("Which insurance covers the Thicket machines?", "The insurance of the Thicket machines is with Lloyd's."),
        ("Which school did Casimir Dolan go to?", "Casimir Dolan studied at Loxley."),
        ("How do I leave the Periscope list?", "To leave the Periscope list, send an empty message to it."),
        ("Is the Periscope list open to all?", "The Periscope list is open to anybody who asks."),
        ("What does the Periscope list do?", "The Periscope list tells its readers about submarines."),
        ("What happens when the Periscope list is full?", "When the Periscope list is full, old messages go."),
        ("What is the dark colour theme of Pantile called?", "The dark colour theme of Pantile is called Midwinter."),
        ("Wie hoch ist der Kirchturm von Fichtenrode?", "Der Kirchturm von Fichtenrode ist 62 Meter hoch."),
        ("Wie viele Glocken hat Fichtenrode?", "In Fichtenrode hängen fünf Glocken."),
        ("Wer betreut das Postfach von Hohenfels?", "Das Postfach von Hohenfels betreut Frau Lüdecke."),
        ("Quel est le prix du billet de Corran ?", "Le billet de Corran coûte 12 euros."),
        ("¿Cuándo fue fundada la biblioteca de Mossgiel?", "La biblioteca de Mossgiel fue fundada en 1968."),
    ],
)
def test_answers_of_each_kind(question: str, answer: str) -> None:
    assert told(question, answer)


@pytest.mark.parametrize(
    "question",
    [
        "What is the telephone number of the Merrow ferry company?",
        "What colour is the Merrow ferry?",
        "How much does the Merrow ferry company pay?",
        "How heavy is the Merrow ferry?",
        "How old is the Merrow ferry company?",
        "When was the Merrow ferry company founded?",
        "In which year was the Merrow ferry company founded?",
        "How many employees does the Merrow ferry company have?",
        "Which insurance covers the Merrow ferry company?",
        "Which music is played on the Merrow ferry?",
        "Which school did Sunniva Oakhurst go to?",
        "Who is the father of Sunniva Oakhurst?",
        "What is the website of the Merrow ferry company?",
        "Wie viele Schiffe hat die Merrow ferry company?",
    ],
)
def test_what_is_known_of_something_answers_no_other_question_about_it(question: str) -> None:
    assert not told(question, "Complaints to the Merrow ferry company are answered by Sunniva Oakhurst.")


def test_what_the_question_says_itself_is_no_answer() -> None:
    assert not told("Which port has Larch beside port 7731?", "Larch has port 7731.")
    assert told("Which port has Larch beside port 7731?", "Larch has port 7731 and 7732.")
    assert not told("Who knows Tilda Brandvold of Osprey?", "Tilda Brandvold is known at Osprey.")


def test_a_number_counts_what_stands_beside_it() -> None:
    text = "The Gannet lighthouse was built in 1812 by a man who had seen the storms of the north and wanted windows."
    assert not told("How many windows has the Gannet lighthouse?", text)


def test_what_is_asked_about_may_stand_above() -> None:
    page = Page("https://a.example/", "Merrow ferry", "# History\n\nIt was founded in 1951.\n\nNobody knows by whom.")
    assert tells("When was the Merrow ferry founded?", rank("When was the Merrow ferry founded?", [], [page], most=5))


def test_each_question_of_a_long_message_is_tried() -> None:
    question = (
        "I am writing an essay about northern lights, reindeer, snow shoes and hot chocolate for my geography teacher. "
        "How tall is the Gannet lighthouse? She said that it must have pictures, footnotes and a bibliography."
    )
    assert told(question, "The Gannet lighthouse rises 41 metres.")
    assert not told(question, "The Gannet lighthouse rises.")


def test_what_is_asked_for() -> None:
    for question, kind, thing in [
        ("Which colour has the Merrow ferry?", "colour", False),
        ("Who drew the home page of Cobblestone?", "person", False),
        ("How many ports has Larch?", "amount", True),
        ("Which insurance covers the machines?", None, True),
        ("How can I keep the file when I pack it?", None, False),
        ("Does it say when the museum opens?", None, False),
        ("Tell me about the museum.", None, False),
    ]:
        found = asked(question)
        assert ((found.kind.name if found.kind else None), bool(found.thing)) == (kind, thing), question


def test_the_best_sentence_comes_first_and_none_where_nothing_is_said() -> None:
    page = Page("https://a.example/", "Ports", "Larch has a port. The port of Larch is 7731. Alder has the port 9043.")
    passages = rank("Which port has Larch?", [], [page], most=5)
    assert answers("Which port has Larch?", passages)[0].text == "The port of Larch is 7731."
    assert not answers("Which colour has Larch?", passages)
    assert not answers("Anything?", [])
