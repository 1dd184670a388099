"""Many streaming clients at once, for a while: is every stream whole, and how long does the first token take?

    python benchmarks/soak.py --clients 64 --seconds 60

Starts a server of its own and asks each question once alone, with a seed. Then every client streams one question after
another until the time is up; text, finish reason and usage have to be those of the same question alone, so a token
that is lost, doubled or sent to another client is found. Prints a table, and JSON in the last line. It measures one
machine under more load than it has sequences for (the setting max_batch), so times to the first token hold waiting.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field

import httpx

START_WAIT = 120  # seconds
NOUNS = ("heron", "river", "lamp", "bridge", "garden", "violin", "engine", "letter")
VERBS = ("Describe a {}.", "Tell a story about a {}.", "Write a poem about a {}.", "What is a {} good for?")


@dataclass(frozen=True)
class Result:
    text: str
    reason: str | None
    prompt_tokens: int
    completion_tokens: int


@dataclass
class Tally:
    streams: int = 0
    tokens: int = 0
    errors: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    first: list[float] = field(default_factory=list)  # seconds to the first token of each stream
    seconds: float = 0.0  # from the first stream's start to the last one's end


def questions(count: int, max_tokens: int) -> list[dict[str, object]]:
    """count bodies of requests, no two alike."""
    bodies: list[dict[str, object]] = []
    for number in range(count):
        text = VERBS[number // len(NOUNS) % len(VERBS)].format(NOUNS[number % len(NOUNS)])
        bodies.append(
            {
                "model": "gpt-4.1-nano",
                "messages": [{"role": "user", "content": f"{text} ({number})"}],
                "seed": number,
                "temperature": 0.8,
                "max_tokens": max_tokens // 2 + number * 7 % (max_tokens // 2 + 1),
                "stream": True,
                "stream_options": {"include_usage": True},
            }
        )
    return bodies


async def ask(client: httpx.AsyncClient, body: dict[str, object], first: list[float] | None = None) -> Result:
    """One stream, read to its end. Raises what is wrong with it."""
    start = time.perf_counter()
    pieces: list[str] = []
    reason: str | None = None
    usage: dict[str, int] | None = None
    ended = False
    async with client.stream("POST", "/chat/completions", json=body) as response:
        if response.status_code != 200:
            raise RuntimeError(f"status {response.status_code}: {(await response.aread())[:300]!r}")
        async for line in response.aiter_lines():
            if not line.startswith("data: "):
                continue
            if line == "data: [DONE]":
                ended = True
                continue
            chunk = json.loads(line[6:])
            if "error" in chunk:
                raise RuntimeError(f"an error within the stream: {chunk['error']}")
            usage = chunk.get("usage") or usage
            for choice in chunk["choices"]:
                content = choice["delta"].get("content")
                if content:
                    if first is not None and not pieces:
                        first.append(time.perf_counter() - start)
                    pieces.append(content)
                reason = choice["finish_reason"] or reason
    if not ended or usage is None:
        raise RuntimeError("the stream ended early")
    return Result("".join(pieces), reason, usage["prompt_tokens"], usage["completion_tokens"])


async def soak(
    base_url: str, clients: int, *, asked: int, seconds: float | None, rounds: int | None, max_tokens: int
) -> Tally:
    """Each of the clients streams for the seconds, or for so many rounds, and compares with the answers alone.

    asked: how many different questions there are.
    """
    tally = Tally()
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(base_url=base_url, timeout=600, limits=limits, trust_env=False) as client:
        bodies = questions(asked, max_tokens)
        alone = [await ask(client, body) for body in bodies]
        begin = time.perf_counter()
        end = None if seconds is None else begin + seconds

        async def one(place: int) -> None:
            done = 0
            while (rounds is None or done < rounds) and (end is None or time.perf_counter() < end):
                number = (place + done * 13) % asked
                done += 1
                try:
                    result = await ask(client, bodies[number], tally.first)
                except (httpx.HTTPError, RuntimeError, ValueError, KeyError) as error:
                    tally.errors.append(f"question {number}: {error!r}")
                    continue
                tally.streams += 1
                tally.tokens += result.completion_tokens
                if result != alone[number]:
                    tally.wrong.append(f"question {number}: {result} and not {alone[number]}")

        await asyncio.gather(*(one(place) for place in range(clients)))
        tally.seconds = time.perf_counter() - begin
    return tally


def quantile(values: list[float], share: float) -> float:
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else float("nan")


def started(flags: list[str]) -> tuple[subprocess.Popen[str], str]:
    """A server on a free port, and its address as its greeting names it."""
    command = [sys.executable, "-m", "spatz.cli", "serve", "--port", "0", "--log-level", "warning", *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        found = re.search(r"http://\S+/v1", line)
        if found:
            return process, found.group()
    raise SystemExit("the server did not start")


def main() -> None:
    parser = argparse.ArgumentParser(description="Many streaming clients at once, for a while.")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--questions", type=int, default=64, help="how many different ones there are")
    parser.add_argument("--max-tokens", type=int, default=64, help="longest answer; the shortest is half of it")
    parser.add_argument("flags", nargs="*", help="flags of `spatz serve`, after --")
    asked = parser.parse_args()
    process, base_url = started(asked.flags)
    try:
        tally = asyncio.run(
            soak(
                base_url,
                asked.clients,
                asked=asked.questions,
                seconds=asked.seconds,
                rounds=None,
                max_tokens=asked.max_tokens,
            )
        )
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(START_WAIT)
    for line in [*tally.errors, *tally.wrong][:10]:
        print(line)
    report = {
        "clients": asked.clients,
        "seconds": round(tally.seconds, 1),
        "streams": tally.streams,
        "tokens": tally.tokens,
        "errors": len(tally.errors),
        "wrong_streams": len(tally.wrong),
        "tokens_per_second": round(tally.tokens / tally.seconds, 1),
        "first_token_p50_seconds": round(quantile(tally.first, 0.5), 3),
        "first_token_p95_seconds": round(quantile(tally.first, 0.95), 3),
    }
    for key, value in report.items():
        print(f"{key:26} {value}")
    print(json.dumps(report))
    sys.exit(bool(tally.errors or tally.wrong or not tally.streams))


if __name__ == "__main__":
    main()
