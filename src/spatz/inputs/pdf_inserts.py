"""Blocks of a page that are finished before its lines are arranged: listings, and the text of pictures.

A stand-in takes such a block's place among the lines, and the layout orders it as it does any line; `put_back` puts the
blocks into the Markdown that came of it.
"""

from __future__ import annotations

import re

from spatz.inputs.lines import Box, Line

__all__ = ["Inserts"]

# Of private use, so no text has them: pdf_letters.py leaves such characters out.
STAND_IN = re.compile(r"[ \n]*\ue000(\d+)\ue001[ \n]*")


class Inserts:
    """Of one sheet."""

    def __init__(self) -> None:
        self.blocks: list[str] = []

    def stand_in(self, block: str, box: Box, size: float) -> Line:
        """size: of the letters around it."""
        self.blocks.append(block)
        return Line(f"\ue000{len(self.blocks) - 1}\ue001", box, None, size)

    def put_back(self, markdown: str) -> str:
        if not self.blocks:
            return markdown
        parts = STAND_IN.split(markdown)  # texts, and the blocks' numbers between them
        parts[1::2] = [self.blocks[int(number)] for number in parts[1::2]]
        return "\n\n".join(part for part in parts if part)
