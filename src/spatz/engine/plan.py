"""How a prompt will be read: exact, routed or skimmed, decided and prepared before it is queued.

Sits between `Engine.submit` and the queue, in the caller's thread: what takes time for a million tokens (addresses, the
index, skimming) is done here and not in the step thread. A request is checked here, too, as validation.py has it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatz.context.finding import find_passages
from spatz.context.prefix import chain, chained, root
from spatz.context.question import Question, find_question
from spatz.context.ranges import Range
from spatz.context.routed import Plan
from spatz.context.skim import said_again, skim
from spatz.context.word_forms import word_forms
from spatz.engine.backend import Backend
from spatz.engine.images import SeenTokens, addresses
from spatz.engine.request import ContextMode, ContextUse, Request
from spatz.engine.validation import answer_limit, check_fits, check_params, token_array
from spatz.errors import ContextLengthError, RequestError

__all__ = ["Planned", "plan_request"]

ROOM = 16  # part of the native context that is kept for an answer of which no length was given
MOST_KEPT = 1024  # tokens of what is no long text (a system prompt) that the question sees behind the sinks
SKIMMED = 4096  # tokens that a skimmed prompt may have, at most half of the native context


@dataclass(frozen=True, slots=True)
class Planned:
    mode: ContextMode  # never AUTO
    prompt: NDArray[np.int32]  # [P] what is run
    total: int  # tokens of the prompt as it was sent
    max_new: int  # tokens of a choice
    use: ContextUse
    route: Plan | None = None
    digests: tuple[bytes, ...] = ()  # of the prompt's first full pages, where its tokens alone do not tell them
    seen: SeenTokens | None = None  # of a prompt with images


def plan_request(request: Request, backend: Backend) -> Planned:
    """Raises RequestError for values out of range, ContextLengthError."""
    check_params(request.params, backend.vocab)
    prompt = token_array(request, backend.vocab)
    mode = _mode(request, backend, len(prompt))
    limit = backend.context_length if mode is ContextMode.EXACT else backend.context_limit
    check_fits(request, len(prompt), limit)
    if mode is ContextMode.SKIM:
        return _skimmed(request, backend, prompt)
    max_new = answer_limit(request.params, len(prompt), limit)
    if mode is ContextMode.ROUTED:
        return _routed(request, backend, prompt, max_new)
    if request.images is not None:
        digests = addresses(root(backend.fingerprint, backend.mode), prompt, request.images.images, backend.page_tokens)
        seen = SeenTokens.of(request.images, len(prompt))
        return Planned(mode, prompt, len(prompt), max_new, ContextUse(mode), digests=digests, seen=seen)
    return Planned(mode, prompt, len(prompt), max_new, ContextUse(mode))


def _mode(request: Request, backend: Backend, size: int) -> ContextMode:
    if request.images is not None:
        if request.context in (ContextMode.AUTO, ContextMode.EXACT):
            return ContextMode.EXACT
        raise RequestError(
            f"A prompt with images that the model sees is read exactly: '{request.context}' is not available for it.",
            param="spatz.context",
            code="unsupported_value",
        )
    if request.context is ContextMode.AUTO:
        asked = request.params.max_tokens
        native = backend.context_length
        room = native // ROOM if asked is None else asked
        # Where the far heads have no memory, a prompt that is too long gets the native limit's error.
        if size + room <= native or backend.far is None:
            return ContextMode.EXACT
        return ContextMode.ROUTED
    if request.context is ContextMode.ROUTED and backend.far is None:
        raise RequestError(
            "This server does not keep far context: the mode 'routed' is not available.",
            param="spatz.context",
            code="unsupported_value",
        )
    return request.context


def _question(request: Request, backend: Backend, prompt: NDArray[np.int32]) -> Question:
    return find_question(prompt, request.areas, token_bytes=backend.token_bytes, vocab=backend.vocab)


def _routed(request: Request, backend: Backend, prompt: NDArray[np.int32], max_new: int) -> Planned:
    far = backend.far
    assert far is not None
    size = backend.page_tokens
    total = len(prompt)
    use = ContextUse(ContextMode.ROUTED)
    scored = request.params.prompt_logprobs is not None
    if scored:
        return Planned(ContextMode.ROUTED, prompt, total, max_new, use, Plan(0, whole=True))
    question = _question(request, backend, prompt)
    # Beyond that even what was said last is text to be searched.
    asked = min(total - 1, max(question.tail, total - far.reach.most_near * 5 // 8))
    tail = asked // size * size
    digests = tuple(chained(far.root, prompt[:tail], size))
    if not question.long:  # it is short, and asked for
        return Planned(ContextMode.ROUTED, prompt, total, max_new, use, Plan(tail, asked), digests)
    forms = word_forms(backend.token_bytes, backend.vocab)
    # Over the text and not over its question, so that it is there for the next one.
    search = far.search_of(chain(digests[-1] if digests else far.root, prompt[tail:asked]), prompt[:asked], forms)
    found = [(start, min(end, asked)) for start, end in find_passages(prompt, question, search, forms, backend.vocab)]
    passages = tuple(sorted(span for span in found if span[0] < span[1]))
    behind, said = said_again(prompt, question, asked, passages, forms, backend.gap, far.reach.again)
    run = np.concatenate([prompt[:asked], behind])
    route = Plan(tail, asked, passages, _kept(question, asked), said)
    return Planned(ContextMode.ROUTED, run, total, max_new, use, route, digests)


def _kept(question: Question, asked: int) -> tuple[Range, ...]:
    """What the question sees in any case of what stands before it: the short parts, the first of them first."""
    kept: list[Range] = []
    room = MOST_KEPT
    for start, end in question.kept:
        end = min(end, asked, start + room)
        if start < end:
            kept.append((start, end))
            room -= end - start
    return tuple(kept)


def _skimmed(request: Request, backend: Backend, prompt: NDArray[np.int32]) -> Planned:
    if request.params.prompt_logprobs is not None:
        raise RequestError(
            "The log-probabilities of a prompt cannot be had in the mode 'skim', which does not run all of it.",
            param="spatz.context",
            code="unsupported_value",
        )
    native = backend.context_length
    asked = request.params.max_tokens
    most = min(max(SKIMMED, native // 2), native - (native // ROOM if asked is None else min(asked, native // 2)))
    try:
        found = skim(
            prompt,
            _question(request, backend, prompt),
            vocab=backend.vocab,
            token_bytes=backend.token_bytes,
            gap=backend.gap,
            most=most,
        )
    except ValueError as error:
        raise ContextLengthError(f"This prompt cannot be skimmed: {error}.", param=request.source) from None
    max_new = answer_limit(request.params, len(found.tokens), native)
    use = ContextUse(ContextMode.SKIM, found.blocks, found.spans)
    return Planned(ContextMode.SKIM, found.tokens, len(prompt), max_new, use)
