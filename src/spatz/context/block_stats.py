"""What the block store tells about itself."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["BlockStats", "Share"]


@dataclass(slots=True)
class Share:
    entries: int = 0
    bytes: int = 0

    def add(self, size: int) -> None:
        self.entries += 1
        self.bytes += size


@dataclass(frozen=True, slots=True)
class BlockStats:
    on_disk: bool  # False: everything lies in memory and goes with this process
    entries: int
    disk_bytes: int  # taken, blocks that are being written included
    disk_limit: int
    memory_bytes: int
    memory_limit: int
    hits: int  # over the cache's life, as are the three below
    misses: int
    evictions: int
    damaged: int
    spaces: dict[str, Share] = field(default_factory=dict)
    owners: dict[str, Share] = field(default_factory=dict)
