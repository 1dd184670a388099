"""What `--json FILE` writes: a report that programs read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spatz.errors import ConfigError

__all__ = ["write_json_file"]


def write_json_file(report: Mapping[str, Any], path: Path, *, indent: int = 2) -> None:
    """Raises ConfigError."""
    try:
        path.write_text(json.dumps(report, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--json: {path}: {error.strerror or error}") from None
