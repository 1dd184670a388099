"""Whether a question asks for facts that would have to be looked up, by its form alone: yes, no, or not to be told.

What cannot be told by form is put to the model (server/search_decision.py). English, German, French and Spanish. What
was measured stands in evals/search.
"""

from __future__ import annotations

import re
from typing import Literal

from spatz.search.dates import about_now
from spatz.search.phrases import any_of, phrases

__all__ = ["Reading", "asks_for_facts", "asks_for_page", "asks_for_web", "is_question"]

Reading = Literal["yes", "no", "open"]

LONG = 700  # characters from which on a message holds a text that its question is about
QUOTED = 12  # words behind a colon that are a text

_SEARCH = phrases(
    r"""
    (?:search|look|check|browse|research)\b[^.?!]{0,40}\b(?:web|internet|online|sources?|news)
    look (?:it|this|that) up
    (?:with|cite|give|name|including) (?:your |the |me )?(?:sources|citations|references|links)
    (?:such\w*|recherchier\w*|schau\w*|find\w*)\b[^.?!]{0,40}\b(?:im (?:web|netz|internet)|online|quellen?)
    (?:recherche\w*|cherche\w*|trouve\w*)\b[^.?!]{0,40}\b(?:sur (?:le web|internet)|en ligne|sources?)
    (?:busca\w*|encuentra)\b[^.?!]{0,40}\b(?:en (?:la (?:web|red)|internet)|en línea|fuentes?)
    """
)
_LOOK_UP = phrases(
    "google|search (?:for|the|up)|look up|research|find out",
    r"^\W*(?:please |can you |could you )*",
)
_SMALL_TALK = phrases(
    r"""
    hi|hello|hey|good (?:morning|evening|night|afternoon)|thanks?|thank you|bye|goodbye|ok(?:ay)?|cool|great|nice
    yes|no|sure|how are you|how(?:'s| is) it going|what'?s up|are you there|(?:good|nice) to (?:see|meet) you
    a lot|so much|very much|there|again|everyone|all|today|my friend|you(?:'re| are) (?:great|welcome)
    that (?:was|is) (?:great|helpful|nice|perfect)|for (?:your|the) help
    hallo|guten (?:tag|morgen|abend)|danke|tschüss|wie geht(?:'s| es)(?: dir| ihnen)?|schön|sehr
    bonjour|salut|merci|ça va|comment (?:vas-tu|allez-vous)|beaucoup
    hola|gracias|buenos días|cómo estás|muchas|[\s,.!?¿¡]
    """,
    r"^\W*",
    "+$",
)
# What the model is, thinks or feels, and how the user does.
_PERSONAL = phrases(
    r"""
    (?:who|what) are you|are (?:you|we) (?:a|an|able|happy|real|human|alive|conscious|sure|friends)
    (?:what|how much) can you do|how do you feel|how are you
    (?:what's|what is) your (?:name|favou?rite|opinion|view|purpose|advice)
    your (?:opinion|thoughts|favou?rite|feelings)
    do you (?:think|like|prefer|believe|feel|enjoy|love|agree|want|have feelings)
    what do you (?:think|recommend|feel|say)|would you (?:rather|prefer|like)|what would you|in your opinion
    which (?:is|of (?:the|these) (?:two )?(?:do you|is)) (?:like |nicer|prettier|more fun|more beautiful)
    is it better to|(?:should|shall) (?:i|we)|help me (?:decide|choose|feel|relax|with my|plan)
    (?:i'm|i am) (?:so |very |really )?(?:sad|tired|bored|happy|lonely|nervous|stressed|excited)
    wer bist du|was (?:denkst|meinst|hältst|kannst) du|findest du|magst du|deine meinung|soll(?:te)? ich
    ich bin (?:so |sehr |heute )?(?:müde|traurig|glücklich|krank|allein)
    qui es-tu|que penses-tu|à ton avis|quién eres|qué (?:piensas|opinas)
    """
)
_PLEASE = any_of(
    r"""
    please|now|bitte|hi|hello|hey|so|then|s'il te plaît|por favor|(?:can|could|would|will) you|let'?s|help me(?: to)?
    (?:kannst|könntest) du(?: mir)?|i (?:want|need|would like) you to|i(?:'d| would) like you to|peux-tu|puedes
    """
)
# What is made rather than known, and what is done with a text that is given.
_MAKE = phrases(
    r"""
    write|rewrite|rephrase|reword|paraphrase|translate|summari[sz]e|shorten|proofread|correct|fix|edit|improve|polish
    compose|draft|generate|create|invent|imagine|brainstorm|pretend|act as|role-?play|continue|complete|finish|convert
    format|reformat|sort|reverse|implement|refactor|debug|code|program|classify|extract|count|repeat|say|sing|rhyme
    spell|rename|reply|answer with|guess|flip a|put (?:this|these|it|the)|use the words?|pick (?:a|an|out|the)
    tell me a (?:joke|story|riddle|tale)|make (?:up|a|an|me|this|it|the)|turn (?:this|the|it)|suggest|think of
    come up with|ask me|motivate me|teach me to|wish me|play
    give me (?:\w+ ){0,3}(?:ideas?|names?|synonyms?|words?|titles?|suggestions?|slogans?|rhymes?|feedback)
    schreib\w*|verfasse?|formulier\w*|übersetz\w*|fass\w*|korrigier\w*|verbesser\w*|kürz\w*|erfind\w*|dicht\w*
    erzähl\w* (?:mir )?(?:einen witz|eine geschichte)|programmier\w*|ordne\w*|sortier\w*|wandle|zähle?|mach\w*
    écri\w*|rédige\w*|traduis\w*|traduire|résume\w*|corrige\w*|reformule\w*|invente\w*|raconte\w*
    escribe|redacta|traduce|resume|corrige|reescribe|inventa|cuéntame un
    """,
    rf"^\W*(?:{_PLEASE}\W+)*",
)
_LANGUAGE = phrases(
    r"""
    how (?:do|would|can) (?:you|i|we) say|wie sagt man|comment dit-on|cómo se dice
    (?:mean|translate[sd]?) (?:in|into|to) (?:english|german|french|spanish|italian|latin)
    (?:what's|what is) the (?:\w+ )?(?:word|translation) for
    (?:synonyms?|antonyms?|plural|past tense|rhymes?) (?:of|for|with)
    """
)
# What is asked about is in the message, or was said before.
_GIVEN = phrases(
    r"""
    (?:the|this|these) (?:following|above|below|attached)|```
    the (?:text|passage|paragraph|code|table|list|email|letter|document|file|image|picture) (?:above|below)
    (?:in|from|of|according to|based on) (?:the|this|my) (?:text|passage|paragraph|sentence|document|email|letter|story)
    (?:in|from|of|according to|based on) (?:the|this|my) (?:table|list|code|file|image|picture|context|data)
    (?:this|my) (?:text|sentence|paragraph|email|essay|code|function|poem|letter|word|review|message)
    what (?:does|did) (?:he|she|i|the (?:author|writer|speaker)) (?:say|write|mean)|we (?:talked|spoke|discussed)
    (?:you|i) (?:just )?(?:said|told|mentioned|wrote|meant)|my name|here is (?:a|an|my|the)
    (?:im|aus dem|laut) (?:text|folgenden|obigen)\w*|folgende[nrs]? (?:text|satz|absatz|code|liste)
    diese[nmrs]? (?:text|satz|absatz|code)|(?:ce|le) texte (?:suivant|ci-dessous)|(?:este|el siguiente) texto
    """,
    r"(?<!\w)",
)
_NUMBER = r"\(?-?\d"
_ARITHMETIC = phrases(
    rf"""
    \d+(?:[.,]\d+)?\s*(?:[-+*/^\xd7\xf7%=]|plus|minus|times|divided by|multiplied by|modulo)\s*{_NUMBER}
    \d+(?:[.,]\d+)?\s*(?:to the power of|mal|geteilt durch|fois|divisé par|más|menos|por)\s*{_NUMBER}
    (?:add|subtract|multiply|divide|square|half of|a third of|double|twice|addiere|multipliziere) {_NUMBER}
    (?:square|cube) root of \d|(?:quadrat)?wurzel (?:aus|von) \d|\d+\s*(?:squared|cubed|factorial)|[xy]\s*[-+*/^=]\s*\d
    \d+(?:[.,]\d+)?\s*(?:%|percent|prozent|pour cent|por ciento)\s*(?:of|von|de)
    solve|simplify|differentiate|integrate|factor(?:ize)?
    \d[^?]{{0,200}}\bhow (?:many|much|long|far|fast|old)
    how many (?:seconds|minutes|hours|days|weeks|months) (?:are|make|do) (?:\w+ )?\w+ (?:hours|days|weeks|years)
    how many [^?]{{0,60}}\bin the word
    (?:larger|bigger|smaller|greater|largest|smallest)[,:]? [^?]{{0,20}}\d+(?:\.\d+)?(?: or|,)
    """,
    r"(?<!\w)",
    "",
)
_CODE = phrases(
    r"""
    (?:write|give|show|make|create|implement)\b[^.?!]{0,60}\b(?:function|script|program|class|regex|query|code|method|loop)
    (?:write|give|show|make|create)\b[^.?!]{0,60}\b(?:regular expression|snippet|html|css)|(?:funktion|skript|regex) die
    """
)
# Questions for who, when, where, how many, or what something is.
_ASKS = phrases(
    r"""
    who(?:'s|se|m)?|when|where|which|what'?s|how (?:many|much|old|tall|long|far|big|high|large|deep|fast|often|heavy)
    what (?:is|are|was|were|year|day|date|time|country|city|language|version|does|do|did|happened|kind|type|port|option)
    what (?:setting|flag|name|percentage|causes?)|what [a-z]+ (?:is|are|does|do|did|was|were|has|have)
    wer|wann|wo|woher|wohin|wem|wen|wessen|welche[rsnm]?|was (?:ist|sind|war|waren|kostet|macht|bedeutet|passiert)
    wie (?:viele?|alt|hoch|groß|lang|weit|oft|heißt|heißen|teuer|schnell|schwer|tief)
    qui|quand|où|quel(?:le)?s?|combien|qu'est-ce
    quién(?:es)?|cuándo|dónde|cuál(?:es)?|cuánt[oa]s?|qué (?:es|son|fue|era)
    """
)
_QUESTION = phrases(
    r"""
    who|what|when|where|which|why|how|is|are|was|were|does|do|did|can|has|have
    wer|was|wann|wo|warum|wie|welche\w*|ist|sind|qui|quand|pourquoi|comment|quién|cómo|por qué
    """,
    r"^\W*",
)
_BETWEEN_US = phrases(r"you|your|that|this|du|dich|dein\w*|tu|vous|ton|votre|tú|te")
_NAME = re.compile(
    r"""(?<=[\w,'] )(?!I\b)["']?(?:[^\W\d_a-z][\w&+.-]*[\w+]|\w+[._][\w.]+|[a-z]+\d\w*|-{1,2}[a-z][\w-]+)|`[^`]+`"""
)
_YEAR = re.compile(r"\b(?:1\d|20|21)\d\d\b")


