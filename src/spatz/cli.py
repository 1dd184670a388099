"""The command line: `spatz serve | run | chat | batch | pull | models | keys | cache | index | usage | bench | cost |
eval | calibrate`.

It registers the commands and turns whatever they raise into one clear line on stderr and an exit code: 0 done, 1
failed, 2 wrong usage or configuration, 130 interrupted, 141 the reader of our output has gone. `--debug` shows the
trace.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from spatz import __version__
from spatz.bench.command import bench
from spatz.bench.cost_command import cost
from spatz.commands.batch import batch
from spatz.commands.cache import cache
from spatz.commands.chat import chat
from spatz.commands.index import index
from spatz.commands.keys import keys
from spatz.commands.models import models
from spatz.commands.pull import pull
from spatz.commands.run import run
from spatz.commands.serve import serve
from spatz.commands.shared import Debug, OutputClosed, leave_quietly
from spatz.commands.usage import usage
from spatz.errors import ConfigError, SpatzError
from spatz.evals.calibration.command import calibrate
from spatz.evals.command import evals

__all__ = ["app", "main"]

FAILED, USAGE, INTERRUPTED, PIPE_BROKE = 1, 2, 130, 141

app = typer.Typer(
    name="spatz",
    help="A small language model on your own machine, with the OpenAI API.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serve)
app.command()(run)
app.command()(chat)
app.command()(batch)
app.command()(pull)
app.command()(models)
app.add_typer(keys, name="keys")
app.add_typer(cache, name="cache")
app.add_typer(index, name="index")
app.command()(usage)
app.command()(bench)
app.command()(cost)
app.add_typer(evals, name="eval")
app.command()(calibrate)


def _version(value: bool) -> None:
    if value:
        print(f"spatz {__version__}")
        raise typer.Exit


@app.callback()
def spatz(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Show the version.", is_eager=True, callback=_version),
    debug: bool = typer.Option(False, "--debug", help="Show the trace of an error."),
) -> None:
    if debug:
        context.obj.on = True


def main(arguments: Sequence[str] | None = None) -> int:
    debug = Debug()
    try:
        result = app(args=arguments, standalone_mode=False, obj=debug, prog_name="spatz")
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except typer.TyperException as error:
        return _fail(error.format_message(), error.exit_code, debug)
    except SpatzError as error:
        return _fail(str(error), USAGE if isinstance(error, ConfigError) else FAILED, debug)
    except (BrokenPipeError, OutputClosed):
        leave_quietly()
        return PIPE_BROKE
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:
        text = f"an unexpected error: {type(error).__name__}: {error}"
        return _fail(text if debug.on else f"{text} (--debug shows where)", FAILED, debug)


def _fail(text: str, code: int, debug: Debug) -> int:
    """To be called while the error is being handled."""
    if debug.on:
        import traceback

        traceback.print_exc()
    line = " ".join(text.split())
    if line:
        print(f"spatz: {line}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
