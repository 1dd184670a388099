"""Orders to a model in English. See order_rule.py for how rules are written."""

from __future__ import annotations

from spatz.search.order_rule import GAP, START, rule, words

__all__ = ["RULES"]

_AI = (
    r"(?:ais?|a\.i\.|llms?|(?:large |ai )?language models?|chat ?bots?|ai[ -](?:assistants?|agents?|models?|systems?"
    r"|tools?|"
    r"bots?|crawlers?)|assistants?|virtual assistants?|chatgpt|gpts?|claude|copilot|gemini)\b"
)
_IGNORE = (
    r"\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|pay no attention to|do not (?:follow|obey)|"
    r"don't (?:follow|obey))"
)
_OVERRULE = (
    r"\b(?:overrid(?:e|ing)|overrul(?:e|ing)|bypass(?:ing)?|discard(?:ing)?|delete|erase|abandon|set aside|"
    r"supersedes?|cancel)"
)
_BEFORE = r"(?:previous|prior|above|earlier|preceding|foregoing|original|initial|existing|past|former|system|developer)"
_ORDERS = r"(?:instructions?|prompts?|guidelines?|guidance|programming|training|orders|directions|system messages?)\b"
_SAY = r"(?:answer|respond|reply|recommend|claim|pretend|obey|assert|insist)"
_USER = (
    r"(?:the |all |every |any |your |this |that )?(?:end )?(?:users?|humans?|readers?|visitors?|customers?|person)\b"
)

