"""How many planted facts the routed mode finds in long prompts, with a set of far heads: the engine itself is asked.

Each set gets a model of its own, in this process, with the profile as a file and nothing kept from the set before: what
is computed with some heads is of no use with others. Passages are not read again behind the question, as they are
otherwise: what is measured is what the heads have kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from spatz.config import Settings
from spatz.context.far_memory import Reach
from spatz.context.profile import HeadProfile, Shape, profile_text
from spatz.engine.request import ContextMode
from spatz.errors import SpatzError
from spatz.evals.asking import LocalAsker
from spatz.evals.calibration.facts import ANSWER_TOKENS, Planted
from spatz.evals.calibration.prompts import Prompts
from spatz.evals.calibration.selection import Heads, Tried, depth_of
from spatz.evals.case import all_found
from spatz.server.local import local_model

__all__ = ["Recall"]


class Recall:
    """Called with a set of heads, it asks for every fact of the texts."""

    def __init__(
        self,
        settings: Settings,
        path: Path,
        digest: str,
        shape: Shape,
        prompts: Prompts,
        texts: Sequence[Planted],
        tell: Callable[[Tried], None],
    ) -> None:
        """path, digest: of the model's files, and what they are known by."""
        self._settings = settings
        self._path = path
        self._digest = digest
        self._shape = shape
        self._prompts = prompts
        self._texts = texts
        self._tell = tell

    def __call__(self, heads: Heads) -> Tried:
        with TemporaryDirectory(prefix="spatz-calibrate-") as folder:
            own = Path(folder) / "profiles" / f"{self._digest}.json"
            own.parent.mkdir()
            own.write_text(profile_text(HeadProfile("being calibrated", heads), self._shape), encoding="utf-8")
            settings = replace(self._settings, data_dir=Path(folder), cache_mb=0)
            with local_model(settings, self._path, Reach(again=0)) as model:
                asker = LocalAsker(model, ContextMode.ROUTED, self._prompts)
                tried = self._ask(asker, heads)
        self._tell(tried)
        return tried

    def _ask(self, asker: LocalAsker, heads: Heads) -> Tried:
        found = asked = read = 0
        seconds = 0.0
        for planted in self._texts:
            for fact, messages in zip(planted.facts, planted.conversations, strict=True):
                # A model that knows no turns would not know what is wanted of it.
                reply = asker.ask(messages, ANSWER_TOKENS, "" if self._prompts.chats else fact.begun)
                if reply.error:
                    raise SpatzError(f"the model cannot be asked for planted facts: {reply.error}")
                asked += 1
                found += bool(all_found(reply.text, (fact.value,)))
                if not reply.cached_tokens:
                    read, seconds = read + reply.prompt_tokens, seconds + reply.seconds
        speed = read / seconds if seconds else 0.0
        return Tried(heads, depth_of(heads, self._shape.kv_heads), found, asked, speed)
