"""What a person asks, read by its form alone: the question in a message, the URLs in it, and what to look for.

The web search's loop (server/web_search.py) asks here before it asks the model or anybody else. English, German, French
and Spanish are known; of other languages the words are taken as they are. Whether to search at all is facts.py's, what
day a question is about dates.py's business.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from spatz.search.phrases import any_of, phrases

__all__ = ["LONGEST_QUERY", "Question", "language_of", "question_of", "urls_in"]

LONGEST_QUERY = 400  # characters; providers take no more
LONGEST_READ = 4_000  # characters of a message that are looked at: its last ones, where questions stand
MOST_URLS = 8

_URL = re.compile(r"""(?:https?://|\bwww\.)[^\s<>"'`|\\^{}\x00-\x20\u200b-\u200f]{3,2000}""", re.IGNORECASE)
_BRACKETS = {")": "(", "]": "[", "}": "{"}
_BEHIND = ".,;:!?*_~\u2026\xbb\u201d\u2019"  # what a sentence puts behind a URL
_SENTENCE = re.compile(r"[^.!?\n]*(?:[.!?](?!\s|$)[^.!?\n]*)*(?:[.!?]+|\n|$)")
_WORD = re.compile(r"[^\W_]+(?:[-'\u2019.][^\W_]+)*")

_REST = "out|up|for|on|in|the|web|online|internet|im|das|google|after|nach|mal|bitte|sur|le|en|la|red|about|whether|if"
# What is said to whoever searches, and is none of what is searched for.
_ADDRESS = phrases(
    r"""
    (?:hi|hello|hey|hallo|bonjour|salut|hola)(?: there| spatz| zusammen)?|please|bitte|s'il (?:te|vous) pla[iî]t
    por favor|now|so|ok(?:ay)?|then|thanks?(?: you)?|(?:can|could|would|will) you(?: please)?
    (?:kannst|könntest) du(?: mir)?|können sie(?: mir)?
    peux-tu|pouvez-vous|pourrais-tu|pourriez-vous|puedes|podrías|puede
    i(?:'d| would) like to know|i (?:want|need) to know|do you know|tell me|let me know|show me|explain(?: to me)?
    (?:sag|erzähl|erkläre?)(?:e|en sie)? mir|weißt du|ich (?:möchte|will) wissen|dis-moi|dites-moi|dime|dígame
    us(?:e|ing) (?:the )?(?:web|internet)(?: search)?(?: to)?
    look (?:it|this|that) up
    (?:search|look|check|browse|google|find|research|suche?|schau|recherchiere?|cherche|busca)(?:\s+REST)*
    """.replace("REST", any_of(_REST)),
    r"^(?:\W*",
    r"(?:\W+|$))+",
)
_TAIL = phrases(
    r"""
    please|thanks?(?: you)?|bitte|danke|merci|gracias|on the (?:web|internet)|online|im (?:internet|netz|web)
    sur (?:internet|le web)|en (?:internet|la web)
    """,
    r"(?:[\s,;.!?]|^)+",
    r"[\s.!?]*$",
)
_FOLLOW_UP = phrases(
    r"""
    and|but|what about|how about|und|aber|was ist mit|wie (?:ist|sieht) es mit|et|mais|qu'en est-il|y|pero|qué tal
    """,
    r"^\W*",
)
# Words that stand for something that was said before.
_POINTING = phrases(
    r"""
    it|its|it's|they|them|their|theirs|he|him|his|she|her|hers|that one|this one|there
    the (?:same|former|latter|first|second|other) ?(?:one)?
    er|ihm|ihn|sein(?:e[mnrs]?)?|ihr(?:e[mnrs]?)?|ihnen|dessen|deren|davon|dafür|damit|darin|dort|dieser|dieses|diese
    il|elle|ils|elles|lui|leur|leurs|celui-ci|celle-ci|son|sa|ses|él|ella|ellos|ellas|su|sus|éste|ésta
    """
)
_NAMED = re.compile(r"(?<=[\w,'] )(?!I\b)[^\W\d_a-z]\w|\w[._-]\w|\d|`")  # something that has a name
_LANGUAGES = {
    "en": "the a an of is are was were what who when where why how which does do did in on to for and with by from it "
    "that this has have can many much latest about",
    "de": "der die das den dem des ein eine einer einen ist sind war waren was wer wann wo warum wie welche welcher "
    "welches im am zu für und mit von aus es hat haben kann viele viel nicht auf wird",
    "fr": "le la les un une des du de est sont était quoi qui quand où pourquoi comment quel quelle quels quelles dans "
    "sur pour et avec par il elle que ce cette au aux en combien",
    "es": "el la los las un una unos del de es son fue era qué quién cuándo dónde cómo cuál cuáles en para y con por "
    "que este esta ha tiene cuánto cuántos al se",
}
_COMMON = {code: frozenset(words.split()) for code, words in _LANGUAGES.items()}
_OWN_WORDS = """
heard know knows wonder
you your me my we our us i he she they them his her their its be been am will would could should may might there then
than also just any some so not no yes please tell give say said mean means thing things one ones du ich sie wir ihr mein
dein mir dir bitte je tu nous vous mon ton yo tú mi sus
"""
_EMPTY = frozenset().union(_OWN_WORDS.split(), *_COMMON.values())
# A question of nothing but these asks what a page says in all.
_WHOLE_PAGE = """
summarize summarise summary page website site web url link article read open visit content contents text document say
says written about overview main point points key describe explain look check see here following short briefly sentence
sentences zusammenfassen zusammen fasse fass seite inhalt steht lies öffne artikel kurz résume résumé contenu lis ouvre
resume resumen página contenido lee abre tldr tl dr
"""
_WHOLE = frozenset(_WHOLE_PAGE.split())


@dataclass(frozen=True, slots=True)
class Question:
    text: str  # what is asked now, without URLs and greetings
    query: str  # what to search for; "" where nothing is asked
    urls: tuple[str, ...] = ()  # that the message names, each once
    language: str = ""  # ISO 639-1 where it can be told
    about: str = ""  # what it takes of the conversation, "" for nothing
    wider: str = ""  # a second query, with what it may have left to the conversation; "" for none

    @property
    def full(self) -> str:
        """What is asked, with what it takes from the conversation, and without what is said to whoever searches."""
        bare = _bare(self.text)
        if bare != self.text.rstrip("?.! "):
            bare = bare[:1].upper() + bare[1:]
        asked = f"{bare}?" if self.text.endswith("?") else bare
        return f"{self.about}: {asked}" if self.about else asked

    @property
    def pattern(self) -> str:
        """What is to be found on the page that it names; "" where it asks for the page as a whole."""
        words = [word for word in _WORD.findall(_bare(self.text)) if word.casefold() not in _EMPTY | _WHOLE]
        return " ".join(words)[:LONGEST_QUERY]


def question_of(said: Sequence[str]) -> Question:
    """said: what the user said, turn by turn, the last one last; without documents. Bounded work on any text."""
    last = said[-1] if said else ""
    urls = tuple(urls_in(last))
    plain = _URL.sub(" ", last)
    text = _asked(plain)
    query = _bare(text)
    about = wider = ""
    if query and len(said) > 1:
        subject = _subject(said[:-1], query)
        if _lacks(text):
            about = subject
            query = _FOLLOW_UP.sub("", query).strip()
            query = f"{about} {query}".strip()
        elif subject and not _NAMED.search(text):
            about, wider = subject, f"{subject} {query}"[:LONGEST_QUERY].strip()
    return Question(text, query[:LONGEST_QUERY].strip(), urls, language_of(plain), about, wider)


def urls_in(text: str) -> list[str]:
    """In order, each once, without what the sentence puts behind them."""
    found: dict[str, None] = {}
    for match in _URL.finditer(text[:LONGEST_READ] if len(text) <= LONGEST_READ else text[-LONGEST_READ:]):
        url = match.group().rstrip(_BEHIND)
        while url and url[-1] in _BRACKETS and url.count(url[-1]) > url.count(_BRACKETS[url[-1]]):
            url = url[:-1].rstrip(_BEHIND)
        if url[:4].lower() == "www.":
            url = f"https://{url}"
        if "." in url or "localhost" in url:
            found.setdefault(url)
    return list(found)[:MOST_URLS]


def language_of(text: str) -> str:
    """ "" where it cannot be told."""
    words = [word.casefold() for word in _WORD.findall(text[-LONGEST_READ:])]
    counts = {code: sum(word in common for word in words) for code, common in _COMMON.items()}
    best = max(counts, key=lambda code: counts[code])
    others = max(count for code, count in counts.items() if code != best)
    return best if counts[best] > others else ""


def _asked(text: str) -> str:
    """The part of a message that asks: all of a short one, the last question of a long one."""
    text = text[-LONGEST_READ:].strip()
    if len(text) <= LONGEST_QUERY:
        return " ".join(text.split())
    sentences = [part.strip() for part in _SENTENCE.findall(text) if part.strip()]
    asking = [part for part in sentences if part.endswith("?")] or sentences[-1:]
    return " ".join((asking[-1] if asking else text).split())[-LONGEST_QUERY:]


def _bare(text: str) -> str:
    """Without what is said to whoever searches."""
    bare = _TAIL.sub("", _ADDRESS.sub("", text)).strip(" \t,;:.!?\"'\u201c\u201d\u201e\xab\xbb\xbf")
    return bare or text.strip(" ?!.")


def _lacks(text: str) -> bool:
    """Whether it takes the conversation to know what it is about."""
    words = _WORD.findall(text)
    if _FOLLOW_UP.match(text) or _POINTING.search(text):
        return True
    return sum(word.casefold() not in _EMPTY for word in words) < 2


def _subject(earlier: Sequence[str], query: str) -> str:
    """The words of the question before it, and of the one before that where it lacks something, too: without those
    that the query has itself.
    """
    have = {word.casefold() for word in _WORD.findall(query)}
    kept: list[str] = []
    for said in reversed(earlier[-4:]):
        text = _asked(_URL.sub(" ", said))
        words = [word for word in _WORD.findall(_bare(text)) if word.casefold() not in _EMPTY | have]
        kept = [*(word for word in dict.fromkeys(words) if word not in kept), *kept]
        if kept and not _lacks(text):
            break
    return " ".join(kept)[: LONGEST_QUERY // 2]