RULES = (
    rule(
        "ignor|disregard|forget|attention to|follow|obey",
        rf"{_IGNORE}{words(4)}(?:{_BEFORE}{words(3)}(?:{_ORDERS}|(?:directives?|commands?|rules|messages?|context"
        rf"|conversation|"
        rf"tasks?|constraints|text|content|documents?|questions?)\b)"
        rf"|(?:your|all|any|every|the|these|those|other|my){words(2)}{_ORDERS}"
        rf"|(?:what|anything|everything) (?:you (?:were|have been|are)|you've been|i|they|the user)\b"
        rf"|(?:everything|all|anything|text|what)(?: of)?(?: the| that| is| was| came| comes| written| said)*"
        rf" (?:above|before this|before|so far|previously|prior)\b"
        rf"|the above (?:and|instead|text|or|;)|(?:the )?user(?:'s)? (?:question|query|request|prompt|instructions?)"
        rf"|(?:the )?(?:question|conversation|query)\b(?={GAP}(?:and|instead)))",
        rest=True,
    ),
    rule(
        "overrid|overrul|bypass|discard|delete|erase|abandon|set aside|supersede|cancel",
        rf"{_OVERRULE}{words(3)}(?:{_BEFORE}{words(2)}{_ORDERS}"
        rf"|your{words(2)}(?:{_ORDERS}|rules|safety|guardrails|restrictions|filters|policies|context|memory))",
        rest=True,
    ),
    rule(
        "instruction|prompt|directive",
        r"\b(?:these|this|the following|my) (?:instructions?|prompt|directives?) (?:take|takes|have|has|override"
        r"|overrides|supersede|"
        r"supersedes|replace|replaces|is more|are more)\b"
        r"|precedence over (?:all |any |your |every )*(?:previous |other |prior |system |earlier )*(?:instructions"
        r"|prompts)"
        r"|\b(?:new|updated|revised|hidden|secret|urgent|real|actual) (?:system )?(?:instructions?|directives?"
        r"|prompt)\s*:"
        rf"|\binstructions? (?:for|to) (?:you\b|(?:the |all |any |every )?{_AI})"
        r"|\b(?:reveal|repeat|print|output|show|display|leak|expose|share|disclose|give me|tell me|write out"
        r"|summari[sz]e|translate)"
        r" (?:me |us |back |out )?(?:all )?(?:of )?(?:your|the) (?:\w+ )?(?:system prompt|system message|(?:hidden"
        r"|initial|secret|original) "
        r"(?:prompt|instructions)|instructions (?:above|you))|\b(?:reveal|repeat|leak|expose|disclose) your (?:\w+"
        r" )?(?:prompt|instructions)",
        rest=True,
    ),
    rule(
        "everything above|words above|text above|above verbatim",
        r"\b(?:repeat|print|output|translate|copy) (?:everything|all|the)(?: the| of the)?(?: words| text)? above\b",
    ),
    rule(
        "override:|override -|override]|override\n|message:|prompt:|notice:|message]|prompt]|instruction:"
        "|instruction]|update:",
        rf"{START}(?:important |urgent |new )?(?:system|admin(?:istrator)?|developer|operator|openai|anthropic"
        rf"|safety|assistant|ai|llm) "
        r"(?:override|message|prompt|instruction|notice|update|directive)s?\s*(?:[:\]]|-{1,3}\s|\n)",
        rest=True,
    ),
    rule(
        "you are|you're|youre",
        rf"\byou(?: are|'re|re) (?:now|henceforth|from now on|hereby|no longer) (?:(?:in )?\w+ mode\b|dan\b|free\b"
        rf"|called|named|known as|"
        rf"unrestricted|acting|playing|operating|bound|limited|my\b|not (?:an?|bound)\b|{_AI}"
        rf"|an? (?!(?:\w+ )?(?:member|part|step|contributor|collaborator|maintainer)\b))"
        rf"|\byou(?: are|'re|re) (?:an?|the|my) (?:[\w-]+ ){{0,3}}?(?:{_AI}|bot\b|robot\b|question.answering system)"
        rf"|\b(?:if|when|since|because|as) you(?: are|'re|re) (?:an? |the |any |reading this as an? )?(?:\w+"
        rf" )?(?:{_AI}|bot\b|automated "
        r"(?:system|agent|assistant)|search (?:assistant|engine bot))",
    ),
    rule(
        "act as|pretend|roleplay|role-play|behave|speak like|talk like",
        rf"\b(?:act|behave) as (?:if you (?:were|are) )?(?:an?|the|my) (?:[\w-]+ ){{0,2}}?(?:{_AI}|dan\b|hacker"
        rf"|pirate|jailbroken)"
        rf"|{START}pretend to be\b|\bpretend (?:that )?(?:you are|you're|you were)\b|\brole-?play as\b"
        rf"|{START}(?:please |always |now )?(?:speak|talk|behave|act) like (?:an?|the)\b",
    ),
    rule(
        "dan mode|anything now|jailbreak mode|god mode|developer mode",
        r"\bdo anything now\b|\b(?:dan|jailbreak) mode\b|\b(?:you are|you're|enter|entering) (?:now )?(?:in |into"
        r" )?(?:god|developer) mode\b",
        rest=True,
    ),
    rule(
        "from now on|henceforth|from this point|for the rest of",
        r"\b(?:from now on|henceforth|from this point(?: on| forward)?|for the rest of (?:this|the|our)"
        r" (?:conversation|chat|session))\W+"
        r"(?:(?:you|please) (?:(?:will|must|shall|should|are|have|can|may)\b(?: to| only| always| never| no longer)*"
        r" )?)?"
        r"(?:(?:you )?(?:only|always|never|just) )*"
        r"(?:answer|respond|reply|speak|act|call|refer|say|behave|obey|ignore|talk|recommend|end|begin|start|be"
        r"|pretend|write) ",
    ),
    rule(
        " ai |\nai |(ai | ai,| ai:| ai-|llm|language model|chatbot|chat bot|assistant|gpt|copilot|claude|gemini",
        rf"\bas an? (?:large |helpful )?(?:ai|llm|(?:ai )?language model|chatbot)(?: (?:language )?(?:model"
        rf"|assistant|system|agent))?\s*,?"
        r"\s(?:you|i|your|we|please|always|do|must)\b"
        rf"|\b(?:attention|dear|note (?:to|for)|message (?:to|for)|memo to|hello|hey|hi|calling|notice (?:to|for)"
        rf"|reminder (?:to|for)|"
        rf"important (?:for|to)|warning (?:to|for))\W{{1,3}}(?:all |any |the |every |this )?{_AI}(?! (?:engineer"
        rf"|developer|researcher)s?)"
        rf"|(?:\b|(?<=\())(?:ais?|llms?|language models?|chatbots?|ai (?:assistants?|agents?|models?|systems?"
        rf"|tools?)|assistants?) "
        r"(?:who (?:are |is )?|that (?:are |is )?|which )?"
        r"(?:read|reads|reading|process|processing|summari[sz]ing|summari[sz]es?|parsing|visiting|accessing"
        r"|analy[sz]ing) (?:this|these)\b"
        rf"|\b(?:ais?|llms?|(?:ai |large )?language models?|chatbots?|ai (?:assistants?|agents?|models?|systems?)"
        rf"|assistants?) "
        r"(?:must|should|shall|will|is (?:required|instructed|to)|are (?:required|instructed|to)|needs? to|has to"
        r"|have to) "
        r"(?:now |always |only |instead |never |not |also |then )*(?:to )?"
        rf"(?:{_SAY}|say|tell|state|ignore|follow|mention|disclose|reveal|treat|comply|visit|include|inform)\b",
        rest=True,
    ),
    rule(
        "you must|you should|you shall|you will|you have to|you need to|you are|you can only|you may only|you ought",
        r"\byou (?:must|should|shall|will|have to|need to|are (?:now )?(?:required|instructed|ordered|obliged"
        r"|commanded|supposed|expected) to|"
        r"are to|ought to|can only|may only)(?: now| always| only| instead| simply| immediately| just| never| not|"
        r" also| therefore| then| "
        rf"first)*{GAP}(?:(?:answer|respond|reply)\b(?: only| always| just| instead| exactly)*(?: to| with| that|"
        rf" in| as| by| like| using|"
        rf" every| all| any| the| this|{GAP}['\"]|:)|recommend\b|claim that|pretend|obey|comply with (?:this|these"
        rf"|the following|my)"
        rf"|tell (?:{_USER}|them|everyone|him|her)|inform (?:the )?users?|say\W{{1,3}}(?:that|only|exactly|['\"])"
        rf"|assert that|insist"
        r"|ignore (?:all|any|every|the (?:user|question)|your)|mention that|refuse to answer)",
    ),
    rule(
        "answer|respond|reply",
        rf"{START}(?:please |only |just |simply |always |instead |now )*(?:answer|respond|reply)"
        r"(?: only| always| just| exclusively| exactly| instead| back| solely| strictly)*"
        r"(?: to)?(?: (?:the |this |that |all |every |any |each |future )*(?:user's |user )?(?:users?|questions?"
        r"|queries|query|prompts?|messages?|"
        r"requests?|everything|it|me|them|him|her)\b)?(?: only| always| just| exclusively| exactly| solely)*"
        r" (?:with\b|in (?:\w+ )?(?:language|english|french|german|spanish|latin|caps|capital|rhymes?|base64|json"
        r"|pirate|one word|a)|"
        r"by saying|that\b|as (?:if|though|an?)\b|using\b|like an?\b|only\b|exactly\b|nothing)"
        r"|\b(?:begin|start|end|finish|prefix|preface|conclude|close) (?:your|every|each|all) (?:\w+ )?(?:answers?"
        r"|responses?|repl(?:y|ies))\b"
        r"|\b(?:in|into|to|of) (?:your|every|all your|each of your) (?:\w+ )?(?:answers?|responses?|repl(?:y"
        r"|ies))\b(?= (?:that|say|you|to the|write|"
        r"include|mention)|\W{1,3}(?:say|write|include|mention|state|always|tell))"
        r"|\b(?:include|mention|insert|add|put|append|embed)\b[^!?\n]{1,80}\b(?:in|into|to) (?:your|every|each)"
        r" (?:\w+ )?"
        r"(?:answers?|responses?|reply|replies|output|summary)\b"
        r"|\byour (?:only |final |next |entire |whole )?(?:answer|reply|response) (?:must|should|shall|has to|needs"
        r" to|will|is to) "
        r"(?:only|be exactly|be only|be ['\"]|always|begin|start|end|say|state|mention|consist|recommend|be:)"
        r"|\bthe (?:only )?(?:correct|right|true|real|official|proper) (?:answer|response|reply) to (?:the |this "
        r"|any |every |all )?(?:user|question"
        r"|query|prompt)[^.!?]{0,60}\b(?:is|are)\b",
    ),
    rule(
        "say only|say exactly|say nothing|say the|say after|repeat the|repeat after|repeat only|repeat exactly"
        "|hacked|pwned|"
        "owned|injected|compromised",
        rf"{START}(?:please |just |simply |always |instead |now )*(?:say|repeat)\W{{1,3}}(?:only|exactly|nothing"
        rf" but|the (?:following )?(?:words?|"
        r"phrase|sentence)|after me)\b"
        rf"|{START}(?:please |just |simply |always |instead |now )*(?:output|print|say|repeat|return)(?: only|"
        rf" exactly| just)*\W{{1,3}}"
        r"['\"]?(?:hacked|pwned|owned|i have been pwned|you have been hacked|injected|compromised)\b",
    ),
    rule(
        "hacked|reprogrammed|jailbroken",
        r"\byou have (?:now )?been (?:hacked|reprogrammed|jailbroken|compromised)\b|\b(?:model|assistant|ai) (?:has"
        r" been|is now) (?:hacked|jailbroken)",
    ),
    rule(
        "do not|don't|never|must not|without telling|without mentioning|without revealing|should not|dont ",
        rf"\b(?:do not|don't|dont|never|must not|should not|without) (?:ever |under any circumstances )?"
        rf"(?:(?:tell|telling|inform|informing|warn|warning|alert|alerting) (?:{_USER}|them|anyone|anybody)"
        rf"|(?:mention|mentioning|reveal|revealing|disclose|disclosing|admit|admitting|show|say|discuss|let){words(7)}"
        r"(?:(?:to |with )?(?:the (?:end )?users?|the human|anyone)\b(?= (?:that|about|know|this|what|why|or"
        r"|anything)|[.!;,]|\s*\Z|\n)|"
        r"(?:this|these) (?:instructions?|messages?|notes?|prompts?)\b|your (?:instructions|prompt)|that you (?:are"
        r"|were|have|read|received)\b))",
        rest=True,
    ),
    rule(
        "tell |convince|persuade|trick |urge |inform ",
        rf"{START}(?:please |always |instead |now |then |also |you must |and )*(?:tell|convince|persuade|trick|urge"
        rf"|inform) "
        rf"{_USER}(?: to\b| that\b|,|:| it| they| about)|\b(?:must|should|to|always) (?:convince|persuade|trick)"
        rf" {_USER}",
    ),
    rule(
        " asks| asked| ask ",
        r"\b(?:if|when|whenever|every time|each time) (?:(?:the |a |any )?(?:users?|someone|somebody|anyone|anybody"
        r"|they|people|i|he|she) (?:asks?|is asking)"
        r"|(?:you are |you're |you get )?asked)\b[^.!?]{0,90}?\b(?:say|answer|respond|reply|tell|claim|recommend"
        r"|insist|state|mention)\b"
        r"(?! (?:me|to help)\b)"
        r"|\b(?:regardless of|no matter|whatever|irrespective of)[^.!?]{0,30}? (?:users?|someone|anyone|they|is|was"
        r"|you are|question) (?:asks|asked|ask|is asked)\b",
    ),
    rule(
        "your ",
        r"\byour (?:new|real|actual|true|updated|only|sole|secret|hidden|main) (?:and (?:only|most important)"
        r" )?(?:task|instructions?|goal|objective|"
        r"job|mission|purpose|role|directive|orders?|identity|name)\W{1,3}(?:is|are|now|will be)?\b(?!'s)(?<! )"
        r"|\b(?:message|order|command|note|instruction)s? from your (?:developers?|creators?|administrators?"
        r"|operators?|owners?|makers?)\b"
        r"|\bthis is your (?:developers?|creators?|administrators?|operators?|makers?|programmers?)\b"
        r"|\b(?:add|save|store|write|commit) (?:this|the following|it|that) (?:to|in|into) your (?:long.?term"
        r" )?memory\b"
        r"|\buse your (?:[\w-]+ +){0,3}(?:tools?\b|functions? (?:now|immediately|at once|first)\b)|\b(?:call|invoke)"
        r" your (?:\w+ )?(?:tool|function)",
        rest=True,
    ),
    rule(
        "remember",
        r"\bremember (?:this|that|it|the following|to)?\W{0,3}(?:\w+ ){0,6}?(?:for|in|throughout|during) (?:all |any"
        r" |the |every |your )*"
        r"(?:future|later|subsequent|next|rest of (?:this|the|our)) (?:conversations?|answers?|sessions?|chats?"
        r"|responses?|questions?|turns?|replies)",
    ),
    rule(
        "send|post |forward|upload|submit|transmit|exfiltrate|leak|email|e-mail|append|encode",
        r"\b(?:send|post|forward|upload|submit|transmit|exfiltrate|leak|e-?mail|append|encode)\b[^.!?]{0,40}?"
        r"(?:(?:this|the|our|entire|whole|full|previous|of) (?:conversation|chat|dialogue|context|chat (?:history"
        r"|log)|conversation history)"
        r"|(?:the |your )?(?:system prompt|chat history|instructions)|(?:the )?(?:user|users|human)(?:'s|')?"
        r" (?:question|query|data|name|e-?mail|"
        r"password|message|input|location|information|details|secrets?|credentials|ip|api key|prompt|files?|history)"
        r"|everything (?:the user|above|you)"
        r"|your (?:api key|credentials|secrets|context|memory|password))"
        r"[^!?]{0,60}?(?:https?:|www\.|\burl\b|\blink\b|address\b|endpoint|server|webhook|@|\bto \w+\.(?:com|net|org"
        r"|example|io|evil)\b)",
        rest=True,
    ),
    rule(
        "before answer|before you|before respond|before repl|prior to answer|prior to respond|prior to repl",
        r"\b(?:before|prior to) (?:you )?(?:answer|respond|reply)(?:ing)?\b[^!?]{0,80}?\b(?:visit|open|fetch|browse|"
        r"navigate|go to|retrieve|download)\b"
        r"|\b(?:visit|open|fetch|browse|navigate to|go to|retrieve|download)\b[^!?]{0,120}?"
        r"\b(?:before|prior to) (?:you )?(?:answer|respond|reply)",
    ),
    rule(
        "you must|you need to|you have to|you should|you shall|you will",
        r"\byou (?:must|need to|have to|should|shall|will) (?:now |first |immediately |also |then |always )*(?:fetch"
        r"|visit|"
        r"browse|navigate to|request|query|call|open|retrieve|load)\b(?=[^!?]{0,40}(?:https?:|www\.))",
    ),
    rule(
        "fetch |retrieve |navigate to|browse to|request http|request the|query http|query the|call http|call the"
        "|load http|load the",
        rf"{START}(?:now |then |first |immediately |please |next )*(?:fetch|retrieve|request|query|call|browse to"
        rf"|navigate to|"
        r"load) (?:the (?:url|page|link|address|website) )?(?:at )?(?:https?:|www\.)",
    ),
    rule(
        "and follow|and execute|and obey|and do what|and carry out|and act on|and comply|then follow|then execute"
        "|then do what",
        r"(?:https?:|www\.)[^\s]{3,200}[^.!?]{0,20}\b(?:and|then) (?:follow|execute|obey|do what|carry out|act on"
        r"|comply)"
        r"[^.!?]{0,30}(?:there|it|orders|commands|you find)\b",
    ),
    rule(
        " tool",
        r"\b(?:call|invoke|trigger) (?:the|your|this) (?:[\w'\" -]{1,40} )?tool\b(?! ?(?:chain|bar|tip|kit|box))(?="
        r" (?:with|to|and|now|using|for|immediately)|[.!:;,]|\s*\Z|\n)",
    ),
    rule(
        "decod|decrypt|unscramble",
        r"\b(?:decode|decrypt|unscramble)\b[^!?]{0,100}?\b(?:and|then|to) (?:follow|obey|carry out|do what|comply"
        r"|act on|execute (?:it|the instructions?))\b",
        rest=True,
    ),
    rule(
        "end of |beginning of |begin of |start of |end context|end document|end search|begin system|begin new|new"
        " session|begin instruction",
        r"(?:\A|(?<=\n))\W{0,3}(?:[-=<\[({/]\s?){2,}\s*(?:end|begin|beginning|start|stop|new)\b[ /]*(?:of )?(?:the"
        r" )?(?:context|documents?|search results?|"
        r"web ?pages?|page|page content|content|article|data|user (?:input|query|question)|untrusted\b[ \w]*"
        r"|external|retrieved\b[ \w]*|passages?|"
        r"sources?|answers?|instructions?|system\b[ \w]*|prompt|conversation|session)\b"
        r"|(?:\A|(?<=\n))\W{0,3}[\[<({]\s*/?(?:end|begin|start|new) (?:of )?(?:the )?(?:context|documents?|search"
        r" results?|web ?page|page|instructions?|system\b[ \w]*|"
        r"prompt|conversation|session)\s*[\])>}]",
        rest=True,
    ),
    rule(
        "the user |new question|new request|new task",
        r"\bthe user (?:has (?:just )?changed (?:his|her|their|its) mind|now (?:wants|asks)|(?:wants|asks|asked|has"
        r" asked|is asking) you\b)"
        r"|\b(?:the|his|her|their|your) new (?:question|request|task|query|instruction|prompt) is\s*(?:[:\"']|to\b)",
        rest=True,
    ),
    rule(
        "when you|whenever you|the user's",
        r"\bwhen(?:ever)? you (?:answer|respond|reply|summari[sz]e)\b[^!?\n]{0,40}?\b(?:always|add|include|say"
        r"|mention|put|write|begin|start|end|"
        r"use|insert|recommend)\b|\b(?:put|insert|place|add|append|encode|include|replace) the (?:user's|users')"
        r" (?:question|query|message|"
        r"name|data|prompt|request)\b",
        rest=True,
    ),
    rule(
        "cite|quote",
        r"\b(?:must|should|shall|always|only|has to) (?:be )?(?:cited?|citing|quoted?)\b[^!?\n]{0,60}?\b(?:only"
        r" source|sole source|every (?:statement|"
        r"sentence|answer|claim)|all (?:answers|statements)|(?:your|the) answer)\b|\bcite (?:only )?this (?:page"
        r"|source|document) (?:as|for|in) "
        r"(?:the (?:only|sole)|every|all|your)\b",
    ),
    rule(
        "do not use|don't use|do not trust|do not rely|do not read|ignore the other",
        r"\b(?:do not|don't) (?:use|trust|rely on|read|cite) (?:the |any |any other |the other |other )(?:documents?"
        r"|passages?|search results?|sources?|context)\b(?! (?:manager|menu))",
    ),
    rule(
        "send the word|send the text|send the phrase|send the following",
        r"\bsend the (?:words?|text|phrase|following)\b[^!?\n]{0,100}?(?:https?:|www\.|\w@\w)",
        rest=True,
    ),
)
