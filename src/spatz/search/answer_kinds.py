"""The kinds of things that questions ask for: the words that ask for each, and how a text shows that it holds one.

Tables for answering.py, in English, German, French and Spanish. What a text holds is told by form alone: a year is four
digits, a person a name with capital letters. A question for a kind that is missing here is judged by its words.
"""

from __future__ import annotations

from dataclasses import dataclass

from spatz.search.phrases import Phrases, any_of, phrases

__all__ = ["KINDS", "PEOPLE", "Kind"]


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    asks: Phrases | None  # how a question that asks for it begins: "how tall"
    noun: Phrases | None  # or by what noun it asks for it: "what is the *height*", "which *colour*"
    holds: Phrases | None  # what a text has to hold; None: a name


def _kind(name: str, *, asks: str = "", noun: str = "", holds: str = "") -> Kind:
    return Kind(
        name,
        phrases(asks, before="") if asks else None,
        phrases(noun) if noun else None,
        phrases(holds, before="", after="") if holds else None,
    )


def _words(text: str) -> str:
    return rf"(?<!\w){any_of(text)}(?!\w)"


def _measured(units: str) -> str:
    return rf"\d[\d.,\s]{{0,20}}-?{any_of(units)}(?![^\W\d_])"


_COUNT = r"""
    two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|fifty|hundred|thousand|million|dozens?|twice
    once|single|both|half|one|no|none|any|unlimited|several|every|each|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf
    zwölf|hundert|tausend|kein\w*|deux|trois|quatre|cinq|sept|huit|neuf|dix|dos|tres|cuatro|cinco|siete|ocho|nueve|diez
"""
_YEAR = r"(?<!\d)(?:1\d|20)\d\d(?!\d)|centur(?:y|ies)|\d0s\b|jahrhundert|siècle|siglo"
_DATE = r"""
    jan(?:uary|uar)?|feb(?:ruary|ruar)?|mar(?:ch)?|märz|apr(?:il)?|may|mai|june?|juni|july?|juli|aug(?:ust)?|sep(?:t\w*)?
    o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?|janvier|février|avril|juin|juillet|août|enero|febrero|marzo|abril|mayo
    junio|julio|agosto|octubre|(?:mon|tues|wednes|thurs|fri|satur|sun)days?|(?:mon|diens|donners|frei|sams|sonn)tags?
    mittwochs?|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|lunes|martes|miércoles|jueves|viernes|sábado|domingo
    ago|today|yesterday|tomorrow|days?|weeks?|months?|years?|hours?|minutes?|seconds?|version|release|since|tage?n?
    wochen?|monate?n?|jahre?n?|stunden?|uhr|jours?|semaines?|mois|ans?|années?|heures?|días?|semanas?|mes(?:es)?|años?
    horas?|\d:\d\d|\d+\s?[ap]\.?m|v?\d+\.\d+
"""
_WHEN = r"""
    when(?:ever)?|if|after|before|once|until|unless|as soon as|during|while|then|at (?:the )?(?:start|end)|always|never
    each|every|only|wenn|sobald|nachdem|bevor|bis|während|immer|nie|quand|lorsque|après|avant|dès|si|cuando|después|antes
    hasta
"""
_LASTING = r"""
    until|forever|never|always|indefinitely|immediately|every|each|daily|weekly|monthly|yearly|hourly|annually|once|twice
    an? (?:second|minute|hour|day|week|month|year)|bis|immer|nie|täglich|wöchentlich|jährlich|jusqu\w*|toujours|jamais
    hasta|siempre|nunca
"""
_PLACE = r"""
    in|at|on|under|near|inside|within|beside|behind|below|above|from|to|via|through|here|there|located|directory|folder
    im|am|auf|unter|bei|aus|dans|à|au|sur|sous|chez|en|sobre|bajo
"""
_LANGUAGE = r"""
    english|german|french|spanish|italian|portuguese|russian|chinese|mandarin|japanese|korean|arabic|hindi|latin|greek
    dutch|swedish|norwegian|danish|finnish|polish|czech|turkish|hebrew|welsh|irish|gaelic|basque|catalan|hungarian|\w+ese
    deutsch|englisch|französisch|spanisch|italienisch|lateinisch|latein|russisch|anglais|allemand|français|espagnol|inglés
    alemán|francés|español|castellano|python|java|(?:java|type)script|rust|go|ruby|perl|php|swift|kotlin|scala|haskell
    lisp|scheme|fortran|cobol|pascal|erlang|elixir|ocaml|clojure|assembl(?:y|er)|bash|lua|julia|sql|c|c\+\+|c#|r
"""
_COLOUR = r"""
    red(?:dish)?|blue|green|yellow|black|white|gr[ae]y|orange|purple|violet|pink|brown|gold(?:en)?|silver|cyan|magenta
    turquoise|beige|crimson|scarlet|teal|indigo|ivory|maroon|navy|colou?rless|transparent|rote?[nrs]?|blaue?[nrs]?
    grüne?[nrs]?|gelbe?[nrs]?|schwarze?[nrs]?|weiße?[nrs]?|graue?[nrs]?|braune?[nrs]?|lila|rosa|rouges?|bleue?s?|vertes?
    jaunes?|noire?s?|blanc(?:he)?s?|gris|rojo|azul|verde|amarillo|negro|blanco|marrón|naranja
"""
_MONEY = r"""
    euros?|eur|dollars?|usd|pounds?|gbp|cents?|francs?|franken|chf|yen|crowns?|kron(?:er|or|en)|rubles?|rupees?|pesos?
    thalers?|shillings?|free(?: of charge)?|kostenlos|gratis|gratuite?s?|no (?:charge|cost|fee)
"""
_ROAD = r"""
    street|st|road|rd|avenue|ave|lane|square|boulevard|drive|court|terrace|quay|place|box|platz|allee|weg|rue|calle|plaza
    avenida|\w+(?:straße|strasse|gasse|platz|allee)
"""
_WEIGHTS = r"""
    kg|g|mg|lbs?|oz|t|tons?|tonnes?|grams?|kilos?|kilograms?|pounds?|ounces?|gramm|kilogramm|tonnen|pfund|grammes?|gramos
"""
_LENGTHS = r"""
    m|km|cm|mm|ft|in|(?:kilo|centi|milli)?met(?:re|er)s?|miles?|feet|foot|inch(?:es)?|yards?|fathoms?|light.years?
    (?:kilo|zenti|milli)?metern?|mètres?|kilomètres?|metros?|kilómetros?
"""
_TIMES = r"""
    ns|µs|us|ms|s|h|min|secs?|mins?|hrs?|(?:milli|micro|nano)?seconds?|minutes?|hours?|days?|weeks?|months?|years?|decades?
    centur(?:y|ies)|sekunden?|minuten?|stunden?|tage?n?|wochen?|monate?n?|jahre?n?|secondes?|heures?|jours?|semaines?|mois
    ans|années?|segundos?|minutos?|horas?|días?|semanas?|meses|años?
"""
_SIZES = r"levels?|layers?|lines|words|pages|tokens|characters?|columns?|pixels?|px|bits?|bytes?|times"
_SPEEDS = r"[kmg]?bit/s|[kmg]i?b/s|km/h|mph|m/s|knots?|\w{1,30} (?:per|an?|pro|par|por) \w"

