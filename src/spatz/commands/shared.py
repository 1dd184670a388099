"""What all commands share: flags made of the settings, and one way to tell a person something.

`configured("model", "engine")` gives a command the flags of these groups and ready settings. It imports nothing heavy.
"""

from __future__ import annotations

import functools
import inspect
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from spatz.config import Option, load, options

__all__ = ["Debug", "OutputClosed", "configured", "leave_quietly", "note", "set_up_logging"]

FLAG_TYPES: dict[type, Any] = {
    str: str | None,
    int: int | None,
    float: float | None,
    Path: Path | None,
    tuple: list[str] | None,
}


class Debug:
    """Whether --debug was given; it hangs on the root context, because it must be known when a command has failed."""

    def __init__(self) -> None:
        self.on = False


class OutputClosed(Exception):
    """Who read our output has gone. typer would take a BrokenPipeError for itself and call it a failure."""


def note(line: str) -> None:
    """One line for the person, beside the output."""
    print(f"spatz: {line}", file=sys.stderr)


def set_up_logging(level: str, debug: bool) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if debug else getattr(logging, level.upper()),
        format="%(asctime)s %(levelname)-7s %(message)s",
        datefmt="%H:%M:%S",
    )
    # These tell every step of every connection; that is no debugging of Spatz.
    libraries = ("alembic", "asyncio", "matplotlib", "httpcore", "httpx")
    for noisy in (*libraries, "uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def configured(*groups: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command whose first parameter is `settings` gets flags for the settings of these groups instead of it.

    The name of one setting, such as "data_dir", stands for itself. Without any, it is all settings.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        wanted = [option for option in options() if not groups or {option.group, option.name} & set(groups)]
        known = [option for option in wanted if option.switch]

        @functools.wraps(command)
        def run(**given: Any) -> None:
            flags = {option.name: given.pop(option.name) for option in known}
            config = given.pop("config")
            given.pop("debug")
            try:
                command(load(flags, config=config, warn=note), **given)
            except BrokenPipeError:
                raise OutputClosed from None

        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        added = [_flag(option) for option in known] + [_config(), _debug()]
        # What typer reads: it makes the flags of a signature.
        signature = inspect.Signature(
            [item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in [*own, *added]], return_annotation=None
        )
        run.__signature__ = signature  # type: ignore[attr-defined]
        run.__annotations__ = {item.name: item.annotation for item in signature.parameters.values()}
        return run

    return decorate


def _parameter(name: str, annotation: Any, option: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=annotation)


def _flag(option: Option) -> inspect.Parameter:
    default = option.shown or option.default
    if isinstance(default, tuple):
        default = ", ".join(default)
    text = f"{option.help} [{option.variable}]"
    if default != "":
        text += f" (default: {default})"
    switch = typer.Option(
        None,
        option.switch,
        help=text,
        metavar="|".join(filter(None, option.choices)) or None,
        rich_help_panel=f"{option.group.capitalize()} settings",
        show_default=False,
    )
    return _parameter(option.name, FLAG_TYPES[option.kind], switch)


def _config() -> inspect.Parameter:
    option = typer.Option(None, "--config", help="The settings file to use. [SPATZ_CONFIG]", show_default=False)
    return _parameter("config", Path | None, option)


def _debug() -> inspect.Parameter:
    def switch_on(context: typer.Context, value: bool) -> bool:
        if value and isinstance(context.obj, Debug):
            context.obj.on = True
        return value

    option = typer.Option(False, "--debug", help="Show the trace of an error.", is_eager=True, callback=switch_on)
    return _parameter("debug", bool, option)


def leave_quietly() -> None:
    """After a broken pipe: what Python would flush at exit goes nowhere, instead of failing once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
