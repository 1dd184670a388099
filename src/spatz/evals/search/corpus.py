"""The corpus of the evals of search: pages of a documentation site with planted facts, and questions about them.

Texts are real (texts.py); facts.json holds invented facts as ordinary sentences. Each is put into a paragraph of a page
that it fits, and a twisted one, about something of a similar name, into some other page. A question knows the page that
answers it and the strings of which an answer must hold one of each group. There are questions whose answer is nowhere,
too: about something that no page knows, or a detail that is not told of something that is known.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spatz.evals.search.blocks import Block, Code, Heading, Items, Paragraph, Table, blocks
from spatz.evals.search.templates import TEMPLATES, Around, body_of
from spatz.evals.search.texts import RealText, real_texts

__all__ = ["PAGES", "Question", "SearchCorpus", "SitePage", "build"]

PAGES = 420
_FOLDER = Path(__file__).parent
_LEAST, _LEAST_HOST = 700, 300  # characters of prose in a page
_SIZES = (4_000, 8_000, 8_000, 16_000, 40_000)  # characters at which texts are cut
_SENTENCE_END = re.compile(r"(?<=[a-z)][.!?])\s+(?=[A-Z])")
# Content-Type's charset, the one that the page names itself, Python's codec, and how many pages of a hundred.
_ENCODINGS: tuple[tuple[str, str, str, int], ...] = (
    ("utf-8", "", "utf-8", 50),
    ("", "utf-8", "utf-8", 22),
    ("iso-8859-1", "", "latin-1", 9),
    ("", "windows-1252", "cp1252", 9),
    ("", "", "utf-8-sig", 6),
    ("", "", "utf-16", 4),
)


@dataclass(frozen=True, slots=True)
class SitePage:
    path: str
    title: str
    section: str
    date: str
    content_type: str
    body: bytes
    text: str  # what it says, without what stands around it


@dataclass(frozen=True, slots=True)
class Question:
    id: str
    text: str
    kind: str  # "number", "name", "date", "version", "place", "procedure", "measure"; "subject", "detail" for nowhere
    how: str  # "direct", "reordered", "paraphrased", "german"
    path: str  # of the page that answers it; "" for nowhere
    says: str  # the sentence there
    answers: tuple[tuple[str, ...], ...]  # an answer holds one of each
    twist: str = ""  # the sentence about something else, which misleads
    twist_path: str = ""


@dataclass(frozen=True, slots=True)
class SearchCorpus:
    pages: Mapping[str, SitePage]  # by path
    questions: tuple[Question, ...]
    nowhere: tuple[Question, ...]


@dataclass
class _Draft:
    text: RealText
    title: str
    blocks: list[Block]
    language: str = "en"
    planted: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        name = re.sub(r"[^a-z0-9._-]+", "-", self.text.name.lower()).strip("-")
        return (
            f"/{self.text.section}/{name}/" if self.text.section == "packages" else f"/{self.text.section}/{name}.html"
        )


def build(seed: int = 0, *, pages: int = PAGES, questions: int = 100, nowhere: int = 30) -> SearchCorpus:
    """The same for the same arguments on the same machine. Raises ValueError where it has too few texts."""
    draw = random.Random(f"search corpus/{seed}")
    told = json.loads((_FOLDER / "facts.json").read_text(encoding="utf-8"))
    every: list[dict[str, Any]] = told["facts"]
    numbers = sorted(draw.sample(range(len(every)), questions)) if questions < len(every) else list(range(len(every)))
    facts = [every[number] for number in numbers]
    drafts = _drafts(draw, [fact["host"].split("|") for fact in facts], pages)
    hosts = {draft.text.name: draft for draft in drafts}
    named = {name for fact in facts for name in fact["host"].split("|")}
    spare = iter([draft for draft in drafts if draft.text.name not in named])  # this Python has no such modules
    asked = []
    for number, fact in zip(numbers, facts, strict=True):
        host = next((hosts[name] for name in fact["host"].split("|") if name in hosts), None) or next(spare)
        other = draw.choice([draft for draft in drafts if draft is not host and draft.language == host.language])
        twist = _twisted(fact["says"], fact["twist"])
        _plant(draw, host, fact["says"])
        _plant(draw, other, twist)
        groups = tuple(tuple(group) for group in fact["answers"])
        told_in = (host.path, fact["says"], groups, twist, other.path)
        asked.append(Question(f"{fact['kind']}-{number}", fact["asks"], fact["kind"], fact["how"], *told_in))
    missing = [
        Question(f"nowhere-{number}", item["asks"], item["why"], "direct", "", "", ())
        for number, item in enumerate(told["nowhere"][:nowhere])
    ]
    return SearchCorpus(_dressed(draw, drafts), tuple(asked), tuple(missing))


def _drafts(draw: random.Random, wanted: Sequence[Sequence[str]], pages: int) -> list[_Draft]:
    texts = real_texts()
    by_name: dict[str, RealText] = {}
    for text in texts:
        if text.section != "topics":
            by_name.setdefault(text.name, text)
    german = _german()
    if not any(name in german for names in wanted for name in names):
        german = {}
    found = list(german.values())
    taken = {draft.path for draft in found}
    for names in wanted:  # one of these texts, which say the same
        for name in names:
            draft = _draft(by_name[name], draw, _LEAST_HOST) if name in by_name else None
            if draft is not None:
                if draft.path not in taken:
                    taken.add(draft.path)
                    found.append(draft)
                break
    for text in _mixed(draw, texts):
        if len(found) >= pages:
            return found
        draft = _draft(text, draw)
        if draft is not None and draft.path not in taken:
            taken.add(draft.path)
            found.append(draft)
    if len(found) < pages:
        raise ValueError(f"this machine has texts for {len(found)} pages, and {pages} are wanted")
    return found


def _mixed(draw: random.Random, texts: Sequence[RealText]) -> Iterator[RealText]:
    """Of each section in turn, as long as it has any."""
    sections: dict[str, list[RealText]] = {}
    for text in texts:
        sections.setdefault(text.section, []).append(text)
    for group in sections.values():
        draw.shuffle(group)
    while any(sections.values()):
        for group in sections.values():
            if group:
                yield group.pop()


def _draft(text: RealText, draw: random.Random, least: int = _LEAST) -> _Draft | None:
    """None for what is too short for a page, or has no paragraph in which something could stand."""
    kept: list[Block] = []
    room = draw.choice(_SIZES)
    for block in blocks(text.read()):
        if isinstance(block, Paragraph) and not block.text:
            continue
        kept.append(block)
        room -= _length(block)
        if room < 0:
            break
    prose = sum(len(block.text) for block in kept if isinstance(block, Paragraph))
    if prose < least or not any(map(_is_open, kept)):
        return None
    return _Draft(text, _title(text, kept), kept)


def _length(block: Block) -> int:
    if isinstance(block, Items):
        return sum(map(len, block.texts))
    if isinstance(block, Table):
        return sum(len(cell) for row in block.rows for cell in row)
    return len(block.text)


def _title(text: RealText, found: list[Block]) -> str:
    first = found[0]
    if text.section == "packages":
        return first.text if isinstance(first, Heading) and len(first.text) < 80 else text.name
    if text.section == "library" and isinstance(first, Paragraph) and len(first.text) < 90:
        return f"{text.name}: {first.text.rstrip('.')}"
    if text.section == "topics" and isinstance(first, Heading):
        return first.text
    return text.name


def _german() -> dict[str, _Draft]:
    told = json.loads((_FOLDER / "german.json").read_text(encoding="utf-8"))
    return {
        name: _Draft(
            RealText(name, "deutsch", lambda: ""), page["title"], [Paragraph(text) for text in page["paragraphs"]], "de"
        )
        for name, page in told.items()
    }


def _is_open(block: Block) -> bool:
    """Whether a sentence can be put into it."""
    return (
        isinstance(block, Paragraph)
        and 80 <= len(block.text) <= 1_500
        and block.text[0].isupper()
        and block.text[-1] == "."
    )


def _plant(draw: random.Random, draft: _Draft, sentence: str) -> None:
    """Between two sentences of a paragraph, behind its only one, or, once in eight times, among the items of a list."""
    lists = [
        place
        for place, block in enumerate(draft.blocks)
        if isinstance(block, Items) and len(block.texts) > 1 and all(len(text) > 25 for text in block.texts)
    ]
    if lists and draw.random() < 1 / 8:
        place = draw.choice(lists)
        items = draft.blocks[place]
        assert isinstance(items, Items)
        at = draw.randrange(1, len(items.texts) + 1)
        draft.blocks[place] = Items((*items.texts[:at], sentence, *items.texts[at:]), items.ordered)
    else:
        place = draw.choice([place for place, block in enumerate(draft.blocks) if _is_open(block)])
        paragraph = draft.blocks[place]
        assert isinstance(paragraph, Paragraph)
        said = paragraph.text + " "
        at = draw.choice([found.end() for found in _SENTENCE_END.finditer(said)] or [len(said)])
        draft.blocks[place] = Paragraph(f"{said[:at]}{sentence} {said[at:]}".strip())
    draft.planted.append(sentence)


def _twisted(sentence: str, twist: Mapping[str, str]) -> str:
    for before, after in twist.items():
        sentence = sentence.replace(before, after)
    return sentence


def _dressed(draw: random.Random, drafts: Sequence[_Draft]) -> dict[str, SitePage]:
    links = [(draft.path, draft.title) for draft in drafts]
    found = {}
    for draft in drafts:
        date = f"{draw.randrange(2015, 2026)}-{draw.randrange(1, 13):02}-{draw.randrange(1, 29):02}"
        [(header, named, codec)] = draw.choices(
            [entry[:3] for entry in _ENCODINGS], weights=[entry[3] for entry in _ENCODINGS]
        )
        around = Around(draft.title, draft.text.section, date, draw.sample(links, min(8, len(links))), named)
        said = _plain(draft)
        if draw.random() < 0.03:
            content_type, body = "text/plain; charset=utf-8", said.encode()
        else:
            content_type = f"text/html; charset={header}" if header else "text/html"
            text = draw.choice(list(TEMPLATES.values()))(around, body_of(draft.blocks))
            body = text.encode(codec, "xmlcharrefreplace")
        found[draft.path] = SitePage(draft.path, draft.title, draft.text.section, date, content_type, body, said)
    return found


def _plain(draft: _Draft) -> str:
    said = [draft.title]
    for block in draft.blocks:
        if isinstance(block, Items):
            said.append("\n".join(f"- {text}" for text in block.texts))
        elif isinstance(block, Table):
            said.append("\n".join(" | ".join(row) for row in block.rows))
        elif isinstance(block, Code):
            said.append("\n".join(f"    {line}" for line in block.text.splitlines()))
        else:
            said.append(block.text)
    return "\n\n".join(said) + "\n"
