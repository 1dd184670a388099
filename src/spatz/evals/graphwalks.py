"""Walks on a graph that is given as a long list of edges, after Graphwalks: which nodes are so many steps away?

Half of the questions are for the nodes one step from a node, half for those that are two steps away and not nearer. The
score is F1 of the nodes in the line "Final Answer: [...]".
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from spatz.evals.case import Case, Message, overlap
from spatz.evals.needle import Needles
from spatz.evals.words import Words
from spatz.evals.writer import Writer

__all__ = ["graph_cases", "reached"]

_ANSWER = 192  # tokens
_DEGREE = 2  # edges for each node, on the average
_EXAMPLE = (
    "For the edges a1 -> b2, b2 -> c3, a1 -> d4, the nodes that a breadth-first search from a1 reaches at depth 1 are "
    "b2 and d4: Final Answer: [b2, d4]; at depth 2 it is c3: Final Answer: [c3]."
)

Edge = tuple[str, str]


def graph_cases(writer: Writer, length: int, wanted: Needles) -> Iterator[Case]:
    for index in range(wanted.count):
        name = f"graph/{wanted.seed}/{length}/{index}"
        steps = 1 + index % 2

        def make(count: int, name: str = name, steps: int = steps) -> list[Message]:
            edges, start = _graph(name, count, steps)
            return _conversation(writer, edges, start, steps)

        count, messages = writer.listing(length - _ANSWER, make, each=14)
        edges, start = _graph(name, count, steps)
        yield Case(
            messages=messages,
            expected=tuple(sorted(reached(edges, start, steps))),
            score=overlap,
            max_tokens=_ANSWER,
            key=f"{start}, {steps} steps",
            prefix="Final Answer: [",
        )


def reached(edges: Sequence[Edge], start: str, steps: int) -> set[str]:
    """The nodes whose shortest way from the start has that many steps."""
    after: dict[str, list[str]] = {}
    for source, target in edges:
        after.setdefault(source, []).append(target)
    seen = last = {start}
    for _ in range(steps):
        last = {target for node in last for target in after.get(node, ())} - seen
        seen = seen | last
    return last


def _graph(seed: str, count: int, steps: int) -> tuple[list[Edge], str]:
    """About so many different edges, and a node from which something is so many steps away."""
    words, draw = Words(seed), random.Random(seed)
    nodes = [words.node() for _ in range(max(4, count // _DEGREE))]
    edges: set[Edge] = set()
    while len(edges) < max(4, count):
        source, target = draw.choice(nodes), draw.choice(nodes)
        if source != target:
            edges.add((source, target))
    listed = sorted(edges)
    draw.shuffle(listed)
    starts = (source for source, _ in listed if 0 < len(reached(listed, source, steps)) <= 8)
    return listed, next(starts, listed[0][0])


def _conversation(writer: Writer, edges: Sequence[Edge], start: str, steps: int) -> list[Message]:
    lines = "\n".join(f"{source} -> {target}" for source, target in edges)
    question = (
        f"The text above lists the edges of a directed graph. {_EXAMPLE} Now run a breadth-first search from the node "
        f"{start} and name the nodes that it reaches at depth {steps}, and no others. End with a line of the form "
        "Final Answer: [node, node]."
    )
    return writer.conversation(lines, question)
