"""The figures that a server tells of itself at /metrics, as far as a measurement needs them."""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping

from spatz.errors import SpatzError

__all__ = ["ServerMetrics", "parse_metrics"]

_WAIT_SECONDS = 30.0
_LARGEST = 4 << 20  # bytes

FIRST_TOKENS = ("spatz_first_token_seconds_sum", "spatz_first_token_seconds_count")
UNDER_WAY = (
    "spatz_queue_requests",
    "spatz_waiting_sequences",
    "spatz_batch_sequences",
    "spatz_prefill_left_tokens",
)


class ServerMetrics:
    def __init__(self, host: str, port: int) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=_WAIT_SECONDS)

    def close(self) -> None:
        self._connection.close()

    def read(self) -> Mapping[str, float]:
        try:
            self._connection.request("GET", "/metrics")
            response = self._connection.getresponse()
            text = response.read(_LARGEST).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise SpatzError(f"the server tells no figures: {type(error).__name__}: {error}") from None
        if response.status != 200:
            raise SpatzError(f"the server tells no figures: status {response.status}")
        return parse_metrics(text)

    def prefill(self) -> tuple[int, int]:
        """(done, left): tokens of the prompts under way."""
        values = self.read()
        return int(values["spatz_prefill_done_tokens"]), int(values["spatz_prefill_left_tokens"])

    def idle(self) -> bool:
        """Whether nothing waits and nothing is computed."""
        values = self.read()
        return not any(values[name] for name in UNDER_WAY)

    def first_tokens(self) -> tuple[float, int]:
        """(seconds, requests) that it took from the engine's door to the first tokens, over all requests so far."""
        values = self.read()
        seconds, count = (values[name] for name in FIRST_TOKENS)
        return seconds, int(count)


def parse_metrics(text: str) -> Mapping[str, float]:
    """Of the values without labels, by name. Raises SpatzError where one is missing that is read here."""
    found = {name: float(value) for name, value in re.findall(r"^(\w+) (\S+)$", text, re.MULTILINE)}
    for name in (*FIRST_TOKENS, *UNDER_WAY, "spatz_prefill_done_tokens"):
        if name not in found:
            raise SpatzError(f"the server does not tell {name}")
    return found
