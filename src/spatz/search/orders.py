"""What it looks like when a page speaks to a model instead of its readers: rules, in English, German, French, Spanish.

A rule is a pattern and the rare pieces of words without which it cannot match, so that a page is searched for these
alone. Patterns are written for folded text (disguise.py): lower case, no accents, plain quotes, marks as spaces. Each
walks from a word through a bounded number of others, so a page costs time in proportion to its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["RULES", "Rule", "Words", "matches", "windows"]

BEFORE = 160  # characters around a rare piece that a rule looks at
BEHIND = 280
_MARKS = ".,;:!?()[]'\"-"
_LETTER = re.compile(r"\w")

_GAP = r"[^\w.!?]{1,8}"  # between words of a sentence
_START = r"(?:\A|(?<=[.!?:;\n\"'(\[>-])|(?<=[.!?:;\n\"'(\[>-]\s))\W{0,4}"  # a sentence's
_AI = (
    r"(?:ais?|a\.i\.|llms?|(?:large |ai )?language models?|chat ?bots?|ai[ -](?:assistants?|agents?|models?|systems?|tools?|"
    r"bots?|crawlers?)|assistants?|virtual assistants?|chatgpt|gpts?|claude|copilot|gemini)\b"
)


def _words(most: int) -> str:
    """Up to so many words of the same sentence, and what stands between them."""
    return rf"(?:{_GAP}\w++(?:'\w+)?){{0,{most}}}?{_GAP}"


@dataclass(frozen=True, slots=True)
class Words:
    """Of a text, each once, between spaces."""

    each: frozenset[str]
    joined: str

    @classmethod
    def of(cls, folded: str) -> Words:
        each = set(folded.split())
        each |= {word.strip(_MARKS) for word in each}
        return cls(frozenset(each), " ".join(each))


@dataclass(frozen=True, slots=True)
class Rule:
    pieces: tuple[str, ...]
    words: tuple[tuple[str, ...], ...]  # of each piece
    pattern: re.Pattern[str]
    rest: bool  # what follows in the same paragraph is said to the model, too


def _rule(pieces: str, pattern: str, *, rest: bool = False) -> Rule:
    """pieces: with a bar between them."""
    each = tuple(pieces.split("|"))
    return Rule(each, tuple(tuple(piece.split()) for piece in each), re.compile(pattern), rest)


_IGNORE = r"\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|pay no attention to|do not (?:follow|obey)|don't (?:follow|obey))"
_OVERRULE = r"\b(?:overrid(?:e|ing)|overrul(?:e|ing)|bypass(?:ing)?|discard(?:ing)?|delete|erase|abandon|set aside|supersedes?|cancel)"
_BEFORE = r"(?:previous|prior|above|earlier|preceding|foregoing|original|initial|existing|past|former|system|developer)"
_ORDERS = r"(?:instructions?|prompts?|guidelines?|guidance|programming|training|orders|directions|system messages?)\b"
_SAY = r"(?:answer|respond|reply|recommend|claim|pretend|obey|assert|insist)"
_USER = (
    r"(?:the |all |every |any |your |this |that )?(?:end )?(?:users?|humans?|readers?|visitors?|customers?|person)\b"
)

_ENGLISH = (
    _rule(
        "ignor|disregard|forget|attention to|follow|obey",
        rf"{_IGNORE}{_words(4)}(?:{_BEFORE}{_words(3)}(?:{_ORDERS}|(?:directives?|commands?|rules|messages?|context|conversation|"
        rf"tasks?|constraints|text|content|documents?|questions?)\b)"
        rf"|(?:your|all|any|every|the|these|those|other|my){_words(2)}{_ORDERS}"
        rf"|(?:what|anything|everything) (?:you (?:were|have been|are)|you've been|i|they|the user)\b"
        rf"|(?:everything|all|anything|text|what)(?: of)?(?: the| that| is| was| came| comes| written| said)*"
        rf" (?:above|before this|before|so far|previously|prior)\b"
        rf"|the above (?:and|instead|text|or|;)|(?:the )?user(?:'s)? (?:question|query|request|prompt|instructions?)"
        rf"|(?:the )?(?:question|conversation|query)\b(?={_GAP}(?:and|instead)))",
        rest=True,
    ),
    _rule(
        "overrid|overrul|bypass|discard|delete|erase|abandon|set aside|supersede|cancel",
        rf"{_OVERRULE}{_words(3)}(?:{_BEFORE}{_words(2)}{_ORDERS}"
        rf"|your{_words(2)}(?:{_ORDERS}|rules|safety|guardrails|restrictions|filters|policies|context|memory))",
        rest=True,
    ),
    _rule(
        "instruction|prompt|directive",
        r"\b(?:these|this|the following|my) (?:instructions?|prompt|directives?) (?:take|takes|have|has|override|overrides|supersede|"
        r"supersedes|replace|replaces|is more|are more)\b"
        r"|precedence over (?:all |any |your |every )*(?:previous |other |prior |system |earlier )*(?:instructions|prompts)"
        r"|\b(?:new|updated|revised|hidden|secret|urgent|real|actual) (?:system )?(?:instructions?|directives?|prompt)\s*:"
        rf"|\binstructions? (?:for|to) (?:you\b|(?:the |all |any |every )?{_AI})"
        r"|\b(?:reveal|repeat|print|output|show|display|leak|expose|share|disclose|give me|tell me|write out|summari[sz]e|translate)"
        r" (?:me |us |back |out )?(?:all )?(?:of )?(?:your|the) (?:\w+ )?(?:system prompt|system message|(?:hidden|initial|secret|original) "
        r"(?:prompt|instructions)|instructions (?:above|you))|\b(?:reveal|repeat|leak|expose|disclose) your (?:\w+ )?(?:prompt|instructions)",
        rest=True,
    ),
    _rule(
        "everything above|words above|text above|above verbatim",
        r"\b(?:repeat|print|output|translate|copy) (?:everything|all|the)(?: the| of the)?(?: words| text)? above\b",
    ),
    _rule(
        "override:|override -|override]|override\n|message:|prompt:|notice:|message]|prompt]|instruction:|instruction]|update:",
        rf"{_START}(?:important |urgent |new )?(?:system|admin(?:istrator)?|developer|operator|openai|anthropic|safety|assistant|ai|llm) "
        r"(?:override|message|prompt|instruction|notice|update|directive)s?\s*(?:[:\]]|-{1,3}\s|\n)",
        rest=True,
    ),
    _rule(
        "you are|you're|youre",
        rf"\byou(?: are|'re|re) (?:now|henceforth|from now on|hereby|no longer) (?:(?:in )?\w+ mode\b|dan\b|free\b|called|named|known as|"
        rf"unrestricted|acting|playing|operating|bound|limited|my\b|not (?:an?|bound)\b|{_AI}"
        rf"|an? (?!(?:\w+ )?(?:member|part|step|contributor|collaborator|maintainer)\b))"
        rf"|\byou(?: are|'re|re) (?:an?|the|my) (?:[\w-]+ ){{0,3}}?(?:{_AI}|bot\b|robot\b|question.answering system)"
        rf"|\b(?:if|when|since|because|as) you(?: are|'re|re) (?:an? |the |any |reading this as an? )?(?:\w+ )?(?:{_AI}|bot\b|automated "
        r"(?:system|agent|assistant)|search (?:assistant|engine bot))",
    ),
    _rule(
        "act as|pretend|roleplay|role-play|behave|speak like|talk like",
        rf"\b(?:act|behave) as (?:if you (?:were|are) )?(?:an?|the|my) (?:[\w-]+ ){{0,2}}?(?:{_AI}|dan\b|hacker|pirate|jailbroken)"
        r"|\bpretend (?:to be|that you are|that you're|you are|you're|you were)\b|\brole-?play as\b"
        rf"|{_START}(?:please |always |now )?(?:speak|talk|behave|act) like (?:an?|the)\b",
    ),
    _rule(
        "dan mode|anything now|jailbreak mode|god mode|developer mode",
        r"\bdo anything now\b|\b(?:dan|jailbreak) mode\b|\b(?:you are|you're|enter|entering) (?:now )?(?:in |into )?(?:god|developer) mode\b",
        rest=True,
    ),
    _rule(
        "from now on|henceforth|from this point|for the rest of",
        r"\b(?:from now on|henceforth|from this point(?: on| forward)?|for the rest of (?:this|the|our) (?:conversation|chat|session))\W+"
        r"(?:(?:you|please) (?:(?:will|must|shall|should|are|have|can|may)\b(?: to| only| always| never| no longer)* )?)?"
        r"(?:(?:you )?(?:only|always|never|just) )*"
        r"(?:answer|respond|reply|speak|act|call|refer|say|behave|obey|ignore|talk|recommend|end|begin|start|be|pretend|write) ",
    ),
    _rule(
        " ai |\nai |(ai | ai,| ai:| ai-|llm|language model|chatbot|chat bot|assistant|gpt|copilot|claude|gemini",
        rf"\bas an? (?:large |helpful )?(?:ai|llm|(?:ai )?language model|chatbot)(?: (?:language )?(?:model|assistant|system|agent))?\s*,?"
        r"\s(?:you|i|your|we|please|always|do|must)\b"
        rf"|\b(?:attention|dear|note (?:to|for)|message (?:to|for)|memo to|hello|hey|hi|calling|notice (?:to|for)|reminder (?:to|for)|"
        rf"important (?:for|to)|warning (?:to|for))\W{{1,3}}(?:all |any |the |every |this )?{_AI}(?! (?:engineer|developer|researcher)s?)"
        rf"|(?:\b|(?<=\())(?:ais?|llms?|language models?|chatbots?|ai (?:assistants?|agents?|models?|systems?|tools?)|assistants?) "
        r"(?:who (?:are |is )?|that (?:are |is )?|which )?"
        r"(?:read|reads|reading|process|processing|summari[sz]ing|summari[sz]es?|parsing|visiting|accessing|analy[sz]ing) (?:this|these)\b"
        rf"|\b(?:ais?|llms?|(?:ai |large )?language models?|chatbots?|ai (?:assistants?|agents?|models?|systems?)|assistants?) "
        r"(?:must|should|shall|will|is (?:required|instructed|to)|are (?:required|instructed|to)|needs? to|has to|have to) "
        r"(?:now |always |only |instead |never |not |also |then )*(?:to )?"
        rf"(?:{_SAY}|say|tell|state|ignore|follow|mention|disclose|reveal|treat|comply|visit|include|inform)\b",
        rest=True,
    ),
    _rule(
        "you must|you should|you shall|you will|you have to|you need to|you are|you can only|you may only|you ought",
        r"\byou (?:must|should|shall|will|have to|need to|are (?:now )?(?:required|instructed|ordered|obliged|commanded|supposed|expected) to|"
        r"are to|ought to|can only|may only)(?: now| always| only| instead| simply| immediately| just| never| not| also| therefore| then| "
        rf"first)*{_GAP}(?:(?:answer|respond|reply)\b(?: only| always| just| instead| exactly)*(?: to| with| that| in| as| by| like| using|"
        rf" every| all| any| the| this|{_GAP}['\"]|:)|recommend\b|claim that|pretend|obey|comply with (?:this|these|the following|my)"
        rf"|tell (?:{_USER}|them|everyone|him|her)|inform (?:the )?users?|say\W{{1,3}}(?:that|only|exactly|['\"])|assert that|insist"
        r"|ignore (?:all|any|every|the (?:user|question)|your)|mention that|refuse to answer)",
    ),
    _rule(
        "answer|respond|reply",
        rf"{_START}(?:please |only |just |simply |always |instead |now )*(?:answer|respond|reply)"
        r"(?: only| always| just| exclusively| exactly| instead| back| solely| strictly)*"
        r"(?: to)?(?: (?:the |this |that |all |every |any |each |future )*(?:user's |user )?(?:users?|questions?|queries|query|prompts?|messages?|"
        r"requests?|everything|it|me|them|him|her)\b)?(?: only| always| just| exclusively| exactly| solely)*"
        r" (?:with\b|in (?:\w+ )?(?:language|english|french|german|spanish|latin|caps|capital|rhymes?|base64|json|pirate|one word|a)|"
        r"by saying|that\b|as (?:if|though|an?)\b|using\b|like an?\b|only\b|exactly\b|nothing)"
        r"|\b(?:begin|start|end|finish|prefix|preface|conclude|close) (?:your|every|each|all) (?:\w+ )?(?:answers?|responses?|repl(?:y|ies))\b"
        r"|\b(?:in|into|to|of) (?:your|every|all your|each of your) (?:\w+ )?(?:answers?|responses?|repl(?:y|ies))\b(?= (?:that|say|you|to the|write|"
        r"include|mention)|\W{1,3}(?:say|write|include|mention|state|always|tell))"
        r"|\b(?:include|mention|insert|add|put|append|embed)\b[^!?\n]{1,80}\b(?:in|into|to) (?:your|every|each) (?:\w+ )?"
        r"(?:answers?|responses?|reply|replies|output|summary)\b"
        r"|\byour (?:only |final |next |entire |whole )?(?:answer|reply|response) (?:must|should|shall|has to|needs to|will|is to) "
        r"(?:only|be exactly|be only|be ['\"]|always|begin|start|end|say|state|mention|consist|recommend|be:)"
        r"|\bthe (?:only )?(?:correct|right|true|real|official|proper) (?:answer|response|reply) to (?:the |this |any |every |all )?(?:user|question"
        r"|query|prompt)[^.!?]{0,60}\b(?:is|are)\b",
    ),
    _rule(
        "say only|say exactly|say nothing|say the|say after|repeat the|repeat after|repeat only|repeat exactly|hacked|pwned|"
        "owned|injected|compromised",
        rf"{_START}(?:please |just |simply |always |instead |now )*(?:say|repeat)\W{{1,3}}(?:only|exactly|nothing but|the (?:following )?(?:words?|"
        r"phrase|sentence)|after me)\b"
        rf"|{_START}(?:please |just |simply |always |instead |now )*(?:output|print|say|repeat|return)(?: only| exactly| just)*\W{{1,3}}"
        r"['\"]?(?:hacked|pwned|owned|i have been pwned|you have been hacked|injected|compromised)\b",
    ),
    _rule(
        "hacked|reprogrammed|jailbroken",
        r"\byou have (?:now )?been (?:hacked|reprogrammed|jailbroken|compromised)\b|\b(?:model|assistant|ai) (?:has been|is now) (?:hacked|jailbroken)",
    ),
    _rule(
        "do not|don't|never|must not|without telling|without mentioning|without revealing|should not|dont ",
        rf"\b(?:do not|don't|dont|never|must not|should not|without) (?:ever |under any circumstances )?"
        rf"(?:(?:tell|telling|inform|informing|warn|warning|alert|alerting) (?:{_USER}|them|anyone|anybody)"
        rf"|(?:mention|mentioning|reveal|revealing|disclose|disclosing|admit|admitting|show|say|discuss|let){_words(7)}"
        r"(?:(?:to |with )?(?:the (?:end )?users?|the human|anyone)\b(?= (?:that|about|know|this|what|why|or|anything)|[.!;,]|\s*\Z|\n)|"
        r"(?:this|these) (?:instructions?|messages?|notes?|prompts?)\b|your (?:instructions|prompt)|that you (?:are|were|have|read|received)\b))",
        rest=True,
    ),
    _rule(
        "tell |convince|persuade|trick |urge |advise |inform |direct |warn ",
        rf"{_START}(?:please |always |instead |now |then |also |you must |and )*(?:tell|convince|persuade|trick|urge|advise|inform|direct|warn) "
        rf"{_USER}(?: to\b| that\b|,|:| it| they| about)|\b(?:must|should|to|always) (?:convince|persuade|trick) {_USER}",
    ),
    _rule(
        " asks| asked| ask ",
        r"\b(?:if|when|whenever|every time|each time) (?:(?:the |a |any )?(?:users?|someone|somebody|anyone|anybody|they|people|i|he|she) (?:asks?|is asking)"
        r"|(?:you are |you're |you get )?asked)\b[^.!?]{0,90}?\b(?:say|answer|respond|reply|tell|claim|recommend|insist|state|mention)\b"
        r"(?! (?:me|to help)\b)"
        r"|\b(?:regardless of|no matter|whatever|irrespective of)[^.!?]{0,30}? (?:users?|someone|anyone|they|is|was|you are|question) (?:asks|asked|ask|is asked)\b",
    ),
    _rule(
        "your ",
        r"\byour (?:new|real|actual|true|updated|only|sole|secret|hidden|main) (?:and (?:only|most important) )?(?:task|instructions?|goal|objective|"
        r"job|mission|purpose|role|directive|orders?|identity|name)\W{1,3}(?:is|are|now|will be)?\b(?!'s)(?<! )"
        r"|\b(?:message|order|command|note|instruction)s? from your (?:developers?|creators?|administrators?|operators?|owners?|makers?)\b"
        r"|\bthis is your (?:developers?|creators?|administrators?|operators?|makers?|programmers?)\b"
        r"|\b(?:add|save|store|write|commit) (?:this|the following|it|that) (?:to|in|into) your (?:long.?term )?memory\b"
        r"|\buse your (?:\w+ )?tools?\b|\b(?:call|invoke) your (?:\w+ )?(?:tool|function)",
    ),
    _rule(
        "remember",
        r"\bremember (?:this|that|it|the following|to)?\W{0,3}(?:\w+ ){0,6}?(?:for|in|throughout|during) (?:all |any |the |every |your )*"
        r"(?:future|later|subsequent|next|rest of (?:this|the|our)) (?:conversations?|answers?|sessions?|chats?|responses?|questions?|turns?|replies)",
    ),
    _rule(
        "send|post |forward|upload|submit|transmit|exfiltrate|leak|email|e-mail|append|encode",
        r"\b(?:send|post|forward|upload|submit|transmit|exfiltrate|leak|e-?mail|append|encode)\b[^.!?]{0,40}?"
        r"(?:(?:this|the|our|entire|whole|full|previous|of) (?:conversation|chat|dialogue|context|chat (?:history|log)|conversation history)"
        r"|(?:the |your )?(?:system prompt|chat history|instructions)|(?:the )?(?:user|users|human)(?:'s|')? (?:question|query|data|name|e-?mail|"
        r"password|message|input|location|information|details|secrets?|credentials|ip|api key|prompt|files?|history)|everything (?:the user|above|you)"
        r"|your (?:api key|credentials|secrets|context|memory|password))"
        r"[^!?]{0,60}?(?:https?:|www\.|\burl\b|\blink\b|address\b|endpoint|server|webhook|@|\bto \w+\.(?:com|net|org|example|io|evil)\b)",
        rest=True,
    ),
    _rule(
        "before answer|before you|before respond|before repl|prior to answer|prior to respond|prior to repl",
        r"\b(?:before|prior to) (?:you )?(?:answer|respond|reply)(?:ing)?\b[^!?]{0,80}?\b(?:visit|open|fetch|browse|"
        r"navigate|go to|retrieve|download)\b"
        r"|\b(?:visit|open|fetch|browse|navigate to|go to|retrieve|download)\b[^!?]{0,120}?"
        r"\b(?:before|prior to) (?:you )?(?:answer|respond|reply)",
    ),
    _rule(
        "you must|you need to|you have to|you should|you shall|you will",
        r"\byou (?:must|need to|have to|should|shall|will) (?:now |first |immediately |also |then |always )*(?:fetch|visit|"
        r"browse|navigate to|request|query|call|open|retrieve|load)\b(?=[^!?]{0,40}(?:https?:|www\.))",
    ),
    _rule(
        "fetch |retrieve |navigate to|browse to|request http|request the|query http|query the|call http|call the|load http|load the",
        rf"{_START}(?:now |then |first |immediately |please |next )*(?:fetch|retrieve|request|query|call|browse to|navigate to|"
        r"load) (?:the (?:url|page|link|address|website) )?(?:at )?(?:https?:|www\.)",
    ),
    _rule(
        "and follow|and execute|and obey|and do what|and carry out|and act on|and comply|then follow|then execute|then do what",
        r"(?:https?:|www\.)[^\s]{3,200}[^.!?]{0,20}\b(?:and|then) (?:follow|execute|obey|do what|carry out|act on|comply)"
        r"[^.!?]{0,30}(?:there|it|orders|commands|you find)\b",
    ),
    _rule(
        " tool",
        r"\b(?:call|invoke|trigger) (?:the |your |a )?(?:[\w'\" -]{1,40} )?tools?\b(?! ?(?:chain|bar|tip|kit|box))(?= (?:with|to|and|now|using|for|immediately)|[.!:;,]|\s*\Z|\n)",
    ),
    _rule(
        "decod|decrypt|unscramble",
        r"\b(?:decode|decrypt|unscramble)\b[^!?]{0,100}?\b(?:and|then|to) (?:follow|obey|carry out|do what|comply|act on|execute (?:it|the instructions?))\b",
        rest=True,
    ),
    _rule(
        "end of |beginning of |begin of |start of |end context|end document|end search|begin system|begin new|new session|begin instruction",
        r"(?:\A|(?<=\n))\W{0,3}(?:[-=<\[({/]\s?){2,}\s*(?:end|begin|beginning|start|stop|new)\b[ /]*(?:of )?(?:the )?(?:context|documents?|search results?|"
        r"web ?pages?|page|page content|content|article|data|user (?:input|query|question)|untrusted\b[ \w]*|external|retrieved\b[ \w]*|passages?|"
        r"sources?|instructions?|system\b[ \w]*|prompt|conversation|session)\b"
        r"|(?:\A|(?<=\n))\W{0,3}[\[<({]\s*/?(?:end|begin|start|new) (?:of )?(?:the )?(?:context|documents?|search results?|web ?page|page|instructions?|system\b[ \w]*|"
        r"prompt|conversation|session)\s*[\])>}]",
    ),
)

_NUR = r"(?: nur| immer| stets| ausschliesslich| ausschlie\u00dflich| einfach| jetzt| bitte| lediglich| ab jetzt| ab sofort)"
_KI = r"(?:kis?|ki-?(?:\w+)|sprachmodelle?n?|assistent(?:in|en)?|chat ?bots?|bots?|llms?|kunstliche intelligenz)\b"
_NUTZER = r"(?:nutzer|benutzer|anwender|user|menschen|leser|nutzerin|fragenden)n?\b"
_GERMAN = (
    _rule(
        "ignorier|vergiss|vergessen sie|missacht|verwirf|verwerfen sie|ubergeh|setze dich",
        rf"\b(?:ignorier(?:e|en sie)|vergiss|vergessen sie|missacht(?:e|en sie)|verwirf|verwerfen sie|ubergeh(?:e|en sie)){_words(6)}"
        r"(?:anweisung|instruktion|vorgabe|regeln\b|befehl|prompt|aufforderung|richtlinie|anordnung|auftrag|kontext|bisherige|vorherige|vorangegangen|"
        r"obige|zuvor|davor|daruber|frage des|was (?:du|dir|man|vorher|bisher|oben))",
        rest=True,
    ),
    _rule(
        "du bist|sie sind|bist du|wenn du|falls du|da du",
        rf"\b(?:du bist|sie sind|bist du) (?:ab (?:jetzt|sofort)|jetzt|nun|von nun an|fortan|nicht (?:mehr|langer)) (?:eine?|der|die|das|kein|an|im|mein|{_KI})\b"
        rf"|\b(?:du bist|sie sind|wenn du|falls du|da du)(?: selbst)? (?:eine? |als |der |die |das )?(?:\w+ ){{0,2}}?{_KI}",
    ),
    _rule(
        " ki |\nki | ki-| ki,|sprachmodell|assistent|chatbot|kunstliche intell",
        rf"\bals {_KI},? (?:\w+ )?(?:musst|sollst|darfst|mussen|sollen|sollten|bist|hast|antwort)"
        rf"|\b(?:hinweise?|anweisung(?:en)?|nachricht|achtung|mitteilung|instruktion(?:en)?|wichtig)\W{{1,3}}(?:fur |an )(?:die |das |alle |den |jede )?{_KI}"
        rf"|\b(?:die|das|der|jede|jeder|alle) {_KI} (?:muss|soll|sollte|mussen|sollen|sollten|wird|darf|hat)\b[^.!?]{{0,100}}\b"
        r"(?:antworten|sagen|ignorieren|empfehlen|behaupten|befolgen|mitteilen|erwahnen)\b",
        rest=True,
    ),
    _rule(
        "antwort",
        rf"{_START}(?:bitte |ab jetzt |ab sofort |von nun an |stattdessen )?antwort(?:e|en sie|et)\b(?: \w+){{0,5}}?{_NUR}?"
        r" (?:nur|immer|stets|ausschliesslich|ausschlie\u00dflich|mit|auf (?:jede|alle|die|diese|deutsch|englisch)|dass|in|stattdessen)\b"
        r"|\b(?:du musst|du sollst|du wirst|du darfst|du hast|sie mussen|sie sollen|sie haben)\b[^.!?]{0,100}?\b(?:zu )?(?:be)?antworten\b"
        r"|\b(?:beginne?|beginnen sie|beende|beenden sie|schliesse|schlie\u00dfe) (?:jede|deine|ihre|die) antwort",
    ),
    _rule(
        "du musst|du sollst|du wirst|du darfst",
        r"\b(?:du musst|du sollst|du wirst|du darfst)\b[^.!?]{0,100}?\b(?:erwidern|sagen|behaupten|empfehlen|mitteilen|ausgeben|gehorchen|befolgen|ignorieren)\b",
    ),
    _rule(
        "sag |sage |sagen sie|verrat|erwahn|teile |teilen sie|informier|erzahl|warne|uberzeug",
        rf"{_START}(?:bitte |und |stattdessen |dann )*(?:sag|sage|sagen sie|verrat|verrate|verraten sie|erwahne|erwahnen sie|teile|teilen sie|informiere|informieren sie|"
        rf"erzahle?|erzahlen sie|warne|uberzeuge|uberzeugen sie)\b[^.!?]{{0,60}}?\b{_NUTZER}"
        rf"|\b(?:sag|sage|sagen sie|verrate?|verraten sie|erwahne|erwahnen sie|erzahle?) (?:\w+ ){{0,5}}?(?:nicht|nichts|niemandem|keinem)\b[^.!?]{{0,60}}",
    ),
    _rule(
        "anweisung|aufgabe|instruktion|auftrag|rolle ist|systemnachricht|system-prompt|systemprompt|systemhinweis",
        r"\bneue (?:\w+ )?(?:anweisung(?:en)?|aufgabe|instruktion(?:en)?)\s*:"
        r"|\b(?:deine?|ihre?) (?:neue|eigentliche|einzige|wahre|wirkliche|neuer|eigentlicher|einziger|wahrer) (?:aufgabe|anweisung|rolle|auftrag|instruktion)\w*\b"
        r"|\bsystem-?(?:prompt|nachricht|anweisung|hinweis)\s*:|\b(?:gib|verrate|nenne|zeige|wiederhole)\b[^.!?]{0,30}\b(?:deine[nm]?|den) (?:system-?prompt|anweisungen|systemanweisung)"
        r"|\bbefolge (?:nur |stattdessen |ausschliesslich |jetzt )?(?:diese|die folgenden|folgende|meine) (?:neuen )?(?:anweisung|instruktion|befehl)",
        rest=True,
    ),
    _rule(
        "ab jetzt|ab sofort|von nun an|ab nun",
        r"\b(?:ab jetzt|ab sofort|von nun an|ab nun)\W+(?:antwort|sprich|sprichst|sage|sagst|rede|redest|bist du|verhaltst|verhalte|tust|gehorch|ignorier|musst du|sollst du|heisst du|schreibst du)",
    ),
    _rule(
        "sende|senden sie|schick|ubermittl|ubermitteln sie|leite |ruf |rufe |rufen sie|offne|besuche",
        r"\b(?:sende|senden sie|schick|schicke|schicken sie|ubermittle|ubermitteln sie|leite)\b[^.!?]{0,80}?\b(?:gesprach|unterhaltung|frage|nutzer|benutzer|passwort|verlauf|"
        r"prompt|anweisungen|nutzerdaten|chat)\w*\b[^!?]{0,80}?(?:https?:|www\.|\burl\b|adresse|server|@)"
        rf"|{_START}(?:bitte |dann |nun |jetzt |zuerst )*(?:ruf|rufe|rufen sie|offne|offnen sie|besuche|lade)\b[^.!?]{{0,60}}?(?:https?:|www\.)[^!?]{{0,80}}?\b"
        r"(?:bevor|antwort|befolge|folge|auf\b)",
        rest=True,
    ),
)

_IA_FR = r"(?:une? |l'|d')?(?:\w+ ){0,2}?(?:ia|intelligence artificielle|assistante?|chatbot|modele de langage|modele|robot|agent conversationnel)\b"
_FRENCH = (
    _rule(
        "ignor|oubli|neglige|compte |abstraction",
        rf"\b(?:ignore[zr]?|oublie[zr]?|neglige[zr]?|ne (?:tiens|tenez) (?:pas|plus) compte(?: de| des)?|(?:fais|faites) abstraction(?: de| des)?)(?: (?:donc|maintenant))?"
        rf" (?:(?:toutes?|tous|les|vos|tes|tout|le|la|ces|cette|votre|ton|ce|mes)\b|l'|(?=instructions?\b|consignes?\b)){_words(6).replace('{1,8}', '{0,8}')}"
        r"(?:instructions?|consignes?|directives?|regles|ordres?|precedent|precede|ci-dessus|prompt|contexte|auparavant|question)",
        rest=True,
    ),
    _rule(
        "tu es|vous etes|en tant qu|si tu|si vous",
        rf"\b(?:tu es|vous etes) (?:maintenant|desormais|dorenavant|a present) (?:une?|le|la|en|libre|dan|mon)\b|\b(?:tu es|vous etes) une? (?:\w+ ){{0,2}}?{_IA_FR}"
        rf"|\ben tant qu(?:e |'){_IA_FR},? (?:tu|vous|je|il)\b",
    ),
    _rule(
        "repond|tu dois|vous devez|tu devras|vous devrez",
        rf"{_START}(?:maintenant |desormais |ensuite |et )?(?:reponds|repondez)\b(?: \w+){{0,4}}? (?:uniquement|seulement|toujours|par|avec|en|que|simplement|exactement)\b"
        r"|\b(?:tu dois|vous devez|tu devras|vous devrez)\b[^.!?]{0,50}?\b(?:repondre|dire (?:que|a)|affirmer|pretendre|recommander|declarer)\b",
    ),
    _rule(
        "dis |dites|revel|mentionne|informe|previen|prevene|convain",
        r"\b(?:ne |n')(?:le |lui |leur )?(?:dis|dites|revele|revelez|mentionne|mentionnez|informe|informez|previens|prevenez)\b[^.!?]{0,60}"
        r"\b(?:utilisateurs?|lecteur|personne|message|instructions?|consignes?)\b"
        rf"|{_START}(?:et |ensuite |alors )?(?:dis|dites|convaincs|convainquez|informe|informez) (?:a |aux )?(?:l'|les |tous les )?utilisateurs?\b",
        rest=True,
    ),
    _rule(
        "nouvelle|ta veritable|votre veritable|ta vraie|votre vraie|ta seule|votre seule|a partir de maintenant|desormais|systeme :|systeme:",
        r"\bnouvelles? (?:instructions?|consignes?|directives?|tache|mission)\s*:|\b(?:ta|votre|ton) (?:nouvelle|nouveau|veritable|vraie|seule|unique) (?:tache|mission|role|consigne|"
        r"instruction)\b|\b(?:a partir de maintenant|desormais)\W+(?:tu (?:es|dois|vas|reponds|parles|agis|repondras)|vous (?:etes|devez|repondrez|agissez)|reponds|repondez|agis|parle)\b"
        r"|\b(?:message|invite|instruction)s? (?:du )?systeme ?:",
        rest=True,
    ),
    _rule(
        "envoie|envoyez|transmet|transfer",
        r"\b(?:envoie|envoyez|transmets|transmettez|transfere|transferez)\b[^.!?]{0,80}?\b(?:conversation|question|utilisateur|mot de passe|historique|donnees|prompt|instructions)\b"
        r"[^!?]{0,80}?(?:https?:|www\.|@|adresse|\burl\b|serveur)",
        rest=True,
    ),
)

_IA_ES = r"(?:una? )?(?:\w+ ){0,2}?(?:ia|asistente|modelo(?: de lenguaje)?|chatbot|bot|robot|inteligencia artificial)\b"
_SPANISH = (
    _rule(
        "ignor|olvid|descart|omit|caso omiso|hagas caso|desobedec",
        rf"\b(?:ignor(?:a|e|en|ad|ar)|olvid(?:a|e|en|ad|ar|ate|ese)|descart(?:a|e|ar)|omit(?:e|a|ir)|ha(?:z|ga) caso omiso|no hagas? caso|desobedece)(?: de| a| del)?"
        rf" (?:todas?|todos?|todo|las|los|la|tus|sus|cualquiera?|lo|el|estas|esas|mis|cuanto)\b{_words(6)}"
        r"(?:instrucci|indicaci|ordenes\b|reglas\b|directri|anterior|prompt|contexto|previ[oa]s?\b|pregunta)",
        rest=True,
    ),
    _rule(
        "eres |a partir de ahora|desde ahora|de ahora en adelante|como ia|como modelo de|como asistente|como una ia|como inteligencia|usted es",
        rf"\b(?:ahora |si )?(?:eres|usted es)(?: ahora)? {_IA_ES}|\bahora eres\b|\b(?:a partir de ahora|desde ahora|de ahora en adelante)\W+(?:eres|usted|tu|seras|actua|actuas|responde|"
        r"respondera|debes|debe|habla|hablas|solo|siempre)\b"
        rf"|\bcomo {_IA_ES},? (?:debes|debe|tienes|tiene|eres|responde|no puedes|tu)\b",
    ),
    _rule(
        "respond|contest|debes |tienes que|deberas|debe ",
        rf"{_START}(?:ahora |y |entonces )?(?:responde|responda|contesta|conteste|respondan)\b(?: \w+){{0,4}}? (?:solo|unicamente|siempre|con|en|que|solamente|exactamente)\b"
        r"|\b(?:debes|debe|tienes que|deberas|debera|has de)(?: siempre| solo| unicamente)?[^.!?]{0,20}? (?:responder|decirle|decir que|contestar|afirmar|recomendar)\b",
    ),
    _rule(
        "digas|diga |mencion|reveles|revele |informes|cuentes|cuente |dile|digale|convence",
        r"\bno (?:le |les |se lo )?(?:digas|diga|menciones|mencione|reveles|revele|informes|informe|cuentes|cuente)\b[^.!?]{0,60}?\b(?:usuarios?|nadie|persona|lector|mensaje|instrucciones)\b"
        rf"|{_START}(?:y |entonces )?(?:dile|digale|diles|convence|convenza|informa) (?:a los |al |a )?usuarios?\b",
        rest=True,
    ),
    _rule(
        "nuev|verdader|unica tarea|unico objetivo|sistema:",
        r"\bnuev[ao]s? (?:instrucci(?:on|ones)|ordenes|orden|tarea|directriz|directrices)\s*:|\b(?:tu|su) (?:nueva|nuevo|verdadera|verdadero|unica|unico) (?:tarea|mision|instruccion|objetivo|"
        r"rol|papel)\b|\b(?:mensaje|instruccion|aviso) del sistema ?:",
        rest=True,
    ),
    _rule(
        "envia|envie|manda|mande|reenvia|transmite",
        r"\b(?:envia|envie|manda|mande|reenvia|transmite)\b[^.!?]{0,80}?\b(?:conversacion|pregunta|usuario|contrasena|historial|datos|prompt|instrucciones)\b[^!?]{0,80}?"
        r"(?:https?:|www\.|@|direccion|\burl\b|servidor)",
        rest=True,
    ),
)

# A language's rules, and words of which an order in it has two at least.
RULES: tuple[tuple[frozenset[str], tuple[Rule, ...]], ...] = (
    (frozenset(), _ENGLISH),
    (
        frozenset(
            "alle alles als an anweisung anweisungen aufgabe fur hinweis neue auf bist bitte das dass dein deine dem den der des du ein eine immer ist jede"
            " jetzt keine mit nicht niemals nun nur sie und user vorherigen wenn".split()
        ),
        _GERMAN,
    ),
    (
        frozenset(
            "ce ci-dessus cette consignes de desormais devez dois repondre dis en es et etes instructions la le les maintenant ne par pas"
            " precedentes que repondez reponds si tes ton toujours tous tout toutes tu un une uniquement vos votre vous".split()
        ),
        _FRENCH,
    ),
    (
        frozenset(
            "a ahora al anterior anteriores ignora lo nuevas olvida con debes el en eres esta instrucciones la las los no que responda responde si siempre"
            " solo su sus todas todo todos tu tus un una usuario y".split()
        ),
        _SPANISH,
    ),
)
_WORDS = frozenset(word for _, rules in RULES for rule in rules for parts in rule.words for word in parts)


def matches(folded: str, words: Words) -> Iterator[tuple[int, int, bool]]:
    """Where a folded text speaks to a model: start and end, and whether the rest of the paragraph does so, too.

    words: the text's own: what is not among them need not be looked for.
    """
    known = {word: word in words.joined for word in _WORDS}
    places: dict[str, list[int]] = {}
    for usual, rules in RULES:
        if len(usual & words.each) < min(2, len(usual)):
            continue
        for rule in rules:
            pieces = [
                piece
                for piece, parts in zip(rule.pieces, rule.words, strict=True)
                if all(map(known.__getitem__, parts))
            ]
            for start, end in windows(folded, pieces, places) if pieces else ():
                for found in rule.pattern.finditer(folded, start, end):
                    first = _LETTER.search(folded, *found.span())  # not the space behind the sentence before
                    yield first.start() if first else found.start(), found.end(), rule.rest


def windows(text: str, pieces: Iterable[str], known: dict[str, list[int]] | None = None) -> list[tuple[int, int]]:
    """Stretches around the pieces, disjoint, none over a blank line. known: places of pieces found before; added to."""
    known = {} if known is None else known
    for piece in pieces:
        if piece not in known:
            known[piece] = _places(text, piece)
    merged: list[tuple[int, int]] = []
    for place in sorted(place for piece in pieces for place in known[piece]):
        start = max(0, place - BEFORE)
        gap = text.rfind("\n\n", start, place)
        start = gap + 2 if gap >= 0 else start
        end = place + BEHIND
        gap = text.find("\n\n", place, end)
        end = gap if gap >= 0 else min(len(text), end)
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _places(text: str, piece: str) -> list[int]:
    found = []
    place = text.find(piece)
    while place >= 0:
        found.append(place)
        place = text.find(piece, place + len(piece))
    return found
