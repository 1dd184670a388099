"""Asking a server over the Responses API with its web search, as a stream, and noting what came when.

It is a client as others write one: it knows nothing of the server but what the API sends.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from spatz.errors import ConfigError, SpatzError

if TYPE_CHECKING:
    import httpx

__all__ = ["Answered", "Cite", "SearchClient", "path_of"]

_WAIT_SECONDS = 120.0
_SHOWN = 300  # characters of an error
_HOPELESS = (401, 403, 404, 405)  # who may not ask, or asks for what is not there, need not ask again
MAX_TOKENS = 96
INCLUDE = ["web_search_call.action.sources"]


@dataclass(frozen=True, slots=True)
class Cite:
    url: str
    title: str
    start: int
    end: int
    told: bool  # all of [start, end) had been streamed when it came


@dataclass(slots=True)
class Answered:
    text: str = ""
    searched: bool = False
    sources: list[str] = field(default_factory=list)  # URLs, best first
    cites: list[Cite] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)  # names of functions that were called
    first_token: float | None = None  # seconds
    seconds: float = 0.0
    prompt_tokens: int = 0
    output_tokens: int = 0
    search: dict[str, Any] = field(default_factory=dict)  # usage.spatz.search
    faults: list[str] = field(default_factory=list)  # where the stream and its end did not agree
    error: str = ""

    @property
    def pages(self) -> list[str]:
        """URLs that were read."""
        return [page["url"] for page in self.search.get("pages", ())]

    @property
    def shown(self) -> list[str]:
        """URLs of which the model was shown something."""
        return [page["url"] for page in self.search.get("pages", ()) if page["passages"]]


class SearchClient:
    """Raises ConfigError for a URL that is none."""

    def __init__(self, url: str, model: str, key: str = "", *, size: str = "medium") -> None:
        import httpx

        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            base = url.rstrip("/") + "/"
            self._client = httpx.Client(base_url=base, headers=headers, timeout=_WAIT_SECONDS, trust_env=False)
        except httpx.InvalidURL as error:
            raise ConfigError(f"--url: {url} is no address: {error}") from None
        self._model = model
        self._size = size
        self.name = f"{model} at {url}"

    def __enter__(self) -> SearchClient:
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()

    def ask(
        self, question: str, *, tools: Sequence[dict[str, Any]] = (), required: bool = True, most: int = MAX_TOKENS
    ) -> Answered:
        """tools: functions beside the search. required: search in any case. Raises SpatzError where nobody answers."""
        body: dict[str, Any] = {
            "model": self._model,
            "input": question,
            "tools": [{"type": "web_search", "search_context_size": self._size}, *tools],
            "tool_choice": {"type": "web_search"} if required else "auto",
            "include": INCLUDE,
            "stream": True,
            "store": False,
            "temperature": 0,
            "max_output_tokens": most,
        }
        import httpx

        answered = Answered()
        start = time.perf_counter()
        try:
            with self._client.stream("POST", "responses", json=body) as response:
                if response.status_code != 200:
                    _refused(response, answered, self.name)
                else:
                    _take(answered, _events(response), start)
        except (httpx.ReadTimeout, httpx.WriteTimeout):
            answered.error = f"no answer in {_WAIT_SECONDS:g} seconds"
        except httpx.HTTPError as error:
            raise SpatzError(f"{self.name} does not answer: {type(error).__name__}: {error}") from None
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise SpatzError(f"{self.name} answered in no shape of the API: {type(error).__name__} {error}") from None
        answered.seconds = time.perf_counter() - start
        return answered


def path_of(url: str) -> str:
    """What names a page of the corpus, wherever it is served."""
    return urlsplit(url).path


def _refused(response: httpx.Response, answered: Answered, name: str) -> None:
    response.read()
    try:
        said = response.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        said = response.text
    message = f"{response.status_code}: {' '.join(str(said).split())[:_SHOWN]}"
    if response.status_code in _HOPELESS:
        raise SpatzError(f"{name}: {message}")
    answered.error = message


def _events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in response.iter_lines():
        if line.startswith("data:") and line.strip() != "data: [DONE]":
            yield json.loads(line[5:])


def _take(answered: Answered, events: Iterator[dict[str, Any]], start: float) -> None:
    final: dict[str, Any] | None = None
    for event in events:
        kind = event["type"]
        if kind == "response.output_text.delta":
            if answered.first_token is None:
                answered.first_token = time.perf_counter() - start
            answered.text += event["delta"]
        elif kind == "response.output_text.annotation.added":
            cite = event["annotation"]
            told = cite["end_index"] <= len(answered.text)
            answered.cites.append(Cite(cite["url"], cite["title"], cite["start_index"], cite["end_index"], told))
        elif kind == "error":
            answered.error = str((event.get("error") or event).get("message"))[:_SHOWN]
        elif kind == "response.failed":
            answered.error = str((event["response"].get("error") or {}).get("message"))[:_SHOWN]
        elif kind in ("response.completed", "response.incomplete"):
            final = event["response"]
    if final is not None:
        _finish(answered, final)
    elif not answered.error:
        answered.error = "the stream broke off"


def _finish(answered: Answered, final: dict[str, Any]) -> None:
    text, cites = "", []
    for item in final["output"]:
        if item["type"] == "web_search_call":
            answered.searched = True
            answered.sources += [source["url"] for source in item["action"].get("sources") or ()]
        elif item["type"] == "function_call":
            answered.calls.append(item["name"])
        elif item["type"] == "message":
            for part in item["content"]:
                text += part.get("text", "")
                cites += [cite for cite in part.get("annotations", ()) if cite["type"] == "url_citation"]
    if text != answered.text:
        answered.faults.append("the final text is not what was streamed")
    kept = [(cite["url"], cite["title"], cite["start_index"], cite["end_index"]) for cite in cites]
    if kept != [(cite.url, cite.title, cite.start, cite.end) for cite in answered.cites]:
        answered.faults.append("the final annotations are not what was streamed")
    usage = final.get("usage") or {}
    answered.prompt_tokens = usage.get("input_tokens", 0)
    answered.output_tokens = usage.get("output_tokens", 0)
    answered.search = (usage.get("spatz") or {}).get("search") or {}
