"""The item of a web search: as a client sends it back, as it is made of what answer.py tells, and as it is shown.

It is kept whole. Its sources and results are only shown to those who ask for them by `include`. The model is never told
of it: what a page said is in the answer, or it is searched for again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from spatz.search.result import SearchResult
from spatz.server.events import SearchAction, SearchDone
from spatz.server.fields import Strict, problem

__all__ = ["SEARCH_RESULTS", "SEARCH_SOURCES", "WebSearchCall", "begun_search", "end_search", "shown_search"]

SEARCH_SOURCES = "web_search_call.action.sources"
SEARCH_RESULTS = "web_search_call.results"
MAX_SOURCES = 1_000
ACTIONS = ("search", "open_page", "find_in_page")

Item = dict[str, Any]
Text = Annotated[str, Field(max_length=10_000)]


class UrlSource(Strict):
    type: Literal["url"]
    url: Text


class ApiSource(Strict):
    """What the API has for its own data; ours are all pages."""

    type: Literal["api"]
    name: Text


def _source(value: Any) -> str:
    """Of what comes in, and of the object when it is written again."""
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", "url")
    return "~api" if kind == "api" else "~url"


AnySource = Annotated[
    Annotated[UrlSource, Tag("~url")] | Annotated[ApiSource, Tag("~api")],
    Discriminator(_source),
]


class SearchedFor(Strict):
    type: Literal["search"]
    query: Text | None = None
    queries: Annotated[list[Text], Field(max_length=100)] | None = None
    sources: Annotated[list[AnySource], Field(max_length=MAX_SOURCES)] | None = None


class OpenedPage(Strict):
    type: Literal["open_page"]
    url: Text | None = None


class FoundInPage(Strict):
    type: Literal["find_in_page"]
    url: Text | None = None
    pattern: Text | None = None


def _action(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, dict) else "search"
    if kind is None:
        raise problem("missing_required_parameter", "Missing required parameter: '{param}'.", ".type")
    if kind not in ACTIONS:
        shown = f"'{kind[:50]}'" if isinstance(kind, str) else "not a string"
        supported = ", ".join(f"'{name}'" for name in ACTIONS)
        raise problem("invalid_value", f"Invalid value: {shown}. Supported values are: {supported}.", ".type")
    return value


def _action_branch(value: Any) -> str:
    return f"~{value.get('type')}" if isinstance(value, dict) else "~search"


AnyAction = Annotated[
    Annotated[
        Annotated[SearchedFor, Tag("~search")]
        | Annotated[OpenedPage, Tag("~open_page")]
        | Annotated[FoundInPage, Tag("~find_in_page")],
        Discriminator(_action_branch),
    ],
    BeforeValidator(_action),
]
ItemId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.:/-]+$")]


class WebSearchCall(Strict):
    """As it came out of an answer, of this server or of the API's own."""

    type: Literal["web_search_call"]
    id: ItemId | None = None
    status: Literal["in_progress", "searching", "completed", "failed", "incomplete"] | None = None
    action: AnyAction | None = None
    results: Annotated[list[dict[str, Any]], Field(max_length=MAX_SOURCES)] | None = None

    def body(self) -> Item:
        """But for its id, type and status."""
        action = {"type": "search"} if self.action is None else self.action.model_dump(exclude_none=True)
        return {"action": action} if self.results is None else {"action": action, "results": self.results}


def begun_search(id: str, action: SearchAction) -> Item:
    return {"id": id, "type": "web_search_call", "status": "in_progress", "action": _action_body(action)}


def end_search(item: Item, event: SearchDone) -> None:
    """What came of it. A failed one has no sources, and says so by its status."""
    action = _action_body(event.action)
    if event.action.kind == "search":
        action["sources"] = [{"type": "url", "url": source.url} for source in event.sources]
    item |= {
        "status": "failed" if event.failed else "completed",
        "action": action,
        "results": [_result(source) for source in event.sources],
    }


def _action_body(action: SearchAction) -> dict[str, Any]:
    if action.kind == "search":
        return {"type": "search", "query": next(iter(action.queries), ""), "queries": list(action.queries)}
    if action.kind == "open_page":
        return {"type": "open_page", "url": action.url}
    return {"type": "find_in_page", "url": action.url, "pattern": action.pattern}


def _result(source: SearchResult) -> dict[str, Any]:
    return {
        "type": "text_result",
        "url": source.url,
        "title": source.title,
        "snippet": source.snippet,
        "date": source.date or None,
    }


def shown_search(item: Item, include: Sequence[str]) -> Item:
    """The item itself, or a copy of a search without what was not asked for."""
    if item["type"] != "web_search_call":
        return item
    if SEARCH_RESULTS not in include and "results" in item:
        item = {key: value for key, value in item.items() if key != "results"}
    if SEARCH_SOURCES not in include and "sources" in item["action"]:
        item = {**item, "action": {key: value for key, value in item["action"].items() if key != "sources"}}
    return item
