"""Counts what a conversation becomes as a prompt: a model's tokenizer and chat template, without its weights.

Texts must have their length before anybody is asked, and a server that is asked need not count for us. What is asked
over HTTP and what is asked in this process is measured with the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spatz.errors import ConfigError
from spatz.evals.case import Message
from spatz.prompt.build import Prompt, build_chat
from spatz.prompt.chat_template import ChatTemplate
from spatz.weights.manifest import read_manifest
from spatz.weights.model_files import open_model

__all__ = ["PromptMaker", "Prompter"]


class Prompter(Protocol):
    """What makes prompts of conversations, and beginnings of answers."""

    def prompt(self, messages: Sequence[Message]) -> Prompt: ...
    def begun(self, prefix: str) -> NDArray[np.int32]: ...  # [tokens]


class PromptMaker:
    def __init__(self, path: Path) -> None:
        """path: of the model. Raises WeightsError, and ConfigError for a model that knows no turns."""
        files = open_model(path)
        try:
            source = read_manifest(files.path).chat_template or files.chat_template
            self.tokenizer = files.tokenizer()
        finally:
            files.close()
        if source is None:
            raise ConfigError(f"{path.name} has no chat template: it was trained to continue texts, not to answer")
        texts = {token: text for text, token in self.tokenizer.special_tokens.items()}
        ends = (self.tokenizer.bos_id, self.tokenizer.eos_id)
        bos, eos = (texts.get(token, "") if token is not None else "" for token in ends)
        self._template = ChatTemplate(source, bos_token=bos, eos_token=eos)

    def prompt(self, messages: Sequence[Message]) -> Prompt:
        return build_chat(messages, self._template, self.tokenizer)

    def count(self, messages: Sequence[Message]) -> int:
        return len(self.prompt(messages).tokens)

    def begun(self, prefix: str) -> NDArray[np.int32]:  # [tokens]
        """What an answer begins with, to go behind a prompt."""
        return self.tokenizer.encode_array(prefix, continues=True)
