"""Some of several things that a command can do, as a flag names them."""

from __future__ import annotations

from spatz.errors import ConfigError

__all__ = ["chosen"]


def chosen(switch: str, given: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """given: names joined by commas, or "all"; they come in the order in which they are known. Raises ConfigError."""
    names = [name.strip() for name in given.split(",") if name.strip()]
    if names == ["all"]:
        return known
    for name in names or [given]:
        if name not in known:
            raise ConfigError(f"{switch}: {name!r} is none of {', '.join(known)}, all")
    return tuple(name for name in known if name in names)
