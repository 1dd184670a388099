"""Formats of answers to constraints that the engine obeys token by token: JSON schemas, Lark grammars, expressions.

Sits between the server, which knows what an answer may look like, and the engine, which asks a `Constraint` for the
tokens that may come next. The library llguidance compiles and walks the grammars; here it gets this model's tokens, and
limits. What it cannot compile is a RequestError with its reason: there is no answer without the constraint.

Tool calls are not known here: tool_grammar.py writes a Lark grammar of them, with `json_rule` or `@name` for schemas.

    make = await grammars.compile(JsonFormat(schema), param="response_format")
    make = await grammars.compile_lark('start: "<tool>" @args "</tool>"', {"args": JsonFormat(schema)}, param="tools")
    Request(..., constraint=make)
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from spatz.engine.request import Constraint
from spatz.errors import RequestError
from spatz.prompt.json_schema import prepare
from spatz.prompt.schema_bounds import check_bounds
from spatz.prompt.turn import JsonFormat, OutputFormat
from spatz.weights.tokenizer import Tokenizer

if TYPE_CHECKING:
    import llguidance
    import numpy as np
    from numpy.typing import NDArray
# Imported where they are used: together they take 0.15 seconds, which `spatz run` has no use for.

__all__ = ["MAX_GRAMMAR_BYTES", "ConstraintMaker", "GrammarConstraint", "Grammars", "json_rule"]

ConstraintMaker = Callable[[], Constraint]

MAX_GRAMMAR_BYTES = 32 << 10  # of a Lark grammar or an expression, without the schemas in it
_MAX_TOTAL_BYTES = 512 << 10  # of all that one request is to be compiled from
_KEPT = 64  # compiled grammars
_STACK_BYTES = 256 << 20  # of the compiling thread, address space only: the library recurses along chains of rules
_REASON_CHARS = 500

# As json.dumps writes, which is what models have read most of. No free whitespace: a small model would fill pages.
_JSON_OPTIONS = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}

_LIMITS: dict[str, Any] = {
    "max_items_in_row": 2_000,
    "initial_lexer_fuel": 1_000_000,
    "step_lexer_fuel": 100_000,  # about 7 ms, the most that a mask takes; those of real schemas take 0.01 to 1 ms
    "step_max_items": 50_000,
    "max_lexer_states": 50_000,
    "max_grammar_size": 100_000,
}

_log = logging.getLogger(__name__)
_starting = threading.Lock()  # threading.stack_size is the process's


def json_rule(schema: Mapping[str, Any] | None) -> str:
    """A schema (None: any object) as the body of a Lark rule. Raises RequestError for one that is out of bounds."""
    return "%json " + json.dumps(_guided(schema), ensure_ascii=False)


class Grammars:
    """Compiles for one model, in a thread of its own, and remembers. Safe to share between threads and event loops."""

    def __init__(self, tokenizer: Tokenizer, eos_ids: frozenset[int], rows: int) -> None:
        """rows: logits of the model; those past the tokenizer's tokens are padding, which is never allowed."""
        self._tokenizer = tokenizer
        self._eos_ids = sorted(eos_ids)
        self._words = -(-rows // 32)
        self._compiled: OrderedDict[str, llguidance.LLMatcher | str] = OrderedDict()  # a text says why there is none
        self._thread: ThreadPoolExecutor | None = None
        self._trie: llguidance.LLTokenizer | None = None  # made with the first grammar: it takes 0.2 seconds

    async def compile(self, wanted: OutputFormat, *, param: str = "response_format") -> ConstraintMaker:
        """A maker of constraints for answers of this format. Raises RequestError (400) with the reason and `param`."""
        return await asyncio.wrap_future(self._executor().submit(self._compile, {"answer": wanted}, param))

    async def compile_lark(
        self, lark: str, parts: Mapping[str, OutputFormat] | None = None, *, param: str = "tools"
    ) -> ConstraintMaker:
        """The same for a grammar of our own making in llguidance's dialect of Lark; `@name` in it stands for a part.

        Unlike a format that a client gave, it may name control tokens (<tool_call>), where they are such.
        """
        return await asyncio.wrap_future(
            self._executor().submit(self._compile, {"answer": lark, **(parts or {})}, param)
        )

    def compile_now(self, wanted: OutputFormat, *, param: str = "response_format") -> ConstraintMaker:
        """`compile` for callers without an event loop."""
        return self._executor().submit(self._compile, {"answer": wanted}, param).result()

    def compile_lark_now(
        self, lark: str, parts: Mapping[str, OutputFormat] | None = None, *, param: str = "tools"
    ) -> ConstraintMaker:
        return self._executor().submit(self._compile, {"answer": lark, **(parts or {})}, param).result()

    def _executor(self) -> ThreadPoolExecutor:
        with _starting:
            if self._thread is None:
                before = threading.stack_size(_STACK_BYTES)
                try:
                    self._thread = ThreadPoolExecutor(1, "spatz-grammar")
                    self._thread.submit(lambda: None).result()  # threads start with their first task
                finally:
                    threading.stack_size(before)
            return self._thread

    # --- in the compiling thread -------------------------------------------------------------------------------------

    def _compile(self, parts: Mapping[str, OutputFormat | str], param: str) -> ConstraintMaker:
        try:
            text = json.dumps({"grammars": [{"name": name, **_source(part)} for name, part in parts.items()]})
            if len(text) > _MAX_TOTAL_BYTES:
                raise ValueError(f"it has {len(text)} characters, which is more than {_MAX_TOTAL_BYTES}")
            matcher = self._remembered(text)
            if isinstance(matcher, str):
                raise ValueError(matcher)
        except RequestError as error:
            raise RequestError(error.message, param=param, code=error.code) from None
        except RecursionError:
            raise _refusal("it is nested too deeply", param) from None
        except (ValueError, TypeError, OverflowError) as error:
            raise _refusal(str(error), param) from None
        ours = parts["answer"] if isinstance(parts["answer"], str) else ""
        special = self._special_mask(ours)
        return lambda: GrammarConstraint(matcher.deep_copy(), self._tokenizer.vocab_size, self._eos_ids, special)

    def _remembered(self, text: str) -> llguidance.LLMatcher | str:
        """The matcher or the reason. What is refused may have cost most."""
        known = self._compiled.get(text)
        if known is None:
            try:
                known = self._new_matcher(text)
            except ValueError as error:
                known = str(error)
            self._compiled[text] = known
            if len(self._compiled) > _KEPT:
                self._compiled.popitem(last=False)
        else:
            self._compiled.move_to_end(text)
        return known

    def _new_matcher(self, text: str) -> llguidance.LLMatcher:
        """Raises ValueError with the reason."""
        import llguidance

        limits = llguidance.LLParserLimits(**_LIMITS, verbose_errors=False)
        try:
            matcher = llguidance.LLMatcher(self._llguidance_tokenizer(), text, limits=limits, log_level=0)
            if matcher.is_error():
                raise ValueError(matcher.get_error())
            _probe(matcher.deep_copy())
        except Exception:
            raise
        except BaseException as error:  # a panic of the library, which is no Exception
            _log.exception("the library of grammars failed")
            raise ValueError(f"the library of grammars failed: {error}") from None
        return matcher

    def _llguidance_tokenizer(self) -> llguidance.LLTokenizer:
        import llguidance

        if self._trie is None:
            self._trie = llguidance.LLTokenizer(
                llguidance.TokenizerWrapper(_Vocabulary(self._tokenizer, self._eos_ids)),
                n_vocab=self._tokenizer.vocab_size,
                eos_token=self._eos_ids,
                slices=llguidance.LLTokenizer.json_slices(),
            )
        return self._trie

    def _special_mask(self, ours: str) -> NDArray[np.uint32]:
        """The bits that may be set: not those of control tokens, but for the ends and those that our own grammar names.

        A part of a grammar that a client wrote may name the others in vain.
        """
        import numpy as np

        bits = np.ones(-(-self._tokenizer.vocab_size // 32) * 32, np.uint8)
        bits[[token for text, token in self._tokenizer.special_tokens.items() if text not in ours]] = 0
        bits[self._eos_ids] = 1
        return np.packbits(bits, bitorder="little").view("<u4").astype(np.uint32)


class GrammarConstraint:
    """`Constraint` over one llguidance matcher. The end-of-turn tokens are part of its alphabet."""

    def __init__(
        self,
        matcher: llguidance.LLMatcher,
        vocab: int,
        eos_ids: Sequence[int],
        permitted: NDArray[np.uint32],
    ) -> None:
        import numpy as np

        self._matcher = matcher
        self._words = -(-vocab // 32)
        self._last = np.uint32((1 << (vocab % 32 or 32)) - 1)  # of the last word
        self._eos_ids = eos_ids
        self._permitted = permitted

    def mask(self, out: NDArray[np.uint32]) -> None:
        """out: [ceil(rows/32)], contiguous. Raises RequestError where nothing may follow, or at a limit."""
        own = out[: self._words]
        self._matcher.unsafe_compute_mask_ptr(own.ctypes.data, own.nbytes)
        if self._matcher.is_error():
            raise self._failure()
        own[-1] &= self._last
        out[self._words :] = 0
        own &= self._permitted
        if not own.any():
            raise RequestError("The answer's grammar leaves no token to go on with.", code="invalid_grammar")

    def accept(self, tokens: Sequence[int]) -> None:
        if not self._matcher.consume_tokens(list(tokens)):
            raise self._failure()

    def forced(self) -> Sequence[int]:
        if self._matcher.is_stopped():
            if self._matcher.is_error():
                raise self._failure()
            return self._eos_ids[:1]
        return self._matcher.compute_ff_tokens()

    def _failure(self) -> RequestError:
        reason = _reason(self._matcher.get_error() or self._matcher.stop_reason())
        return RequestError(f"The answer's grammar cannot be followed any further: {reason}", code="invalid_grammar")


class _Vocabulary:
    """What llguidance wants to know of a tokenizer."""

    def __init__(self, tokenizer: Tokenizer, eos_ids: Sequence[int]) -> None:
        self.eos_token_id = eos_ids[0]
        self.bos_token_id = tokenizer.bos_id
        self.tokens = [tokenizer.token_bytes(token) for token in range(tokenizer.vocab_size)]
        self.special_token_ids = sorted({*tokenizer.special_tokens.values(), *eos_ids})
        self._encode = tokenizer.encode

    def __call__(self, text: str | bytes) -> list[int]:
        """The tokens of a text that goes on after others."""
        return self._encode(text.decode() if isinstance(text, bytes) else text, continues=True)


def _source(part: OutputFormat | str) -> dict[str, Any]:
    """One grammar in llguidance's JSON. Raises RequestError or ValueError."""
    if isinstance(part, str):
        return {"lark_grammar": part}
    if isinstance(part, JsonFormat):
        return {"json_schema": _guided(part.schema)}
    size = len(part.definition.encode())
    if size > MAX_GRAMMAR_BYTES:
        raise ValueError(f"it has {size} bytes, which is more than {MAX_GRAMMAR_BYTES}")
    if part.syntax == "lark":
        return {"lark_grammar": part.definition}
    import llguidance

    return {"lark_grammar": f"start: /{llguidance.regex_to_lark(part.definition, use_ascii='d')}/"}


def _guided(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """The schema with our way of writing JSON in it, instead of one that the client may have put there."""
    if schema is None:
        return {"type": "object", "x-guidance": _JSON_OPTIONS}
    check_bounds(schema)
    return {**prepare(schema), "x-guidance": _JSON_OPTIONS}


def _probe(matcher: llguidance.LLMatcher) -> None:
    """Take the first steps: what has no finite beginning, or too many, is found now. Raises ValueError."""
    import numpy as np

    for _ in range(3):
        mask = np.frombuffer(matcher.compute_bitmask(), np.uint8)
        if matcher.is_error():
            raise ValueError(matcher.get_error())
        if matcher.is_stopped():
            return
        allowed = np.flatnonzero(np.unpackbits(mask, bitorder="little"))
        if not len(allowed):
            raise ValueError("no text satisfies it")
        matcher.consume_token(int(allowed[0]))


def _refusal(reason: str, param: str) -> RequestError:
    return RequestError(f"Invalid '{param}': {_reason(reason)}", param=param, code="invalid_value")


def _reason(text: str) -> str:
    """The library's words as one line."""
    line = " ".join(text.replace("<non-verbose/>", "").split())
    return line if len(line) <= _REASON_CHARS else line[:_REASON_CHARS] + "..."
