"""Numbers of a spreadsheet as a person sees them: dates, percents, currencies (ECMA-376 part 1, 18.8.30).

A cell holds a bare number, and its style's format code says what that means. What is kept of a code is the kind, the
decimals and the currency; thousands are not separated, so that figures can be read and compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from spatz.inputs.xml_tree import Element, local, whole

__all__ = ["GENERAL", "Format", "formats"]

_BUILT_IN = {
    1: "0",
    2: "0.00",
    3: "#,##0",
    4: "#,##0.00",
    9: "0%",
    10: "0.00%",
    14: "yyyy-mm-dd",
    15: "d-mmm-yy",
    16: "d-mmm",
    17: "mmm-yy",
    18: "h:mm",
    19: "h:mm:ss",
    20: "h:mm",
    21: "h:mm:ss",
    22: "yyyy-mm-dd h:mm",
    37: "#,##0",
    38: "#,##0",
    39: "#,##0.00",
    40: "#,##0.00",
    45: "mm:ss",
    46: "[h]:mm:ss",
    47: "mm:ss",
}
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.')
_CURRENCY = re.compile(r"\[\$([^\]-]{1,5})|([€$£¥])")
_BRACKETS = re.compile(r"\[[^\]]*\]")
_DECIMALS = re.compile(r"0\.(0{1,10})(?!#)")
MAX_SERIAL = 2_958_466  # the first day of the year 10000


@dataclass(frozen=True, slots=True)
class Format:
    kind: str = ""  # "date", "time", "moment" (both), "elapsed", "percent"; "" for a number
    decimals: int | None = None  # None: as many as there are
    currency: str = ""
    before: bool = False  # where the currency stands

    @classmethod
    def parse(cls, code: str) -> Format:
        first = code.split(";")[0][:255]
        unquoted = first.replace('"', "").replace("\\", "")
        bare = _LITERAL.sub("", first)
        if re.search(r"\[[hms]+\]", bare, re.IGNORECASE):
            return cls("elapsed")
        plain = _BRACKETS.sub("", bare).lower()
        day, hour = bool(re.search(r"[yd]", plain)), bool(re.search(r"[hs]", plain))
        if day or hour or re.fullmatch(r"\W*m+\W*", plain):
            return cls("moment" if day and hour else "time" if hour else "date")
        digits = _DECIMALS.search(plain)
        decimals = len(digits[1]) if digits else 0 if "0" in plain and "." not in plain and "/" not in plain else None
        if "e+" in plain or "e-" in plain or "general" in plain:
            decimals = None
        if "%" in plain:
            return cls("percent", decimals)
        sign = _CURRENCY.search(unquoted)
        if sign is None:
            return cls("", decimals)
        digit = re.search(r"[0#]", unquoted)
        return cls("", decimals, sign[1] or sign[2], digit is not None and sign.start() < digit.start())

    def show(self, text: str, since: datetime) -> str:
        """text: the number as the file has it. since: the day with the number 0."""
        try:
            number = float(text)
        except ValueError:
            return text
        if self.kind in ("date", "time", "moment") and 0 <= number < MAX_SERIAL:
            return self._moment(number, since)
        if self.kind == "elapsed" and abs(number) < MAX_SERIAL:
            minutes, seconds = divmod(round(abs(number) * 86_400), 60)
            return f"{'-' if number < 0 else ''}{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
        if self.kind == "percent":
            return f"{_number(number * 100, self.decimals)}%"
        shown = _number(number, self.decimals)
        if not self.currency:
            return shown
        return f"{self.currency}{shown}" if self.before else f"{shown} {self.currency}"

    def _moment(self, number: float, since: datetime) -> str:
        # The first calendar of spreadsheets has a 29 February 1900, which never was.
        shift = 1 if since.year == 1899 and number < 60 else 0
        moment = since + timedelta(days=int(number) + shift, seconds=round((number % 1) * 86_400))
        clock = moment.strftime("%H:%M:%S").removesuffix(":00")
        if self.kind == "time" and number < 1:
            return clock
        day = moment.strftime("%Y-%m-%d")
        return day if self.kind == "date" or (number % 1 == 0 and self.kind == "moment") else f"{day} {clock}"


GENERAL = Format()


def formats(root: Element) -> list[Format]:
    """Of a workbook's styles: the format of each number of a cell's style."""
    codes = dict(_BUILT_IN)
    known: dict[int, Format] = {}
    found: list[Format] = []
    for group in root:
        if local(group) == "numFmts":
            codes |= {whole(entry.get("numFmtId") or ""): entry.get("formatCode") or "" for entry in group}
        elif local(group) == "cellXfs":
            for entry in group:
                number = whole(entry.get("numFmtId") or "")
                if number not in known:
                    known[number] = Format.parse(codes[number]) if number in codes else GENERAL
                found.append(known[number])
    return found


def _number(number: float, decimals: int | None) -> str:
    if decimals is not None and abs(number) < 1e15:
        text = f"{number:.{decimals}f}"
        # A format that rounds away what is there would make a sum look wrong.
        return text if decimals >= 2 or float(text) == round(number, 9) else f"{number:.15g}"
    return f"{number:.15g}"
