"""What one key may use: requests and tokens a minute as token buckets, and requests under way at once.

The gate admits a request and gets a ticket; the meter (meter.py) reserves the tokens of what goes to the engine and
settles them when the real usage is known. How it counts:

- A bucket holds one minute's worth and fills up evenly, so a key may send its minute's worth at once, and from then on
  what flows in. `remaining` is what is in the bucket, `reset` when it is full again.
- A request takes 1 from the bucket of requests when it comes, whatever becomes of it; one that is refused takes none.
- Its tokens are taken before it runs: those of the prompt (counted, not estimated), and for each choice `max_tokens`,
  or ASSUMED_OUTPUT where the request has none. When it ends, the difference to what was used is given back, or taken: a
  bucket may fall below zero, and then nothing is admitted until it has filled up. What a request declares is thus never
  exceeded, and what it did not declare is paid for afterwards; it is bounded by the context.
- A request holds its place among those under way until its answer has been sent or its client has gone, and while the
  engine works for it.
- Lines of batches are not limited: they run in what live requests leave.

Each process counts for itself. Buckets that are full again and idle are forgotten.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from spatz.engine.request import Priority, Request
from spatz.errors import RateLimitError, RequestError
from spatz.server.caller import Caller, Limits

__all__ = ["ASSUMED_OUTPUT", "Limiter", "Ticket", "duration"]

MINUTE = 60.0
ASSUMED_OUTPUT = 256  # tokens of a choice whose request sets no bound
MOST_IDLE = 1024  # accounts that are kept before full ones are looked for

Clock = Callable[[], float]


def duration(seconds: float) -> str:
    """As the API writes it: 12ms, 1s, 8.64s, 6m0s, 1h0m0s. Rounded up, so that waiting for it is enough."""
    milliseconds = math.ceil(max(0.0, seconds) * 1000 - 1e-6)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text


class Bucket:
    def __init__(self, limit: int, now: float) -> None:
        self.limit = limit
        self._level = float(limit)
        self._then = now

    def level(self, now: float) -> float:
        self._level = min(float(self.limit), self._level + (now - self._then) * self.limit / MINUTE)
        self._then = now
        return self._level

    def take(self, amount: int, now: float) -> None:
        """A negative amount is given back."""
        self._level = min(float(self.limit), self.level(now) - amount)

    def wait(self, amount: float, now: float) -> float:
        """Seconds until so much is in it."""
        return max(0.0, amount - self.level(now)) * MINUTE / self.limit

    def headers(self, kind: str, now: float) -> list[tuple[bytes, bytes]]:
        remaining = max(0, math.floor(self.level(now) + 1e-9))
        values = {"limit": str(self.limit), "remaining": str(remaining), "reset": duration(self.wait(self.limit, now))}
        return [(f"x-ratelimit-{name}-{kind}".encode(), value.encode()) for name, value in values.items()]


class Account:
    """One key's buckets."""

    def __init__(self, limits: Limits, now: float) -> None:
        self.limits = limits
        self.requests = Bucket(limits.requests_per_minute, now) if limits.requests_per_minute else None
        self.tokens = Bucket(limits.tokens_per_minute, now) if limits.tokens_per_minute else None
        self.running = 0

    def idle(self, now: float) -> bool:
        buckets = (self.requests, self.tokens)
        return not self.running and all(bucket is None or bucket.level(now) >= bucket.limit for bucket in buckets)


