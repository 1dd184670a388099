"""When a page was published, as providers tell it, in one form: YYYY-MM-DD.

Providers write ISO 8601, the form of mail, Unix times, dates of people, or an age ("2 days ago"). What cannot be read,
or cannot be, is no date. `dates.py` beside it reads questions instead.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from spatz.search.query import Freshness

__all__ = ["OLDEST", "iso_date", "too_old"]

# A page's day is told in its own time zone, so a day more is let through.
OLDEST: dict[Freshness, int] = {"day": 2, "week": 8, "month": 32, "year": 366}
"""Days that a page may be old."""

_LONGEST = 64
_DAYS = {"second": 0.0, "minute": 0.0, "hour": 1 / 24, "day": 1.0, "week": 7.0, "month": 30.44, "year": 365.25}
_AGE = re.compile(r"(\d{1,4}|an?) (second|minute|hour|day|week|month|year)s? ago", re.IGNORECASE)
_NAMES = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_MONTHS = {name: number for number, name in enumerate(_NAMES.split("|"), start=1)}
_MONTH = rf"(?P<month>{_NAMES})[a-z]*\.?"
_WRITTEN = (
    re.compile(rf"{_MONTH} (?P<day>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<year>\d{{4}})\b", re.IGNORECASE),
    re.compile(rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\.? {_MONTH},? (?P<year>\d{{4}})\b", re.IGNORECASE),
    re.compile(r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?!\d)"),
)


def iso_date(told: object, today: date | None = None) -> str:
    """YYYY-MM-DD; "" for what is no date, for days to come and for days before the web."""
    day = _day(told, today or datetime.now(UTC).date())
    return day.isoformat() if day else ""


def too_old(told: str, freshness: Freshness | None, today: date | None = None) -> bool:
    """Whether a result's date (of iso_date, or longer) lies further back than that. A page without one is not."""
    if freshness is None or not told:
        return False
    try:
        day = date.fromisoformat(told[:10])
    except ValueError:
        return False
    return (today or datetime.now(UTC).date()) - day > timedelta(days=OLDEST[freshness])


def _day(told: object, today: date) -> date | None:
    if isinstance(told, bool) or not isinstance(told, str | int | float):
        return None
    try:
        day = _read(told.strip(), today) if isinstance(told, str) else _of_unix(told)
    except (ValueError, OverflowError, OSError, IndexError, TypeError):
        return None
    if day is None or not date(1990, 1, 1) <= day <= today + timedelta(days=1):
        return None
    return day


def _of_unix(seconds: float) -> date:
    return datetime.fromtimestamp(seconds / 1000 if seconds > 1e11 else seconds, UTC).date()


def _read(text: str, today: date) -> date | None:
    if not text or len(text) > _LONGEST:
        return None
    if age := _AGE.search(text):
        number = int(age.group(1)) if age.group(1).isdigit() else 1
        return today - timedelta(days=int(number * _DAYS[age.group(2).lower()]))
    if text.lower() in ("today", "yesterday"):
        return today - timedelta(days=text.lower() == "yesterday")
    for form in _WRITTEN:
        if found := form.search(text):
            month = found["month"].lower()[:3]
            return date(int(found["year"]), _MONTHS[month] if month in _MONTHS else int(month), int(found["day"]))
    return None
