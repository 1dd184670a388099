"""An Office Open XML package (ECMA-376 part 2): its parts and how they point at one another."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import IO

from spatz.inputs.archive import Archive
from spatz.inputs.document import InputError
from spatz.inputs.xml_tree import Element, local, parse

__all__ = ["Package", "Relation"]

_MEDIA = ("word/media/", "xl/media/", "ppt/media/")


@dataclass(frozen=True, slots=True)
class Relation:
    kind: str  # the last word of its type: "slide", "hyperlink", "image"
    target: str  # a part's name, or a URL where external
    external: bool


class Package:
    def __init__(self, data: bytes) -> None:
        self.archive = Archive(data)

    def __contains__(self, part: str) -> bool:
        return part in self.archive

    def tree(self, part: str, limit: int = 16 << 20) -> Element:
        return parse(self.archive.read(part, limit))

    def open(self, part: str) -> IO[bytes]:
        return self.archive.open(part)

    def relations(self, part: str) -> dict[str, Relation]:
        """By id. Of a part without any: {}. The package's own have the part ""."""
        folder, name = posixpath.split(part)
        path = posixpath.join(folder, "_rels", f"{name}.rels")
        if path not in self.archive:
            return {}
        found = {}
        for entry in self.tree(path):
            target, external = entry.get("Target", ""), entry.get("TargetMode") == "External"
            if not external:
                target = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
            found[entry.get("Id", "")] = Relation(entry.get("Type", "").rpartition("/")[2], target, external)
        return found

    def main(self) -> str:
        """The part that the package is about. Raises InputError."""
        for relation in self.relations("").values():
            if relation.kind == "officeDocument" and relation.target in self.archive:
                return relation.target
        raise InputError("it is damaged: it has no main part")

    def title(self) -> str:
        """What its properties call it; "" for nothing."""
        for relation in self.relations("").values():
            if relation.kind == "core-properties" and relation.target in self.archive:
                for entry in self.tree(relation.target):
                    if local(entry) == "title":
                        return " ".join((entry.text or "").split())[:500]
        return ""

    def pictures(self) -> list[str]:
        """Parts that are pictures, shown or not."""
        return [name for name in self.archive.names() if name.startswith(_MEDIA)]
