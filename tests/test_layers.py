"""Imports run downward only: the package is layers, and this is what keeps them so."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import spatz

ROOT = Path(spatz.__file__).parent
# Lower may not import higher. Units in one set do not import one another, but at the top, where cli joins the commands.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "data", "_core"}),
    frozenset({"config"}),
    frozenset({"weights", "context"}),
    frozenset({"engine"}),
    frozenset({"inputs"}),
    frozenset({"prompt", "search", "store"}),
    frozenset({"server"}),
    frozenset({"commands", "training", "console"}),
    frozenset({"evals"}),
    frozenset({"bench"}),
    frozenset({"cli"}),
)
RANKS = {unit: rank for rank, units in enumerate(LAYERS) for unit in units}


def imported_units(path: Path) -> set[str]:
    units = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            module = node.module or ""
            names = [f"spatz.{alias.name}" for alias in node.names] if module == "spatz" else [module]
        units |= {name.split(".")[1] for name in names if name.startswith("spatz.")}
    return units - {"__version__"}


def test_imports_run_downward_only() -> None:
    wrong = []
    for path in sorted(ROOT.rglob("*.py")):
        unit = path.relative_to(ROOT).with_suffix("").parts[0]
        if unit == "__init__":
            assert not imported_units(path)
            continue
        assert unit in RANKS, f"{unit} has no layer: give it one here and in the design"
        for other in imported_units(path) - {unit}:
            if RANKS[other] >= RANKS[unit]:
                wrong.append(f"{path.relative_to(ROOT)} imports {other}")
    assert not wrong


def test_the_commands_start_without_the_server_libraries() -> None:
    """What a module imports at its top is what a start costs; the heavy ones are imported where they are needed."""
    heavy = {"fastapi", "starlette", "uvicorn", "pydantic", "prometheus_client", "numpy", "httpx", "rich"}
    paths = [ROOT / "cli.py", ROOT / "config.py", ROOT / "errors.py", ROOT / "engine" / "request.py"]
    paths += sorted((ROOT / "commands").glob("*.py"))
    for path in paths:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                module = node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name
                assert module.split(".")[0] not in heavy, f"{path.name} imports {module} at its top"


def test_what_the_commands_import_imports_no_heavy_libraries_either() -> None:
    code = "import spatz.cli, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    heavy = {"alembic", "fastapi", "httpx", "llguidance", "numpy", "orjson", "pydantic", "sqlalchemy", "starlette"}
    assert not heavy & set(done.stdout.split())


def test_a_model_is_run_without_the_server_libraries() -> None:
    """What `spatz run` imports before its first token."""
    code = "import spatz.server.local, spatz.commands.answer, sys; print(*{n.partition('.')[0] for n in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    heavy = {"alembic", "fastapi", "llguidance", "pydantic", "sqlalchemy", "starlette", "uvicorn"}
    assert not heavy & set(done.stdout.split())
