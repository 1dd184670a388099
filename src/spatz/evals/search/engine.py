"""A plain search engine over the corpus, BM25 over whole pages: stands where a web search engine does in the evals."""

from __future__ import annotations

import math
import re
from collections import Counter

from spatz.evals.search.corpus import SearchCorpus
from spatz.evals.search.searx import Finding

__all__ = ["Engine"]

_K, _B = 1.2, 0.75
_SNIPPET = 160  # characters


class Engine:
    """Of a site at a URL without a slash at its end."""

    def __init__(self, corpus: SearchCorpus, url: str, count: int = 10) -> None:
        self._url = url
        self._count = count
        self._pages = list(corpus.pages.values())
        self._lengths: list[int] = []
        self._index: dict[str, dict[int, int]] = {}
        for number, page in enumerate(self._pages):
            words = _words(f"{page.title} {page.text}")
            self._lengths.append(len(words))
            for word, times in Counter(words).items():
                self._index.setdefault(word, {})[number] = times
        self._mean = sum(self._lengths) / len(self._lengths)

    def find(self, query: str) -> list[Finding]:
        scores: dict[int, float] = {}
        for word in set(_words(query)):
            pages = self._index.get(word, {})
            weight = math.log(1 + (len(self._pages) - len(pages) + 0.5) / (len(pages) + 0.5))
            for number, times in pages.items():
                norm = _K * (1 - _B + _B * self._lengths[number] / self._mean)
                scores[number] = scores.get(number, 0.0) + weight * times * (_K + 1) / (times + norm)
        best = sorted(scores, key=lambda number: (-scores[number], number))[: self._count]
        return [self._finding(number, query) for number in best]

    def _finding(self, number: int, query: str) -> Finding:
        """With the words around the longest one of the query, as engines show them."""
        page = self._pages[number]
        text = " ".join(page.text.split())
        longest = max((word for word in _words(query) if number in self._index.get(word, {})), key=len)
        at = max(0, text.casefold().find(longest) - _SNIPPET // 2)
        return Finding(self._url + page.path, page.title, text[at : at + _SNIPPET])


def _words(text: str) -> list[str]:
    return [re.sub(r"(?<=\w{3})(?:'s|s)$", "", word) for word in re.findall(r"\w+", text.casefold())]
