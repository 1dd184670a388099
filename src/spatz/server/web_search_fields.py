"""How requests ask for the web: the tool of Responses in its two generations, and chat's `web_search_options`.

Both become a turn's `WebSearch`. Nothing is searched here, and nobody is asked whether this server can: that is
answer.py's `prepare`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field

from spatz.prompt.turn import Location, WebSearch
from spatz.server.fields import Strict, problem

__all__ = ["PREVIEW", "WEB_SEARCH", "WebSearchOptions", "WebSearchPreviewTool", "WebSearchTool"]

PREVIEW = frozenset({"web_search_preview", "web_search_preview_2025_03_11"})
WEB_SEARCH = frozenset({"web_search", "web_search_2025_08_26"}) | PREVIEW

MAX_DOMAINS = 100
_LABELS = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")


def _domain(value: str) -> str:
    """In the form that hosts of URLs are compared in: lower case, ASCII, without a dot at its end."""
    name = value.strip().lower().removesuffix(".")
    if not name.isascii():
        name = _ascii(name)
    if len(name) > 253 or not _LABELS.fullmatch(name):
        raise problem(
            "invalid_value",
            f"Invalid domain: '{value[:100]}'. Expected a host name such as 'example.com', without scheme, port and "
            "path. Its subdomains are included.",
        )
    return name


def _ascii(name: str) -> str:
    import httpx  # slow to import, and hardly a domain needs it

    try:
        return httpx.URL(f"https://{name}/").raw_host.decode("ascii")
    except (httpx.InvalidURL, ValueError):
        return ""


@cache
def _has_timezones() -> bool:
    return bool(available_timezones())


def _timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        # On a machine without the time zones' data, nothing can be said against a name.
        if _has_timezones():
            raise problem(
                "invalid_value",
                f"Invalid timezone: '{value[:64]}'. Expected an IANA time zone, e.g. 'America/Los_Angeles'.",
            ) from None
    return value


def _content_type(value: Any) -> Any:
    if value == "image":
        raise problem("unsupported_value", "Searching for images is not supported by this server: only for 'text'.")
    return value


def _web_access(value: bool) -> bool:
    if not value:
        raise problem(
            "unsupported_value",
            "'external_web_access' cannot be false here: where this server searches is its operator's choice.",
        )
    return value


Domain = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_domain)]
Country = Annotated[str, Field(pattern=r"^[A-Za-z]{2}$")]
Place = Annotated[str, Field(max_length=128)]
Timezone = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_timezone)]
Size = Literal["low", "medium", "high"]
Contents = Annotated[
    list[Annotated[Literal["text"], BeforeValidator(_content_type, json_schema_input_type=Literal["text"])]],
    Field(min_length=1, max_length=2),
]


class Approximate(Strict):
    """Where the user is. The API takes the United States where nothing is told; here it is nowhere in particular."""

    country: Country | None = None
    region: Place | None = None
    city: Place | None = None
    timezone: Timezone | None = None

    def location(self) -> Location | None:
        found = Location(
            country=(self.country or "").upper(),
            region=" ".join((self.region or "").split()),
            city=" ".join((self.city or "").split()),
            timezone=self.timezone or "",
        )
        return None if found == Location() else found


class UserLocation(Approximate):
    type: Literal["approximate"] | None = None

    def body(self) -> dict[str, Any]:
        return {"type": "approximate", **self.model_dump(include={"country", "region", "city", "timezone"})}


class Filters(Strict):
    """A list of allowed domains that allows none is a mistake, not a wish for all."""

    allowed_domains: Annotated[list[Domain], Field(min_length=1, max_length=MAX_DOMAINS)] | None = None
    blocked_domains: Annotated[list[Domain], Field(max_length=MAX_DOMAINS)] | None = None


class _SearchTool(Strict):
    search_context_size: Size | None = None
    user_location: UserLocation | None = None
    search_content_types: Contents | None = None

    @property
    def size(self) -> Size:
        return self.search_context_size or "medium"

    @property
    def location(self) -> Location | None:
        return None if self.user_location is None else self.user_location.location()

    def _shown_location(self) -> dict[str, Any] | None:
        return None if self.user_location is None else self.user_location.body()


class WebSearchTool(_SearchTool):
    type: Literal["web_search", "web_search_2025_08_26"]
    filters: Filters | None = None
    external_web_access: Annotated[bool, AfterValidator(_web_access)] | None = None

    def wanted(self, *, required: bool, most_calls: int | None) -> WebSearch:
        filters = self.filters or Filters()
        return WebSearch(
            size=self.size,
            location=self.location,
            allowed_domains=tuple(dict.fromkeys(filters.allowed_domains or ())),
            blocked_domains=tuple(dict.fromkeys(filters.blocked_domains or ())),
            required=required,
            most_calls=most_calls,
        )

    def body(self) -> dict[str, Any]:
        """As the response repeats it."""
        return {
            "type": self.type,
            "filters": None if self.filters is None else self.filters.model_dump(exclude_none=True),
            "search_context_size": self.size,
            "user_location": self._shown_location(),
        }


class WebSearchPreviewTool(_SearchTool):
    """The first generation, which has no filters."""

    type: Literal["web_search_preview", "web_search_preview_2025_03_11"]

    def wanted(self, *, required: bool, most_calls: int | None) -> WebSearch:
        return WebSearch(size=self.size, location=self.location, required=required, most_calls=most_calls)

    def body(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "search_context_size": self.size,
            "user_location": self._shown_location(),
        }


class ChatLocation(Strict):
    type: Literal["approximate"]
    approximate: Approximate


class WebSearchOptions(Strict):
    """Chat's: whoever gives them wants the web to be searched."""

    search_context_size: Size | None = None
    user_location: ChatLocation | None = None

    def wanted(self) -> WebSearch:
        place = self.user_location
        return WebSearch(
            size=self.search_context_size or "medium",
            location=None if place is None else place.approximate.location(),
            required=True,
        )
