from __future__ import annotations

import pytest

from server.running import RunningServer
from spatz.bench.server_metrics import ServerMetrics, parse_metrics
from spatz.errors import SpatzError


def test_of_a_server(server: RunningServer) -> None:
    host, _, port = server.base_url.removeprefix("http://").removesuffix("/v1").partition(":")
    metrics = ServerMetrics(host, int(port))
    try:
        assert metrics.idle()
        assert metrics.prefill() == (0, 0)
        seconds, count = metrics.first_tokens()
        assert seconds >= 0
        assert count >= 0
    finally:
        metrics.close()


def test_a_server_that_has_gone() -> None:
    with pytest.raises(SpatzError, match="the server tells no figures"):
        ServerMetrics("127.0.0.1", 1).read()


def test_figures_that_are_missing() -> None:
    with pytest.raises(SpatzError, match="does not tell spatz_"):
        parse_metrics('spatz_queue_requests 0.0\nspatz_requests_total{route="/"} 3.0\n')
