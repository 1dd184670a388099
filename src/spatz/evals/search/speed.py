"""How long it takes to index many documents, to search them, and to the first token of an answer from five of them."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from spatz.config import Settings
from spatz.evals.search.answers import judged
from spatz.evals.search.blocks import Heading, Paragraph, blocks
from spatz.evals.search.client import path_of
from spatz.evals.search.corpus import SearchCorpus
from spatz.evals.search.indexing import index_folder_of
from spatz.evals.search.report import FIRST_TOKEN_SECONDS, Section, quantile
from spatz.evals.search.settings import asking
from spatz.evals.search.texts import real_texts
from spatz.search.index.local_index import LocalIndex

__all__ = ["measured", "write_documents"]

INDEX_SECONDS = 120.0  # for 10,000 documents
_PARAGRAPHS = 4_000  # that documents are mixed of
_QUERIES = 200
_ASKED = 20


def measured(
    settings: Settings, model: Path, corpus: SearchCorpus, documents: int, size: str, tell: Callable[[str], None]
) -> Section:
    with TemporaryDirectory(prefix="spatz-eval-") as folder:
        texts, data = Path(folder, "documents"), Path(folder, "data")
        texts.mkdir()
        data.mkdir()
        tell("writing documents")
        characters = write_documents(texts, corpus, documents)
        own = replace(settings, data_dir=data, search_providers=("local",))
        tell("indexing documents")
        added = index_folder_of(own, str(texts))
        tell("searching")
        queries = _query_seconds(data / "index", corpus)
        with asking(own, model, size, data) as client:
            asked = []
            for number, question in enumerate(corpus.questions[:_ASKED], 1):
                tell(f"asking questions of many documents: {number} of {min(_ASKED, len(corpus.questions))}")
                asked.append(judged(question, client.ask(question.text), corpus, _page_path))
    first = [item.answered.first_token for item in asked if item.answered.first_token is not None]
    figures = {
        "documents": added["added"],
        "characters": characters,
        "index_seconds": added["seconds"],
        "query_seconds_median": statistics.median(queries),
        "query_seconds_p95": quantile(queries, 0.95),
        "first_token_median": statistics.median(first) if first else None,
        "first_token_p95": quantile(first, 0.95),
        "pages_read_mean": statistics.fmean(len(item.answered.pages) for item in asked),
        "hit_1": sum(item.place == 1 for item in asked) / len(asked),
        "hit_5": sum(item.place is not None and item.place <= 5 for item in asked) / len(asked),
    }
    lines = (
        f"{added['added']} documents of {characters / 1e6:.1f} million characters indexed in {added['seconds']:.1f} s",
        f"a search takes {1e3 * statistics.median(queries):.1f} ms (median of {len(queries)}; p95 "
        f"{1e3 * (quantile(queries, 0.95) or 0):.1f} ms)",
        f"first token after {figures['first_token_median'] or 0:.2f} s (median of {len(first)}, p95 "
        f"{figures['first_token_p95'] or 0:.2f} s), with {figures['pages_read_mean']:.1f} pages read; "
        f"hit@1 {figures['hit_1']:.0%}, hit@5 {figures['hit_5']:.0%}",
    )
    missed = []
    if added["seconds"] * 10_000 / max(documents, 1) > INDEX_SECONDS:
        missed.append(
            f"speed: indexing takes {added['seconds']:.0f} s, and {INDEX_SECONDS:.0f} s for 10,000 are wanted"
        )
    if first and statistics.median(first) >= FIRST_TOKEN_SECONDS:
        missed.append(f"speed: first token after {statistics.median(first):.2f} s: {FIRST_TOKEN_SECONDS} s is wanted")
    return Section("speed", lines, figures, tuple(missed))


def write_documents(folder: Path, corpus: SearchCorpus, count: int) -> int:
    """The corpus' pages, and others of paragraphs in another order, as Markdown; gives their characters together."""
    draw = random.Random("documents")
    paragraphs = _paragraphs()
    characters = 0
    for number, (name, text) in enumerate(_documents(draw, corpus, paragraphs)):
        if number == count:
            break
        characters += len(text)
        Path(folder, f"{name}.md").write_text(text, encoding="utf-8")
    return characters


def _documents(
    draw: random.Random, corpus: SearchCorpus, paragraphs: list[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    for path, page in corpus.pages.items():
        yield path.strip("/").replace("/", "~"), f"# {page.title}\n\n{page.text}"
    number = 0
    while True:
        number += 1
        chosen = draw.sample(paragraphs, draw.randrange(4, 12))
        said = "\n\n".join(f"## {heading}\n\n{text}" if draw.random() < 0.3 else text for heading, text in chosen)
        yield f"note-{number}", f"# {chosen[0][0]} {number}\n\n{said}\n"


def _paragraphs() -> list[tuple[str, str]]:
    """Real ones, each with the heading above it; none with a planted fact."""
    found: list[tuple[str, str]] = []
    for text in real_texts():
        if len(found) > _PARAGRAPHS:
            break
        heading = text.name
        for block in blocks(text.read()):
            if isinstance(block, Heading):
                heading = block.text
            elif isinstance(block, Paragraph) and len(block.text) > 80:
                found.append((heading, block.text))
    return found


def _page_path(url: str) -> str:
    """Of the corpus' page that a file holds."""
    name = path_of(url).rpartition("/")[2].removesuffix(".md").replace("~", "/")
    return f"/{name}" if name.endswith(".html") else f"/{name}/"


def _query_seconds(folder: Path, corpus: SearchCorpus) -> list[float]:
    questions = [*corpus.questions, *corpus.nowhere]
    with LocalIndex.open(folder) as index:
        index.search(questions[0].text)  # the first one opens files
        times = []
        for number in range(_QUERIES):
            start = time.perf_counter()
            index.search(questions[number % len(questions)].text)
            times.append(time.perf_counter() - start)
    return times
