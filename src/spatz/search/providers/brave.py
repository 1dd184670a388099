"""Brave's search API: `GET /res/v1/web/search`, https://api-dashboard.search.brave.com/documentation.

It takes everything of a query: one domain as the operator `site:`, several ones and blocked ones as a Goggle (rules of
ranking that go with the request). Where the user is goes into its X-Loc headers.
"""

from __future__ import annotations

from collections.abc import Mapping

from spatz.search.providers.rows import made, rows
from spatz.search.providers.sites import cut
from spatz.search.providers.web_api import Refused, WebApi, asked_wait
from spatz.search.query import SearchQuery
from spatz.search.result import SearchResult

__all__ = ["BraveProvider"]

URL = "https://api.search.brave.com/res/v1"
MOST = 20  # results of one answer
LONGEST = 400  # characters of a query
FRESHNESS = {"day": "pd", "week": "pw", "month": "pm", "year": "py"}
# What the API knows; anything else is refused by it, with all of the request.
_COUNTRIES = (
    "AR AU AT BE BR CA CL DK FI FR DE HK IN ID IT JP KR MY MX NL NZ NO CN PL PT PH RU SA ZA ES SE CH TW TR GB US"
)
COUNTRIES = frozenset(_COUNTRIES.split())
_LANGUAGES = (
    "ar eu bn bg ca hr cs da nl en et fi fr gl de gu he hi hu is it kn ko lv lt ms ml mr nb pl pa ro ru sr sk sl es "
    "sv ta te th tr uk vi"
)
LANGUAGES = frozenset(_LANGUAGES.split())
# Its names for these are its own, and some depend on the country.
LANGUAGES_OF_ITS_OWN = {"ja": "jp", "zh": "zh-hans", "pt": "pt-pt", "no": "nb", "nn": "nb"}
VARIANTS = {
    ("en", "GB"): "en-gb",
    ("pt", "BR"): "pt-br",
    ("zh", "TW"): "zh-hant",
    ("zh", "HK"): "zh-hant",
}


class BraveProvider:
    name = "brave"

    def __init__(self, key: str, *, proxy: str = "", url: str = URL, api: WebApi | None = None) -> None:
        """url is what tests put in."""
        self._key = key
        self._url = f"{url}/web/search"
        self._api = api or WebApi(proxy=proxy, explain=_meaning, wait=_wait)

    async def search(self, query: SearchQuery) -> list[SearchResult]:
        body = await self._api.ask("GET", self._url, params=_params(query), headers=self._headers(query))
        if isinstance(body, dict) and "web" not in body and body.get("type") == "search":
            return []  # as it tells that there is none
        results = [
            made(row.get("url"), row.get("title"), row.get("description"), row.get("page_age") or row.get("age"))
            for row in rows(body, "web", "results")
        ]
        return [result for result in results if result][: query.count]

    def _headers(self, query: SearchQuery) -> dict[str, str]:
        headers = {"X-Subscription-Token": self._key}
        city = query.place.partition(",")[0].strip()
        if city and city.isascii() and city.isprintable() and city != query.country:
            headers["X-Loc-City"] = city
            if query.country:
                headers["X-Loc-Country"] = query.country
        return headers


def _params(query: SearchQuery) -> dict[str, str]:
    site = f" site:{query.domains[0]}" if len(query.domains) == 1 else ""
    params = {
        "q": cut(query.text, LONGEST - len(site), 50 - bool(site)) + site,
        "count": str(max(1, min(query.count, MOST))),
        "country": query.country if query.country in COUNTRIES else "ALL",
        "result_filter": "web",
        "text_decorations": "false",
    }
    if language := _language(query):
        params["search_lang"] = language
    if query.freshness:
        params["freshness"] = FRESHNESS[query.freshness]
    if rules := _rules(query):
        params["goggles"] = "\n".join(rules)
    return params


def _rules(query: SearchQuery) -> list[str]:
    """A Goggle: a discard of all comes first, then what is kept all the same; a discard of one site wins over that."""
    wanted = query.domains if len(query.domains) > 1 else ()
    kept = ["$discard", *(f"$boost,site={domain}" for domain in wanted)] if wanted else []
    return kept + [f"$discard,site={domain}" for domain in query.blocked_domains]


def _language(query: SearchQuery) -> str:
    """ "" for one that it does not know: it is asked for any then."""
    own = VARIANTS.get((query.language, query.country)) or LANGUAGES_OF_ITS_OWN.get(query.language)
    return own or (query.language if query.language in LANGUAGES else "")


def _meaning(refused: Refused) -> str:
    """Its own code says more than the status: a key that is wrong is a 422."""
    code = refused.word("error", "code")
    if code in ("SUBSCRIPTION_TOKEN_INVALID", "SUBSCRIPTION_NOT_FOUND", "SUBSCRIPTION_TOKEN_MISSING"):
        return f"refuses the key ({code})"
    if code == "QUOTA_LIMITED":
        return f"has answered all that its plan allows ({code})"
    if code and refused.status not in (401, 403, 429):
        return f"refuses the request ({refused.status} {code})"
    return ""


def _wait(headers: Mapping[str, str]) -> float | None:
    """Retry-After, or the time of those of its limits ("1, 15000") of which nothing remains."""
    if (asked := asked_wait(headers)) is not None:
        return asked
    remaining = headers.get("x-ratelimit-remaining", "").split(",")
    resets = headers.get("x-ratelimit-reset", "").split(",")
    waits = [
        float(reset)
        for left, reset in zip(map(str.strip, remaining), map(str.strip, resets), strict=False)
        if left == "0" and reset.isascii() and reset.isdigit() and len(reset) < 12
    ]
    return max(waits, default=None)
