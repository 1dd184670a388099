"""The model of this process: weights, tokenizer, chat template and engine, joined as the routes and commands use them.

`local_model` starts it and stops it. It imports nothing of HTTP: `spatz run` answers through it, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from spatz import _core
from spatz.config import Settings
from spatz.context.block_store import BlockStore
from spatz.context.disk_tier import DiskTier, address_space
from spatz.context.far_memory import FarMemory, Reach
from spatz.context.prefix import root
from spatz.context.profile import Shape, profile_for
from spatz.context.word_forms import word_forms
from spatz.engine.backend import Backend
from spatz.engine.engine import Engine
from spatz.engine.options import EngineOptions
from spatz.engine.request import ContextMode, Request, SamplingParams, Tokens
from spatz.engine.stats import EngineStats
from spatz.engine.stream import Stream
from spatz.errors import ConfigError, RequestError
from spatz.prompt.build import Prompt, build_chat, build_completion
from spatz.prompt.chat_template import ChatTemplate
from spatz.prompt.dialect import dialect_of
from spatz.prompt.eyes import Eyes
from spatz.prompt.grammar import ConstraintMaker, Grammars
from spatz.prompt.look import LookTokens
from spatz.prompt.tool_grammar import compiled
from spatz.prompt.tool_messages import hf_tools, messages_for
from spatz.prompt.tools import shown_tools, wanted_form
from spatz.prompt.turn import Message, Turn
from spatz.server.tool_decision import ToolJudge
from spatz.weights.load import LoadedModel, load_model

__all__ = ["LocalModel", "local_model"]

BLOCKS_IN_MEMORY = 4 << 30  # of long prompts, where they cannot lie on the disk
LEAST_ROUTED = 4096  # tokens of native context that a window, far pages, a question and its answer take
CHECKED_AHEAD = 4096  # tokens of a prompt from which on what the disk has of it is checked before it is queued
LEAST_KV_BYTES = 1024 << 20
LEAST_KEPT_BYTES = 200 << 20  # two full contexts of the embedded model, with which the process stays below 450 MB


class LocalModel:
    """ServedModel over an engine in this process. Any thread may tokenize; submit belongs to an event loop."""

    def __init__(
        self,
        loaded: LoadedModel,
        engine: Engine,
        core: Mapping[str, str | int],
        blocks: BlockStore,
        tier: DiskTier | None,
    ) -> None:
        self._loaded = loaded
        self._tier = tier
        self.blocks = blocks
        self.core = core
        """How it is computed: "isa", "threads" and "kv"."""
        self._template = _template(loaded)
        self._special = loaded.tokenizer.special_tokens
        self.dialect = dialect_of(loaded.chat_template, self._special)
        self.judge = ToolJudge(self)
        self.engine = engine
        self.grammars = Grammars(loaded.tokenizer, loaded.eos_ids, loaded.vocab)
        self.name = loaded.card.name
        self.created = loaded.card.created
        self.fingerprint = loaded.card.fingerprint
        self.format = loaded.card.format
        self.context_length = engine.backend.context_length
        self._eyes = None if loaded.tower is None else Eyes(loaded.tower, loaded.tokenizer)
        self.tiling = None if self._eyes is None else self._eyes.tiling
        self.context_limit: int = engine.backend.context_limit

    def encode_chat(self, messages: Sequence[Message]) -> Prompt:
        return self._shown(build_chat(messages, self._template, self._loaded.tokenizer, looks=self._looks))

    @property
    def _looks(self) -> LookTokens | None:
        return None if self._eyes is None else self._eyes.tokens

    def _shown(self, prompt: Prompt) -> Prompt:
        return prompt if self._eyes is None else replace(prompt, images=self._eyes.images(prompt.looks))

    def encode_turn(self, turn: Turn) -> Prompt:
        tools = shown_tools(turn, self.dialect)
        messages = messages_for(turn.messages, tools, self.dialect)
        given = hf_tools(tools) if self.dialect.trained else ()
        tokenizer = self._loaded.tokenizer
        return self._shown(build_chat(messages, self._template, tokenizer, tools=given, looks=self._looks))

    async def constrain(self, turn: Turn, source: str) -> ConstraintMaker | None:
        wanted = wanted_form(turn, self.dialect, self._special)
        return None if wanted is None else await compiled(self.grammars, wanted, turn.tools, source)

    def encode(self, text: str) -> Prompt:
        return build_completion(text, self._loaded.tokenizer)

    def token_bytes(self, token: int) -> bytes:
        if not 0 <= token < self.engine.backend.vocab:
            raise RequestError(
                f"Invalid 'prompt': {token} is not a token id of this model.", param="prompt", code="invalid_value"
            )
        return self._loaded.tokenizer.token_bytes(token)

    async def logprobs(self, prompt: Tokens | str, text: str, request: Request) -> Sequence[float]:
        encode = self._loaded.tokenizer.encode_array
        before = encode(prompt, add_special=True) if isinstance(prompt, str) else prompt
        tokens = encode(text, continues=True)
        asked = replace(
            request,
            prompt=np.concatenate([np.asarray(before, np.int32), tokens]),
            params=SamplingParams(max_tokens=0, prompt_logprobs=0),
            constraint=None,
            context=ContextMode.EXACT,
            areas=(),
        )
        found: Sequence[float] = ()
        async with self.submit(asked) as deltas:
            async for delta in deltas:
                if delta.prompt_logprobs is not None:
                    found = [item.logprob for item in delta.prompt_logprobs[-len(tokens) :]]
        return found

    def plan(self, request: Request) -> Request:
        request = self.engine.plan(request)
        run = request.plan
        # What is routed has blocks of its own.
        if self._tier is not None and run.mode is not ContextMode.ROUTED and len(run.prompt) >= CHECKED_AHEAD:
            self._tier.check_ahead(run.prompt)
        return request

    def warm_up(self) -> None:
        """What the first long prompt would have to wait for, some 50 ms. For who serves: a single answer needs none."""
        backend = self.engine.backend
        if backend.far is not None:
            word_forms(backend.token_bytes, backend.vocab)

    def submit(self, request: Request) -> Stream:
        return self.engine.submit(request)

    async def drain(self, seconds: float) -> None:
        if not await self.engine.drain(seconds):
            # Whoever still waits gets an error; in a thread, because it takes as long as a step.
            await asyncio.to_thread(self.engine.stop)

    def stats(self) -> EngineStats:
        return self.engine.stats()


def _template(loaded: LoadedModel) -> ChatTemplate | None:
    if loaded.chat_template is None:
        return None
    tokenizer = loaded.tokenizer
    texts = {token: text for text, token in tokenizer.special_tokens.items()}
    bos, eos = (texts.get(token, "") if token is not None else "" for token in (tokenizer.bos_id, tokenizer.eos_id))
    return ChatTemplate(loaded.chat_template, bos_token=bos, eos_token=eos)


@contextmanager
def local_model(settings: Settings, path: Path, reach: Reach | None = None) -> Iterator[LocalModel]:
    """Load the weights at path and run an engine over them until the block ends.

    reach: of prompts beyond the native length; for measurements.
    """
    try:
        context = _core.Context(threads=settings.threads, isa=settings.isa)
    except ValueError as error:
        raise ConfigError(f"the core cannot start: {error}") from None
    mmproj = Path(settings.mmproj).expanduser() if settings.mmproj else None
    loaded = load_model(path, context, format=settings.format or None, mmproj=mmproj)
    kind = loaded.kv_kind(settings.kv)
    length = _context_length(loaded, settings)
    cache = _cache(loaded, settings, kind, length)
    options = EngineOptions(
        max_running=settings.max_batch, max_waiting=settings.max_queue, kept_pages=_kept_pages(cache, settings, length)
    )
    core: dict[str, str | int] = {"isa": context.isa, "threads": context.threads, "kv": kind}
    with _block_store(settings) as blocks:
        backend = _backend(loaded, cache, context.isa, kind, length, settings, blocks, reach or Reach())
        with _disk_tier(blocks, backend) as tier:
            engine = Engine(backend, options, tiers=() if tier is None else (tier,))
            engine.start()
            try:
                yield LocalModel(loaded, engine, core, blocks, tier)
            finally:
                engine.stop()


def _block_store(settings: Settings) -> BlockStore:
    folder = settings.data_dir / "cache" if settings.cache_mb else None
    return BlockStore(folder, limit_bytes=settings.cache_mb << 20, memory_bytes=BLOCKS_IN_MEMORY)


@contextmanager
def _disk_tier(blocks: BlockStore, backend: Backend) -> Iterator[DiskTier | None]:
    """Pages in memory gain nothing by a copy in memory: only a disk is a tier."""
    if not blocks.on_disk:
        yield None
        return
    size = backend.cache.page_bytes
    tier = DiskTier(blocks.space(f"exact-{size}", size), root(backend.fingerprint, backend.mode))
    try:
        yield tier
    finally:
        tier.close()


def _backend(
    loaded: LoadedModel,
    cache: _core.KVCache,
    isa: str,
    kind: str,
    length: int,
    settings: Settings,
    blocks: BlockStore,
    reach: Reach,
) -> Backend:
    tokenizer = loaded.tokenizer
    fingerprint = address_space(loaded.card.digest, isa, kind)
    # Where one context is shorter than what a window and a question take, there is nothing to route.
    routes = settings.context_limit > length >= LEAST_ROUTED
    return Backend(
        forward=loaded.core.forward,
        cache=cache,
        sampler=_core.Sampler,
        decoder=tokenizer.stream_decoder,
        vocabulary=tokenizer,
        vocab=tokenizer.vocab_size,
        context_length=length,
        page_tokens=_core.PAGE_TOKENS,
        fingerprint=fingerprint,
        eos_ids=loaded.eos_ids,
        context_limit=max(settings.context_limit, length),
        far=_far_memory(loaded, cache, settings, blocks, fingerprint, length, reach) if routes else None,
        gap=tokenizer.encode("\n...\n", continues=True),
        padding=loaded.vocab - tokenizer.vocab_size,
    )


def _far_memory(
    loaded: LoadedModel,
    cache: _core.KVCache,
    settings: Settings,
    blocks: BlockStore,
    fingerprint: str,
    length: int,
    reach: Reach,
) -> FarMemory:
    decoder = loaded.decoder
    shape = Shape(decoder.layers, decoder.heads, decoder.kv_heads, decoder.head_dim, decoder.hidden, decoder.vocab)
    own = settings.data_dir / "profiles" / f"{loaded.card.digest}.json"
    profile = profile_for(shape, tuple(decoder.window), own)
    return FarMemory(
        cache=cache,
        move=partial(loaded.core.move, cache),
        heads=_core.FarHeads(loaded.core, list(profile.heads)),
        layers=decoder.layers,
        store=blocks,
        vocab=loaded.tokenizer.vocab_size,
        fingerprint=fingerprint,
        reach=replace(reach, most_near=min(reach.most_near, length // 2)),
    )


def _context_length(loaded: LoadedModel, settings: Settings) -> int:
    own = loaded.card.context_length
    if settings.context_length > own:
        raise ConfigError(
            f"--context-length {settings.context_length} is more than the {own} tokens that {loaded.card.name} knows"
        )
    return settings.context_length or own


def _cache(loaded: LoadedModel, settings: Settings, kind: str, length: int) -> _core.KVCache:
    try:
        page = _core.KVCache(loaded.core, 1, kind).page_bytes
        wanted = settings.kv_memory_mb << 20 or max(LEAST_KV_BYTES, _pages(length) * page)
        return _core.KVCache(loaded.core, wanted // page, kind)
    except (MemoryError, ValueError) as error:
        advice = "try a smaller --context-length or --kv-memory-mb"
        raise ConfigError(f"the KV cache cannot be had: {error}; {advice}") from None


def _kept_pages(cache: _core.KVCache, settings: Settings, length: int) -> int:
    wanted = settings.kv_kept_mb << 20
    return wanted // cache.page_bytes if wanted else max(LEAST_KEPT_BYTES // cache.page_bytes, _pages(length))


def _pages(length: int) -> int:
    """That so many tokens take."""
    return -(-length // _core.PAGE_TOKENS)
