"""`spatz chat`: a conversation in the terminal. What was said stays in the prompt until /reset."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from spatz.commands.shared import configured, note, set_up_logging
from spatz.config import Settings
from spatz.engine.request import ContextMode, SamplingParams
from spatz.errors import RequestError

if TYPE_CHECKING:
    from spatz.server.served import Message, ServedModel

__all__ = ["chat"]

HELP = """/reset        forget what was said
/system TEXT  change the instructions (and forget what was said)
/help         this list
/exit         leave, as Ctrl-D does; Ctrl-C stops an answer"""


@configured("model", "engine", "context")
def chat(
    settings: Settings,
    invocation: typer.Context,
    system: str | None = typer.Option(None, "--system", "-s", help="Instructions to the model."),
    max_tokens: int | None = typer.Option(None, "--max-tokens", "-n", help="Longest answer, in tokens."),
    temperature: float | None = typer.Option(None, "--temperature", "-t", help="0 always takes the likeliest token."),
    top_p: float | None = typer.Option(None, "--top-p", help="Only the likeliest tokens with this sum."),
    top_k: int | None = typer.Option(None, "--top-k", help="Only this many of the likeliest tokens."),
    min_p: float | None = typer.Option(None, "--min-p", help="Only tokens this likely, relative to the likeliest."),
    seed: int | None = typer.Option(None, "--seed", help="The same seed gives the same answers."),
    repetition_penalty: float | None = typer.Option(None, "--repetition-penalty", help="1 is off."),
) -> None:
    """Talk with the model in the terminal. /help lists the commands."""
    from spatz.commands.answer import params_of
    from spatz.commands.fetch import fetched
    from spatz.server.local import local_model

    set_up_logging("warning", invocation.obj.on)
    params = params_of(
        max_tokens=max_tokens,
        temperature=settings.default_temperature if temperature is None else temperature,
        top_p=top_p,
        top_k=top_k,
        min_p=min_p,
        seed=seed,
        repetition_penalty=repetition_penalty,
    )
    with local_model(settings, fetched(settings)) as model, asyncio.Runner() as runner:
        person = sys.stdin.isatty()
        if person:
            _remember_lines(settings.data_dir / "chat_history")
            print(f"{model.name}. /help lists the commands.")
        talk = Conversation(model, params, system, runner, ContextMode(settings.context))
        while (line := _line("> " if person else "")) is not None:
            if not talk.take(line):
                break
        if person:
            print()


class Conversation:
    def __init__(
        self,
        model: ServedModel,
        params: SamplingParams,
        system: str | None,
        runner: asyncio.Runner,
        context: ContextMode = ContextMode.AUTO,
    ) -> None:
        self._model = model
        self._params = params
        self._runner = runner
        self._context = context
        self.messages: list[Message] = []
        self._start(system)

    def _start(self, system: str | None) -> None:
        self._system = system
        self.messages = [{"role": "system", "content": system}] if system else []

    def take(self, line: str) -> bool:
        """One line of the person's. False: it was the last."""
        command, _, rest = line.strip().partition(" ")
        if command == "/exit":
            return False
        if command == "/reset":
            self._start(self._system)
        elif command == "/system":
            self._start(rest.strip() or None)
        elif command == "/help":
            print(HELP)
        elif command.startswith("/"):
            note(f"there is no command {command}; /help lists them")
        elif command:
            self._ask(line)
        return True

    def _ask(self, text: str) -> None:
        """An answer that failed or was stopped leaves no trace in the conversation."""
        from spatz.commands.answer import answer

        asked = [*self.messages, {"role": "user", "content": text}]
        try:
            prompt = self._model.encode_chat(asked)
            result = self._runner.run(answer(self._model, prompt, self._params, _show, "messages", self._context))
        except RequestError as error:
            note(f"{error}" + (" (/reset starts anew)" if error.code == "context_length_exceeded" else ""))
            return
        except KeyboardInterrupt:
            print()
            note("stopped; this turn is forgotten")
            return
        print()
        if result.finish_reason.value == "length":
            note(f"the answer was cut after {result.usage.completion_tokens} tokens")
        self.messages = [*asked, {"role": "assistant", "content": result.text}]


def _show(piece: str) -> None:
    sys.stdout.write(piece)
    sys.stdout.flush()


def _line(prompt: str) -> str | None:
    """None: the end of the input. Ctrl-C at the prompt throws the line away."""
    while True:
        try:
            line = input(prompt)
            line.encode()
            return line
        except EOFError:
            return None
        except KeyboardInterrupt:
            print()
        except (UnicodeEncodeError, UnicodeDecodeError):
            note("that was not UTF-8 text")


def _remember_lines(path: Path) -> None:
    """Editing with the arrow keys, and the lines of earlier conversations, where readline is there."""
    try:
        import readline
    except ImportError:
        return
    import atexit

    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        readline.read_history_file(path)
    readline.set_history_length(1000)

    def save() -> None:
        readline.write_history_file(path)
        path.chmod(0o600)

    atexit.register(save)
