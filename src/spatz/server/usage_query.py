"""The query of a usage listing.

Usage is kept by day (store/usage.py), so a day, of UTC, is the only width of a bucket; the days that the times fall
into are given whole. There are no projects and no users to filter or group by.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from spatz.server.fields import problem, refused
from spatz.server.query import Query
from spatz.store.usage import DAY_SECONDS

__all__ = ["UsageQuery"]

LAST_TIME = 253_402_300_799  # the end of the year 9999
MOST_ITEMS = 100  # of a list

Name = Annotated[str, Field(max_length=512)]


def _day(value: Any) -> Any:
    if value in ("1m", "1h"):
        raise problem("invalid_value", f"Invalid value: '{value}'. Usage is kept by day: the only width is '1d'.")
    return value


def _no(name: str) -> Any:
    return refused(name, f"Unsupported parameter: '{name}': this server has no projects and no users.")


class UsageQuery(Query):
    start_time: Annotated[int, Field(ge=0, le=LAST_TIME)]
    end_time: Annotated[int, Field(ge=0, le=LAST_TIME)] | None = None
    bucket_width: Annotated[Literal["1d"], BeforeValidator(_day)] = "1d"
    group_by: Annotated[list[Literal["api_key_id", "model", "batch"]], Field(max_length=MOST_ITEMS)] | None = None
    api_key_ids: Annotated[list[Name], Field(max_length=MOST_ITEMS)] | None = None
    models: Annotated[list[Name], Field(max_length=MOST_ITEMS)] | None = None
    batch: bool | None = None
    limit: Annotated[int, Field(ge=1, le=31)] = 7
    page: Annotated[str, Field(max_length=64)] | None = None
    project_ids: _no("project_ids") = None  # type: ignore[valid-type]
    user_ids: _no("user_ids") = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _check_times(self) -> UsageQuery:
        if self.end_time is not None and self.end_time <= self.start_time:
            raise problem("invalid_value", "Invalid 'end_time': expected a time after 'start_time'.", "end_time")
        return self

    @model_validator(mode="after")
    def _check_page(self) -> UsageQuery:
        found = re.fullmatch(r"page_([0-9]{1,7})", self.page or "")
        if self.page is not None and (found is None or not self.start_time < int(found[1]) * DAY_SECONDS <= LAST_TIME):
            raise problem("invalid_value", "Invalid 'page': expected the 'next_page' of the page before.", "page")
        return self

    def days(self, now: float) -> tuple[range, str | None]:
        """The days of this page, and the name of the next page."""
        # Without an end, it is the present: today is part of it.
        end = max(self.start_time, int(now)) + 1 if self.end_time is None else self.end_time
        end_day = -(-end // DAY_SECONDS)
        first = self.start_time // DAY_SECONDS if self.page is None else int(self.page.removeprefix("page_"))
        page_end = min(end_day, first + self.limit)
        return range(first, page_end), f"page_{page_end}" if page_end < end_day else None
