"""A schema's `pattern` (ECMA-262) in the words of the library's expressions, meaning no more than it did.

The dialects differ in small print: what `.` and `\\W` match, `\\<`, `[[:alpha:]]`, `&&` in a class. Validators differ,
too: ECMA's `\\d` is ASCII, Python's is Unicode. Every class is written out as what all of them take, so that a string
made after the result matches the pattern whoever looks. What has no such writing is refused. Nothing is matched here.
"""

from __future__ import annotations

import re

__all__ = ["translate"]

# (what every dialect takes, what any dialect takes): the second is what a negated class has to keep out.
_SETS = {
    "d": ("0-9", r"\p{Nd}"),
    "D": (r"\P{Nd}", r"[^0-9]"),
    "w": ("A-Za-z0-9_", r"\p{L}\p{M}\p{N}\p{Pc}"),
    "W": (r"[^\p{L}\p{M}\p{N}\p{Pc}]", r"[^A-Za-z0-9_]"),
    "s": (r" \t\n\r\x0b\x0c", r"\s\x{1c}-\x{1f}\x{85}\x{feff}"),
    "S": (r"[^\s\x{1c}-\x{1f}\x{85}\x{feff}]", r"[^ \t\n\r\x0b\x0c]"),
}
_CHARS = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13}
_ANY = r"[^\n\r\x{85}\x{2028}\x{2029}]"
_GROUPS = re.compile(r"\(\?(?::|i:|P?<[A-Za-z_][A-Za-z0-9_]*>)")
_QUANTIFIER = re.compile(r"\{([0-9]+)(,[0-9]*)?\}")
_PROPERTY = re.compile(r"\{[A-Za-z_=0-9]{1,64}\}")
_HEX = {"x": re.compile(r"([0-9A-Fa-f]{2})"), "u": re.compile(r"([0-9A-Fa-f]{4})|\{([0-9A-Fa-f]{1,6})\}")}
_LOW_SURROGATE = re.compile(r"\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})")
_MAX_REPEAT = 100_000


def translate(pattern: str) -> str:
    """Raises ValueError with the reason why a pattern is not supported."""
    return _Translation(pattern).run()


