"""Settings: every one that Spatz has, in one place, with its help text, its bounds and where it may come from.

A setting `max_queue` is the flag `--max-queue`, the variable `SPATZ_MAX_QUEUE` and the key `max_queue` of the TOML
file; the first of these that is given wins. Secrets have no flag (a command line can be read by every user of the
machine). Unknown keys of the file are errors. `python -m spatz.config` prints docs/configuration.md. This imports
nothing heavy: `spatz run` starts through it.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, cast

from spatz.errors import ConfigError

__all__ = ["Option", "Settings", "document", "load", "options"]

PREFIX = "SPATZ_"
# Read elsewhere, for a reason: the path of the file itself. It is not a setting in the file.
OTHER_VARIABLES = frozenset({"SPATZ_CONFIG"})


def _data_home() -> Path:
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if base else Path.home() / ".local" / "share") / "spatz"


def _config_home() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base else Path.home() / ".config") / "spatz"


def _option(
    default: Any,
    help: str,
    *,
    group: str,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
    secret: bool = False,
    flag: str = "",
) -> Any:
    return field(default=default, repr=not secret, metadata=_metadata(help, group, least, most, choices, secret, flag))


def _metadata(
    help: str,
    group: str,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
    secret: bool = False,
    flag: str = "",
    shown: str = "",
) -> dict[str, Any]:
    return {
        "help": help,
        "group": group,
        "least": least,
        "most": most,
        "choices": choices,
        "secret": secret,
        "flag": flag,
        "shown": shown,
    }


@dataclass(frozen=True, slots=True)
class Settings:
    model: str = _option(
        "smollm2-135m-instruct",
        "The model: a name of the catalog, a path, or hf:ORG/REPO[:FILE].",
        group="model",
    )
    data_dir: Path = field(
        default_factory=_data_home,
        metadata=_metadata("Where weights and caches are kept.", "model", shown="~/.local/share/spatz"),
    )
    format: str = _option(
        "",
        "Compute format of the weights; empty takes the one that belongs to the file.",
        group="model",
        choices=("", "q4", "q8", "bf16"),
    )
    mmproj: str = _option(
        "",
        "GGUF file with the model's vision tower; empty takes the one beside the model whose name begins with mmproj.",
        group="model",
    )
    threads: int = _option(0, "Threads of the core; 0 takes one per core.", group="engine", least=0, most=1024)
    isa: str = _option(
        "",
        "Instruction set of the core; empty takes the best that the machine has.",
        group="engine",
        choices=("", "avx512_bf16", "avx512", "avx2", "portable"),
    )
    kv: str = _option(
        "auto",
        "Format of the KV cache; auto takes bf16 where no weights are quantized, else int8.",
        group="engine",
        choices=("auto", "int8", "bf16"),
    )
    context_length: int = _option(
        0,
        "Longest prompt and answer together that are read exactly, in tokens; 0 takes the model's own.",
        group="engine",
        least=0,
        most=1 << 24,
    )
    kv_memory_mb: int = _option(
        0,
        "Most memory for the KV cache, taken as it is used; 0 takes 1024, or more where one full context needs more.",
        group="engine",
        least=0,
        most=1 << 24,
    )
    kv_kept_mb: int = _option(
        0,
        "Memory that the KV cache keeps for later requests that begin alike; 0 takes 200, or one full context.",
        group="engine",
        least=0,
        most=1 << 24,
    )
    max_batch: int = _option(32, "Sequences that are computed at once.", group="engine", least=1, most=4096)
    max_queue: int = _option(
        256, "Requests that may wait; one more is answered 429.", group="engine", least=1, most=1_000_000
    )
    default_temperature: float = _option(
        0.2,
        "Temperature where a request gives none. The API's own is 1, at which a model this small talks nonsense.",
        group="engine",
        least=0,
        most=2,
    )
    context: str = _option(
        "auto",
        "How prompts are read where a request does not say: auto reads what fits the model exactly, and longer ones "
        "routed.",
        group="context",
        choices=("auto", "exact", "routed", "skim"),
    )
    context_limit: int = _option(
        1_047_576,
        "Longest prompt and answer together, in tokens, where a prompt is routed or skimmed.",
        group="context",
        least=8192,
        most=1 << 24,
    )
    cache_mb: int = _option(
        8192,
        "Most that the cache of prompts takes on disk, in the data directory; 0 keeps none.",
        group="context",
        least=0,
        most=1 << 24,
    )
    input_mb: int = _option(
        50, "Largest image or file of a message, before it is encoded.", group="inputs", least=1, most=1024
    )
    input_megapixels: int = _option(
        100, "Most pixels of an image, in millions; more are refused.", group="inputs", least=1, most=1000
    )
    input_pages: int = _option(
        5000,
        "Most pages of a file; what it has beyond them is left out, and said.",
        group="inputs",
        least=1,
        most=100_000,
    )
    input_parts: int = _option(100, "Images and files that one request may have.", group="inputs", least=0, most=10_000)
    input_seconds: float = _option(
        300.0, "How long the reading of one image or file may take.", group="inputs", least=1, most=86_400
    )
    input_workers: int = _option(
        2, "Processes that read images and files beside the engine.", group="inputs", least=1, most=256
    )
    input_memory_mb: int = _option(
        4096, "Address space of each of these processes; 0 is no limit.", group="inputs", least=0, most=1 << 24
    )
    input_cache_mb: int = _option(
        256,
        "Most that texts of images and files take on disk, in the data directory; 0 keeps none.",
        group="inputs",
        least=0,
        most=1 << 20,
    )
    fetch: str = _option(
        "on",
        "Whether the URLs of images and files are fetched.",
        group="inputs",
        choices=("on", "off"),
    )
    fetch_hosts: tuple[str, ...] = _option(
        (),
        "Hosts (NAME or NAME:PORT) that may be fetched from over http, too, and where their addresses are private.",
        group="inputs",
        flag="--fetch-host",
    )
    fetch_seconds: float = _option(
        20.0, "How long the fetching of one URL may take, with all redirects.", group="inputs", least=1, most=3600
    )
    fetch_proxy: str = _option(
        "",
        "An HTTP proxy that URLs are fetched through. It resolves names itself, so it has to keep requests out of the "
        "networks that they must not reach.",
        group="inputs",
        secret=True,  # it may hold a password
    )
    search_providers: tuple[str, ...] = _option(
        (),
        "Who is asked for web searches: local, searxng, brave, tavily, ddgs; or off. Empty takes the local index if it "
        "holds anything, and all that have a URL or a key below; without any of these, ddgs.",
        group="search",
        flag="--search-provider",
    )
    search_url: str = _option("", "The base URL of a SearXNG server.", group="search")
    brave_key: str = _option("", "The key for Brave's search API.", group="search", secret=True)
    tavily_key: str = _option("", "The key for Tavily's search API.", group="search", secret=True)
    search_seconds: float = _option(
        12.0, "How long searching and reading pages may take for one answer.", group="search", least=0.1, most=600
    )
    search_page_mb: int = _option(4, "Largest page that is read for an answer.", group="search", least=1, most=1024)
    search_cache_minutes: int = _option(
        60, "How long results and pages are used again; 0 keeps none.", group="search", least=0, most=1_000_000
    )
    search_host_rate: float = _option(
        4.0, "Pages that are fetched from one host in a second, at most.", group="search", least=0.01, most=1000
    )
    host: str = _option("127.0.0.1", "Address to listen on. Anything but loopback needs an API key.", group="server")
    port: int = _option(8000, "Port to listen on; 0 takes a free one.", group="server", least=0, most=65535)
    aliases: tuple[str, ...] = _option(
        ("gpt-4.1-nano",), "Further names that the model answers to.", group="server", flag="--alias"
    )
    api_key: tuple[str, ...] = _option(
        (),
        "Keys that are let in, beside those of `spatz keys`; without any, any key (or none) is.",
        group="server",
        secret=True,
    )
    allowed_hosts: tuple[str, ...] = _option(
        (),
        "Host names, besides localhost, that a request without a configured key may be addressed to.",
        group="server",
        flag="--allowed-host",
    )
    cors_origins: tuple[str, ...] = _option(
        (), "Web origins whose pages may call the API; * is any. Off when empty.", group="server", flag="--cors-origin"
    )
    max_body_mb: int = _option(16, "Largest request body.", group="server", least=1, most=4096)
    drain_seconds: float = _option(
        30.0, "How long a stopping server lets running answers end.", group="server", least=0, most=86_400
    )
    heartbeat_seconds: float = _option(
        15.0, "A comment is sent on a stream that is silent for this long.", group="server", least=0.05, most=3600
    )
    request_seconds: float = _option(
        60.0, "How long a client may take to send the body of a request.", group="server", least=1, most=86_400
    )
    max_upload_mb: int = _option(512, "Largest file that can be uploaded.", group="storage", least=1, most=1 << 20)
    max_storage_mb: int = _option(
        10_240,
        "Most that uploaded files and outputs of batches take, over all keys.",
        group="storage",
        least=1,
        most=1 << 24,
    )
    database_url: str = _option(
        "",
        "Where responses, files, batches, keys and usage are kept; empty takes SQLite in the data directory.",
        group="storage",
        secret=True,  # it may hold a password
    )
    max_database_mb: int = _option(
        10_240,
        "Size of the database from which on responses, chat completions and conversations are stored no more.",
        group="storage",
        least=1,
        most=1 << 24,
    )
    response_days: int = _option(
        30,
        "Days after which stored responses, chat completions and conversations are deleted.",
        group="storage",
        least=1,
        most=36_500,
    )
    file_days: int = _option(
        30, "Days after which files and ended batches are deleted; 0 keeps them.", group="storage", least=0, most=36_500
    )
    requests_per_minute: int = _option(
        0,
        "Requests a minute that each key may send, where the key has no limit of its own; 0 is no limit.",
        group="limits",
        least=0,
        most=1_000_000,
    )
    tokens_per_minute: int = _option(
        0,
        "Tokens a minute, of prompts and answers, that each key may use; 0 is no limit.",
        group="limits",
        least=0,
        most=1 << 40,
    )
    max_concurrent: int = _option(
        0, "Requests of one key that may be under way at once; 0 is no limit.", group="limits", least=0, most=1_000_000
    )
    log_level: str = _option(
        "info", "How much is logged to stderr.", group="server", choices=("debug", "info", "warning", "error")
    )


@dataclass(frozen=True, slots=True)
class Option:
    """One field of Settings, as the command line and the documentation see it."""

    name: str
    default: Any
    help: str
    group: str
    least: float | None
    most: float | None
    choices: tuple[str, ...]
    secret: bool
    flag: str
    shown: str

    @property
    def switch(self) -> str:
        """The flag, "" for a secret."""
        return "" if self.secret else self.flag or "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    @property
    def kind(self) -> type:
        return Path if isinstance(self.default, Path) else type(self.default)

    def convert(self, value: object, source: str) -> Any:
        """value as this option's type; text (of a variable) is parsed, what a TOML file gives must have the type."""
        kind = self.kind
        if kind is tuple:
            result: Any = self._list(value, source)
        elif kind is Path:
            result = Path(self._text(value, source)).expanduser()
        elif kind is str:
            result = self._text(value, source)
        else:
            result = self._number(value, kind, source)
        if self.choices and result not in self.choices:
            allowed = ", ".join(repr(c) for c in self.choices)
            raise ConfigError(f"{source}: {result!r} is not one of {allowed}")
        return result

    def _text(self, value: object, source: str) -> str:
        if isinstance(value, Path):
            value = str(value)
        if not isinstance(value, str):
            raise ConfigError(f"{source}: expected text, got {value!r}")
        if any(ord(c) < 32 for c in value):
            raise ConfigError(f"{source}: control characters are not allowed")
        return value

    def _list(self, value: object, source: str) -> tuple[str, ...]:
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{source}: expected a list of texts")
        items = tuple(self._text(item, source) for item in value)
        if any(not item.strip() for item in items):
            raise ConfigError(f"{source}: an entry is empty")
        return items

    def _number(self, value: object, kind: type, source: str) -> int | float:
        word = "a whole number" if kind is int else "a number"
        try:
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise ValueError
            if kind is int and isinstance(value, float):
                raise ValueError
            number = cast("int | float", kind(value))
        except (ValueError, OverflowError):
            raise ConfigError(f"{source}: expected {word}, got {value!r}") from None
        # Written so that NaN fails too.
        if self.least is not None and not number >= self.least:
            raise ConfigError(f"{source}: {number} is below {self.least:g}")
        if self.most is not None and not number <= self.most:
            raise ConfigError(f"{source}: {number} is above {self.most:g}")
        return number


