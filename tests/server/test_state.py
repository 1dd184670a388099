"""Defaults of a request's sampling fields."""

from __future__ import annotations

from spatz.server.chat_request import ChatRequest
from spatz.server.state import sampling

BODY = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


def test_the_default_temperature_is_for_requests_without_one() -> None:
    assert sampling(ChatRequest.model_validate(BODY), 0.3).temperature == 0.3
    for given in (0.0, 1.0, 2.0):
        assert sampling(ChatRequest.model_validate({**BODY, "temperature": given}), 0.3).temperature == given
