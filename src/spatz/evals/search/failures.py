"""Results that lead to pages which are dead, endless, stuck, wrong or forbidden, from a search engine that may be, too.

Beside each kind of them stands the page that answers: the answer has to come within the budget, hold the fact, and name
what failed in its usage.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spatz.config import Settings
from spatz.evals.search.answers import says_nothing
from spatz.evals.search.client import Answered
from spatz.evals.search.judging import has_fact
from spatz.evals.search.report import Section
from spatz.evals.search.searx import Finding, searx_beside
from spatz.evals.search.settings import asking, through_engine
from spatz.evals.search.site import Answer, Reply, Request, running_site

__all__ = ["CASES", "ask_failing"]

QUESTION = "How many arches does the aqueduct of Tilbrook have?"
ANSWERS = (("37",),)
_FACT = "The aqueduct of Tilbrook has 37 arches."
_GOOD = "/good.html"
_REST = """
<p>The town lies in a dry valley. For centuries its people carried water up from the river in jars.</p>
<h2>The building</h2><p>Masons from three villages worked on it for eleven years. The stone came from a quarry close by,
and the lime from the hills behind it.</p>
<p>When the last stone was laid, the bishop held a feast in the market square.</p>
<h2>Later times</h2><p>A flood tore away the northern end, which was built again in brick. Since then nothing has
happened to it, but for the ivy.</p><p>Today a footpath leads along the channel. Guided walks begin at the old mill.</p>
<h2>Getting there</h2><p>The railway station is half an hour away on foot. Cars must stay in the village below.</p>
"""
_TEXT = (
    f"<title>The aqueduct</title><h1>The aqueduct of Tilbrook</h1><p>{_FACT} It carries water to the town.</p>{_REST}"
)
_ASKED_FOR = 10  # results that are asked of an engine for one search
_BUDGET = 3.0  # seconds of searching and reading
_WRITING = 6.0  # that writing an answer may take besides, on a busy machine
_WORDS = "<p>" + "Water runs through stone. " * 400 + "</p>"

_BAD: dict[str, Reply] = {
    "gone": Reply(b"<h1>Not here</h1>", status=404),
    "broken": Reply(b"<h1>Oh no</h1>", status=500),
    "endless": Reply(_WORDS.encode(), endless=True),
    "stuck": Reply(b"<title>Tilbrook</title><p>The aqueduct", stuck=True),
    "loop": Reply(status=302, headers=(("Location", "/loop"),)),
    "private": Reply(status=302, headers=(("Location", "http://10.0.0.1/secret"),)),
    "scheme": Reply(status=302, headers=(("Location", "file:///etc/passwd"),)),
    "compressed": Reply(b"this is no gzip", headers=(("Content-Encoding", "gzip"),)),
    "binary": Reply(bytes(range(256)) * 40, "application/octet-stream"),
    "empty": Reply(b""),
}
# What is wrong and can be read all the same.
_ODD: dict[str, Reply] = {
    "wrong encoding": Reply(f"<title>Tilbröok</title><p>Café für Gäste. {_FACT}</p>{_REST}".encode("cp1252")),
    "no encoding": Reply(f"<title>Tilbrook</title><p>“Überall.” {_FACT}</p>{_REST}".encode("utf-16"), "text/html"),
    "unknown encoding": Reply(f"<p>Große Bögen. {_FACT}</p>{_REST}".encode(), "text/html; charset=x-klingon"),
    "broken HTML": Reply(f"<table><p><b>{_FACT}<div><<<p></table></i>{_REST}".encode()),
}
_ENGINES: dict[str, Reply] = {
    "engine broken": Reply(b"no", status=500),
    "engine no JSON": Reply(b"<html>hello</html>"),
    "engine endless": Reply(b'{"results": [', "application/json", endless=True),
    "engine stuck": Reply(b"{", "application/json", stuck=True),
    "engine loop": Reply(status=302, headers=(("Location", "/search"),)),
}
CASES = (*_BAD, "dead", *_ODD, "all bad", "only bad", *_ENGINES)


@dataclass(frozen=True, slots=True)
class Failed:
    case: str
    answered: Answered
    bad: tuple[str, ...]  # URLs that cannot be read

    @property
    def wrong(self) -> str:
        """What should have been otherwise; "" for nothing."""
        if self.answered.error:
            return self.answered.error
        if self.answered.seconds > _BUDGET + _WRITING:
            return f"it took {self.answered.seconds:.1f} s"
        if self.case in _ENGINES:
            told = [report["error"] for report in self.answered.search.get("providers", ())]
            return "" if any(told) and says_nothing(self.answered.text) else "the engine's failure is not told"
        named = {failure["url"] for failure in self.answered.search.get("failures", ())}
        if self.case == "only bad":
            fine = says_nothing(self.answered.text) and named
            return "" if fine else "it does not say that nothing was found, or not why"
        if not has_fact(self.answered.text, ANSWERS):
            return "the fact is not in the answer"
        if self.case == "all bad":
            return "" if named else "no failure is named"
        return "" if set(self.bad) <= named else "the failure is not named"


def ask_failing(settings: Settings, model: Path, tell: Callable[[str], None], cases: Sequence[str] = CASES) -> Section:
    found = []
    for case in cases:
        tell(f"asking where pages fail: {case}")
        found.append(_ask(replace(settings, search_seconds=_BUDGET), model, case))
    return _section(found)


def _ask(settings: Settings, model: Path, case: str) -> Failed:
    """Each with a server of its own: nothing of another case is kept in a cache."""
    with running_site(_answering(case, lambda: urls())) as site, _nobody() as dead:

        def urls() -> list[str]:
            every = [*(site.of(_path(name)) for name in _BAD), f"{dead}/page.html"]
            if case == "only bad":
                return every
            if case == "all bad":
                return [*every[-_ASKED_FOR + 1 :], site.of(_GOOD)]
            if case in _ODD:
                return [site.of(_path(case))]
            return [f"{dead}/page.html" if case == "dead" else site.of(_path(case)), site.of(_GOOD)]

        own = through_engine(settings, site.url)
        own = replace(own, fetch_hosts=(*own.fetch_hosts, dead.removeprefix("http://")))
        with asking(own, model) as client:
            answered = client.ask(QUESTION)
            bad = tuple(url for url in urls() if url != site.of(_GOOD)) if case not in _ODD else ()
            return Failed(case, answered, bad)


def _path(name: str) -> str:
    return "/" + name.replace(" ", "-")


def _answering(case: str, urls: Callable[[], list[str]]) -> Answer:
    pages = {_path(name): reply for name, reply in {**_BAD, **_ODD}.items()} | {_GOOD: Reply(_TEXT.encode())}

    def answer(request: Request) -> Reply | None:
        return pages.get(request.path)

    found = searx_beside(answer, lambda query: [Finding(url, "The aqueduct of Tilbrook") for url in urls()])
    return (lambda request: _ENGINES[case]) if case in _ENGINES else found


@contextmanager
def _nobody() -> Iterator[str]:
    """A URL whose port is taken and where nobody listens: connections are refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def _section(found: Sequence[Failed]) -> Section:
    lines, rows, missed = [], [], []
    for each in found:
        answered = each.answered
        named = [f"{failure['code']}" for failure in answered.search.get("failures", ())]
        named += [report["error"] for report in answered.search.get("providers", ()) if report["error"]]
        lines.append(
            f"{each.case}: {each.wrong or 'fine'}, {answered.seconds:.1f} s, {', '.join(named) or 'nothing'} named"
        )
        if each.wrong:
            missed.append(f"failures: {each.case}: {each.wrong}")
        body: dict[str, Any] = {"case": each.case, "wrong": each.wrong, "seconds": answered.seconds}
        rows.append(body | {"answer": answered.text, "search": answered.search, "error": answered.error})
    return Section("pages that fail", tuple(lines), {"cases": rows}, tuple(missed))
