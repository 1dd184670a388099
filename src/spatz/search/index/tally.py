"""What came of going through sources: counted, and with everything that failed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Failure", "Tally"]

MOST_FAILURES = 10_000  # that are listed; all are counted


@dataclass(frozen=True, slots=True)
class Failure:
    address: str
    message: str


@dataclass(slots=True)
class Tally:
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)  # by why: nothing is wrong with them
    failures: list[Failure] = field(default_factory=list)
    failed: int = 0
    notes: list[str] = field(default_factory=list)  # where a bound ended it

    @property
    def looked_at(self) -> int:
        return self.added + self.changed + self.unchanged + self.failed + self.skipped.total()

    def fail(self, address: str, message: str) -> None:
        self.failed += 1
        if len(self.failures) < MOST_FAILURES:
            self.failures.append(Failure(address, " ".join(message.split())))

    def count(self, put: str) -> None:
        """put: "added", "changed" or "unchanged"."""
        setattr(self, put, getattr(self, put) + 1)

    def body(self) -> dict[str, Any]:
        return {
            "added": self.added,
            "changed": self.changed,
            "unchanged": self.unchanged,
            "removed": self.removed,
            "skipped": dict(self.skipped),
            "failed": self.failed,
            "failures": [{"address": one.address, "message": one.message} for one in self.failures],
            "notes": self.notes,
        }
