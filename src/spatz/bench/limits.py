"""What the machine and the model allow: the measured limits, and the work that a measurement cannot avoid.

A share is that work at the measured limit over the time that it took: 1.0 is a machine that does nothing else. Knows
nothing of how anything is measured but the two limits.
"""

from __future__ import annotations

from dataclasses import dataclass

from spatz import _core

__all__ = ["Limits", "Work", "measure_limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Of the machine, with the threads that the model gets."""

    read_gb_s: float  # memory read rate, 10^9 bytes a second
    int8_tops: float  # int8 dot products, 10^12 operations a second; a multiply-add is two

    def at_least(self, other: Limits) -> Limits:
        """A limit is the best that was ever seen: what disturbs a measurement makes it smaller."""
        return Limits(max(self.read_gb_s, other.read_gb_s), max(self.int8_tops, other.int8_tops))


def measure_limits(context: _core.Context) -> Limits:
    return Limits(context.read_bandwidth(), context.int8_peak())


@dataclass(frozen=True, slots=True)
class Work:
    """What the model costs: bytes to read and operations to do."""

    weight_bytes: int  # read by one decode step
    kv_token_bytes: float  # keys and values of one token in the cache
    linear_macs: int  # multiply-adds of the linear layers, per token
    attention_macs: int  # of one layer, per token and token that it sees
    windows: tuple[int, ...]  # per layer: tokens that it sees at most, 0 for all

    def prefill_operations(self, tokens: int, start: int = 0) -> float:
        """Operations of a prompt's tokens, the first of which sees itself and `start` others. Without the head."""
        seen = sum(_seen(start + tokens, window) - _seen(start, window) for window in self.windows)
        return 2.0 * (self.linear_macs * tokens + self.attention_macs * seen)

    def decode_bytes(self, depth: int) -> float:
        """Bytes that a token reads at this depth: the weights, and the keys and values that it sees."""
        seen = sum(min(depth, window) if window else depth for window in self.windows) / len(self.windows)
        return self.weight_bytes + self.kv_token_bytes * seen

    # --- shares ------------------------------------------------------------------------------------------------------

    def prefill_share(self, tokens: int, tok_s: float, limits: Limits) -> float:
        return self.prefill_operations(tokens) / tokens * tok_s / (limits.int8_tops * 1e12)

    def decode_share(self, depth: int, tok_s: float, limits: Limits) -> float:
        return self.decode_bytes(depth) * tok_s / (limits.read_gb_s * 1e9)

    def batch_share(self, requests: int, prompt: int, generated: int, seconds: float, limits: Limits) -> float:
        """Every operation at the peak, or every step's reads at the peak, whichever takes longer, phase by phase."""
        peak, read = limits.int8_tops * 1e12, limits.read_gb_s * 1e9
        prefill = requests * self.prefill_operations(prompt) / peak
        keys = (self.decode_bytes(prompt + generated // 2) - self.weight_bytes) * requests
        reads = generated * (self.weight_bytes + keys) / read
        decode = max(reads, requests * self.prefill_operations(generated, prompt) / peak)
        return (prefill + decode) / seconds

    def first_token_share(self, prompt: int, seconds: float, limits: Limits) -> float:
        at_least = max(
            self.prefill_operations(prompt) / (limits.int8_tops * 1e12), self.weight_bytes / (limits.read_gb_s * 1e9)
        )
        return at_least / seconds


def _seen(tokens: int, window: int) -> int:
    """Tokens that the first `tokens` positions see in sum: each itself and what is before it, within the window."""
    if not window or tokens <= window:
        return tokens * (tokens + 1) // 2
    return window * (window + 1) // 2 + (tokens - window) * window
