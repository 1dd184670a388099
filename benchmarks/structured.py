"""Tokens a second with a schema, beside the same prompts without one, in one continuous batch.

Three schemas: a list of small records, where much is forced and not sampled; one long string, where nothing is and the
masks are all there is to pay for; and a list of anything. Short rounds with and without take turns, and the median of
their ratios counts, so that what else the machine does meets both. All answers have the same number of tokens. Time
runs from the first token that arrives to the last: prompts are not part of it. Prints a table and a last line of JSON:
the least ratio, and each of them.

    python benchmarks/structured.py [--tokens 48] [--batch 1 8] [--rounds 24]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from typing import Any

from spatz.config import load
from spatz.engine.request import Request, SamplingParams
from spatz.prompt.grammar import ConstraintMaker
from spatz.prompt.turn import JsonFormat
from spatz.server.local import LocalModel, local_model
from spatz.weights.pull import resolve

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 30},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "role": {"enum": ["engineer", "designer", "manager"]},
        "remote": {"type": "boolean"},
    },
    "required": ["name", "age", "role", "remote"],
    "additionalProperties": False,
}
# Each is longer than any answer here, so that none ends before the number of tokens is reached.
SCHEMAS: dict[str, Any] = {
    "records": {"type": "array", "items": PERSON, "minItems": 10_000},
    "string": {
        "type": "object",
        "properties": {"text": {"type": "string", "minLength": 100_000}},
        "required": ["text"],
        "additionalProperties": False,
    },
    "any": {"type": "array", "minItems": 10_000},
}
PROMPTS = [
    f"Describe the people who work at the {place}, as JSON."
    for place in ("bakery", "airport", "library", "hospital", "zoo", "harbour", "theatre", "school")
]


async def tokens_per_second(model: LocalModel, make: ConstraintMaker | None, batch: int, tokens: int) -> float:
    first = last = 0.0
    said = early = 0

    async def ask(number: int) -> None:
        nonlocal first, last, said, early
        messages = [{"role": "user", "content": PROMPTS[number % len(PROMPTS)]}]
        params = SamplingParams(temperature=1.0, seed=number, max_tokens=tokens, ignore_eos=True)
        async for delta in model.engine.generate(Request(model.encode_chat(messages), params, constraint=make)):
            last = time.perf_counter()
            said += len(delta.tokens)
            if not first:
                first, early = last, said

    await asyncio.gather(*(ask(number) for number in range(batch)))
    if said != batch * tokens:
        raise SystemExit(f"an answer ended early: {said} tokens instead of {batch * tokens}")
    return (said - early) / (last - first)


async def measure(model: LocalModel, batches: list[int], tokens: int, rounds: int) -> dict[str, float]:
    ratios: dict[str, float] = {}
    print(f"{'schema':<8} {'batch':>5} {'without':>9} {'with':>9}   tok/s; median ratio of the rounds")
    for batch in batches:
        await tokens_per_second(model, None, batch, 16)  # prompts are known from here on, and memory is warm
        for name, schema in SCHEMAS.items():
            make = await model.grammars.compile(JsonFormat(schema))
            await tokens_per_second(model, make, batch, 16)
            plain, guided = [], []
            for _ in range(rounds):
                plain.append(await tokens_per_second(model, None, batch, tokens))
                guided.append(await tokens_per_second(model, make, batch, tokens))
            ratio = statistics.median(there / here for there, here in zip(guided, plain, strict=True))
            ratios[f"{name}_{batch}"] = round(ratio, 3)
            rates = f"{statistics.median(plain):>9.1f} {statistics.median(guided):>9.1f}"
            print(f"{name:<8} {batch:>5} {rates}   {ratio:.3f}", flush=True)
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(description="Throughput with a schema and without.")
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=24)
    args = parser.parse_args()
    sys.setswitchinterval(0.0005)  # as `spatz serve` does
    settings = load()
    path = resolve(settings.model, settings.data_dir)
    if path is None:
        raise SystemExit("the model is not there yet: spatz pull")
    with local_model(settings, path) as model:
        ratios = asyncio.run(measure(model, args.batch, args.tokens, args.rounds))
    print(json.dumps({"structured_ratio": min(ratios.values()), **ratios}))


if __name__ == "__main__":
    main()
