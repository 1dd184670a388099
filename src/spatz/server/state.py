"""What the routes of one app share: the model, its names, the settings that matter to them, the metrics.

It lives on `app.state.spatz`; there is nothing global.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from spatz.config import Settings
from spatz.engine.request import ContextMode, SamplingParams
from spatz.errors import RequestError
from spatz.inputs.fetch import Fetcher
from spatz.inputs.fetched import FetchedBefore
from spatz.inputs.reader import CachedReader, reader_of
from spatz.server.caller import caller_of
from spatz.server.context import context_limit
from spatz.server.fields import Sampling
from spatz.server.keyring import KeyRing
from spatz.server.limits import Limiter
from spatz.server.meter import Counter, Meter
from spatz.server.metrics import Metrics
from spatz.server.served import ServedModel
from spatz.server.usage import UsageRecorder
from spatz.server.web import Web, fetcher_of
from spatz.store.db import Database
from spatz.store.files import Files

__all__ = ["State", "sampling", "state_of"]


@dataclass
class State:
    model: ServedModel
    settings: Settings
    metrics: Metrics
    database: Database
    draining: bool = False
    counters: list[Counter] = field(default_factory=list)  # told when an engine request ends
    # What runs beside the requests (batches, expiry): entered when the server starts, left when it stops.
    services: list[AbstractAsyncContextManager[object]] = field(default_factory=list)
    names: tuple[str, ...] = field(init=False)
    keys: KeyRing = field(init=False)
    limiter: Limiter = field(init=False)
    usage: UsageRecorder = field(init=False)
    files: Files = field(init=False)
    reader: CachedReader = field(init=False)
    fetcher: Fetcher | None = field(init=False)  # None: nothing is fetched
    fetched: FetchedBefore = field(default_factory=FetchedBefore)
    web: Web = field(init=False)

    def __post_init__(self) -> None:
        self.keys = KeyRing(self.database)
        self.limiter = Limiter(self.model.name, context_limit(self.model, ContextMode.AUTO))
        self.usage = UsageRecorder(self.database, self.model.name, self.keys)
        self.counters.append(self.usage.count)
        self.services.append(self.usage.running())
        self.files = Files(
            self.database,
            self.settings.data_dir / "files",
            limit=self.settings.max_storage_mb << 20,
            days=self.settings.file_days,
        )
        self.reader = reader_of(self.settings)
        self.services.append(self.reader)
        self.fetcher = fetcher_of(self.settings)
        if self.fetcher is not None:
            self.services.append(_closing(self.fetcher))
        self.web = Web(self.settings, self.fetcher, self.reader)
        self.names = tuple(dict.fromkeys((self.model.name, *self.settings.aliases)))

    def check_model(self, name: str) -> None:
        if name not in self.names:
            raise RequestError(
                f"The model '{name[:100]}' does not exist or you do not have access to it.",
                status=404,
                param="model",
                code="model_not_found",
            )

    @property
    def heartbeat(self) -> float:
        return self.settings.heartbeat_seconds

    @property
    def default_temperature(self) -> float:
        return self.settings.default_temperature

    def meter(self, request: Request) -> Meter:
        made = Meter(self.metrics, caller_of(request), self.counters, request.scope.get("spatz.ticket"))
        request.scope["spatz.meter"] = made
        return made

    def head(self, prefix: str) -> dict[str, Any]:
        """What every answer and chunk carries. model is the model's own name, also when an alias was asked for."""
        return {
            "id": prefix + secrets.token_hex(12),
            "created": int(time.time()),
            "model": self.model.name,
            "system_fingerprint": self.model.fingerprint,
        }


@asynccontextmanager
async def _closing(fetcher: Fetcher) -> AsyncIterator[None]:
    try:
        yield
    finally:
        fetcher.close()


def state_of(request: Request) -> State:
    state: State = request.app.state.spatz
    return state


def sampling(body: Sampling, default_temperature: float, **given: Any) -> SamplingParams:
    """The request's fields as the engine's, which has the API's defaults but for the temperature."""
    fields: dict[str, Any] = {"temperature": default_temperature}
    fields |= {
        name: getattr(body, name)
        for name in (
            "temperature",
            "top_p",
            "top_k",
            "min_p",
            "seed",
            "presence_penalty",
            "frequency_penalty",
            "repetition_penalty",
            "ignore_eos",
            "stop",
            "n",
        )
        if getattr(body, name) is not None
    }
    if body.logit_bias:
        fields["logit_bias"] = {int(token): bias for token, bias in body.logit_bias.items()}
    return SamplingParams(**{**fields, **given})
