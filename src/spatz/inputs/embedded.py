"""Pictures that an Office file holds: the text on them is read, within bounds, and stands where the picture does.

A screenshot in a report or a scan in a letter may be all that matters. Each takes about a second, so only so many are
read; how many were not is said.
"""

from __future__ import annotations

from spatz.inputs.document import InputError, Note, ReadOptions
from spatz.inputs.package import Package

__all__ = ["Pictures"]

MAX_READ = 10
MAX_BYTES = 20 << 20
LEAST = (100, 24)  # pixels; what is smaller is an icon or a line


class Pictures:
    def __init__(self, package: Package, options: ReadOptions) -> None:
        self.read = 0  # pictures that were looked at
        self._package = package
        self._options = options
        self._known: dict[str, str] = {}  # part -> what is on it
        self._quoted: set[str] = set()
        self._letters = 0
        self._trust = 0.0

    def block(self, part: str, about: str) -> str:
        """What stands for a picture: what its author says about it, and its text as a quotation; "" for neither.

        A picture that stands in many places is quoted at the first.
        """
        text = "" if part in self._quoted else self._text(part)
        self._quoted.add(part)
        lines = [f"[Image: {about}]" if about else "[Image]", *(f"> {line}".rstrip() for line in text.split("\n"))]
        return "\n".join(lines) if text else lines[0] if about else ""

    @property
    def confidence(self) -> float | None:
        """Mean over the characters that were read."""
        return self._trust / self._letters if self._letters else None

    def notes(self) -> tuple[Note, ...]:
        left = sum(part not in self._known for part in self._package.pictures())
        return (Note("pictures_left_out", f"{left} pictures in it were not read."),) if left else ()

    def _text(self, part: str) -> str:
        if part not in self._known and self.read < MAX_READ and self._options.detail != "low":
            try:
                data = self._package.archive.read(part, MAX_BYTES)
                self._known[part] = self._look(data)
            except (InputError, ImportError):
                return ""  # a drawing in vectors, damage, or a server that reads no images: it counts as left out
        return self._known.get(part, "")

    def _look(self, data: bytes) -> str:
        from spatz.inputs.image import read_picture
        from spatz.inputs.picture import open_picture

        picture = open_picture(data, self._options, whole=False)
        if picture.width < LEAST[0] or picture.height < LEAST[1]:
            return ""
        self.read += 1
        found = read_picture(picture, self._options)
        if found.confidence is not None:
            self._letters += len(found.markdown)
            self._trust += found.confidence * len(found.markdown)
        return found.markdown.strip()