def options(*groups: str) -> list[Option]:
    """All options, or those of some groups, in the order in which Settings names them."""
    defaults = Settings()
    found = []
    for item in fields(Settings):
        if not groups or item.metadata["group"] in groups:
            found.append(Option(name=item.name, default=getattr(defaults, item.name), **item.metadata))
    return found


def load(
    flags: Mapping[str, object] | None = None,
    *,
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
    warn: Callable[[str], None] = lambda line: None,
) -> Settings:
    """Settings from flags over the environment over the file. A flag that is None was not given.

    config: a file that must exist; None takes SPATZ_CONFIG, or the default file where there is one.
    warn: told of SPATZ_ variables that name no setting (they may belong to another program, so they are no error).
    """
    environ = os.environ if environ is None else environ
    known = {option.name: option for option in options()}
    values: dict[str, Any] = {}
    for name, value in _read_file(config, environ).items():
        if name not in known:
            raise ConfigError(f"{_file_name(config, environ)}: unknown key {name!r}{_nearest(name, list(known))}")
        values[name] = known[name].convert(value, f"{_file_name(config, environ)}: {name}")
    variables = {option.variable: option for option in known.values()}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or variable in OTHER_VARIABLES:
            continue
        if variable in variables:
            # An empty variable is one that was not set: `SPATZ_PORT= spatz serve`.
            if text != "":
                values[variables[variable].name] = variables[variable].convert(text, variable)
        else:
            warn(f"{variable} is no setting and has no effect{_nearest(variable, list(variables))}")
    for name, given in (flags or {}).items():
        if given is None or given == [] or given == ():
            continue
        values[name] = known[name].convert(given, known[name].switch or name)
    return Settings(**values)


