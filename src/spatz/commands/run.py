"""`spatz run`: one prompt, one answer, in this process: no server, and none of its libraries."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spatz.commands.shared import configured, note, set_up_logging
from spatz.config import Settings
from spatz.engine.request import ContextMode, Usage
from spatz.errors import ConfigError

if TYPE_CHECKING:
    from spatz.commands.search import Searched
    from spatz.inputs.part import InputPart

__all__ = ["run"]

MAX_INPUT = 64 << 20  # bytes of a file or of stdin; far more than any context


@configured(
    "model",
    "engine",
    "context",
    "input_mb",
    "input_megapixels",
    "input_pages",
    "input_seconds",
    "input_memory_mb",
    "input_cache_mb",
    "fetch",
    "fetch_hosts",
    "fetch_seconds",
    "search",
)
def run(
    settings: Settings,
    invocation: typer.Context,
    prompt: str | None = typer.Argument(None, help="The prompt; - reads it from stdin, as a pipe does."),
    file: Annotated[
        list[Path] | None,
        typer.Option("--file", "-f", help="A file to put before the prompt: text, PDF, DOCX... Can be repeated."),
    ] = None,
    image: Annotated[
        list[Path] | None, typer.Option("--image", "-i", help="An image to put before all else. Can be repeated.")
    ] = None,
    pages: str | None = typer.Option(
        None, "--pages", help="Which pages of the files: 7, or 10-20.", show_default=False
    ),
    system: str | None = typer.Option(None, "--system", "-s", help="Instructions to the model."),
    search: bool = typer.Option(False, "--search", help="Search the web first, and tell where the answer is from."),
    raw: bool = typer.Option(False, "--raw", help="Continue the text as it is, without the chat template."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object with the answer and its usage."),
    max_tokens: int | None = typer.Option(None, "--max-tokens", "-n", help="Longest answer, in tokens."),
    temperature: float | None = typer.Option(None, "--temperature", "-t", help="0 always takes the likeliest token."),
    top_p: float | None = typer.Option(None, "--top-p", help="Only the likeliest tokens with this sum."),
    top_k: int | None = typer.Option(None, "--top-k", help="Only this many of the likeliest tokens."),
    min_p: float | None = typer.Option(None, "--min-p", help="Only tokens this likely, relative to the likeliest."),
    seed: int | None = typer.Option(None, "--seed", help="The same seed gives the same answer."),
    stop: Annotated[list[str] | None, typer.Option("--stop", help="End before this text. Can be repeated.")] = None,
    presence_penalty: float | None = typer.Option(None, "--presence-penalty", help="-2 to 2."),
    frequency_penalty: float | None = typer.Option(None, "--frequency-penalty", help="-2 to 2."),
    repetition_penalty: float | None = typer.Option(None, "--repetition-penalty", help="1 is off."),
    ignore_eos: bool = typer.Option(False, "--ignore-eos", help="Go on after the model has ended its turn."),
) -> None:
    """Answer one prompt and print the answer as it is written.

    The prompt is what the images, the files, stdin and the argument say, in this order.
    """
    if raw and system is not None:
        raise ConfigError("--system has no place in a --raw prompt: it is a message of the chat template")
    if raw and search:
        raise ConfigError("--search has no place with a --raw prompt: there is no question in it")
    said = prompt_parts(prompt, file or [], image or [], settings)
    inputs = [part for part in said if not isinstance(part, str)]
    if raw and inputs:
        raise ConfigError(f"{inputs[0].param} has no place in a --raw prompt, which is text alone")
    wanted = page_range(pages) if pages is not None else None
    if wanted is not None and all(part.kind == "image" for part in inputs):
        raise ConfigError("--pages is about a file with pages: give one with -f")
    set_up_logging("warning", invocation.obj.on)
    start = time.perf_counter()
    import asyncio

    from spatz.commands.answer import answer, params_of
    from spatz.commands.fetch import fetched
    from spatz.commands.inputs import read_parts
    from spatz.prompt.turn import Message, Turn

    if search:  # it takes libraries that all else does without
        from spatz.commands.search import check_search, search_and_answer

        check_search(settings)
    from spatz.server.input_use import input_uses
    from spatz.server.local import local_model

    params = params_of(
        max_tokens=max_tokens,
        temperature=settings.default_temperature if temperature is None else temperature,
        top_p=top_p,
        top_k=top_k,
        min_p=min_p,
        seed=seed,
        stop=stop,
        presence_penalty=presence_penalty,
        frequency_penalty=frequency_penalty,
        repetition_penalty=repetition_penalty,
        ignore_eos=ignore_eos,
    )
    first_token = 0.0

    def show(piece: str) -> None:
        nonlocal first_token
        first_token = first_token or time.perf_counter()
        if not as_json:
            sys.stdout.write(piece)
            sys.stdout.flush()

    with local_model(settings, fetched(settings)) as model:
        readings = read_parts(inputs, settings, model.tiling, wanted)
        messages: list[Message] = [{"role": "system", "content": system}] if system is not None else []
        messages.append({"role": "user", "content": message_content(said)})
        turn = readings.put(Turn(messages))
        encoded = model.encode("\n\n".join(map(str, said))) if raw else model.encode_chat(turn.messages)
        uses = input_uses(turn, encoded.areas)
        source = "prompt" if raw else "messages"
        searched: Searched | None = None
        if search:
            searched = asyncio.run(search_and_answer(model, turn, params, show, settings))
            result = searched.answer
        else:
            result = asyncio.run(answer(model, encoded, params, show, source, ContextMode(settings.context)))
        end = time.perf_counter()
        if as_json:
            usage, use = result.usage, result.usage.context
            report = {
                "model": model.name,
                "system_fingerprint": model.fingerprint,
                "core": dict(model.core),
                "text": result.text,
                "finish_reason": result.finish_reason.value,
                "usage": {
                    "prompt_tokens": usage.prompt_tokens,
                    "completion_tokens": usage.completion_tokens,
                    "total_tokens": usage.prompt_tokens + usage.completion_tokens,
                    "prompt_tokens_details": {
                        "cached_tokens": usage.cached_tokens,
                        "image_tokens": sum(read.tokens for read in uses if read.is_image),
                    },
                    "spatz": {
                        "mode": use.mode.value,
                        "blocks": use.blocks,
                        "spans": [list(span) for span in use.spans],
                        **({"inputs": [read.body() for read in uses]} if uses else {}),
                        **({"search": searched.use.body()} if searched is not None else {}),
                    },
                },
                **(searched.body() if searched is not None else {}),
                "seconds": {
                    "to_first_text": round(first_token - start, 4) if first_token else None,
                    "total": round(end - start, 4),
                },
            }
            print(json.dumps(report, ensure_ascii=False))
        elif not result.text.endswith("\n"):
            print()
        if searched is not None:
            show_search(searched, as_json)
        if not as_json and result.usage.context.mode is not ContextMode.EXACT:
            note(context_note(result.usage))
        if result.finish_reason.value == "length":
            note(f"the answer was cut after {result.usage.completion_tokens} tokens")


def show_search(searched: Searched, as_json: bool) -> None:
    """Below the answer."""
    if not as_json:
        for place, line in enumerate(searched.lines()):
            print(line if place else f"\n{line}")
    for line in searched.notes():
        note(line)


def page_range(text: str) -> tuple[int, int]:
    """First and last. Raises ConfigError."""
    found = re.fullmatch(r"([0-9]{1,7})(?:-([0-9]{1,7}))?", text.strip())
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= first <= last:
        raise ConfigError(f"--pages: {text!r} is no page and no range of pages, such as 7 or 10-20")
    return first, last


def context_note(usage: Usage) -> str:
    """What a person should know of an answer that was not drawn from all of the prompt alike."""
    use = usage.context
    of = f"of the prompt's {usage.prompt_tokens:,} tokens"
    if use.mode is ContextMode.SKIM:
        read = sum(end - start for start, end in use.spans)
        return f"skimmed: {of}, {read:,} in {_passages(use.blocks)} were read"
    return f"routed: {of}, {_passages(use.blocks)} looked up"


def _passages(count: int) -> str:
    return "1 passage" if count == 1 else f"{count:,} passages"


def prompt_parts(
    prompt: str | None, files: list[Path], images: list[Path], settings: Settings
) -> list[str | InputPart]:
    """What the prompt says, in order: texts, and images and files that are still to be read."""
    found: list[str | InputPart] = []
    if files or images:
        from spatz.commands.inputs import file_part

        found += [file_part(path, settings, image=True) for path in images]
        found += [_file(path, settings) for path in files]
    return _said(prompt, found)


def message_content(parts: list[str | InputPart]) -> str | list[Any]:
    if all(isinstance(part, str) for part in parts):
        return "\n\n".join(map(str, parts))
    return [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]


def _file(path: Path, settings: Settings) -> str | InputPart:
    """A text in UTF-8 as it is; all else is to be read."""
    from spatz.commands.inputs import file_part
    from spatz.inputs.document import ReadOptions
    from spatz.inputs.sniff import TEXTS, sniff

    data = _bytes(path)
    if sniff(data, ReadOptions(filename=path.name)) in TEXTS and not data.startswith(b"PK"):
        with suppress(UnicodeDecodeError):
            return _decode(data, str(path))
    return file_part(path, settings, data=data)


def _said(prompt: str | None, files: list[str | InputPart]) -> list[str | InputPart]:
    parts = list(files)
    # With a prompt in the argument, stdin is read when something was piped or redirected into it on purpose; without
    # any prompt it is what remains, unless a person sits there and would wonder.
    wanted = prompt == "-" or (prompt is None and not files)
    if wanted and prompt is None and sys.stdin.isatty():
        raise ConfigError("there is no prompt: give one, or a file with -f, or pipe it in")
    if wanted or _piped():
        parts.append(_text(sys.stdin.buffer.read(MAX_INPUT + 1), "stdin"))
    if prompt is not None and prompt != "-":
        parts.append(_argument(prompt))
    parts = [part.strip("\n") if isinstance(part, str) else part for part in parts]
    parts = [part for part in parts if not isinstance(part, str) or part.strip()]
    if not parts:
        raise ConfigError("the prompt is empty")
    return parts


def read_file(path: Path) -> str:
    return _text(_bytes(path), str(path))


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_INPUT + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None


def _piped() -> bool:
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def _text(data: bytes, source: str) -> str:
    try:
        return _decode(data, source)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{source}: not UTF-8 text (at byte {error.start})") from None


def _decode(data: bytes, source: str) -> str:
    if len(data) > MAX_INPUT:
        raise ConfigError(f"{source}: larger than {MAX_INPUT >> 20} MiB")
    return data.decode("utf-8")


def _argument(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # bytes that are no UTF-8, as the system passes them on
        raise ConfigError("the prompt is not UTF-8 text") from None
    return text
