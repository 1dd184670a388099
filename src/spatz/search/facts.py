"""Whether a question asks for facts that would have to be looked up, read by its form alone: yes, no, or not to be told.

What cannot be told by form is put to the model (server/search_decision.py). English, German, French and Spanish.
What was measured, and with which questions, stands there.
"""

from __future__ import annotations

import re
from typing import Literal

from spatz.search.dates import about_now

__all__ = ["Reading", "asks_for_facts"]

Reading = Literal["yes", "no", "open"]

LONG = 700  # characters from which on a message holds a text that its question is about


def _pattern(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(words), re.IGNORECASE)


# "Search the web for...", "look it up".
_SEARCH = _pattern(
    r"\b(?:search|look|check|browse|research)\b[^.?!]{0,40}\b(?:web|internet|online|sources?|news)\b",
    r"^\W*(?:please )?(?:can you |could you )?(?:google|search (?:for|the|up)|look (?:up|it up)|research|find out)\b",
    r"\blook (?:it|this|that) up\b",
    r"\b(?:with|cite|give|name|including) (?:your |the |me )?(?:sources|citations|references|links)\b",
    r"\b(?:such\w*|recherchier\w*|schau\w*|find\w*)\b[^.?!]{0,40}\b(?:im (?:web|netz|internet)|online|quellen?)\b",
    r"\b(?:recherche\w*|cherche\w*|trouve\w*)\b[^.?!]{0,40}\b(?:sur (?:le web|internet)|en ligne|sources?)\b",
    r"\b(?:busca\w*|encuentra)\b[^.?!]{0,40}\b(?:en (?:la (?:web|red)|internet)|en línea|fuentes?)\b",
)
_SMALL_TALK = re.compile(
    r"^\W*(?:hi|hello|hey|good (?:morning|evening|night|afternoon)|thanks?|thank you|bye|goodbye|ok(?:ay)?|cool|great|nice|yes|no|"
    r"sure|hallo|guten (?:tag|morgen|abend)|danke|tschüss|bonjour|salut|merci|hola|gracias|buenos días|"
    r"how are you|how(?:'s| is) it going|wie geht(?:'s| es)(?: dir| ihnen)?|ça va|cómo estás|what'?s up|"
    r"(?:a lot|so much|very much|there|again|everyone|all|schön|sehr|beaucoup|muchas|that (?:was|is) (?:great|helpful|nice|perfect)|"
    r"you(?:'re| are) (?:great|welcome)|my friend|today|for (?:your|the) help)|[\s,.!?])+$",
    re.IGNORECASE,
)
# What the model is, thinks or feels.
_ITSELF = _pattern(
    r"\b(?:who|what) are you\b", r"\bare you (?:a|an|able|happy|real|human|alive|conscious|sure)\b", r"\b(?:what|how much) can you do\b",
    r"\bwhat(?:'s| is) your (?:name|favou?rite|opinion|view|purpose|advice)\b", r"\byour (?:opinion|thoughts|favou?rite|feelings)\b",
    r"\bdo you (?:think|like|prefer|believe|feel|enjoy|love|agree|want|have feelings)\b", r"\bwhat do you (?:think|recommend|feel|say)\b",
    r"\bwould you (?:rather|prefer|like)\b", r"\bin your opinion\b", r"\bhow do you feel\b", r"\bhow are you\b",
    r"\bwer bist du\b", r"\bwas (?:denkst|meinst|hältst|kannst) du\b", r"\bfindest du\b", r"\bmagst du\b", r"\bdeine meinung\b",
    r"\bqui es-tu\b", r"\bque penses-tu\b", r"\bà ton avis\b", r"\bquién eres\b", r"\bqué (?:piensas|opinas)\b",
    r"\b(?:should|shall) i\b", r"\bsoll(?:te)? ich\b", r"\bhelp me (?:decide|choose|feel|relax|with my)\b", r"\bi(?:'m| am) (?:so |very |really )?(?:sad|tired|bored|happy|lonely|nervous|stressed|excited)\b",
)  # fmt: skip
# What is made rather than known: "write a poem", and what is done with a text that is given.
_MAKE = re.compile(
    r"^\W*(?:(?:please|now|bitte|hi|hello|hey|so|then|s'il te plaît|por favor|can you|could you|would you|will you|kannst du(?: mir)?|könntest du(?: mir)?|"
    r"i (?:want|need|would like) you to|i(?:'d| would) like you to|help me(?: to)?|let'?s|peux-tu|puedes)\W+)*(?:"
    r"write|rewrite|rephrase|reword|paraphrase|translate|summari[sz]e|shorten|proofread|correct|fix|edit|improve|polish|compose|draft|"
    r"generate|create|invent|imagine|brainstorm|pretend|act as|role-?play|continue|complete|finish|convert|format|reformat|sort|reverse|"
    r"implement|refactor|debug|code|program|classify|extract|count|repeat|say|sing|rhyme|tell me a (?:joke|story|riddle|tale)|make (?:up|a|an|me|this|it|the)|"
    r"turn (?:this|the|it)|suggest|think of|come up with|give me (?:\w+ ){0,3}(?:ideas?|names?|synonyms?|words?|titles?|suggestions?|slogans?|rhymes?)|"
    r"schreib\w*|verfasse?|formulier\w*|übersetz\w*|fass\w*|korrigier\w*|verbesser\w*|kürz\w*|erfind\w*|erzähl\w* (?:mir )?(?:einen witz|eine geschichte)|"
    r"programmier\w*|dicht\w*|ordne\w*|sortier\w*|wandle|zähle?|"
    r"écri\w*|rédige\w*|traduis\w*|traduire|résume\w*|corrige\w*|reformule\w*|invente\w*|raconte\w*|"
    r"escribe|redacta|traduce|resume|corrige|reescribe|inventa|cuéntame un"
    r")\b",
    re.IGNORECASE,
)
_HOW_TO_SAY = _pattern(
    r"\bhow (?:do|would|can) (?:you|i|we) say\b", r"\b(?:mean|translate[sd]?) (?:in|into|to) (?:english|german|french|spanish|italian|latin)\b",
    r"\bwhat(?:'s| is) the (?:\w+ )?(?:word|translation) for\b", r"\bwie sagt man\b", r"\bcomment dit-on\b", r"\bcómo se dice\b",
    r"\b(?:synonyms?|antonyms?|plural|past tense|rhymes?) (?:of|for|with)\b",
)  # fmt: skip
# "in the following text", "the passage above": what is asked about is in the message.
_GIVEN = _pattern(
    r"\b(?:the|this|these) (?:following|above|below|attached)\b", r"\bthe (?:text|passage|paragraph|code|table|list|email|letter|document|file|image|picture) (?:above|below)\b",
    r"\b(?:in|from|of|according to|based on) (?:the|this|my) (?:text|passage|paragraph|sentence|document|email|letter|story|table|list|code|file|image|picture|context|data)\b",
    r"\b(?:this|my) (?:text|sentence|paragraph|email|essay|code|function|poem|letter|word|function|error in my)\b",
    r"\bwhat (?:does|did) (?:he|she|i|the (?:author|writer|speaker)) (?:say|write|mean)\b", r"\bwe (?:talked|spoke|discussed)\b", r"\b(?:you|i) (?:just )?(?:said|told|mentioned|wrote)\b", r"\bmy name\b",
    r"\b(?:im|aus dem|laut) (?:text|folgenden|obigen)\w*\b", r"\bfolgende[nrs]? (?:text|satz|absatz|code|liste)\b", r"\bdiese[nmrs]? (?:text|satz|absatz|code)\b",
    r"\b(?:ce|le) texte (?:suivant|ci-dessous)\b", r"\b(?:este|el siguiente) texto\b", r"```", r"^\s*(?:>|\|)",
)  # fmt: skip
_ARITHMETIC = re.compile(
    r"\d\s*(?:[-+*/^×÷%=]|plus|minus|times|divided by|multiplied by|modulo|to the power of|mal|geteilt durch|fois|divisé par|más|menos|por)\s*\(?\s*\d|"
    r"\b(?:square|cube) root of \d|\b\d+(?:[.,]\d+)?\s*(?:%|percent|prozent|pour cent|por ciento)\s*(?:of|von|de)\b|\b(?:solve|simplify|differentiate|integrate|factor(?:ize)?)\b|"
    r"\b(?:quadrat)?wurzel (?:aus|von) \d|\b\d+\s*(?:squared|cubed|factorial)|\b[xy]\s*[-+*/^=]\s*\d|"
    r"\bif\b[^?]{0,200}\b\d[^?]{0,200}\bhow (?:many|much|long|far|fast|old)\b|\bhow many [^?]{0,60}\b(?:in|are in|letters?)\b[^?]{0,20}\bword\b",
    re.IGNORECASE,
)
_CODE = _pattern(
    r"\b(?:write|give|show|make|create|implement)\b[^.?!]{0,60}\b(?:function|script|program|class|regex|regular expression|query|code|method|snippet|html|css|loop)\b",
    r"\b(?:funktion|skript|programm|regex) (?:schreib\w*|das|die)\b",
)
# Questions that ask for who, when, where, how many, or what something is.
_ASKS = re.compile(
    r"\b(?:who(?:'s|se|m)?|when|where|which|how (?:many|much|old|tall|long|far|big|high|large|deep|fast|often|heavy|expensive)|"
    r"what (?:is|are|was|were|year|day|date|time|country|city|language|version|does|do|did|happened|kind|type|port|option|setting|flag|name|percentage|causes?|[a-z]+ (?:is|are|does|do|did|was|were|has|have))|what'?s|"
    r"wer|wann|wo|woher|wohin|wem|wen|wessen|welche[rsnm]?|wie (?:viele?|alt|hoch|groß|lang|weit|oft|heißt|heißen|teuer|schnell|schwer|tief)|was (?:ist|sind|war|waren|kostet|macht|bedeutet|passiert)|"
    r"qui|quand|où|quel(?:le)?s?|combien|qu'est-ce|quién(?:es)?|cuándo|dónde|cuál(?:es)?|cuánt[oa]s?|qué (?:es|son|fue|era))\b",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"(?<=[\w,'’] )(?!I\b|I'm\b)[\"“']?(?:[A-ZÄÖÜÉÀ][\w&+.-]*[\w+]|\w+[._][\w.]+|[a-z]+\d\w*|-{1,2}[a-z][\w-]+)|`[^`]+`"
)
_YEAR = re.compile(r"\b(?:1[0-9]|20|21)\d\d\b")


def asks_for_facts(text: str) -> Reading:
    """text: what the user said last, without documents. Bounded work on any text."""
    text = text.strip()
    head = text[:LONG]
    if not text or _SMALL_TALK.match(head):
        return "no"
    if _SEARCH.search(head):
        return "yes"
    if len(text) > LONG or _GIVEN.search(head) or _MAKE.match(head) or _CODE.search(head):
        return "no"
    if _ARITHMETIC.search(head) or _ITSELF.search(head) or _HOW_TO_SAY.search(head):
        return "no"
    if _quotes(head):
        return "no"
    asks = bool(_ASKS.search(head))
    if asks and (_NAME.search(head) or _YEAR.search(head) or about_now(head)):
        return "yes"
    return "open"


def _quotes(text: str) -> bool:
    """Whether most of it is a text that it asks about: behind a colon or line break, or in quotation marks."""
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) > 1 and len(text) > 200:
        return True
    head, colon, rest = text.partition(":")
    return bool(colon) and len(rest.split()) > 12 and len(rest) > len(head)
