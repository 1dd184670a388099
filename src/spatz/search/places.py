"""Whether a question is about where the user is, and its query with that place. Read by form, in four languages."""

from __future__ import annotations

from spatz.search.phrases import phrases

__all__ = ["placed"]

_HERE = phrases(
    """
    near (?:me|here|by)|nearby|nearest|closest|around here|in (?:my|this|our) (?:area|city|town|region|neighbou?rhood)
    weather|forecast|(?:open|opens?) (?:now|today|tonight)|local
    in (?:meiner|der) nähe|hier|wetter|nächste[nrs]? (?:apotheke|tankstelle|haltestelle|arzt)|in meiner stadt
    près (?:de moi|d'ici)|ici|météo|dans ma (?:ville|région)|cerca(?: de (?:mí|aquí))?|aquí|en mi ciudad
    """
)


def placed(query: str, text: str, place: str) -> str:
    """place: "" where it is not known. A query that has it already, or asks for no place, is left alone."""
    if not place or not _HERE.search(text) or place.casefold() in query.casefold():
        return query
    return f"{query} {place}"
