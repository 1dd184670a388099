"""The commonest order to a model, to forget what it was told, in other languages. See order_rule.py."""

from __future__ import annotations

from spatz.search.order_rule import rule, words

__all__ = ["RULES"]

RULES = (
    rule(  # Chinese
        "\u5ffd\u7565|\u65e0\u89c6|\u5fd8\u8bb0|\u5ffd\u7a0d|\u8acb\u5ffd\u7565",
        r"(?:\u5ffd\u7565|\u65e0\u89c6|\u5fd8\u8bb0)[^\n.]{0,16}?(?:\u6307\u4ee4|\u6307\u793a|\u63d0\u793a"
        r"|\u8bf4\u660e|\u89c4\u5219|\u8981\u6c42|\u5bf9\u8bdd)",
        rest=True,
    ),
    rule(  # Japanese
        "\u7121\u8996|\u5fd8\u308c\u3066",
        r"(?:\u6307\u793a|\u547d\u4ee4|\u30d7\u30ed\u30f3\u30d7\u30c8"
        r"|\u30eb\u30fc\u30eb)[^\n.]{0,12}?(?:\u7121\u8996|\u5fd8\u308c\u3066)",
        rest=True,
    ),
    rule(  # Italian
        "ignora|dimentica|istruzioni",
        rf"\b(?:ignora|ignorate|ignori|dimentica|dimenticate)(?: tutte| tutto)?(?: le| gli| quanto| tue|"
        rf" queste){words(4)}"
        r"(?:istruzioni|regole|indicazioni|comandi|precedent|sopra)",
        rest=True,
    ),
    rule(  # Portuguese
        "ignore |ignora|esqueca|esquece",
        rf"\b(?:ignore|ignora|ignorem|esqueca|esquece)(?: todas| todos| tudo)?(?: as| os| o que| suas| tuas){words(4)}"
        r"(?:instruc|regras|orientac|comandos|anterior|acima)",
        rest=True,
    ),
    rule(  # Dutch
        "negeer|vergeet",
        rf"\b(?:negeer|vergeet)(?: alle| alles| de| je| uw| deze){words(4)}"
        r"(?:instructies?|aanwijzingen|opdrachten|regels|voorgaande|vorige|hiervoor)",
        rest=True,
    ),
)
