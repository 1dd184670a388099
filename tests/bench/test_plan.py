from __future__ import annotations

import pytest

from spatz.bench.plan import GROUPS, Plan
from spatz.errors import ConfigError

ALL = (
    *("prefill_512", "prefill_2048", "prefill_8000", "decode_0", "decode_2048", "decode_8000"),
    *("batch16", "ttft", "cold_start", "rss", "tokenize"),
)


def test_names_are_all_measurements_in_order() -> None:
    assert Plan().names == ALL


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ([], ALL),
        (["decode"], ("decode_0", "decode_2048", "decode_8000")),
        (["decode_0,prefill_512", " rss "], ("prefill_512", "decode_0", "rss")),
        (list(GROUPS), ALL),
        (["ttft", "ttft"], ("ttft",)),
    ],
)
def test_only(given: list[str], names: tuple[str, ...]) -> None:
    assert Plan().only(given).names == names


def test_only_names_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"--only: 'prefill_9' is none of prefill, decode, batch16.*prefill_512"):
        Plan().only(["prefill_9"])


def test_what_a_short_model_cannot_run_is_left_out() -> None:
    names = Plan().within(2048).names
    assert names == ("prefill_512", "decode_0", "batch16", "ttft", "cold_start", "tokenize")
    assert Plan().within(50).names == ("cold_start", "tokenize")
    assert Plan().within(8192) == Plan()
