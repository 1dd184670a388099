"""One choice's way from token ids to deltas: text, stop strings, end-of-turn, length and log-probabilities.

Sits between the step's result and the stream. A token is given out together with the text that it began; a token whose
text was cut off by a stop string is not given out at all, so that tokens, log-probabilities and text agree.
"""

from __future__ import annotations

from collections.abc import Callable

from spatz.engine.backend import Decoder
from spatz.engine.request import Delta, FinishReason, SamplingParams, TokenLogprob
from spatz.engine.stop import StopMatcher

__all__ = ["ChoiceOutput"]

_Held = tuple[int, int, TokenLogprob | None]  # (offset of its first character, token, log-probability)


class ChoiceOutput:
    def __init__(
        self,
        index: int,
        params: SamplingParams,
        max_new: int,
        eos_ids: frozenset[int],
        decoder: Callable[[], Decoder],
        *,
        constrained: bool = False,
    ) -> None:
        """constrained: a grammar says where the answer ends, so end-of-turn tokens always end it."""
        self._index = index
        self._eos_ids = frozenset() if params.ignore_eos and not constrained else eos_ids
        self._left = max_new
        self._decoder = decoder()
        self._stop = StopMatcher(params.stop) if params.stop else None
        self._held: list[_Held] = []
        self._decoded = 0  # characters that the decoder gave
        self._given = 0  # characters that went into deltas

    def feed(self, token: int, logprob: TokenLogprob | None) -> Delta:
        """The delta of one sampled token; its finish_reason says whether the choice has ended."""
        self._left -= 1
        if token in self._eos_ids:
            return self._finish(self._decoder.flush(), FinishReason.STOP)
        text = self._decoder.feed(token)
        if self._stop is None:
            if self._left == 0:
                text += self._decoder.flush()
                finish = FinishReason.LENGTH
            else:
                finish = None
            return Delta(self._index, text, (token,), () if logprob is None else (logprob,), None, finish)
        self._held.append((self._decoded, token, logprob))
        if self._left == 0:
            return self._finish(text + self._decoder.flush(), FinishReason.LENGTH)
        safe, stopped = self._advance(text)
        return self._release(safe, FinishReason.STOP if stopped else None, ended=False)

    def abort(self) -> Delta:
        """The caller cancelled: what was held back is given out."""
        return self._finish(self._decoder.flush(), FinishReason.ABORT)

    def _finish(self, text: str, reason: FinishReason) -> Delta:
        if self._stop is None:
            return Delta(self._index, text, finish_reason=reason)
        safe, stopped = self._advance(text)
        if stopped:
            return self._release(safe, FinishReason.STOP, ended=False)
        return self._release(safe + self._stop.flush(), reason, ended=True)

    def _advance(self, text: str) -> tuple[str, bool]:
        assert self._stop is not None
        self._decoded += len(text)
        return self._stop.feed(text)

    def _release(self, text: str, reason: FinishReason | None, *, ended: bool) -> Delta:
        """Give out `text` and the tokens that began in it; all tokens where the answer ended without a stop string."""
        self._given += len(text)
        held = self._held
        count = len(held)
        if not ended:
            # A token without text yet (inside a character) starts where the text ends and waits for its character.
            count = next((i for i, (start, _, _) in enumerate(held) if start >= self._given), count)
        released = held[:count]
        del held[:count]
        return Delta(
            self._index,
            text,
            tuple(token for _, token, _ in released),
            tuple(logprob for _, _, logprob in released if logprob is not None),
            None,
            reason,
        )