class _Translation:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.out: list[str] = []

    def run(self) -> str:
        pattern = self.pattern
        repeatable = "nothing"  # what a quantifier would stand behind: nothing, an atom, a quantifier, a lazy one
        if pattern.startswith("(?i)"):
            self.out.append("(?i)")
            self.at = 4
        while self.at < len(pattern):
            char = pattern[self.at]
            if char in "*+?{":
                quantifier = self.quantifier(char)
                if quantifier:
                    if repeatable == "atom":
                        repeatable = "quantifier"
                    elif repeatable == "quantifier" and quantifier == "?":
                        repeatable = "lazy"
                    else:
                        raise self.fail(f"'{quantifier}' has nothing to repeat")
                    self.out.append(quantifier)
                    continue
            repeatable = "nothing" if char in "^$|(" else "atom"
            self.piece(char)
        return "".join(self.out)

    def fail(self, reason: str) -> ValueError:
        return ValueError(f"the pattern {self.pattern[:100]!r} is not supported: {reason}")

    def piece(self, char: str) -> None:
        if char == "\\":
            code, chosen = self.escape(in_class=False)
            self.out.append(f"\\x{{{code:x}}}" if code is not None else f"[{chosen[0]}]")
        elif char == "[":
            self.out.append(self.char_class())
        elif char == "(":
            self.out.append(self.group())
        else:
            self.at += 1
            self.out.append(_ANY if char == "." else char if char in "^$|)" else _literal(char))

    def quantifier(self, char: str) -> str:
        """Empty for a brace that is only a character."""
        if char != "{":
            self.at += 1
            return char
        found = _QUANTIFIER.match(self.pattern, self.at)
        if found is None:
            if self.pattern.startswith("{,", self.at):
                raise self.fail("'{,' means different things to different readers; write '{0,'")
            return ""
        for number in re.findall("[0-9]+", found.group()):
            if len(number) > 6 or int(number) > _MAX_REPEAT:
                raise self.fail(f"more than {_MAX_REPEAT} repetitions")
        self.at = found.end()
        return found.group()

    def group(self) -> str:
        if not self.pattern.startswith("(?", self.at):
            self.at += 1
            return "(?:"
        found = _GROUPS.match(self.pattern, self.at)
        if found is None:
            ahead = self.pattern[self.at : self.at + 4]
            looks = ahead.startswith(("(?=", "(?!", "(?<=", "(?<!"))
            raise self.fail("look-around" if looks else f"a group that starts with '{ahead}'")
        self.at = found.end()
        return "(?i:" if found.group() == "(?i:" else "(?:"

    def escape(self, *, in_class: bool) -> tuple[int | None, tuple[str, str]]:
        """One escape, as a character's code or as a set."""
        pattern = self.pattern
        if self.at + 1 >= len(pattern):
            raise self.fail("it ends with a backslash")
        char = pattern[self.at + 1]
        self.at += 2
        if char in _SETS:
            return None, _SETS[char]
        if char in _CHARS:
            return _CHARS[char], ("", "")
        if char == "b" and in_class:
            return 8, ("", "")
        if char == "0" and not pattern[self.at : self.at + 1].isdigit():
            return 0, ("", "")
        if char in "pP" and (found := _PROPERTY.match(pattern, self.at)):
            self.at = found.end()
            return None, (f"\\{char}{found.group()}",) * 2
        if char in _HEX and (found := _HEX[char].match(pattern, self.at)):
            self.at = found.end()
            return self.code_point(int(next(filter(None, found.groups())), 16)), ("", "")
        if char == "c" and re.match("[A-Za-z]", pattern[self.at : self.at + 1]):
            self.at += 1
            return ord(pattern[self.at - 1]) % 32, ("", "")
        if char.isalnum():
            words = {"b": "word boundaries", "B": "word boundaries", "k": "back-references"}
            raise self.fail("back-references" if char.isdigit() else words.get(char, f"the escape '\\{char}'"))
        return ord(char), ("", "")

    def code_point(self, code: int) -> int:
        if 0xD800 <= code < 0xDC00 and (low := _LOW_SURROGATE.match(self.pattern, self.at)):
            self.at = low.end()
            return 0x10000 + ((code - 0xD800) << 10) + (int(low.group(1), 16) - 0xDC00)
        if 0xD800 <= code < 0xE000 or code > 0x10FFFF:
            raise self.fail(f"U+{code:04X} is not a character")
        return code

    def char_class(self) -> str:
        self.at += 1
        negated = self.pattern.startswith("^", self.at)
        self.at += negated
        if self.pattern.startswith("]", self.at):
            raise self.fail("an empty class")
        parts: list[str] = []
        while True:
            if self.at >= len(self.pattern):
                raise self.fail("a class is not closed")
            if self.pattern[self.at] == "]":
                self.at += 1
                return f"[{'^' if negated else ''}{''.join(parts)}]"
            first, chosen = self.class_item()
            if first is None:
                parts.append(chosen[negated])
                continue
            last: int | None = first
            if self.pattern.startswith("-", self.at) and not self.pattern.startswith("-]", self.at):
                self.at += 1
                last, _ = self.class_item()
                if last is None or last < first:
                    raise self.fail("a range in a class that has no order")
            parts.append(f"\\x{{{first:x}}}" if first == last else f"\\x{{{first:x}}}-\\x{{{last:x}}}")

    def class_item(self) -> tuple[int | None, tuple[str, str]]:
        if self.at >= len(self.pattern):
            raise self.fail("a class is not closed")
        if self.pattern[self.at] == "\\":
            return self.escape(in_class=True)
        self.at += 1
        return ord(self.pattern[self.at - 1]), ("", "")


def _literal(char: str) -> str:
    return char if char.isalnum() else f"\\x{{{ord(char):x}}}"
