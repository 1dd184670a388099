"""The characters of a text layer, as text: ligatures, soft hyphens, symbols of private use, controls.

`clean` also counts the characters that mean nothing, which is how a text layer that was made without a table of
meanings shows. Words, lines and places are not known here.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["clean"]

# What the symbol fonts of word processors put at U+F000 to U+F0FF; the rest of private use has no meaning.
SYMBOLS = {
    0xF0A7: "•", 0xF0B7: "•", 0xF06C: "•", 0xF06E: "•", 0xF071: "•", 0xF075: "•", 0xF076: "•", 0xF0D7: "•",
    0xF0D8: "•", 0xF0E0: "→", 0xF0E8: "→", 0xF0FC: "✓", 0xF0FE: "☑", 0xF06F: "☐", 0xF0A8: "☐", 0xF0FB: "✗",
    0xF0FD: "☒", 0xF02D: "-", 0xF02B: "+", 0xF03D: "=", 0xF0B0: "°", 0xF0B1: "±", 0xF0B4: "\u00d7", 0xF0A3: "≤",
    0xF0B3: "≥", 0xF06D: "µ", 0xF061: "\u03b1", 0xF062: "β", 0xF067: "\u03b3", 0xF064: "δ", 0xF070: "π",
}  # fmt: skip
LIGATURES = {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0xFB00, 0xFB07)}
# Nothing to be seen: soft hyphens, joiners, direction marks, byte order marks.
UNSEEN = dict.fromkeys([0x00AD, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2060, 0xFEFF, *range(0x202A, 0x202F)])
SPACES = dict.fromkeys([0x00A0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " ")
TABLE = {**LIGATURES, **UNSEEN, **SPACES, **SYMBOLS}
PLAIN = re.compile(r"[ -~\u00a1-\u00ac\u00ae-\u02ff\u0370-\u1fff\u2010-\u2027\u2030-\u205e\u2070-\u27ff]*")
LEADER = re.compile(r"(?:\s*\.){4,}\s*")  # of a table of contents, up to the page's number
BAD = re.compile("[\x00-\x1f\x7f-\x9f\ue000-\uf8ff\ufff0-\uffff\U000f0000-\U0010ffff\ud800-\udfff]")


def clean(text: str) -> tuple[str, int]:
    """The text as it is to be read, and how many characters of it meant nothing; they are left out."""
    if ". ." in text or "...." in text:
        text = LEADER.sub(" ... ", text)
    if PLAIN.fullmatch(text):
        return text.strip(), 0
    text = text.translate(TABLE)
    text, bad = BAD.subn("", text)
    return unicodedata.normalize("NFC", text).strip(), bad
