"""A program that answers like llama-bench, at speeds that are made of what it is asked."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["make_peer"]

SCRIPT = """#!{python}
import json, sys
flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
prompt, generated, depth = (int(flags.get(name, 0)) for name in ("-p", "-n", "-d"))
assert flags["-o"] == "json" and flags["-r"] == "1", flags
open({log!r}, "a").write(flags["-m"] + "\\n")
{extra}
print(json.dumps([{{
    "build_commit": "abc", "build_number": 7, "n_threads": int(flags["-t"]),
    "n_prompt": prompt, "n_gen": generated, "n_depth": depth, "avg_ts": 1000.0 + prompt + generated + depth,
}}]))
"""


def make_peer(folder: Path, extra: str = "") -> Path:
    """extra: a line of Python that it runs before it answers. What models it was given is in folder/calls."""
    path = folder / "llama-bench"
    path.write_text(SCRIPT.format(python=sys.executable, extra=extra, log=str(folder / "calls")))
    path.chmod(0o755)
    return path
