"""A peer: llama.cpp's `llama-bench`, one call for one sample, so that it runs in turns with ours.

It warms up by itself in every call. What it prints is checked before it is believed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from spatz.errors import ConfigError, SpatzError

__all__ = ["Peer", "parse_sample", "peers_of"]

_LIMIT_SECONDS = 3600
_LONG_PROMPT = 4096
_QUANTIZATION = re.compile(r"(?<![A-Za-z0-9])(I?Q\d+(?:_[A-Z0-9]+)*|BF16|F16|F32)(?![A-Za-z0-9])", re.IGNORECASE)


class Peer:
    """A Runner."""

    def __init__(self, binary: Path, model: Path) -> None:
        self.binary = binary
        self.model = model
        self.threads = 1
        self.build = ""  # what it says of itself, once it has run

    def prefill(self, tokens: int) -> float:
        # Its warming up is the whole prompt once more, which takes minutes for a long one and changes nothing then.
        warmth = ("--no-warmup",) if tokens >= _LONG_PROMPT else ()
        return self._run("-p", str(tokens), "-n", "0", *warmth, expected=(tokens, 0, 0))

    def decode(self, depth: int, tokens: int) -> float:
        return self._run("-p", "0", "-n", str(tokens), "-d", str(depth), expected=(0, tokens, depth))

    def _run(self, *arguments: str, expected: tuple[int, int, int]) -> float:
        command = [str(self.binary), "-m", str(self.model), "-t", str(self.threads), "-r", "1", "-o", "json"]
        try:
            done = subprocess.run(
                [*command, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_LIMIT_SECONDS,
                check=False,
            )
        except OSError as error:
            raise ConfigError(f"{self.binary} cannot be run: {error.strerror or error}") from None
        except subprocess.TimeoutExpired:
            raise SpatzError(f"{self.binary} did not end within an hour") from None
        if done.returncode:
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise SpatzError(f"{self.binary} failed ({done.returncode}): {lines[-1] if lines else 'it said nothing'}")
        self.build, speed = parse_sample(done.stdout, self.threads, expected)
        return speed


def parse_sample(output: bytes, threads: int, expected: tuple[int, int, int]) -> tuple[str, float]:
    """llama-bench's build and its tokens a second, from `-o json` of one test.

    expected: (n_prompt, n_gen, n_depth) that it must have run, or the figures would be of something else.
    """
    try:
        tests = json.loads(output)
        [test] = tests
        ran = tuple(test.get(key, 0) for key in ("n_prompt", "n_gen", "n_depth"))
        speed, used = float(test["avg_ts"]), int(test["n_threads"])
        build = f"{test.get('build_commit', 'unknown')} ({test.get('build_number', 'unknown')})"
    except (ValueError, TypeError, KeyError, AttributeError):
        raise SpatzError("the peer's output is not that of llama-bench -o json for one test") from None
    if ran != expected or used != threads:
        raise SpatzError(f"the peer ran {ran} with {used} threads instead of {expected} with {threads}")
    if not 0 < speed < 1e9:
        raise SpatzError(f"the peer's speed {speed} cannot be")
    return build, speed


def peers_of(binary: Path, model: Path, others: Sequence[str]) -> dict[str, Peer]:
    """Label -> peer. The one with our own file has the label ""; others are "[LABEL=]FILE"."""
    if not os.access(binary, os.X_OK) or binary.is_dir():
        raise ConfigError(f"--peer: {binary} is no program")
    if not model.is_file():
        raise ConfigError(f"--peer: {model} is no GGUF file, so a peer cannot read it")
    peers = {"": Peer(binary.absolute(), model)}
    for given in others:
        label, equals, name = given.partition("=")
        path = Path(name if equals else given)
        if not path.is_file():
            raise ConfigError(f"--peer-model: {path}: there is no such file")
        label = _label(label if equals else path.stem, own=bool(equals))
        if label in peers:
            raise ConfigError(f"--peer-model: two files are called {label or 'nothing'}; give one a name: LABEL=FILE")
        peers[label] = Peer(binary.absolute(), path)
    return peers


def _label(text: str, *, own: bool) -> str:
    """What a file is called in the keys: its quantization, where its name tells."""
    found = None if own else _QUANTIZATION.search(text)
    return re.sub(r"[^a-z0-9]+", "_", (found[1] if found else text).lower()).strip("_")
