"""Pages of running text: letters, and articles in two or three columns."""

from __future__ import annotations

from spatz.evals.documents.made_up import Language, MadeUp
from spatz.evals.documents.page import FONTS, Page
from spatz.evals.documents.prose import paragraphs_for, phrase, sentences
from spatz.evals.documents.sample import Sample, Truth

__all__ = ["article_sample", "letter_sample"]

LEFT, WIDTH, BOTTOM = 64.0, 468.0, 790.0


def letter_sample(language: Language, seed: str) -> Sample:
    made = MadeUp(language, f"letter {seed}")
    page = Page(made.random.choice(FONTS))
    sender = [made.company(), *made.address()]
    receiver = [made.person(), *made.address()]
    place = receiver[-1].split(",")[0].split(" ")[1 if language == "de" else 0]
    day = f"{place}, {made.dated(made.day())}"
    size = made.random.choice((10.0, 10.5, 11.0))
    y = page.lines(LEFT, 70, sender, size)
    y = page.lines(LEFT, y + 40, receiver, size)
    page.text(LEFT + WIDTH, y + 16, day, size, align="right")
    subject, greeting = phrase(made, "subject"), phrase(made, "greeting")
    page.text(LEFT, y + 56, subject, size + 1, bold=True)
    y = page.lines(LEFT, y + 88, [greeting], size) + size
    body = [sentences(made, made.random.randint(3, 6)) for _ in range(3)]
    for text in body:
        y = page.paragraph(LEFT, y, text, WIDTH, size) + size * 0.7
    end = [phrase(made, "closing"), made.person()]
    page.text(LEFT, y + 12, end[0], size)
    page.text(LEFT, y + 56, end[1], size)
    text = "\n".join([*sender, *receiver, day, subject, greeting, *body, *end])
    return Sample(f"letter-{language}-{seed}", "letter", language, 150, page.close(), Truth((text,)))


def article_sample(language: Language, seed: str) -> Sample:
    made = MadeUp(language, f"article {seed}")
    page = Page(made.random.choice(FONTS))
    columns = made.random.choice((2, 2, 3))
    gap = 22.0
    width = (WIDTH + 20 - gap * (columns - 1)) / columns
    size = 9.5 if columns == 2 else 8.5
    title = phrase(made, "subject")
    page.text(LEFT - 10, 80, title, 20, bold=True)
    author = made.person()
    page.text(LEFT - 10, 100, author, 10)
    texts = paragraphs_for(made, 8)
    queue = [line for text in texts for line in [*page.wrapped(text, width, size), ""]]
    shown: list[str] = [title, author]
    bottom = made.random.choice((600.0, 700.0, BOTTOM))
    for column in range(columns):
        y = 132.0
        while queue and y < bottom:
            line = queue.pop(0)
            if line or y > 132:
                page.text(LEFT - 10 + column * (width + gap), y, line, size)
                shown.append(line)
                y += size * (1.35 if line else 0.7)
    return Sample(f"article-{language}-{seed}", "article", language, 150, page.close(), Truth((" ".join(shown),)))
