"""The body of the legacy POST /v1/completions: one or many prompts, as text or as ids of tokens."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, model_validator

from spatz.server.fields import MaxTokens, Sampling, problem, refused

__all__ = ["CompletionRequest"]

MAX_PROMPTS = 128
MAX_CHOICES = 128

TokenId = Annotated[int, Field(ge=0, le=2**31 - 1)]
TokenIds = Annotated[list[TokenId], Field(min_length=1)]


def _shape(value: Any) -> str:
    if not isinstance(value, list):
        return "~text"
    first = value[0] if value else None
    if isinstance(first, list):
        return "~id_lists"
    return "~ids" if isinstance(first, int) and not isinstance(first, bool) else "~texts"


Prompt = Annotated[
    Annotated[str, Tag("~text")]
    | Annotated[list[str], Field(min_length=1, max_length=MAX_PROMPTS), Tag("~texts")]
    | Annotated[TokenIds, Tag("~ids")]
    | Annotated[list[TokenIds], Field(min_length=1, max_length=MAX_PROMPTS), Tag("~id_lists")],
    Discriminator(_shape),
]


class CompletionRequest(Sampling):
    """best_of: that many are made, the n with the highest mean log-probability per token are answered."""

    prompt: Prompt
    max_tokens: Annotated[MaxTokens, Field(ge=0)] | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    best_of: Annotated[int, Field(ge=1, le=20)] | None = None
    suffix: refused("suffix") = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def check(self) -> CompletionRequest:
        self.check_stream()
        n = 1 if self.n is None else self.n
        if self.best_of is not None and self.best_of < n:
            raise problem("invalid_value", "Invalid 'best_of': it must not be smaller than 'n'.", "best_of")
        if self.best_of is not None and self.best_of > n and self.stream:
            raise problem("invalid_value", "'best_of' greater than 'n' cannot be streamed.", "best_of")
        if len(self.prompts()) * (self.best_of or n) > MAX_CHOICES:
            raise problem("invalid_value", f"Prompts times choices are more than {MAX_CHOICES}.", "n")
        if self.max_tokens == 0 and not self.echo:
            raise problem("invalid_value", "Invalid 'max_tokens': 0 is only allowed with 'echo'.", "max_tokens")
        return self

    def prompts(self) -> list[str | list[int]]:
        if isinstance(self.prompt, str):
            return [self.prompt]
        return [self.prompt] if isinstance(self.prompt[0], int) else list(self.prompt)
