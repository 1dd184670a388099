"""The heat map of recall over length and depth, one for each task that hides one fact at one place."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from spatz.errors import ConfigError
from spatz.evals.report import Report

__all__ = ["check_plot", "plot"]

_SIZE = 0.62  # inches of a field


def check_plot(path: Path) -> None:
    """Whether a plot can be made, before hours are spent on what is to be seen in it. Raises ConfigError."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError("--plot needs matplotlib: pip install 'spatz[eval]'")
    if path.suffix.lower() != ".png":
        raise ConfigError(f"--plot: {path} must end in .png")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"--plot: {path.absolute().parent} is no directory")


def plot(report: Report, path: Path) -> bool:
    """Write the picture. False: no task of this report has depths, so there is none."""
    tasks = list(dict.fromkeys(cell.task for cell in report.cells if any(i.depth is not None for i in cell.items)))
    if not tasks:
        return False
    width = 2.2 + len(tasks) * (1.0 + _SIZE * 1.4 * len(report.lengths))
    # By its name: it is an extra, which type checkers need not have either.
    figure = importlib.import_module("matplotlib.figure").Figure(
        figsize=(width, 1.9 + _SIZE * report.depths), dpi=130, layout="constrained"
    )
    axes = figure.subplots(1, len(tasks), squeeze=False, sharey=True)[0]
    picture = None
    for axis, task in zip(axes, tasks, strict=True):
        picture = _panel(axis, report, task)
    axes[0].set_ylabel("depth of the fact in the text")
    figure.colorbar(picture, ax=list(axes), label="recall", fraction=0.04)
    figure.suptitle(f"{report.asked}, context {report.settings.get('context', '')}", fontsize=10)
    try:
        figure.savefig(path, format="png")
    except OSError as error:
        raise ConfigError(f"--plot: {path}: {error.strerror or error}") from None
    return True


def _panel(axis: Any, report: Report, task: str) -> Any:
    import numpy as np

    cells = {cell.length: cell for cell in report.cells if cell.task == task}
    columns = [cells[n].by_depth(report.depths) if n in cells else [None] * report.depths for n in report.lengths]
    values = np.array([[np.nan if value is None else value for value in column] for column in columns]).T
    picture = axis.imshow(np.ma.masked_invalid(values), vmin=0, vmax=1, cmap="RdYlGn", aspect="auto")
    axis.set_facecolor("lightgrey")  # where nothing was answered
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if value < 0.2 or value > 0.8 else "black"
        axis.text(
            column, row, "-" if np.isnan(value) else f"{value:.0%}", ha="center", va="center", fontsize=8, color=colour
        )
    means = [cells[n].score if n in cells else None for n in report.lengths]
    names = [f"{n:,}\n" + ("failed" if m is None else f"{m:.0%}") for n, m in zip(report.lengths, means, strict=True)]
    axis.set_xticks(range(len(names)), names, fontsize=8)
    parts = report.depths
    axis.set_yticks(
        range(parts), [f"{part / parts:.0%} to {(part + 1) / parts:.0%}" for part in range(parts)], fontsize=8
    )
    axis.set_title(task, fontsize=10)
    axis.set_xlabel("tokens of the prompt, and the mean", fontsize=9)
    return picture
