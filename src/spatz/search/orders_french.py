"""Orders to a model in French. See order_rule.py for how rules are written."""

from __future__ import annotations

from spatz.search.order_rule import START, rule, words

__all__ = ["RULES", "USUAL"]

# An order has two of these at least.
USUAL = frozenset(
    {
        "ce",
        "ci-dessus",
        "cette",
        "consignes",
        "de",
        "desormais",
        "devez",
        "dois",
        "repondre",
        "dis",
        "en",
        "es",
        "et",
        "etes",
        "instructions",
        "la",
        "le",
        "les",
        "maintenant",
        "ne",
        "par",
        "pas",
        "precedentes",
        "que",
        "repondez",
        "reponds",
        "si",
        "tes",
        "ton",
        "toujours",
        "tous",
        "tout",
        "toutes",
        "tu",
        "un",
        "une",
        "uniquement",
        "vos",
        "votre",
        "vous",
    }
)
_IA_FR = (
    r"(?:une? |l'|d')?(?:\w+ ){0,2}?(?:ia|intelligence artificielle|"
    r"assistante?|chatbot|modele de langage|modele|robot|agent conversationnel)\b"
)
RULES = (
    rule(
        "ignor|oubli|neglige|compte |abstraction",
        rf"\b(?:ignore[zr]?|oublie[zr]?|neglige[zr]?|ne (?:tiens|tenez) (?:pas|plus) compte(?: de| des)?|(?:fais"
        rf"|faites) abstraction(?: de| des)?)(?: (?:donc|maintenant))?"
        rf" (?:(?:toutes?|tous|les|vos|tes|tout|le|la|ces|cette|votre|ton|ce|mes)\b|l'|(?=instructions?\b"
        rf"|consignes?\b)){words(6).replace('{1,8}', '{0,8}')}"
        r"(?:instructions?|consignes?|directives?|regles|ordres?|precedent|precede|ci-dessus|prompt|contexte"
        r"|auparavant|question)",
        rest=True,
    ),
    rule(
        "tu es|vous etes|en tant qu|si tu|si vous",
        rf"\b(?:tu es|vous etes) (?:maintenant|desormais|dorenavant|a present) (?:une?|le|la|en|libre|dan|mon)\b"
        rf"|\b(?:tu es|vous etes) une? (?:\w+ ){{0,2}}?{_IA_FR}"
        rf"|\ben tant qu(?:e |'){_IA_FR},? (?:tu|vous|je|il)\b",
    ),
    rule(
        "repond|tu dois|vous devez|tu devras|vous devrez",
        rf"{START}(?:maintenant |desormais |ensuite |et )?(?:reponds|repondez)\b(?: \w+){{0,4}}? (?:uniquement"
        rf"|seulement|toujours|par|avec|en|que|simplement|exactement)\b"
        r"|\b(?:tu dois|vous devez|tu devras|vous devrez)\b[^.!?]{0,50}?\b(?:repondre|dire (?:que|a)|affirmer"
        r"|pretendre|recommander|declarer)\b",
    ),
    rule(
        "dis |dites|revel|mentionne|informe|previen|prevene|convain",
        r"\b(?:ne |n')(?:le |lui |leur )?(?:dis|dites|revele|revelez|mentionne|mentionnez|informe|informez|previens"
        r"|prevenez)\b[^.!?]{0,60}"
        r"\b(?:utilisateurs?|lecteur|personne|message|instructions?|consignes?)\b"
        rf"|{START}(?:et |ensuite |alors )?(?:dis|dites|convaincs|convainquez|informe|informez) (?:a |aux )?(?:l'"
        rf"|les |tous les )?utilisateurs?\b",
        rest=True,
    ),
    rule(
        "nouvelle|ta veritable|votre veritable|ta vraie|votre vraie|ta seule|votre seule|a partir de maintenant"
        "|desormais|systeme :|systeme:",
        r"\bnouvelles? (?:instructions?|consignes?|directives?|tache|mission)\s*:|\b(?:ta|votre|ton) (?:nouvelle"
        r"|nouveau|veritable|vraie|seule|unique) (?:tache|mission|role|consigne|"
        r"instruction)\b|\b(?:a partir de maintenant|desormais)\W+(?:tu (?:es|dois|vas|reponds|parles|agis"
        r"|repondras)|vous (?:etes|devez|repondrez|agissez)|reponds|repondez|agis|parle)\b"
        r"|\b(?:message|invite|instruction)s? (?:du )?systeme ?:",
        rest=True,
    ),
    rule(
        "envoie|envoyez|transmet|transfer",
        r"\b(?:envoie|envoyez|transmets|transmettez|transfere|transferez)\b[^.!?]{0,80}?\b(?:conversation|question"
        r"|utilisateur|mot de passe|historique|donnees|prompt|instructions)\b"
        r"[^!?]{0,80}?(?:https?:|www\.|@|adresse|\burl\b|serveur)",
        rest=True,
    ),
)
