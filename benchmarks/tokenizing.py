"""Tokens a second on one long text, beside the plain `tokenizers` package.

The text is Python's documentation and then sources of its standard library, until it is long enough: no part is there
twice, so a cache of words earns no more than it would in life. Prints a table and a last line of JSON with the key
tokenize_tok_s. Other things than encoding (reading, building the tokenizer) are timed apart. The file cannot be called
tokenize.py: Python's own module of that name would be hidden.

    python benchmarks/tokenizing.py PATH_TO_GGUF [--megabytes 4]
"""

from __future__ import annotations

import argparse
import inspect
import json
import pydoc_data.topics
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from spatz.weights.gguf import GGUFFile
from spatz.weights.tokenizer import Tokenizer


def long_text(megabytes: float) -> str:
    """The same text for the same version of Python."""
    wanted = int(megabytes * 1_000_000)
    parts = list(pydoc_data.topics.topics.values())
    size = sum(map(len, parts))
    for path in sorted(Path(inspect.__file__).parent.glob("*.py")):
        if size >= wanted:
            break
        parts.append(path.read_text(encoding="utf-8"))
        size += len(parts[-1])
    return "\n".join(parts)[:wanted]


def seconds(work: Callable[[], object], rounds: int) -> float:
    """The median of several rounds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def tokenize_tok_s(tokenizer: Tokenizer, megabytes: float = 4.0, rounds: int = 5) -> float:
    """Tokens a second of encoding one long text."""
    text = long_text(megabytes)
    count = len(tokenizer.encode_array(text))
    return count / seconds(lambda: tokenizer.encode_array(text), rounds)


def reference_tok_s(path: Path, text: str) -> float:
    """The same with the `tokenizers` package, built of the same vocabulary, one call for the whole text."""
    from tokenizers import Tokenizer as Reference
    from tokenizers import models, pre_tokenizers

    metadata = GGUFFile(path).metadata
    tokens, merges = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.merges"]
    assert isinstance(tokens, list) and isinstance(merges, list)
    vocab = {str(token): index for index, token in enumerate(tokens)}
    reference = Reference(models.BPE(vocab=vocab, merges=[tuple(str(merge).split(" ")) for merge in merges]))
    reference.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    count = len(reference.encode(text).ids)
    return count / seconds(lambda: reference.encode(text), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description="Tokens a second of encoding one long text.")
    parser.add_argument("model", type=Path, help="a GGUF file whose pre-tokenizer is smollm")
    parser.add_argument("--megabytes", type=float, default=4.0)
    options = parser.parse_args()
    start = time.perf_counter()
    metadata = GGUFFile(options.model).metadata
    metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.merges"]
    read = time.perf_counter() - start
    start = time.perf_counter()
    tokenizer = Tokenizer.from_gguf(metadata)
    built = time.perf_counter() - start
    text = long_text(options.megabytes)
    start = time.perf_counter()
    ids = tokenizer.encode_array(text)
    cold = len(ids) / (time.perf_counter() - start)
    result = {
        "tokens": len(ids),
        "tokenize_tok_s": round(tokenize_tok_s(tokenizer, options.megabytes)),
        "tokenize_first_tok_s": round(cold),
        "tokenize_reference_tok_s": round(reference_tok_s(options.model, text)),
        "detokenize_tok_s": round(len(ids) / seconds(lambda: tokenizer.decode(ids), 3)),
        "metadata_ms": round(read * 1000, 1),
        "build_ms": round(built * 1000, 1),
    }
    for key, value in result.items():
        print(f"{key:28}{value:>14,}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
