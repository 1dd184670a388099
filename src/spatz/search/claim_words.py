"""Words that mean something to a comparison of claims: what says nothing, what denies, numbers, units, opposites.

English and German, some French. A word that is missing here costs recall or a little precision, nothing else.
"""

from __future__ import annotations

from functools import lru_cache

from spatz.search.words import stem

__all__ = [
    "ASIDE", "CLAUSE", "LIGHT", "NEGATORS", "NUMBERS", "OPPOSITES", "POWERS", "STOPWORDS", "UNITS",
    "form_of",
]  # fmt: skip

_ENDINGS = ("ern", "en", "em", "n")


@lru_cache(maxsize=1 << 14)
def form_of(low: str) -> str:
    """What the forms of a word in small letters have in common, in German as well."""
    form = stem(low)
    for ending in _ENDINGS:
        if len(form) > len(ending) + 4 and form.endswith(ending):
            return form[: -len(ending)]
    return form


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# They are said of anything, so that they neither support a claim nor are missed in a passage.
STOPWORDS = _words(
    """
    a an the is are was were be been being am of in on at to for from with by and or it its this that these those
    there as do does did what who whom whose when where why how which any each me my you your he him his she her
    they them their i we us our one ones itself themselves himself herself s t d ll re ve m has have had having can
    could would should will shall may might must if into about so such also than then too very just only own same
    here some other both between during while although though because since however therefore thus hence according
    page pages document documents documentation passage passages text source sources context information mention
    states says said answer question note via per upon within through yes yeah yep nope nein non sí ok okay sure
    well indeed e.g i.e etc currently actually specific particular certain various several many much overall mean
    whether like der die das den dem des ein eine einen einem einer eines ist sind war waren wird werden wurde
    wurden sein und oder im auf aus bei mit nach von vom zu zum zur für über unter durch um als wie auch nur noch
    schon dass daß wenn weil da er sie es ihr ihre ihren sich man wir ich du wer wo wann welche welcher welches
    diese dieser dieses hat haben hatte kann können soll sollte darf muss laut gemäß seite dokument ja le la les un
    une de et ou est sont été dans sur pour par avec qui que ce cette ces il elle ils elles au aux se sa son ses oui
    """
)
ASIDE = _words("yes ja oui ok okay sure however so and but")
"""Behind which a sentence still begins."""

CLAUSE = _words("and but or while whereas although though because since which if unless und aber oder während")
LIGHT = _words(
    """
    done mentioned stated refers following given based called named known found specified described provided get gets
    got make makes made let lets means used use uses using set
    """
)
"""They say next to nothing, unless they are denied."""
NEGATORS = _words(
    """
    not no never none neither nor cannot without nobody nothing nowhere hardly unable
    nicht kein keine keinen keinem keiner keines nie niemals ohne weder noch nichts
    ne pas jamais aucun aucune sans
    """
)

NUMBERS = {
    word: str(value)
    for value, words in enumerate(
        (
            "zero null", "", "two twice zwei deux", "three drei trois", "four vier quatre", "five fünf cinq",
            "six sechs", "seven sieben", "eight acht", "nine neun", "ten zehn", "eleven elf", "twelve zwölf",
            "thirteen dreizehn",
            "fourteen vierzehn", "fifteen fünfzehn", "sixteen sechzehn", "seventeen siebzehn", "eighteen achtzehn",
            "nineteen neunzehn", "twenty zwanzig",
        )
    )
    for word in words.split()
} | {
    "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90",
    "dreißig": "30", "vierzig": "40", "fünfzig": "50", "sechzig": "60", "hundred": "100", "hundert": "100",
}  # fmt: skip
"""Without "one", which mostly is none."""

POWERS = {
    form_of(word): power
    for word, power in {
        "thousand": 1e3, "million": 1e6, "billion": 1e9, "tausend": 1e3, "millionen": 1e6, "milliarden": 1e9,
    }.items()
}  # fmt: skip
"""By their stems."""

_UNITS = {
    "second": "s second seconds sec secs sekund sekunde sekunden",
    "millisecond": "ms millisecond milliseconds millisekund",
    "microsecond": "µs us microsecond microseconds",
    "minute": "minute minutes min mins minut",
    "hour": "hour hours h hr hrs stund stunde stunden",
    "day": "day days tag tage tagen",
    "week": "week weeks woch woche wochen",
    "month": "month months monat monate monaten",
    "year": "year years jahr jahre jahren",
    "byte": "byte bytes b",
    "bit": "bit bits",
    "kb": "kb kib kilobyte kilobytes",
    "mb": "mb mib megabyte megabytes",
    "gb": "gb gib gigabyte gigabytes",
    "tb": "tb tib terabyte terabytes",
    "percent": "% percent per-cent prozent pct",
    "permille": "‰",
    "dollar": "$ dollar dollars usd",
    "euro": "€ euro euros eur",
    "pound": "£ gbp",
    "yen": "¥ yen",
    "meter": "m meter meters metre metres",
    "km": "km kilometer kilometers kilometre kilometres",
    "kg": "kg kilogram kilograms kilogramm",
    "degree": "° degree degrees grad",
    "hz": "hz hertz",
    "mhz": "mhz megahertz",
    "ghz": "ghz gigahertz",
}
OPPOSITES: dict[str, frozenset[str]] = {}
"""Of a word's stem, the stems that say the contrary."""

_OPPOSITES = (
    "enable/disable enabled/disabled minimum/maximum min/max minimal/maximal before/after true/false on/off "
    "increase/decrease increases/decreases include/exclude includes/excludes allow/forbid allow/deny allowed/forbidden "
    "allowed/denied above/below upper/lower older/newer earlier/later top/bottom left/right open/close opens/closes "
    "start/stop starts/stops begin/end always/never first/last first/second second/third second/last input/output "
    "read/write reads/writes readable/writable "
    "inside/outside positive/negative ascending/descending synchronous/asynchronous mutable/immutable public/private "
    "encode/decode encodes/decodes success/failure required/optional mandatory/optional supported/unsupported "
    "supports/unsupported possible/impossible safe/unsafe sorted/unsorted ordered/unordered blocking/nonblocking "
    "client/server source/destination sender/receiver parent/child push/pull add/remove adds/removes added/removed "
    "create/delete creates/deletes lock/unlock full/empty north/south east/west fast/slow faster/slower larger/smaller "
    "greater/less higher/lower longer/shorter more/less more/fewer most/least all/none all/some fewer/least "
    "short/long big/little high/low hot/cold early/late win/lose male/female day/night summer/winter morning/evening "
    "january/february monday/tuesday aktiviert/deaktiviert vorher/nachher vor/nach mindestens/höchstens oben/unten "
    "lesen/schreiben immer/nie innen/außen minimal/maximal"
)


def _stems() -> tuple[dict[str, str], dict[str, frozenset[str]]]:
    units = {form: unit for unit, words in _UNITS.items() for word in words.split() for form in (word, form_of(word))}
    opposites: dict[str, frozenset[str]] = {}
    for pair in _OPPOSITES.split():
        one, other = map(form_of, pair.split("/"))
        for word, contrary in ((one, other), (other, one)):
            if word != contrary:
                opposites[word] = opposites.get(word, frozenset()) | {contrary}
    return units, opposites


UNITS, OPPOSITES = _stems()
"""Units by each of their forms."""
