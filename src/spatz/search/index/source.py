"""Where documents of the index come from: what the operator named, and how far to go from it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

__all__ = ["Kind", "Source", "from_row"]

Kind = Literal["folder", "file", "page", "crawl", "sitemap"]


@dataclass(frozen=True, slots=True)
class Source:
    kind: Kind
    address: str  # an absolute path, or a URL
    base_url: str = ""  # a folder's: what stands in its documents' URLs instead of file:// and the folder's path
    include: tuple[str, ...] = ()  # of a folder's paths, patterns such as *.html; empty: all
    exclude: tuple[str, ...] = ()
    depth: int = 0  # a crawl's: links that are followed from its first page
    max_pages: int = 0  # 0: no bound but time

    def options(self) -> str:
        """As JSON: all but kind and address."""
        return json.dumps({key: value for key, value in asdict(self).items() if key not in ("kind", "address")})


def from_row(kind: str, address: str, options: str) -> Source:
    """What the index holds of a source. Fields that are not known are left out, strange values are the defaults'."""
    try:
        given = json.loads(options)
    except ValueError:
        given = {}
    known: dict[str, Any] = {}
    for name, value in given.items() if isinstance(given, dict) else ():
        if name == "base_url" and isinstance(value, str):
            known[name] = value
        elif name in ("include", "exclude") and isinstance(value, list):
            known[name] = tuple(str(one) for one in value)
        elif name in ("depth", "max_pages") and isinstance(value, int):
            known[name] = value
    return Source(kind if kind in get_args(Kind) else "page", address, **known)  # type: ignore[arg-type]