def asks_for_facts(text: str) -> Reading:
    """text: what the user said last, without documents. Bounded work on any text."""
    text = text.strip().replace("\u2019", "'")
    head = text[:LONG]
    if not text or _SMALL_TALK.match(head):
        return "no"
    if _SEARCH.search(head) or _LOOK_UP.match(head):
        return "yes"
    if len(text) > LONG or _quotes(head) or any(form.search(head) for form in _OTHERS):
        return "no"
    if _ASKS.search(head) and (_NAME.search(head) or _YEAR.search(head) or about_now(head)):
        return "yes"
    return "open"


def asks_for_web(text: str) -> bool:
    """Whether it says itself that the web is to be searched."""
    return bool(_SEARCH.search(text.strip()[:LONG]))


def is_question(text: str) -> bool:
    """Whether it is one, and not one to the model or about what was said before."""
    head = text.strip()[:LONG]
    return bool((head.endswith("?") or _QUESTION.match(head)) and not _BETWEEN_US.search(head))


def asks_for_page(text: str) -> bool:
    """Of a message that names a URL: whether the page is to be read, and the URL is not part of a text or of code."""
    rest = re.sub(r"https?://\S+|\bwww\.\S+", " ", text[:LONG])
    return len(text) <= LONG and not (_CODE.search(rest) or _quotes(rest) or re.search(r"[`{};=<>]|\w\(", rest))


_OTHERS = (_MAKE, _GIVEN, _CODE, _ARITHMETIC, _PERSONAL, _LANGUAGE)


def _quotes(text: str) -> bool:
    """Whether it is a text with a question about it: several lines, or much behind a colon."""
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) > 1 and len(text) > 200:
        return True
    head, colon, rest = text.partition(":")
    return bool(colon) and len(rest.split()) > QUOTED and len(rest) > len(head)
