"""The tasks of the eval, each under its own settings: the site is started, its index made, and the questions asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from spatz.config import Settings
from spatz.evals.search.answers import ask_all
from spatz.evals.search.client import SearchClient
from spatz.evals.search.corpus import SearchCorpus
from spatz.evals.search.decide import ask_labelled, labelled
from spatz.evals.search.engine import Engine
from spatz.evals.search.failures import ask_failing
from spatz.evals.search.indexing import index_site
from spatz.evals.search.injection import ask_injected
from spatz.evals.search.report import Report
from spatz.evals.search.searx import Finding, searx_beside
from spatz.evals.search.settings import asking, through_engine, through_index
from spatz.evals.search.site import PRIVATE, running_site, site_of
from spatz.evals.search.speed import measured
from spatz.search.index.local_index import LocalIndex

__all__ = ["Plan", "ask_client", "run_here"]

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    tasks: tuple[str, ...]
    provider: str  # "local" or "engine"
    size: str
    documents: int  # that speed indexes
    keep: Path | None  # where the index is kept


def ask_client(client: SearchClient, tasks: tuple[str, ...], corpus: SearchCorpus, report: Report, tell: Tell) -> None:
    """What can be asked of any server that has the site's index."""
    if "answers" in tasks:
        report.asked = ask_all(client, corpus, corpus.questions, tell)
        report.nowhere = ask_all(client, corpus, corpus.nowhere, tell)
    if "decide" in tasks:
        report.sections.append(ask_labelled(client, labelled(), tell))


def run_here(plan: Plan, settings: Settings, model: Path, corpus: SearchCorpus, report: Report, tell: Tell) -> None:
    """model: the path of its weights."""
    if set(plan.tasks) & {"answers", "decide"}:
        with _client(plan, settings, model, corpus, report, tell) as client:
            ask_client(client, plan.tasks, corpus, report, tell)
    if "injection" in plan.tasks:
        report.sections.append(ask_injected(settings, model, corpus, tell, size=plan.size))
    if "failures" in plan.tasks:
        report.sections.append(ask_failing(settings, model, tell))
    if "speed" in plan.tasks:
        report.sections.append(measured(settings, model, corpus, plan.documents, plan.size, tell))


@contextmanager
def _client(
    plan: Plan, settings: Settings, model: Path, corpus: SearchCorpus, report: Report, tell: Tell
) -> Iterator[SearchClient]:
    """Of a server that searches the corpus."""
    engine: Engine | None = None

    def find(query: str) -> list[Finding]:
        return engine.find(query) if engine is not None else []

    with ExitStack() as stack:
        site = stack.enter_context(running_site(searx_beside(site_of(corpus), find)))
        if plan.provider == "engine":
            engine = Engine(corpus, site.url)
            own, folder = through_engine(settings, site.url), None
        else:
            folder = plan.keep or Path(stack.enter_context(TemporaryDirectory(prefix="spatz-eval-")))
            own = through_index(settings, site.url)
            tell("indexing the site")
            report.index = index_site(replace(own, data_dir=folder), site.url)
            private = site.url + PRIVATE
            with LocalIndex.open(folder / "index") as index:
                report.index["private_pages"] = sum(entry.url == private for entry in index.list())
        yield stack.enter_context(asking(own, model, plan.size, folder))