def _file_name(config: Path | None, environ: Mapping[str, str]) -> Path:
    if config is not None:
        return config
    named = environ.get("SPATZ_CONFIG", "")
    return Path(named).expanduser() if named else _config_home() / "config.toml"


def _read_file(config: Path | None, environ: Mapping[str, str]) -> dict[str, Any]:
    path = _file_name(config, environ)
    wanted = config is not None or bool(environ.get("SPATZ_CONFIG"))
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if wanted:
            raise ConfigError(f"{path}: there is no such file") from None
        return {}
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}") from None


def _nearest(name: str, names: list[str]) -> str:
    from difflib import get_close_matches  # only needed on the way to an error

    close = get_close_matches(name, names, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def document() -> str:
    """docs/configuration.md."""
    lines = [
        "# Configuration",
        "",
        "<!-- Made by `python -m spatz.config`; a test fails when it is stale. -->",
        "",
        "A setting can be given as a flag, as an environment variable or in a TOML file; the first of these wins. The",
        "file is `~/.config/spatz/config.toml`, or the one that `--config` or `SPATZ_CONFIG` names. Unknown keys in it",
        "are errors. Lists are repeated flags, variables with commas, and TOML arrays.",
    ]
    for group in dict.fromkeys(option.group for option in options()):
        lines += ["", f"## {group.capitalize()}", "", "| key | flag | variable | default | meaning |"]
        lines += ["|---|---|---|---|---|"]
        for option in options(group):
            flag = f"`{option.switch}`" if option.switch else "none"
            meaning = option.help
            if option.choices:
                meaning += " One of " + ", ".join(f"`{c}`" for c in option.choices if c) + "."
            if option.least is not None and option.most is not None:
                meaning += f" {option.least:g} to {option.most:.10g}."
            lines.append(f"| `{option.name}` | {flag} | `{option.variable}` | {_default_text(option)} | {meaning} |")
    return "\n".join(lines) + "\n"


def _default_text(option: Option) -> str:
    value = option.shown or option.default
    if value in ("", ()):
        return "empty"
    return "`" + (", ".join(value) if isinstance(value, tuple) else str(value)) + "`"


if __name__ == "__main__":
    sys.stdout.write(document())
