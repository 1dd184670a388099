"""Orders to a model in Spanish. See order_rule.py for how rules are written."""

from __future__ import annotations

from spatz.search.order_rule import START, rule, words

__all__ = ["RULES", "USUAL"]

# An order has two of these at least.
USUAL = frozenset(
    {
        "a",
        "ahora",
        "al",
        "anterior",
        "anteriores",
        "ignora",
        "lo",
        "nuevas",
        "olvida",
        "con",
        "debes",
        "el",
        "en",
        "eres",
        "esta",
        "instrucciones",
        "la",
        "las",
        "los",
        "no",
        "que",
        "responda",
        "responde",
        "si",
        "siempre",
        "solo",
        "su",
        "sus",
        "todas",
        "todo",
        "todos",
        "tu",
        "tus",
        "un",
        "una",
        "usuario",
        "y",
    }
)
_IA_ES = r"(?:una? )?(?:\w+ ){0,2}?(?:ia|asistente|modelo(?: de lenguaje)?|chatbot|bot|robot|inteligencia artificial)\b"
RULES = (
    rule(
        "ignor|olvid|descart|omit|caso omiso|hagas caso|desobedec",
        rf"\b(?:ignor(?:a|e|en|ad|ar)|olvid(?:a|e|en|ad|ar|ate|ese)|descart(?:a|e|ar)|omit(?:e|a|ir)|ha(?:z|ga) caso"
        rf" omiso|no hagas? caso|desobedece)(?: de| a| del)?"
        rf" (?:todas?|todos?|todo|las|los|la|tus|sus|cualquiera?|lo|el|estas|esas|mis|cuanto)\b{words(6)}"
        r"(?:instrucci|indicaci|ordenes\b|reglas\b|directri|anterior|prompt|contexto|previ[oa]s?\b|pregunta)",
        rest=True,
    ),
    rule(
        "eres |a partir de ahora|desde ahora|de ahora en adelante|como ia|como modelo de|como asistente|como una ia"
        "|como inteligencia|usted es",
        rf"\b(?:ahora |si )?(?:eres|usted es)(?: ahora)? {_IA_ES}|\bahora eres\b|\b(?:a partir de ahora|desde ahora"
        rf"|de ahora en adelante)\W+(?:eres|usted|tu|seras|actua|actuas|responde|"
        r"respondera|debes|debe|habla|hablas|solo|siempre)\b"
        rf"|\bcomo {_IA_ES},? (?:debes|debe|tienes|tiene|eres|responde|no puedes|tu)\b",
    ),
    rule(
        "respond|contest|debes |tienes que|deberas|debe ",
        rf"{START}(?:ahora |y |entonces )?(?:responde|responda|contesta|conteste|respondan)\b(?: \w+){{0,4}}?"
        rf" (?:solo|unicamente|siempre|con|en|que|solamente|exactamente)\b"
        r"|\b(?:debes|debe|tienes que|deberas|debera|has de)(?: siempre| solo| unicamente)?[^.!?]{0,20}?"
        r" (?:responder|decirle|decir que|contestar|afirmar|recomendar)\b",
    ),
    rule(
        "digas|diga |mencion|reveles|revele |informes|cuentes|cuente |dile|digale|convence",
        r"\bno (?:le |les |se lo )?(?:digas|diga|menciones|mencione|reveles|revele|informes|informe|cuentes"
        r"|cuente)\b[^.!?]{0,60}?\b(?:usuarios?|nadie|persona|lector|mensaje|instrucciones)\b"
        rf"|{START}(?:y |entonces )?(?:dile|digale|diles|convence|convenza|informa) (?:a los |al |a )?usuarios?\b",
        rest=True,
    ),
    rule(
        "nuev|verdader|unica tarea|unico objetivo|sistema:",
        r"\bnuev[ao]s? (?:instrucci(?:on|ones)|ordenes|orden|tarea|directriz|directrices)\s*:|\b(?:tu|su) (?:nueva"
        r"|nuevo|verdadera|verdadero|unica|unico) (?:tarea|mision|instruccion|objetivo|"
        r"rol|papel)\b|\b(?:mensaje|instruccion|aviso) del sistema ?:",
        rest=True,
    ),
    rule(
        "envia|envie|manda|mande|reenvia|transmite",
        r"\b(?:envia|envie|manda|mande|reenvia|transmite)\b[^.!?]{0,80}?\b(?:conversacion|pregunta|usuario"
        r"|contrasena|historial|datos|prompt|instrucciones)\b[^!?]{0,80}?"
        r"(?:https?:|www\.|@|direccion|\burl\b|servidor)",
        rest=True,
    ),
)
