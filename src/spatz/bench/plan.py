"""What is measured, and with which sizes. The command fills it from its flags; tests make it small.

A measurement is known by one name everywhere: in --only, as the start of its key in the JSON, in the table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from spatz.errors import ConfigError

__all__ = ["GROUPS", "Plan"]

GROUPS = ("prefill", "decode", "batch16", "ttft", "cold_start", "rss", "tokenize")


@dataclass(frozen=True, slots=True)
class Plan:
    runs: int = 3  # measured ones; each measurement has one more before them, which warms up and does not count
    prefill: tuple[int, ...] = (512, 2048, 8000)  # prompt tokens
    decode: tuple[int, ...] = (0, 2048, 8000)  # tokens in the KV cache before the first one that is timed
    decode_tokens: int = 64  # timed
    batch: tuple[int, int, int] | None = (16, 128, 128)  # requests, prompt tokens, generated tokens of each
    ttft_prompt: int = 100  # tokens, with what the chat template adds; 0 leaves it out
    cold_start: bool = True
    rss_prompt: int = 8000  # tokens; 0 leaves it out
    tokenize_megabytes: float = 4.0  # of text; 0 leaves it out

    @property
    def names(self) -> tuple[str, ...]:
        """The measurements, in the order in which they are made."""
        names = [f"prefill_{size}" for size in self.prefill] + [f"decode_{depth}" for depth in self.decode]
        wanted = (self.batch, self.ttft_prompt, self.cold_start, self.rss_prompt, self.tokenize_megabytes)
        names += [name for name, on in zip(GROUPS[2:], wanted, strict=True) if on]
        return tuple(names)

    def only(self, given: Iterable[str]) -> Plan:
        """The part of it that is named: measurements ("decode_0") or groups of them ("decode"), also with commas."""
        asked = {name.strip() for item in given for name in item.split(",") if name.strip()}
        if not asked:
            return self
        possible = (*GROUPS, *self.names)
        for name in sorted(asked):
            if name not in possible:
                raise ConfigError(f"--only: {name!r} is none of {', '.join(dict.fromkeys(possible))}")
        return replace(
            self,
            prefill=tuple(size for size in self.prefill if asked & {"prefill", f"prefill_{size}"}),
            decode=tuple(depth for depth in self.decode if asked & {"decode", f"decode_{depth}"}),
            batch=self.batch if "batch16" in asked else None,
            ttft_prompt=self.ttft_prompt if "ttft" in asked else 0,
            cold_start=self.cold_start and "cold_start" in asked,
            rss_prompt=self.rss_prompt if "rss" in asked else 0,
            tokenize_megabytes=self.tokenize_megabytes if "tokenize" in asked else 0,
        )

    def within(self, context_length: int) -> Plan:
        """The part of it that a model of this length can run."""
        batch = self.batch if self.batch and sum(self.batch[1:]) <= context_length else None
        return replace(
            self,
            prefill=tuple(size for size in self.prefill if size < context_length),
            decode=tuple(depth for depth in self.decode if depth + self.decode_tokens < context_length),
            batch=batch,
            ttft_prompt=self.ttft_prompt if self.ttft_prompt < context_length else 0,
            rss_prompt=self.rss_prompt if self.rss_prompt < context_length else 0,
        )
