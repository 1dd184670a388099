"""A process that reads for the index: `python -m spatz.search.index.worker`. inputs/worker.py with reading.py in it."""

from __future__ import annotations

import sys

from spatz.inputs.worker import serve
from spatz.search.index.reading import read

__all__ = ["main"]


def main() -> None:
    serve(read, int(sys.argv[1]) if len(sys.argv) > 1 else 0)


if __name__ == "__main__":
    main()
