"""What a calibration found: the profile as a file, with all that was measured, and tables for a person."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spatz import __version__
from spatz.context.profile import HeadProfile, Shape, profile_text
from spatz.errors import ConfigError
from spatz.evals.calibration.masses import Masses
from spatz.evals.calibration.selection import Heads, Tried
from spatz.weights.load import ModelCard

__all__ = ["Outcome", "check_output", "print_outcome", "write_outcome"]

_SHOWN = 24  # heads in the table


@dataclass(frozen=True, slots=True)
class Outcome:
    card: ModelCard
    shape: Shape
    masses: Masses
    near: int  # tokens of the prompts in which attention was measured
    far: int  # and of those in which sets of heads were tried
    ranking: Heads
    tried: Sequence[Tried]  # the first: all heads
    best: Tried
    seed: int

    def measured(self) -> dict[str, Any]:
        """What goes into the file beside the heads."""
        kv_heads = self.shape.kv_heads
        return {
            "date": datetime.now(UTC).date().isoformat(),
            "version": __version__,
            "model": self.card.name,
            "format": self.card.format,
            "digest": self.card.digest,
            "seed": self.seed,
            "depth": self.best.depth,
            "attention": {
                "tokens": self.near,
                "facts": self.masses.asked,
                "told": self.masses.told,
                "shares": [[round(float(share), 5) for share in layer] for layer in self.masses.shares],
            },
            "recall": {
                "tokens": self.far,
                "sets": [
                    {
                        "heads": len(tried.heads),
                        "depth": tried.depth,
                        "found": tried.found,
                        "asked": tried.asked,
                        "tokens_per_second": round(tried.tokens_per_second),
                        "of_layers": tried.below or self.shape.layers,
                    }
                    for tried in self.tried
                ],
            },
            "heads": [[head // kv_heads, head % kv_heads] for head in self.best.heads],
        }


def check_output(path: Path) -> None:
    """Whether a file could be put there, before anything is measured. Raises ConfigError."""
    folder = path.absolute().parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ConfigError(f"--output: {path} cannot be written")


def write_outcome(outcome: Outcome, path: Path) -> None:
    """Whole or not at all. Raises ConfigError."""
    profile = HeadProfile(outcome.card.name, tuple(outcome.best.heads))
    text = profile_text(profile, outcome.shape, measured=outcome.measured())
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_text(text, encoding="utf-8")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"{path}: the profile cannot be written: {error.strerror or error}") from None


def print_outcome(outcome: Outcome) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    kv_heads = outcome.shape.kv_heads
    chosen = set(outcome.best.heads)
    heads = Table("head", "layer", "KV head", "attention", "kept", box=None, pad_edge=False)
    for place, head in enumerate(outcome.ranking[:_SHOWN], 1):
        layer, own = divmod(head, kv_heads)
        share = outcome.masses.shares[layer, own]
        heads.add_row(str(place), str(layer), str(own), f"{share:.1%}", "yes" if head in chosen else "")
    console.print(heads)
    sets = Table("heads", "layers", "found", "of", "tokens/s", "", box=None, pad_edge=False)
    for tried in outcome.tried:
        mark = "kept" if tried is outcome.best else "all heads" if tried is outcome.tried[0] else ""
        sets.add_row(
            str(len(tried.heads)),
            f"{tried.depth}/{outcome.shape.layers}",
            str(tried.found),
            str(tried.asked),
            f"{tried.tokens_per_second:,.0f}",
            mark,
        )
    console.print(sets)
