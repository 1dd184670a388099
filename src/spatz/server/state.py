"""What the routes of one app share: the model, its names, the settings that matter to them, the metrics.

It lives on `app.state.spatz`; there is nothing global.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from spatz.engine.request import SamplingParams
from spatz.errors import RequestError
from spatz.server.fields import Sampling
from spatz.server.metrics import Metrics
from spatz.server.served import ServedModel

__all__ = ["State", "sampling", "state_of"]


@dataclass
class State:
    model: ServedModel
    aliases: tuple[str, ...]
    heartbeat: float
    default_temperature: float
    metrics: Metrics
    draining: bool = False
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.names = tuple(dict.fromkeys((self.model.name, *self.aliases)))

    def check_model(self, name: str) -> None:
        if name not in self.names:
            raise RequestError(
                f"The model '{name[:100]}' does not exist or you do not have access to it.",
                status=404,
                param="model",
                code="model_not_found",
            )

    def head(self, prefix: str) -> dict[str, Any]:
        """What every answer and chunk carries. model is the model's own name, also when an alias was asked for."""
        return {
            "id": prefix + secrets.token_hex(12),
            "created": int(time.time()),
            "model": self.model.name,
            "system_fingerprint": self.model.fingerprint,
        }


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