KINDS: tuple[Kind, ...] = (
    _kind(
        "telephone",
        noun=r"""
        (?:tele)?phone(?: numbers?)?|fax(?: numbers?)?|hotline|telefonnummer|faxnummer|rufnummer|numéro de téléphone
        teléfono
        """,
        holds=r"(?:\+|\b)\(?\d[\d ()/.-]{4,30}\d",
    ),
    _kind("e-mail", noun=r"e-?mail(?: address(?:es)?)?|e-?mail-?adresse|correo electrónico", holds=r"\S@\S"),
    _kind(
        "URL",
        noun=r"home ?pages?|web ?(?:sites?|address(?:es)?)|urls?|webseite|internetadresse|site web|página web",
        holds=r"\w://|\bwww\.|\b[\w-]{1,63}\.(?:com|org|net|io|dev|de|fr|es|eu|uk|edu|gov|info|ai|app|example)\b",
    ),
    _kind("colour", noun="colou?rs?|farben?|couleurs?|colores", holds=rf"{_words(_COLOUR)}|#[0-9a-f]{{6}}\b"),
    _kind(
        "language",
        noun=r"languages?|(?:programmier)?sprachen?|langues?|langages?|idiomas?|lenguajes?",
        holds=_words(_LANGUAGE),
    ),
    _kind(
        "money",
        asks=r"""
        how much (?:money|is (?:a|an|one|the)|(?:must|do|does|did) (?:i|we|you|one|it)\b[^?]*\b(?:pay|cost))
        how much (?:do|does|did|will|would)\b[^?]*\bcosts?|how expensive|what\b[^?]*\bcost|(?:was|wie ?viel) kostet\w*
        wie teuer|combien coûte\w*|cuánto cuesta\w*
        """,
        noun=r"prices?|costs?|fees?|salar(?:y|ies)|wages?|preis|gehalt|kosten|gebühr|prix|coût|tarif|precio|salario",
        holds=rf"[$€£¥]|{_words(_MONEY)}",
    ),
    _kind(
        "weight",
        asks=r"""
        how heavy|(?:how much|what) (?:do|does|did)\b[^?]*\bweighs?|wie schwer|wie ?viel wieg\w+|combien pèse\w*
        cuánto pesa\w*
        """,
        noun=r"weights?|mass|gewicht|poids|peso",
        holds=_measured(_WEIGHTS),
    ),
    _kind(
        "age",
        asks=r"how old|wie alt|quel âge|cuántos años tiene\w*",
        noun=r"age|birthday|birth ?date|alter|geburtstag|geburtsdatum|âge|anniversaire|edad|cumpleaños",
        holds=rf"{_measured(_TIMES)}|\b(?:born|aged?|founded|built|since|geboren|née?|nació)\b[^.]{{0,80}}\d",
    ),
    _kind(
        "length",
        asks=r"how (?:tall|high|deep|wide|thick|far)|wie (?:hoch|tief|breit|weit|dick)|à quelle (?:hauteur|distance)",
        noun=r"""
        heights?|depths?|widths?|altitude|distance|höhe|tiefe|breite|entfernung|hauteur|profondeur|largeur|altura
        profundidad|anchura|distancia
        """,
        holds=rf"{_measured(_LENGTHS)}|{_measured(_SIZES)}|\d\s*°",
    ),
    _kind(
        "speed",
        asks=r"how (?:fast|quick(?:ly)?)|wie schnell",
        noun=r"speeds?|velocity|geschwindigkeit|vitesse|velocidad",
        holds=rf"{_measured(_SPEEDS)}|{_measured(_TIMES)}|\b(?:at once|immediately|instantly|within)\b",
    ),
    _kind(
        "temperature",
        asks=r"how (?:hot|cold|warm)|wie (?:heiß|kalt|warm)",
        noun=r"temperatur(?:es?|a)?|(?:melting|boiling|freezing) point|(?:schmelz|siede)punkt|température",
        holds=r"\d\s*(?:°|degrees?|kelvin|celsius|fahrenheit|grad|degrés|grados|[kcf]\b)",
    ),
    _kind(
        "share",
        asks=r"how many (?:percent|per cent)|wie ?viel prozent",
        noun=r"percentages?|per ?cent|prozent\w*|pourcentage|porcentaje|share|fraction|proportion|anteil",
        holds=r"""
        \d\s*(?:%|per ?cent|prozent|pour ?cent|por ciento)
        \b(?:half|third|quarter|hälfte|drittel|viertel|moitié|tiers|mitad)\b
        """,
    ),
    _kind(
        "address",
        noun=r"streets?(?: address)?|(?:postal|home|office) address|straße|anschrift|rue|calle",
        holds=_words(_ROAD),
    ),
    _kind("year", noun=r"years?|jahr(?:e|en)?|année|an|año", holds=_YEAR),
    _kind("port", noun=r"ports?(?: numbers?)?", holds=r"(?<![\d.,])\d{1,5}(?![\d.,]{0,9}\d)"),
    _kind(
        "version",
        noun=r"versions?|releases?|version(?:en)?|versión",
        holds=r"\d{1,9}(?:\.\w+)+|\bv\d|\b(?:version|release)s? \w{0,9}\d|\d (?:or|and) (?:newer|later|above|higher)",
    ),
    _kind(
        "date",
        asks=r"""
        (?:since|until|till) when|when (?:was|were|did|has|have|had)|wann (?:wurden?|hat|haben|war|waren)|seit wann
        quand (?:a|ont|fut|était|étaient)|cuándo (?:fue|fueron|se \w+ó)
        """,
        noun=r"dates?|days?|months?|weekdays?|time of day|deadline|datum|tag|monat|wochentag|jour|mois|fecha|día|mes",
        holds=rf"{_YEAR}|{_words(_DATE)}",
    ),
    _kind("when", asks="when|wann|quand|cuándo", holds=rf"{_YEAR}|{_words(_DATE)}|{_words(_WHEN)}"),
    _kind(
        "duration",
        asks=r"how (?:long|soon|often|frequently)|wie (?:lange?|oft|bald)|combien de temps|cuánto tiempo|cuántas veces",
        noun=r"duration|interval|dauer|durée|duración",
        holds="|".join((_measured(_TIMES), _measured(_LENGTHS), _measured(_SIZES), _words(_LASTING))),
    ),
    _kind(
        "amount",
        asks=r"how (?:many|much|large|big|small)|wie ?viele?n?|wie (?:groß|klein)|combien|cuánt[oa]s?",
        noun=r"population|size|number of|amount|einwohnerzahl|größe|anzahl|taille|tamaño",
        holds=rf"\d|{_words(_COUNT)}",
    ),
    _kind(
        "town",
        noun=r"""
        towns?|city|cities|villages?|country|countries|places?|states?|county|regions?|continents?|islands?|birthplace
        capital|stadt|ort|dorf|land|ville|pays|ciudad|país|pueblo
        """,
    ),
    _kind(
        "place",
        asks="where|wo|woher|wohin|où|d'où|dónde",
        noun="folders?|director(?:y|ies)|paths?|ordner|dossier|carpeta",
        holds=rf"[/\\~]\w|\w://|\b\w{{1,60}}\.\w{{2,4}}\b|{_words(_PLACE)}",
    ),
    _kind(
        "person",
        asks="who|whom|whose|wer|wem|wen|wessen|qui|quién(?:es)?",
        noun=r"""
        person|people|man|woman|author|designer|developer|company|inventor|founder|maintainer|owner|editor|autor(?:in)?
        firma|erfinder(?:in)?|auteure?|entreprise|autora?|empresa
        """,
    ),
)
"""In the order in which they are looked for: the narrower first."""

PEOPLE = phrases(
    r"""
    owners?|users?|operators?|administrators?|admins?|developers?|authors?|maintainers?|people|persons?|anyone|anybody
    everyone|everybody|nobody|no one|somebody|someone|teams?|company|companies|groups?|community|foundation|clients?
    callers?|readers?|members?|committee|university|institute|council|government|root|superuser|programmers?|public|all
    """
)
"""Who somebody may be that has no name."""
