"""Tavily's search API: `POST /search`, https://docs.tavily.com/documentation/api-reference/endpoint/search.

It takes domains, and how old a page may be; a country only raises the rank of that country's pages, and a language is
nothing that it takes. What is of today comes from its news, which tell a date.
"""

from __future__ import annotations

from typing import Any

from spatz.search.providers.rows import made, rows
from spatz.search.providers.sites import cut
from spatz.search.providers.web_api import Refused, WebApi
from spatz.search.query import SearchQuery
from spatz.search.result import ProviderError, SearchResult

__all__ = ["TavilyProvider"]

URL = "https://api.tavily.com"
MOST = 20  # results of one answer
LONGEST = 400  # characters of a query
MOST_DOMAINS = 300
MOST_BLOCKED = 150
# Its names for countries, for those whose name is beyond doubt: another one is refused with all of the request.
_COUNTRIES = (
    "AR:argentina AU:australia AT:austria BD:bangladesh BE:belgium BG:bulgaria BO:bolivia BR:brazil CA:canada "
    "CH:switzerland CL:chile CN:china CO:colombia CU:cuba CY:cyprus DE:germany DK:denmark DZ:algeria EC:ecuador "
    "EE:estonia EG:egypt ES:spain ET:ethiopia FI:finland FR:france GH:ghana GR:greece HR:croatia HU:hungary "
    "ID:indonesia IE:ireland IL:israel IN:india IQ:iraq IR:iran IS:iceland IT:italy JM:jamaica JO:jordan "
    "JP:japan KE:kenya KW:kuwait KZ:kazakhstan LB:lebanon LT:lithuania LU:luxembourg LV:latvia MA:morocco "
    "MT:malta MX:mexico MY:malaysia NG:nigeria NL:netherlands NO:norway NP:nepal PA:panama PE:peru "
    "PH:philippines PK:pakistan PL:poland PT:portugal PY:paraguay QA:qatar RO:romania RS:serbia RU:russia "
    "SE:sweden SG:singapore SI:slovenia SK:slovakia SN:senegal TH:thailand TN:tunisia TR:turkey TW:taiwan "
    "TZ:tanzania UA:ukraine UG:uganda UY:uruguay VE:venezuela VN:vietnam ZW:zimbabwe"
)
COUNTRIES = dict(pair.split(":") for pair in _COUNTRIES.split()) | {
    "AE": "united arab emirates",
    "CR": "costa rica",
    "CZ": "czech republic",
    "DO": "dominican republic",
    "GB": "united kingdom",
    "KR": "south korea",
    "LK": "sri lanka",
    "NZ": "new zealand",
    "SA": "saudi arabia",
    "US": "united states",
    "ZA": "south africa",
}


class TavilyProvider:
    name = "tavily"

    def __init__(self, key: str, *, proxy: str = "", url: str = URL, api: WebApi | None = None) -> None:
        """url is what tests put in."""
        self._key = key
        self._url = f"{url}/search"
        self._api = api or WebApi(proxy=proxy, explain=_meaning)

    async def search(self, query: SearchQuery) -> list[SearchResult]:
        if len(query.domains) > MOST_DOMAINS:
            raise ProviderError(f"takes {MOST_DOMAINS} domains at most, and {len(query.domains)} are given")
        headers = {"Authorization": f"Bearer {self._key}"}
        body = await self._api.ask("POST", self._url, body=_body(query), headers=headers)
        results = [
            made(row.get("url"), row.get("title"), row.get("content"), row.get("published_date"))
            for row in rows(body, "results")
        ]
        return [result for result in results if result][: query.count]


def _body(query: SearchQuery) -> dict[str, Any]:
    news = query.freshness == "day"
    body: dict[str, Any] = {
        "query": cut(query.text, LONGEST),
        "topic": "news" if news else "general",
        "search_depth": "basic",
        "max_results": max(1, min(query.count, MOST)),
        "include_answer": False,
        "include_raw_content": False,
        "include_images": False,
    }
    if query.freshness:
        body["time_range"] = query.freshness
    if query.domains:
        body["include_domains"] = list(query.domains)
    if query.blocked_domains:
        # The searcher leaves out what is behind the bound.
        body["exclude_domains"] = list(query.blocked_domains[:MOST_BLOCKED])
    if not news and (country := COUNTRIES.get(query.country)):
        body["country"] = country
    return body


def _meaning(refused: Refused) -> str:
    """Two statuses are its own: what a plan, and what the limit of its owner's costs, allow."""
    if refused.status == 432:
        return "has answered all that its plan allows (432)"
    if refused.status == 433:
        return "has reached the limit of costs that its owner has set (433)"
    return ""
