"""The string formats that answers are held to, as expressions that make only what every validator takes.

Narrower than the standards where readers differ: no leap seconds, no year 0, no time without an offset, at most four
digits a unit in durations, addresses that any mail program would send. Only leap years have a 29 February.
"""

from __future__ import annotations

__all__ = ["HINTS", "LIBRARY", "PATTERNS"]

# Say something about a string's use, and nothing about what may be in it.
HINTS = frozenset({"binary", "password", "path"})

_LEAP_PAIR = "(?:0[48]|[2468][048]|[13579][26])"  # two digits that 4 divides, without 00
_LEAP_YEAR = f"(?:[0-9]{{2}}{_LEAP_PAIR}|{_LEAP_PAIR}00)"
_YEAR = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
_LONG = "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
_SHORT = "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8])"
_DAY = f"(?:{_LONG}|{_SHORT})"
_DATE = f"(?:{_YEAR}-{_DAY}|{_LEAP_YEAR}-02-29)"
_HOUR = "(?:[01][0-9]|2[0-3])"
_TIME = f"{_HOUR}:[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{{1,6}})?(?:Z|[+-]{_HOUR}:[0-5][0-9])"
_N = "(?:0|[1-9][0-9]{0,3})"
_CLOCK = f"T(?:{_N}H(?:{_N}M(?:{_N}S)?)?|{_N}M(?:{_N}S)?|{_N}S)"
_SPAN = f"(?:{_N}Y(?:{_N}M(?:{_N}D)?)?|{_N}M(?:{_N}D)?|{_N}D)"
_LABEL = "[A-Za-z0-9]{1,20}(?:-[A-Za-z0-9]{1,20}){0,2}"  # at most 62 characters, never two hyphens in a row
_MAILBOX = "[A-Za-z0-9_+-]{1,32}(?:\\.[A-Za-z0-9_+-]{1,15}){0,2}"  # at most 64

# uri, ipv4, ipv6 and uuid are the library's own, which are exact.
LIBRARY = frozenset({"ipv4", "ipv6", "uri", "uuid"})
PATTERNS = {
    "date": f"^{_DATE}$",
    "time": f"^{_TIME}$",
    "date-time": f"^{_DATE}T{_TIME}$",
    "duration": f"^P(?:{_N}W|{_CLOCK}|{_SPAN}(?:{_CLOCK})?)$",
    "hostname": f"^{_LABEL}(?:\\.{_LABEL}){{0,3}}$",
    "email": f"^{_MAILBOX}@(?:{_LABEL}\\.){{1,3}}[A-Za-z]{{2,24}}$",
}
