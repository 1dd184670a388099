"""Pages of data: tables with and without rules, and forms of labels and values."""

from __future__ import annotations

from spatz.evals.documents.made_up import Language, MadeUp
from spatz.evals.documents.page import FONTS, Page
from spatz.evals.documents.prose import phrase, sentences
from spatz.evals.documents.sample import Sample, Table, Truth

__all__ = ["form_sample", "table_sample"]

LEFT, WIDTH = 60.0, 475.0
_COLUMNS = {
    "en": ("Name", "City", "Since", "Revenue", "Share"),
    "de": ("Name", "Ort", "Seit", "Umsatz", "Anteil"),
}
_LABELS = {
    "en": (
        ("Last name", "First name", "Date of birth", "Occupation", "Street", "City", "Telephone", "E-mail"),
        ("Member number", "Tariff", "Start of contract"),
        ("Application for membership", "Change of address", "Registration form"),
    ),
    "de": (
        ("Name", "Vorname", "Geburtsdatum", "Beruf", "Straße", "Ort", "Telefon", "E-Mail"),
        ("Mitgliedsnummer", "Tarif", "Vertragsbeginn"),
        ("Aufnahmeantrag", "Änderung der Anschrift", "Anmeldeformular"),
    ),
}


def table_sample(language: Language, seed: str) -> Sample:
    made = MadeUp(language, f"table {seed}")
    page = Page(made.random.choice(FONTS))
    title, intro, outro = phrase(made, "subject"), sentences(made, 2), sentences(made, 1)
    page.text(LEFT, 80, title, 16, bold=True)
    y = page.paragraph(LEFT, 110, intro, WIDTH)
    rows = _rows(made, made.random.randint(5, 16))
    widths = (135, 110, 70, 90, 70)[: len(rows[0])]
    rules = made.random.choice(("grid", "lines", "head", "none"))
    y = page.table(LEFT, y + 10, widths, rows, size=10, rules=rules, right=(3, 4))
    page.paragraph(LEFT, y + 30, outro, WIDTH)
    text = "\n".join([title, intro, *(" ".join(filter(None, row)) for row in rows), outro])
    return Sample(f"table-{language}-{seed}", "table", language, 150, page.close(), Truth((text,), (rows,)))


def _rows(made: MadeUp, count: int) -> Table:
    columns = made.random.choice((3, 4, 5))
    rows = [_COLUMNS[made.language][:columns]]
    for _ in range(count):
        share = f"{made.random.randint(1, 99)},{made.random.randint(0, 9)} %"
        city = made.address()[1].split(",")[0]
        row = (
            made.person(),
            city if made.random.random() > 0.1 else "",
            str(made.random.randint(1970, 2024)),
            made.money(made.price()),
            share if made.language == "de" else share.replace(",", "."),
        )
        rows.append(row[:columns])
    return tuple(rows)


def form_sample(language: Language, seed: str) -> Sample:
    made = MadeUp(language, f"form {seed}")
    page = Page(made.random.choice(FONTS))
    own, contract, titles = _LABELS[language]
    street, city = made.address()
    person = [made.one("last"), made.one("first"), f"{made.day().replace(year=1976):%d.%m.%Y}", made.one("job")]
    person += [street, city, made.telephone(), made.mail(made.company())]
    terms = [made.digits(8), made.random.choice("ABC") + made.digits(1), made.dated(made.day())]
    pairs = list(zip((*own, *contract), (*person, *terms), strict=True))
    title, note = made.random.choice(titles), sentences(made, 2)
    page.text(LEFT, 80, title, 18, bold=True)
    y = _filled(page, pairs, 115, made.random.choice(("line", "box", "colon")))
    page.paragraph(LEFT, y + 24, note, WIDTH, 9)
    text = "\n".join([title, *(f"{label} {value}" for label, value in pairs), note])
    colons = "\n".join([title, *(f"{label}: {value}" for label, value in pairs), note])
    return Sample(
        f"form-{language}-{seed}", "form", language, 150, page.close(), Truth((text, colons), (), tuple(pairs))
    )


def _filled(page: Page, pairs: list[tuple[str, str]], y: float, style: str) -> float:
    for label, value in pairs:
        if style == "box":
            page.box(LEFT, y - 14, 150, 22, fill="#eeeeee", stroke="#000000")
            page.box(LEFT + 150, y - 14, WIDTH - 150, 22, stroke="#000000")
            page.text(LEFT + 6, y, label)
        elif style == "line":
            page.text(LEFT, y, label)
            page.line(LEFT + 150, y + 4, LEFT + WIDTH, y + 4)
        else:
            page.text(LEFT, y, f"{label}:")
        page.text(LEFT + 158, y, value)
        y += 22 if style == "box" else 26
    return y
