"""The query of a usage listing: every parameter honoured or refused, and bounded.

Usage is kept by day (store/usage.py), so a day, of UTC, is the only width of a bucket; the days that the times fall
into are given whole. There are no projects and no users to filter or group by.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spatz.errors import RequestError
from spatz.store.usage import DAY_SECONDS

__all__ = ["GROUPS", "UsageQuery"]

GROUPS = ("api_key_id", "model", "batch")
NO_SUCH = ("project_ids", "user_ids")
DEFAULT_DAYS, MOST_DAYS = 7, 31
MOST_ITEMS = 100  # of a list
LAST_TIME = 253_402_300_799  # the end of the year 9999


@dataclass(frozen=True, slots=True)
class UsageQuery:
    first_day: int  # of this page
    end_day: int  # of all pages; not part of them
    limit: int
    groups: tuple[str, ...] = ()
    api_key_ids: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    batch: bool | None = None

    @classmethod
    def parse(cls, items: Sequence[tuple[str, str]], now: float) -> UsageQuery:
        """items: the query's, in order; lists are repeated names, with or without []. Raises RequestError."""
        given = _collect(items)
        width = given.get("bucket_width", ["1d"])[0]
        if width in ("1m", "1h"):
            raise _invalid("bucket_width", "usage is kept by day, and '1d' is the only width", width)
        if width != "1d":
            raise _invalid("bucket_width", "expected '1d'", width)
        if "start_time" not in given:
            raise RequestError(
                "Missing required parameter: 'start_time'.", param="start_time", code="missing_required_parameter"
            )
        start = _number(given, "start_time", 0, LAST_TIME)
        end = _number(given, "end_time", 0, LAST_TIME) if "end_time" in given else max(start, int(now)) + 1
        if end <= start:
            raise _invalid("end_time", "expected a time after 'start_time'", str(end))
        first, end_day = start // DAY_SECONDS, -(-end // DAY_SECONDS)
        if "page" in given:
            first = _page(given["page"][0], first, end_day)
        groups = tuple(dict.fromkeys(given.get("group_by", ())))
        for group in groups:
            if group not in GROUPS:
                raise _invalid("group_by", f"supported values are: {', '.join(map(repr, GROUPS))}", group)
        batch = given.get("batch", [None])[0]
        if batch not in (None, "true", "false"):
            raise _invalid("batch", "expected 'true' or 'false'", batch)
        return cls(
            first_day=first,
            end_day=end_day,
            limit=_number(given, "limit", 1, MOST_DAYS) if "limit" in given else DEFAULT_DAYS,
            groups=groups,
            api_key_ids=tuple(given["api_key_ids"]) if "api_key_ids" in given else None,
            models=tuple(given["models"]) if "models" in given else None,
            batch=None if batch is None else batch == "true",
        )

    @property
    def page_end(self) -> int:
        return min(self.end_day, self.first_day + self.limit)

    @property
    def next_page(self) -> str | None:
        return f"page_{self.page_end}" if self.page_end < self.end_day else None


LISTS = ("group_by", "api_key_ids", "models")
SINGLE = ("start_time", "end_time", "bucket_width", "limit", "page", "batch")


def _collect(items: Sequence[tuple[str, str]]) -> Mapping[str, list[str]]:
    given: dict[str, list[str]] = {}
    for written, value in items:
        name = written.removesuffix("[]")
        if name in NO_SUCH:
            raise RequestError(
                f"Unsupported parameter: '{name}': this server has no projects and no users.",
                param=name,
                code="unsupported_parameter",
            )
        if name not in (LISTS if written.endswith("[]") else LISTS + SINGLE):
            shown = written[:100]
            raise RequestError(f"Unknown parameter: '{shown}'.", param=shown, code="unknown_parameter")
        values = given.setdefault(name, [])
        if len(values) >= (MOST_ITEMS if name in LISTS else 1):
            most = f"at most {MOST_ITEMS} times" if name in LISTS else "once"
            raise RequestError(f"Invalid '{name}': it can be given {most}.", param=name, code="invalid_value")
        values.append(value)
    return given


def _number(given: Mapping[str, list[str]], name: str, least: int, most: int) -> int:
    text = given[name][0]
    if not re.fullmatch(r"[0-9]{1,12}", text) or not least <= int(text) <= most:
        raise _invalid(name, f"expected an integer from {least} to {most}", text)
    return int(text)


def _page(text: str, first: int, end: int) -> int:
    found = re.fullmatch(r"page_([0-9]{1,7})", text)
    if found is None or not first < int(found[1]) < end:
        raise _invalid("page", "expected the 'next_page' of an answer to the same query", text)
    return int(found[1])


def _invalid(name: str, expected: str, value: str | None) -> RequestError:
    return RequestError(
        f"Invalid value for '{name}': {expected}, but got {(value or '')[:50]!r} instead.",
        param=name,
        code="invalid_value",
    )
