"""The picture of a calibration: attention by layer and head, what is kept of them, and recall over set sizes."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from spatz.errors import ConfigError
from spatz.evals.calibration.outcome import Outcome

__all__ = ["plot_outcome"]


def plot_outcome(outcome: Outcome, path: Path) -> None:
    """Raises ConfigError where it cannot be written. Whether it can be drawn at all, heatmap.check_plot says before."""
    layers, kv_heads = outcome.masses.shares.shape
    # By its name: it is an extra, which type checkers need not have either.
    figure = importlib.import_module("matplotlib.figure").Figure(
        figsize=(8.5 + 0.25 * kv_heads, 2.0 + 0.2 * layers), dpi=130, layout="constrained"
    )
    left, right = figure.subplots(1, 2, width_ratios=(max(1.0, 0.3 * kv_heads), 2.5))
    picture = left.imshow(outcome.masses.shares, vmin=0, cmap="viridis", aspect="auto", origin="lower")
    figure.colorbar(picture, ax=left, label="share of attention on the planted fact")
    kept = [divmod(head, kv_heads) for head in outcome.best.heads]
    left.scatter([head for _, head in kept], [layer for layer, _ in kept], marker="o", s=24, c="red", label="kept")
    left.set_xticks(range(kv_heads))
    left.set_xlabel("KV head")
    left.set_ylabel("layer")
    left.set_title(f"{outcome.masses.told} facts in {outcome.near:,} tokens", fontsize=9)
    _curve(right, outcome)
    figure.suptitle(f"{outcome.card.name}: {len(kept)} of {layers * kv_heads} KV heads see far", fontsize=10)
    try:
        figure.savefig(path, format="png")
    except OSError as error:
        raise ConfigError(f"--plot: {path}: {error.strerror or error}") from None


def _curve(axis: Any, outcome: Outcome) -> None:
    for below in dict.fromkeys(tried.below for tried in outcome.tried):
        same = [tried for tried in outcome.tried if tried.below == below]
        sizes, found = [len(tried.heads) for tried in same], [tried.found / tried.asked for tried in same]
        axis.plot(sizes, found, marker="o", label=f"best heads of {below} layers" if below else "all heads")
    kept = outcome.best
    axis.scatter([len(kept.heads)], [kept.found / kept.asked], s=90, facecolors="none", edgecolors="red", label="kept")
    for tried in outcome.tried:
        axis.annotate(
            f"{tried.depth}", (len(tried.heads), tried.found / tried.asked), fontsize=7, xytext=(3, 5),
            textcoords="offset points",
        )  # fmt: skip
    axis.set_ylim(-0.05, 1.1)
    axis.set_xlabel("KV heads that see far (beside each: layers that are run)")
    axis.set_ylabel(f"recall of {kept.asked} facts in {outcome.far:,} tokens")
    axis.legend(fontsize=8)
