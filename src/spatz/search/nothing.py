"""What an answer says where a search gave nothing to say: fixed sentences, in the language of the question."""

from __future__ import annotations

__all__ = ["nothing_found"]

_NOTHING = {
    "en": "I found nothing about this.",
    "de": "Dazu habe ich nichts gefunden.",
    "fr": "Je n'ai rien trouvé à ce sujet.",
    "es": "No he encontrado nada al respecto.",
}
_UNREAD = {
    "en": "I could not read this page.",
    "de": "Ich konnte diese Seite nicht lesen.",
    "fr": "Je n'ai pas pu lire cette page.",
    "es": "No he podido leer esta página.",
}


def nothing_found(language: str, *, unread: bool = False) -> str:
    """unread: the page that was asked about."""
    said = _UNREAD if unread else _NOTHING
    return said.get(language, said["en"])