class Ticket:
    """One request that was let in. It counts as under way for as long as somebody holds it."""

    def __init__(self, limiter: Limiter, account: Account) -> None:
        self._limiter = limiter
        self._account = account
        self._holders = 0
        self.hold()

    def hold(self) -> None:
        if self._holders == 0:
            self._account.running += 1
        self._holders += 1

    def release(self) -> None:
        self._holders -= 1
        if self._holders == 0:
            self._account.running -= 1

    def reserve(self, requests: Sequence[Request]) -> list[int]:
        """Tokens taken for each. Raises RequestError (429), with nothing taken, where they are too many for now."""
        bucket = self._account.tokens
        if bucket is None:
            return [0] * len(requests)
        taken = [self._limiter.bound(request) for request in requests]
        wanted = sum(taken)
        now = self._limiter.clock()
        if wanted > bucket.limit:
            raise self._limiter.too_large(bucket, wanted)
        if bucket.level(now) < wanted:
            raise self._limiter.refusal("tokens", bucket, wanted, now)
        bucket.take(wanted, now)
        return taken

    def settle(self, reserved: int, used: int) -> None:
        if self._account.tokens is not None:
            self._account.tokens.take(used - reserved, self._limiter.clock())


class Limiter:
    def __init__(self, model: str, context_length: int, clock: Clock = time.monotonic) -> None:
        """model: its name, for the words of errors. context_length: of prompt and answer together."""
        self._model = model
        self._context_length = context_length
        self.clock = clock
        self._accounts: dict[str, Account] = {}

    def admit(self, caller: Caller) -> Ticket | None:
        """None: nothing limits this caller. Raises RequestError (429)."""
        account = self._account(caller)
        if account is None:
            return None
        now = self.clock()
        most = account.limits.max_concurrent
        if most and account.running >= most:
            raise RateLimitError(
                f"Rate limit reached for {self._model} on concurrent requests: Limit {most}, Used {account.running}, "
                "Requested 1. Please try again when one of them has ended.",
                kind="requests",
                retry_after=1.0,
            )
        if account.requests is not None and account.requests.level(now) < 1 - 1e-9:
            raise self.refusal("requests", account.requests, 1, now)
        if account.tokens is not None and account.tokens.level(now) < 1 - 1e-9:
            raise self.refusal("tokens", account.tokens, 1, now)
        if account.requests is not None:
            account.requests.take(1, now)
        return Ticket(self, account)

    def headers(self, caller: Caller) -> list[tuple[bytes, bytes]]:
        """x-ratelimit-*, for what is limited; where nothing is there is nothing to say."""
        account = self._account(caller)
        if account is None:
            return []
        now = self.clock()
        found = []
        for kind, bucket in (("requests", account.requests), ("tokens", account.tokens)):
            if bucket is not None:
                found += bucket.headers(kind, now)
        return found

    def bound(self, request: Request) -> int:
        """The tokens that a request declares."""
        params = request.params
        output = ASSUMED_OUTPUT if params.max_tokens is None else params.max_tokens
        room = max(0, self._context_length - len(request.prompt))
        return len(request.prompt) + min(output, room) * params.n

    def _account(self, caller: Caller) -> Account | None:
        if caller.priority is Priority.BACKGROUND or caller.limits == Limits():
            return None
        account = self._accounts.get(caller.owner)
        if account is None or account.limits != caller.limits:
            now = self.clock()
            if len(self._accounts) >= MOST_IDLE:
                self._accounts = {owner: known for owner, known in self._accounts.items() if not known.idle(now)}
            account = self._accounts[caller.owner] = Account(caller.limits, now)
        return account

    def refusal(self, kind: str, bucket: Bucket, wanted: int, now: float) -> RateLimitError:
        wait = bucket.wait(wanted, now)
        words = {"requests": "requests per min (RPM)", "tokens": "tokens per min (TPM)"}[kind]
        used = bucket.limit - max(0, math.floor(bucket.level(now) + 1e-9))
        return RateLimitError(
            f"Rate limit reached for {self._model} on {words}: Limit {bucket.limit}, Used {used}, Requested {wanted}. "
            f"Please try again in {duration(wait)}.",
            kind=kind,
            retry_after=wait,
        )

    def too_large(self, bucket: Bucket, wanted: int) -> RequestError:
        return RateLimitError(
            f"Request too large for {self._model} on tokens per min (TPM): Limit {bucket.limit}, Requested {wanted}. "
            "The input or output tokens must be reduced in order to run successfully.",
            kind="tokens",
            retry_after=None,
        )
