"""Questions as prompts, also for models that know no turns: those get a text to continue, which ends in the answer.

Beside `PromptMaker`, which is for models with a chat template alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spatz.evals.case import Message
from spatz.prompt.build import Prompt, build_chat, build_completion
from spatz.prompt.chat_template import ChatTemplate
from spatz.weights.load import LoadedModel

__all__ = ["Prompts"]


class Prompts:
    """What `LocalAsker` and `Writer` need of a prompt maker, for any model."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.tokenizer = loaded.tokenizer
        texts = {token: text for text, token in self.tokenizer.special_tokens.items()}
        ends = (self.tokenizer.bos_id, self.tokenizer.eos_id)
        bos, eos = (texts.get(token, "") if token is not None else "" for token in ends)
        source = loaded.chat_template
        self._template = None if source is None else ChatTemplate(source, bos_token=bos, eos_token=eos)

    @property
    def chats(self) -> bool:
        return self._template is not None

    def prompt(self, messages: Sequence[Message]) -> Prompt:
        if self._template is None:
            text = "\n\n".join(str(message["content"]) for message in messages)
            return build_completion(f"{text}\n\nAnswer:", self.tokenizer)
        return build_chat(messages, self._template, self.tokenizer)

    def count(self, messages: Sequence[Message]) -> int:
        return len(self.prompt(messages).tokens)

    def begun(self, prefix: str) -> NDArray[np.int32]:  # [tokens]
        """What an answer begins with, to go behind a prompt."""
        said = prefix if self.chats else f" {prefix}"
        return self.tokenizer.encode_array(said, continues=True) if prefix else np.zeros(0, np.int32)
