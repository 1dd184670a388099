"""From tokens to deltas: text, tokens and log-probabilities agree, however the answer ends."""

from __future__ import annotations

from typing import Any

from engine.fake_core import EOS, FakeDecoder, token_bytes
from spatz.engine.output import ChoiceOutput
from spatz.engine.request import Delta, FinishReason, SamplingParams, TokenLogprob


def output(limit: int = 100, **params: Any) -> ChoiceOutput:
    return ChoiceOutput(3, SamplingParams(**params), limit, frozenset({EOS}), FakeDecoder)


def feed(out: ChoiceOutput, tokens: list[int]) -> list[Delta]:
    deltas = []
    for token in tokens:
        deltas.append(out.feed(token, TokenLogprob(token, token_bytes(token), -1.0)))
        if deltas[-1].finish_reason:
            break
    for delta in deltas:
        assert delta.index == 3
        assert tuple(logprob.token for logprob in delta.logprobs) == delta.tokens
    return deltas


def text(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


def tokens(deltas: list[Delta]) -> list[int]:
    return [token for delta in deltas for token in delta.tokens]


def test_each_token_is_a_delta() -> None:
    deltas = feed(output(), list(b"hey"))
    assert [delta.text for delta in deltas] == ["h", "e", "y"]
    assert all(delta.finish_reason is None for delta in deltas)


def test_the_end_of_turn_token_is_not_part_of_the_answer() -> None:
    deltas = feed(output(), [*b"hi", EOS, *b"more"])
    assert text(deltas) == "hi" and tokens(deltas) == list(b"hi")
    assert deltas[-1].finish_reason is FinishReason.STOP


def test_it_is_when_it_is_to_be_ignored() -> None:
    deltas = feed(output(limit=3, ignore_eos=True), [EOS, EOS, EOS])
    assert tokens(deltas) == [EOS] * 3 and deltas[-1].finish_reason is FinishReason.LENGTH


def test_the_length_limit_gives_out_half_a_character_as_a_replacement() -> None:
    deltas = feed(output(limit=2), [ord("a"), "ä".encode()[0]])
    assert text(deltas) == "a\ufffd" and deltas[-1].finish_reason is FinishReason.LENGTH
    assert tokens(deltas) == [ord("a"), "ä".encode()[0]]


def test_end_of_turn_at_the_limit_is_a_stop() -> None:
    assert feed(output(limit=1), [EOS])[-1].finish_reason is FinishReason.STOP


def test_a_character_waits_for_its_last_byte() -> None:
    deltas = feed(output(), list("🐦".encode()))
    assert [delta.text for delta in deltas] == ["", "", "", "🐦"]


def test_a_stop_string_across_tokens_takes_its_tokens_along() -> None:
    deltas = feed(output(stop=["END"]), [*b"a ENDb"])
    assert text(deltas) == "a " and tokens(deltas) == list(b"a ")
    assert deltas[-1].finish_reason is FinishReason.STOP


def test_a_token_that_begins_before_a_stop_string_is_given_out() -> None:
    """Token " the" begins with text that stays."""
    word = next(token for token in range(256, 319) if token_bytes(token) == b" the")
    deltas = feed(output(stop=["heX"]), [word, ord("X")])
    assert text(deltas) == " t" and tokens(deltas) == [word]


def test_held_text_is_given_out_when_it_is_no_stop_string() -> None:
    deltas = feed(output(stop=["END"]), list(b"EN!"))
    assert [delta.text for delta in deltas] == ["", "", "EN!"]
    assert [delta.tokens for delta in deltas] == [(), (), tuple(b"EN!")]


def test_held_text_is_given_out_at_the_end_of_turn_and_at_the_limit() -> None:
    ended = feed(output(stop=["END"]), [*b"xEN", EOS])
    assert text(ended) == "xEN" and tokens(ended) == list(b"xEN") and ended[-1].finish_reason is FinishReason.STOP
    cut = feed(output(limit=3, stop=["END"]), list(b"xEN"))
    assert text(cut) == "xEN" and tokens(cut) == list(b"xEN") and cut[-1].finish_reason is FinishReason.LENGTH


def test_a_stop_string_that_the_last_allowed_token_completes_is_a_stop() -> None:
    deltas = feed(output(limit=3, stop=["END"]), list(b"END"))
    assert text(deltas) == "" and tokens(deltas) == [] and deltas[-1].finish_reason is FinishReason.STOP


def test_a_stop_string_inside_a_replacement_at_the_end() -> None:
    deltas = feed(output(limit=1, stop=["\ufffd"]), ["ä".encode()[0]])
    assert text(deltas) == "" and deltas[-1].finish_reason is FinishReason.STOP


def test_tokens_inside_a_character_wait_for_it() -> None:
    deltas = feed(output(stop=["END"]), [*"ä".encode(), ord("!")])
    assert [delta.tokens for delta in deltas] == [(), tuple("ä".encode()), (ord("!"),)]


def test_abort_gives_out_what_was_held() -> None:
    out = output(stop=["END"])
    feed(out, list(b"aE"))
    last = out.abort()
    assert (last.text, last.tokens, last.finish_reason) == ("E", (ord("E"),), FinishReason.ABORT)
