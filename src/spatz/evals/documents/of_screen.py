"""Screenshots: a window with settings, a terminal, an editor with code. A point is a pixel of 96 dpi."""

from __future__ import annotations

import inspect
import json.decoder
import textwrap

from spatz.evals.documents.made_up import Language, MadeUp
from spatz.evals.documents.page import COURIER, FONTS, Page
from spatz.evals.documents.prose import sentences
from spatz.evals.documents.sample import Sample, Truth

__all__ = ["screen_sample"]

DPI = 72  # a point is a pixel
SIZE = (1280.0, 800.0)
_WORDS = {
    "en": (
        "File Edit View Tools Help",
        "Settings",
        ("User name", "Server address", "Language", "Time zone", "Proxy"),
        ("Apply", "Cancel"),
        ("General", "Network", "Accounts", "Privacy", "Updates"),
        ("English", "Europe/London"),
    ),
    "de": (
        "Datei Bearbeiten Ansicht Extras Hilfe",
        "Einstellungen",
        ("Benutzername", "Serveradresse", "Sprache", "Zeitzone", "Vermittler"),
        ("Übernehmen", "Abbrechen"),
        ("Allgemein", "Netzwerk", "Konten", "Datenschutz", "Aktualisierungen"),
        ("Deutsch", "Europa/Berlin"),
    ),
}


def screen_sample(language: Language, seed: str) -> Sample:
    """What it shows goes round with the number at the seed's end."""
    made = MadeUp(language, f"screen {seed}")
    place = 2 * int(seed.rpartition(".")[2]) + (language == "de")
    return (_window, _terminal, _code)[place % 3](made, f"screenshot-{language}-{seed}")


def _window(made: MadeUp, name: str) -> Sample:
    menu, title, labels, buttons, tabs, places = _WORDS[made.language]
    page = Page(made.random.choice((FONTS[0], FONTS[2])), SIZE, "#5a7aa0")
    page.box(140, 90, 1000, 620, fill="#f2f2f2", stroke="#555555")
    page.box(140, 90, 1000, 34, fill="#2f4f7f")
    page.text(156, 113, title, 15, color="#ffffff", bold=True)
    x = 156.0
    for word in menu.split():
        page.text(x, 148, word, 14)
        x += page.measure(word, 14) + 22
    page.box(140, 160, 210, 550, fill="#e0e4ea")
    for place, tab in enumerate(tabs):
        page.text(160, 200 + 38 * place, tab, 15, bold=place == 0)
    host = f"{made.one('company').split()[0].lower()}.example:{made.digits(4)}"
    values = (made.person(), host, *places, "10.0.0." + made.digits(2))
    for place, (label, value) in enumerate(zip(labels, values, strict=True)):
        y = 205.0 + 58 * place
        page.text(380, y, label, 15)
        page.box(580, y - 21, 500, 32, fill="#ffffff", stroke="#999999")
        page.text(592, y, value, 15)
    text = sentences(made, 2)
    page.paragraph(380, 540, text, 700, 14)
    for place, button in enumerate(buttons):
        page.box(820 + 150 * place, 650, 130, 36, fill="#d5d9e0", stroke="#777777")
        page.text(885 + 150 * place, 673, button, 15, align="center")
    pairs = tuple(zip(labels, values, strict=True))
    fields = "\n".join(f"{label} {value}" for label, value in pairs)
    rest = f"{fields}\n{text}\n" + " ".join(buttons)
    rows = "\n".join(f"{tab} {label} {value}" for tab, (label, value) in zip(tabs, pairs, strict=True))
    orders = (
        f"{title}\n{menu}\n" + "\n".join(tabs) + f"\n{rest}",
        f"{title}\n{menu}\n{rest}\n" + "\n".join(tabs),
        f"{title}\n{menu}\n{rows}\n{text}\n" + " ".join(buttons),
    )
    return Sample(name, "screenshot", made.language, DPI, page.close(), Truth(orders, (), pairs))


def _terminal(made: MadeUp, name: str) -> Sample:
    page = Page(COURIER, SIZE, "#101418")
    user = made.mail("Spatz").split("@")[0]
    lines = [f"{user}@host:~$ ls -l /srv/data"]
    for _ in range(made.random.randint(5, 12)):
        size, day = made.digits(made.random.randint(3, 6)), made.day()
        file = made.one("company").split()[0].lower() + made.random.choice((".txt", ".csv", ".pdf", ".log"))
        lines.append(f"-rw-r--r-- 1 {user} staff {size:>7} {day:%b %d} {day:%Y} {file}")
    lines += [f"{user}@host:~$ df -h /", "Filesystem Size Used Avail Use% Mounted on", "/dev/sda1 98G 61G 33G 66% /"]
    lines += [f"{user}@host:~$ uptime", f" 12:{made.random.randint(10, 59)}:31 up 41 days, 3 users"]
    for place, line in enumerate(lines):
        page.text(24, 40 + 25 * place, line, 18, color="#d8e0e0")
    return Sample(name, "screenshot", made.language, DPI, page.close(), Truth(("\n".join(lines),)))


def _code(made: MadeUp, name: str) -> Sample:
    """Real code, with its lines numbered as editors do."""
    source = inspect.getsource(made.random.choice((json.loads, json.load, textwrap.indent, textwrap.dedent)))
    lines = [line.expandtabs() for line in source.splitlines() if line.strip()][:28]
    page = Page(COURIER, SIZE, "#ffffff")
    page.box(0, 0, 64, SIZE[1], fill="#eeeeee")
    for place, line in enumerate(lines):
        y = 36.0 + 26 * place
        page.text(52, y, str(place + 1), 17, color="#888888", align="right")
        color = "#7a3e9d" if line.lstrip().startswith(("def ", "if ", "return", "for ")) else "#202020"
        page.text(80, y, line, 17, color=color)
    numbered = "\n".join(f"{place + 1} {line}" for place, line in enumerate(lines))
    apart = "\n".join([*(str(place + 1) for place in range(len(lines))), *lines])
    return Sample(name, "screenshot", made.language, DPI, page.close(), Truth((numbered, apart, "\n".join(lines))))
