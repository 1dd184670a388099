"""Orders to a model in German. See order_rule.py for how rules are written."""

from __future__ import annotations

from spatz.search.order_rule import START, rule, words

__all__ = ["RULES", "USUAL"]

# An order has two of these at least.
USUAL = frozenset(
    {
        "alle",
        "alles",
        "als",
        "an",
        "anweisung",
        "anweisungen",
        "aufgabe",
        "fur",
        "hinweis",
        "neue",
        "auf",
        "bist",
        "bitte",
        "das",
        "dass",
        "dein",
        "deine",
        "dem",
        "den",
        "der",
        "des",
        "du",
        "ein",
        "eine",
        "immer",
        "ist",
        "jede",
        "jetzt",
        "keine",
        "mit",
        "nicht",
        "niemals",
        "nun",
        "nur",
        "sie",
        "und",
        "user",
        "vorherigen",
        "wenn",
    }
)
_NUR = r"(?: nur| immer| stets| ausschliesslich| ausschlie\u00dflich| jetzt| bitte| lediglich| ab (?:jetzt|sofort))"
_KI = r"(?:kis?|ki-?(?:\w+)|sprachmodelle?n?|assistent(?:in|en)?|chat ?bots?|bots?|llms?|kunstliche intelligenz)\b"
_NUTZER = r"(?:nutzer|benutzer|anwender|user|menschen|leser|nutzerin|fragenden)n?\b"
RULES = (
    rule(
        "ignorier|vergiss|vergessen sie|missacht|verwirf|verwerfen sie|ubergeh|setze dich",
        rf"\b(?:ignorier(?:e|en sie)|vergiss|vergessen sie|missacht(?:e|en sie)|verwirf|verwerfen sie|ubergeh(?:e|en"
        rf" sie)){words(6)}"
        r"(?:anweisung|instruktion|vorgabe|regeln\b|befehl|prompt|aufforderung|richtlinie|anordnung|auftrag|kontext"
        r"|bisherige|vorherige|vorangegangen|"
        r"obige|zuvor|davor|daruber|frage des|was (?:du|dir|man|vorher|bisher|oben))",
        rest=True,
    ),
    rule(
        "du bist|sie sind|bist du|wenn du|falls du|da du",
        rf"\b(?:du bist|sie sind|bist du) (?:ab (?:jetzt|sofort)|jetzt|nun|von nun an|fortan|nicht (?:mehr|langer))"
        rf" (?:eine?|der|die|das|kein|an|im|mein|{_KI})\b"
        rf"|\b(?:du bist|sie sind|wenn du|falls du|da du)(?: selbst)? (?:eine? |als |der |die |das )?(?:\w+"
        rf" ){{0,2}}?{_KI}",
    ),
    rule(
        " ki |\nki | ki-| ki,|sprachmodell|assistent|chatbot|kunstliche intell",
        rf"\bals {_KI},? (?:\w+ )?(?:musst|sollst|darfst|mussen|sollen|sollten|bist|hast|antwort)"
        rf"|\b(?:hinweise?|anweisung(?:en)?|nachricht|achtung|mitteilung|instruktion(?:en)?|wichtig)\W{{1,3}}(?:fur "
        rf"|an )(?:die |das |alle |den |jede )?{_KI}"
        rf"|\b(?:die|das|der|jede|jeder|alle) {_KI} (?:muss|soll|sollte|mussen|sollen|sollten|wird|darf"
        rf"|hat)\b[^.!?]{{0,100}}\b"
        r"(?:antworten|sagen|ignorieren|empfehlen|behaupten|befolgen|mitteilen|erwahnen)\b",
        rest=True,
    ),
    rule(
        "antwort",
        rf"{START}(?:bitte |ab jetzt |ab sofort |von nun an |stattdessen )?antwort(?:e|en sie|et)\b(?:"
        rf" \w+){{0,5}}?{_NUR}?"
        r" (?:nur|immer|stets|ausschliesslich|ausschlie\u00dflich|mit|auf (?:jede|alle|die|diese|deutsch|englisch)"
        r"|dass|in|stattdessen)\b"
        r"|\b(?:du musst|du sollst|du wirst|du darfst|du hast|sie mussen|sie sollen|sie"
        r" haben)\b[^.!?]{0,100}?\b(?:zu )?(?:be)?antworten\b"
        r"|\b(?:beginne?|beginnen sie|beende|beenden sie|schliesse|schlie\u00dfe) (?:jede|deine|ihre|die) antwort",
    ),
    rule(
        "du musst|du sollst|du wirst|du darfst",
        r"\b(?:du musst|du sollst|du wirst|du darfst)\b[^.!?]{0,100}?\b(?:erwidern|sagen|behaupten|empfehlen"
        r"|mitteilen|ausgeben|gehorchen|befolgen|ignorieren)\b",
    ),
    rule(
        "sag |sage |sagen sie|verrat|erwahn|teile |teilen sie|informier|erzahl|warne|uberzeug",
        rf"{START}(?:bitte |und |stattdessen |dann )*(?:sag|sage|sagen sie|verrat|verrate|verraten sie|erwahne"
        rf"|erwahnen sie|teile|teilen sie|informiere|informieren sie|"
        rf"erzahle?|erzahlen sie|warne|uberzeuge|uberzeugen sie)\b[^.!?]{{0,60}}?\b{_NUTZER}"
        rf"|\b(?:sag|sage|sagen sie|verrate?|verraten sie|erwahne|erwahnen sie|erzahle?) (?:\w+ ){{0,5}}?(?:nicht"
        rf"|nichts|niemandem|keinem)\b[^.!?]{{0,60}}",
    ),
    rule(
        "anweisung|aufgabe|instruktion|auftrag|rolle ist|systemnachricht|system-prompt|systemprompt|systemhinweis",
        r"\bneue (?:\w+ )?(?:anweisung(?:en)?|aufgabe|instruktion(?:en)?)\s*:"
        r"|\b(?:deine?|ihre?) (?:neue|eigentliche|einzige|wahre|wirkliche|neuer|eigentlicher|einziger|wahrer)"
        r" (?:aufgabe|anweisung|rolle|auftrag|instruktion)\w*\b"
        r"|\bsystem-?(?:prompt|nachricht|anweisung|hinweis)\s*:|\b(?:gib|verrate|nenne|zeige"
        r"|wiederhole)\b[^.!?]{0,30}\b(?:deine[nm]?|den) (?:system-?prompt|anweisungen|systemanweisung)"
        r"|\bbefolge (?:nur |stattdessen |ausschliesslich |jetzt )?(?:diese|die folgenden|folgende|meine) (?:neuen"
        r" )?(?:anweisung|instruktion|befehl)",
        rest=True,
    ),
    rule(
        "ab jetzt|ab sofort|von nun an|ab nun",
        r"\b(?:ab jetzt|ab sofort|von nun an|ab nun)\W+(?:antwort|sprich|sprichst|sage|sagst|rede|redest|bist du"
        r"|verhaltst|verhalte|tust|gehorch|ignorier|musst du|sollst du|heisst du|schreibst du)",
    ),
    rule(
        "sende|senden sie|schick|ubermittl|ubermitteln sie|leite |ruf |rufe |rufen sie|offne|besuche",
        r"\b(?:sende|senden sie|schick|schicke|schicken sie|ubermittle|ubermitteln sie"
        r"|leite)\b[^.!?]{0,80}?\b(?:gesprach|unterhaltung|frage|nutzer|benutzer|passwort|verlauf|"
        r"prompt|anweisungen|nutzerdaten|chat)\w*\b[^!?]{0,80}?(?:https?:|www\.|\burl\b|adresse|server|@)"
        rf"|{START}(?:bitte |dann |nun |jetzt |zuerst )*(?:ruf|rufe|rufen sie|offne|offnen sie|besuche"
        rf"|lade)\b[^.!?]{{0,60}}?(?:https?:|www\.)[^!?]{{0,80}}?\b"
        r"(?:bevor|antwort|befolge|folge|auf\b)",
        rest=True,
    ),
)
