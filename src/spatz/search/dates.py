"""What time a question is about: whether about now, how old what answers it may be, and the date for its query.

Read by form, in English, German, French and Spanish. The day is given: nothing here looks at a clock.
"""

from __future__ import annotations

import re
from datetime import date

from spatz.search.phrases import Phrases, phrases
from spatz.search.query import Freshness

__all__ = ["about_now", "dated", "freshness_of"]

_FRESH: tuple[tuple[Freshness, Phrases], ...] = (
    (
        "day",
        phrases(
            """
            today|tonight|this (?:morning|evening|afternoon)|right now|yesterday|last night|breaking|tomorrow
            heute|gestern|morgen|gerade eben|aujourd'hui|hier|demain|ce (?:matin|soir)
            hoy|ayer|mañana|esta (?:noche|mañana)
            """
        ),
    ),
    (
        "week",
        phrases(
            """
            (?:this|last|past|current) week(?:end)?|(?:diese|letzte|vergangene)[nr]? woche|dieses wochenende
            cette semaine|la semaine (?:dernière|passée)|esta semana|la semana pasada
            """
        ),
    ),
    (
        "month",
        phrases(
            """
            (?:this|last|past) month|news|headlines|(?:diesen|letzten|vergangenen) monat|diesem monat|nachrichten
            neuigkeiten|ce mois|le mois dernier|actualités|este mes|el mes pasado|noticias
            """
        ),
    ),
    ("year", phrases("(?:this|past) year|dieses jahr|in diesem jahr|cette année|este año")),
)
_NOW = phrases(
    r"""
    latest|newest|most recent|recent|recently|current|currently|now|nowadays|these days|at the moment|at present
    up[- ]to[- ]date|as of (?:now|today)|so far|upcoming|still
    neuest\w*|aktuell\w*|derzeit\w*|momentan\w*|zurzeit|zur zeit|jetzt|jüngst\w*|kürzlich|gegenwärtig\w*|zuletzt
    dernièr\w*|dernier\w*|actuel\w*|récent\w*|récemment|maintenant|en ce moment
    últim[oa]s?|actual(?:es|mente)?|recientes?|recientemente|ahora
    """
)
_YEAR = re.compile(r"\b(?:1[5-9]|20|21)\d\d\b")


def freshness_of(text: str) -> Freshness | None:
    """How old what answers it may be, where it says so."""
    return next((fresh for fresh, pattern in _FRESH if pattern.search(text)), None)


def about_now(text: str) -> bool:
    return not _YEAR.search(text) and bool(_NOW.search(text) or freshness_of(text))


def dated(query: str, text: str, today: date, language: str = "") -> str:
    """The query with the day, month or year that the question calls now. One that names a year is left alone."""
    if not about_now(text):
        return query
    fresh = freshness_of(text)
    month = _MONTHS.get(language, _MONTHS["en"]).split()[today.month - 1]
    if fresh == "day":
        return f"{query} {today.day} {month} {today.year}"
    if fresh in ("week", "month"):
        return f"{query} {month} {today.year}"
    return f"{query} {today.year}"


_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
}
