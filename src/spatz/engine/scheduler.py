"""Which tokens of which sequences run in the next step: continuous batching over a paged KV cache.

Sits between the engine's queue and the batch. Pages are taken as sequences grow, not reserved. The rules:

- Every answer of a live request advances in every step. Prompts get what is left: `chunk_tokens`, or
  `busy_chunk_tokens` while an answer is being written, so that no answer waits for more than one such chunk.
- A prompt that is longer than the native context is a guest: beside others, and beside answers, the oldest of these
  gets `guest_chunk_tokens` of a step until its question comes, so that nobody notices it for the minutes that it takes.
- Half of that belongs to the oldest prompt, so it always advances; the other half goes to the shortest ones, so that a
  question need not wait for somebody's book; what nobody takes goes back to the oldest.
- Requests are admitted in their order of arrival, as soon as the pages of the prompt are free beyond what the running
  prompts still need and one page of growth for each running sequence. The first in the queue is never overtaken.
- A request for many choices does not get everything: its further choices come after requests that have fewer running,
  and a quarter of the places is closed to it.
- When pages run out, the youngest sequence is preempted: it gives up its pages and goes back to its place in the queue.
  What it has said is kept, and run as a prompt later; most of its pages are usually still in the prefix cache. The core
  gives the same bits however tokens are cut into steps, and the sampler's state stays with the sequence, so the answer
  is the same. The pool holds at least one sequence of full length (the engine checks that): the oldest always gets on.
- Background requests come after live ones in all of this. They are admitted when no live one waits that could be, and
  a quarter of the places is closed to them; where a live request needs a place or pages, the youngest background
  sequence is preempted. Beside live ones only `background_running` of them run in a step, in turns, and their prompts
  get what the live prompts leave of a chunk. So a live answer waits for one chunk and a few more rows at most.
- A prompt's pages are looked up in the prefix cache just before they would be run, and a page that another prompt is
  running in this very step is waited for. The last token of a prompt is always run: somebody must give the next one.
- A request for several choices runs its prompt once, but for the last token; then the choices share its full pages and
  get a copy of the last, partial one.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Sequence as Many

from spatz.context.block import DamagedBlock
from spatz.context.pages import PagePool
from spatz.context.prefix import PrefixCache, Tier, root
from spatz.context.routed import RoutedText
from spatz.engine.backend import Backend
from spatz.engine.batch import Chunk
from spatz.engine.guide import Guide, Job
from spatz.engine.options import EngineOptions
from spatz.engine.output import ChoiceOutput
from spatz.engine.request import Priority
from spatz.engine.sequence import Group, Sequence
from spatz.engine.sharing import Order, Turns, share_chunk
from spatz.errors import RequestError

__all__ = ["MAX_FORCED", "Scheduler"]

MAX_FORCED = 16  # known tokens that an answer may run in a step without being treated as a prompt

_SEED_MASK = (1 << 63) - 1


def _order(sequence: Sequence) -> Order:
    return sequence.order


class Scheduler:
    def __init__(self, backend: Backend, options: EngineOptions, tiers: Many[Tier] = ()) -> None:
        self._backend = backend
        self._options = options
        self._page_tokens = backend.page_tokens
        self._root = root(backend.fingerprint, backend.mode)
        self.pool = PagePool(backend.cache.max_pages, options.kept_pages)
        self.pool.on_discard = backend.cache.release
        self.prefix = PrefixCache(self.pool, backend.cache, tiers)
        self.running: list[Sequence] = []  # in order of arrival, as is `waiting`
        self.waiting: list[Sequence] = []
        self._queued = [0, 0]  # requests of each priority that have not started
        self.preemptions = 0
        self.failed: dict[Group, RequestError] = {}  # in the last schedule: nothing of them can be run
        self.restarted = False  # a sequence has lost what it had, and is run anew
        self.jobs: list[Job] = []  # masks that the next step's samplers will wait for
        self._tickets = 0
        # Sequences of one request, and of all background ones.
        self._most_of_one = max(1, options.max_running - max(1, options.max_running // 4))
        self._turns = Turns(options.background_running)

    def add(self, group: Group) -> None:
        self._tickets += 1
        group.ticket = self._tickets
        first = self._new_sequence(group, 0)
        group.unfinished = [first]
        insort(self.waiting, first, key=_order)
        self._queued[group.request.priority] += 1

    @property
    def queued(self) -> int:
        """Requests that have not started."""
        return sum(self._queued)

    def queued_of(self, priority: Priority) -> int:
        return self._queued[priority]

    def started(self, group: Group, now: float) -> None:
        """A request leaves the queue."""
        group.started = now
        self._queued[group.request.priority] -= 1

    def remove(self, group: Group) -> None:
        """Take a group out, whatever state it is in, and give its pages back."""
        for sequence in group.unfinished:
            self._release_pages(sequence)
        if group.started is None and group.unfinished:
            self._queued[group.request.priority] -= 1
        group.unfinished = []
        self.running = [sequence for sequence in self.running if sequence.group is not group]
        self.waiting = [sequence for sequence in self.waiting if sequence.group is not group]

    def finish(self, sequence: Sequence) -> None:
        """A running sequence has ended. Its full pages stay known to the prefix cache."""
        self.running.remove(sequence)
        sequence.group.unfinished.remove(sequence)
        self._release_pages(sequence)

    def schedule(self, now: float) -> list[Chunk]:
        """The chunks of the next step: decodes first, then prompts. Empty only if there is nothing to do."""
        self.restarted = False
        self._admit(now)
        for sequence in tuple(self.running):
            if sequence.group.planned.route is not None:
                self._route(sequence)
            elif sequence.remaining > 1:
                self._adopt(sequence)
            if sequence.group.fork_pending and sequence.remaining == 0:
                self._fork(sequence)
        chunks = self._decodes()
        self._prefills(chunks)
        return chunks

    def advance(self, sequence: Sequence, count: int) -> None:
        """`count` tokens of the sequence are in the cache now. Pages that became full are made known."""
        sequence.computed += count
        if sequence.routed is not None or not self._options.prefix_reuse:
            return
        while (index := sequence.published) < sequence.computed // self._page_tokens:
            address, owner = sequence.digest(index), sequence.group.request.owner
            page = self.prefix.publish(address, sequence.parent(index), sequence.pages[index], owner)
            sequence.replace_page(index, page)
            sequence.published += 1

    def check(self) -> None:
        """Raise RuntimeError unless every page reference belongs to a running sequence."""
        self.prefix.check()
        references = [0] * self.pool.total
        for sequence in self.running:
            if len(sequence.pages) != -(-(sequence.computed - sequence.offset) // self._page_tokens):
                raise RuntimeError(f"{len(sequence.pages)} pages for {sequence.computed} tokens")
            if sequence.pages != sequence.table[: len(sequence.pages)].tolist():
                raise RuntimeError("a sequence's list and table of pages disagree")
            for page in sequence.pages:
                references[page] += 1
        for page, count in enumerate(references):
            if self.pool.references(page) != count:
                raise RuntimeError(f"page {page}: {self.pool.references(page)} references, {count} sequences use it")
        for sequence in self.waiting:
            if sequence.pages:
                raise RuntimeError("a waiting sequence has pages")

    # --- admission ---------------------------------------------------------------------------------------------------

    def _admit(self, now: float) -> None:
        while self.waiting:
            if len(self.running) >= self._options.max_running and self.running[-1].group.live:
                return
            sequence = self._next()
            if sequence is None or not self._make_room(sequence):
                return
            self.waiting.remove(sequence)
            if sequence.group.started is None:
                self.started(sequence.group, now)
            self._prepare(sequence)
            insort(self.running, sequence, key=_order)

    def _make_room(self, sequence: Sequence) -> bool:
        """Whether it can be admitted now. Background sequences make way for a live one."""
        while len(self.running) >= self._options.max_running or not self._has_room(sequence):
            if not (sequence.group.live and self.running and not self.running[-1].group.live):
                return False
            self._preempt(self.running[-1])
        return True

    def _next(self) -> Sequence | None:
        """Whose turn it is: the live request with the fewest running choices, the oldest of those; then background."""
        held = Counter(sequence.group for sequence in self.running)
        background = sum(not sequence.group.live for sequence in self.running)
        best, fewest = None, self._most_of_one
        for sequence in self.waiting:
            if not sequence.group.live and (background >= self._most_of_one or (best and best.group.live)):
                break
            count = held[sequence.group]
            if count < fewest:
                best, fewest = sequence, count
                if count == 0:
                    break
        return best

    def _has_room(self, sequence: Sequence) -> bool:
        if not self.running:
            return True
        size = self._page_tokens
        need = self._most_pages(sequence)
        if self._options.prefix_reuse and sequence.group.planned.route is None:
            for index in range((sequence.length - 1) // size):
                page = self.prefix.page(sequence.digest(index))
                if page is None:
                    break
                need -= self.pool.references(page) > 0
        promised = sum(1 + max(0, self._most_pages(other) - len(other.pages)) for other in self.running)
        return need + promised <= self.pool.available

    def _most_pages(self, sequence: Sequence) -> int:
        """That it needs for what is known of it and one token more."""
        need = -(-(sequence.length + 1) // self._page_tokens)
        far = self._backend.far
        return need if far is None or sequence.group.planned.route is None else min(need, far.most_pages)

    def _new_sequence(self, group: Group, index: int) -> Sequence:
        output = ChoiceOutput(
            index,
            group.params,
            group.max_new,
            self._backend.eos_ids,
            self._backend.decoder,
            constrained=group.request.constraint is not None,
        )
        far = self._backend.far
        root = self._root if group.planned.route is None or far is None else far.root
        return Sequence(group, index, output, self._page_tokens, root)

    def _prepare(self, sequence: Sequence) -> None:
        """Samplers hold counts over the vocabulary: they are made when a sequence first runs, not in the queue."""
        group, params = sequence.group, sequence.group.params
        if group.prompt_scores is not None and group.scorer is None:
            assert params.prompt_logprobs is not None
            group.scorer = self._backend.sampler(
                vocab=self._backend.rows, temperature=0.0, top_logprobs=params.prompt_logprobs
            )
        if sequence.sampler is not None or group.max_new == 0:
            return
        sequence.sampler = self._backend.sampler(
            vocab=self._backend.rows,
            temperature=float(params.temperature),
            top_p=float(params.top_p),
            top_k=min(params.top_k, self._backend.vocab),
            min_p=float(params.min_p),
            seed=(group.seed + sequence.index) & _SEED_MASK,
            presence_penalty=float(params.presence_penalty),
            frequency_penalty=float(params.frequency_penalty),
            repetition_penalty=float(params.repetition_penalty),
            logit_bias={token: float(bias) for token, bias in params.logit_bias.items()} or None,
            top_logprobs=-1 if params.logprobs is None else params.logprobs,
        )
        if params.repetition_penalty != 1.0:
            sequence.sampler.observe_prompt(group.prompt)
        if group.request.constraint is not None:
            sequence.guide = Guide(
                group.request.constraint,
                sequence.sampler,
                self._backend.rows,
                self._backend.eos_ids,
                skips=params.logprobs is None,
                later=self.jobs.append,
            )
            sequence.guide.begin()
        elif self._backend.mask is not None:
            sequence.sampler.set_mask(self._backend.mask)

    # --- prefix reuse and sharing ------------------------------------------------------------------------------------

    def _adopt(self, sequence: Sequence) -> None:
        """Take known pages from the prefix cache instead of running their tokens."""
        if not self._options.prefix_reuse:
            return
        group, size, limit = sequence.group, self._page_tokens, sequence.reusable
        while sequence.computed % size == 0 and sequence.computed + size <= limit:
            index = sequence.computed // size
            page = self.prefix.acquire(sequence.digest(index))
            if page is None:
                return
            sequence.add_page(page)
            sequence.computed += size
            sequence.published += 1
            if sequence.index == 0 and not sequence.preempted:
                group.cached_tokens += size

    def _fork(self, first: Sequence) -> None:
        """The prompt is in the cache but for its last token: make the other choices."""
        group = first.group
        group.fork_pending = False
        first.goal = first.length
        room = self._options.max_running
        if not group.live:
            room = min(room, len(self.running) + self._most_of_one - sum(not s.group.live for s in self.running))
        for index in range(1, group.params.n):
            choice = self._new_sequence(group, index)
            group.unfinished.append(choice)
            has_place = index < self._most_of_one and len(self.running) < room and first.routed is None
            if has_place and self._share_pages(first, choice):
                self._prepare(choice)
                insort(self.running, choice, key=_order)
            else:  # later, when it finds the full pages in the prefix cache
                insort(self.waiting, choice, key=_order)

    def _share_pages(self, first: Sequence, choice: Sequence) -> bool:
        full, partial = divmod(first.computed, self._page_tokens)
        for page in first.pages[:full]:
            self.pool.share(page)
            choice.add_page(page)
        if partial:
            copy = self.pool.allocate()
            if copy is None:
                self._release_pages(choice)
                return False
            choice.add_page(copy)
            self._backend.cache.copy_page(first.pages[full], copy)
        choice.computed = first.computed
        choice.published = first.published
        choice.digests = first.digests[:full]
        return True

    # --- texts beyond the window -------------------------------------------------------------------------------------

    def _route(self, sequence: Sequence) -> None:
        """Bring a routed sequence's pages up to date for what comes next."""
        far, plan = self._backend.far, sequence.group.planned.route
        assert far is not None
        assert plan is not None
        if sequence not in self.running:
            return  # an older one has taken its pages
        # More than a move of the window takes. Nobody younger has them if this one is the youngest.
        while self.pool.available < far.spare_pages:
            victim = self.running[-1]
            self._preempt(victim)
            if victim is sequence:
                self.restarted = True
                return
        try:
            if sequence.routed is None:
                routed = RoutedText(far, self.pool, plan, sequence.digest, sequence.group.request.owner)
                sequence.routed = routed
                known = sequence.buffer[: sequence.length]
                sequence.computed = routed.resume(known, sequence.length - sequence.reusable)
                if sequence.index == 0 and not sequence.preempted:
                    sequence.group.cached_tokens = sequence.computed
            known = sequence.buffer[: sequence.length]
            sequence.computed = sequence.routed.prepare(known, sequence.computed)
            if sequence.pages is not sequence.routed.pages:
                sequence.set_pages(sequence.routed.pages)
        except DamagedBlock:  # the store has dropped it: what can be found again is less, the rest is run anew
            self._preempt(sequence)
            self.restarted = True
        except RequestError as error:
            self.failed[sequence.group] = error
            self.remove(sequence.group)

    # --- the step ----------------------------------------------------------------------------------------------------

    def _decodes(self) -> list[Chunk]:
        chunks: list[Chunk] = []
        position = 0
        background = [s for s in self.running if not s.group.live and self._decodes_now(s)]
        resting = self._turns.resting(self.running, background)
        while position < len(self.running):  # grows no longer, but preemption may shorten it from the end
            sequence = self.running[position]
            if self._decodes_now(sequence) and sequence not in resting and self._grow(sequence):
                chunks.append(Chunk(sequence, sequence.remaining, 0, True))
            position += 1
        return chunks

    def _decodes_now(self, sequence: Sequence) -> bool:
        """Whether all that is known of it but not computed is the last token, with those that a grammar forced."""
        if sequence.goal != sequence.length:
            return False
        return 0 < sequence.remaining <= (MAX_FORCED if sequence.generated else 1)

    def _grow(self, sequence: Sequence) -> bool:
        """Pages for what is known of it, as needed, preempting the youngest. False: it was the youngest itself."""
        while sequence.length > sequence.room:
            while (page := self.pool.allocate()) is None:
                victim = self.running[-1]
                self._preempt(victim)
                if victim is sequence:
                    return False
            sequence.add_page(page)
        return True

    def _prefills(self, chunks: list[Chunk]) -> None:
        prompts = [s for s in self.running if s.remaining > 0 and not self._decodes_now(s)]
        if not prompts:
            return
        busy = any(chunk.sequence.group.live for chunk in chunks) or (bool(chunks) and not prompts[0].group.live)
        budget = self._options.busy_chunk_tokens if busy else self._options.chunk_tokens
        budget = max(1, budget - sum(chunk.size - 1 for chunk in chunks))
        options = self._options
        shares = share_chunk(
            prompts, budget, options.scored_chunk_tokens, options.guest_chunk_tokens, busy=bool(chunks)
        )
        in_flight: set[bytes] = set()
        while prompts:
            sequence = prompts.pop(0)
            count = min(shares[sequence.order], sequence.remaining)
            if sequence.routed is not None:
                count = min(count, sequence.routed.limit(sequence.computed) - sequence.computed)
            if count == 0 or self._awaited(sequence, in_flight):
                continue
            end = self._extend(sequence, sequence.computed + count, prompts, chunks)
            if end > sequence.computed:
                self._claim(sequence, end, in_flight)
                chunks.append(self._chunk(sequence, end))

    def _awaited(self, sequence: Sequence, in_flight: set[bytes]) -> bool:
        """Whether the page that comes next is being run in this step by another: then it can be adopted in the next."""
        index, inside = divmod(sequence.computed, self._page_tokens)
        if (
            sequence.routed is not None
            or inside
            or not in_flight
            or sequence.computed + self._page_tokens > sequence.reusable
        ):
            return False
        return sequence.digest(index) in in_flight

    def _claim(self, sequence: Sequence, end: int, in_flight: set[bytes]) -> None:
        if self._options.prefix_reuse and sequence.routed is None:
            last = min(-(-end // self._page_tokens), sequence.length // self._page_tokens)
            for index in range(sequence.computed // self._page_tokens, last):
                in_flight.add(sequence.digest(index))

    def _extend(self, sequence: Sequence, end: int, younger: list[Sequence], chunks: list[Chunk]) -> int:
        """Pages up to `end`, preempting prompts that are not in this step yet, and for a live one any background one.

        How far they reach.
        """
        while sequence.room < end:
            page = self.pool.allocate()
            if page is not None:
                sequence.add_page(page)
            elif sequence.group.live and not self.running[-1].group.live:
                victim = self.running[-1]
                younger[:] = [other for other in younger if other is not victim]
                chunks[:] = [chunk for chunk in chunks if chunk.sequence is not victim]
                self._preempt(victim)
            elif younger and younger[-1].pages:
                self._preempt(younger.pop())
            elif younger:
                younger.pop()
            else:
                break
        return min(end, sequence.room)

    def _chunk(self, sequence: Sequence, end: int) -> Chunk:
        group = sequence.group
        sampled = end == sequence.length
        last = len(group.prompt) - 1  # the last prompt token has no next prompt token to score
        scored = max(0, min(end, last) - max(sequence.computed, group.scored)) if group.scored < last else 0
        return Chunk(sequence, end - sequence.computed, scored, sampled)

    def _preempt(self, sequence: Sequence) -> None:
        self.running.remove(sequence)
        self._release_pages(sequence)
        sequence.preempted = True
        insort(self.waiting, sequence, key=_order)
        self.preemptions += 1

    def _release_pages(self, sequence: Sequence) -> None:
        # Last page first: the eviction order then takes the ends of prefixes before their beginnings.
        if sequence.routed is not None:
            sequence.group.read.update(sequence.routed.read)
            sequence.routed.release()
            sequence.routed = None
            sequence.pages = []
        for page in reversed(sequence.pages):
            self.pool.release(page)
        sequence.pages.clear()
        sequence.computed = 0
        sequence.published = 0
