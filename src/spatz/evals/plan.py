"""What an eval run does: which tasks, at which lengths, with how many questions. Made of the command's flags."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from spatz.errors import ConfigError
from spatz.evals.aggregation import aggregation_cases
from spatz.evals.case import Case
from spatz.evals.graphwalks import graph_cases
from spatz.evals.mrcr import mrcr_cases
from spatz.evals.needle import Needles, multi_cases, single_cases
from spatz.evals.paraphrase import paraphrase_cases
from spatz.evals.tracking import tracking_cases
from spatz.evals.writer import Writer

__all__ = ["PERPLEXITY", "TASKS", "Plan", "lengths_of", "tasks_of"]

Cases = Callable[[Writer, int, Needles], Iterator[Case]]

LEAST, MOST = 1_024, 1_047_576  # tokens of a prompt and its answer

TASKS: dict[str, Cases] = {
    "number": partial(single_cases, value="number"),
    "word": partial(single_cases, value="word"),
    "sentence": partial(single_cases, value="sentence"),
    "multikey": partial(multi_cases, kind="key"),
    "multivalue": partial(multi_cases, kind="value"),
    "multiquery": partial(multi_cases, kind="query"),
    "tracking": tracking_cases,
    "aggregation": aggregation_cases,
    "mrcr": mrcr_cases,
    "graphwalks": graph_cases,
    "paraphrase": paraphrase_cases,
}
PERPLEXITY = "perplexity"
GROUPS = {
    "needle": ("number", "word", "sentence"),
    "multi": ("multikey", "multivalue", "multiquery"),
    "all": (*TASKS, PERPLEXITY),
}


@dataclass(frozen=True, slots=True)
class Plan:
    tasks: tuple[str, ...]
    lengths: tuple[int, ...]
    needles: Needles
    prefixed: bool = False  # answers are begun for the model, as RULER does it


def lengths_of(text: str) -> tuple[int, ...]:
    """ "8k,32k,1040000": k is 1,024 tokens. Raises ConfigError."""
    found = []
    for item in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,7}|\d{1,4}\.\d{1,3}(?=k))(k?)\s*", item.lower())
        if match is None:
            raise ConfigError(f"--lengths: {item.strip()!r} is no number of tokens, such as 4096, 32k or 1040000")
        length = int(float(match[1]) * (1024 if match[2] else 1))
        if not LEAST <= length <= MOST:
            raise ConfigError(f"--lengths: {length:,} tokens; it must be {LEAST:,} to {MOST:,}")
        found.append(length)
    return tuple(dict.fromkeys(found))


def tasks_of(text: str) -> tuple[str, ...]:
    """Names of tasks and of groups of them, joined by commas. Raises ConfigError."""
    known = {**GROUPS, **{name: (name,) for name in GROUPS["all"]}}
    found: list[str] = []
    for item in text.split(","):
        name = item.strip()
        if name not in known:
            raise ConfigError(f"--tasks: {name!r} is none of {', '.join(known)}")
        found += known[name]
    return tuple(dict.fromkeys(found))
