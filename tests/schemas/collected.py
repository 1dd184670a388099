"""Schemas that people's programs have: of the models and the schema files in the packages that are installed."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterator
from typing import Any

import pydantic
from jsonschema_specifications import REGISTRY

__all__ = ["metaschemas", "models"]

PACKAGES = ("openai.types.chat", "openai.types.shared", "fastapi.openapi.models", "langchain_core.messages")
MAX_SIZE = 20_000  # characters of a schema


def metaschemas() -> dict[str, dict[str, Any]]:
    """The schemas of schemas, each with its dialect."""
    return {uri: dict(REGISTRY[uri].contents) for uri in sorted(REGISTRY) if isinstance(REGISTRY[uri].contents, dict)}


def models() -> dict[str, type[pydantic.BaseModel]]:
    """Pydantic models by their full names."""
    found: dict[str, type[pydantic.BaseModel]] = {}
    for package in PACKAGES:
        for module in _modules(package):
            for name, value in inspect.getmembers(module, inspect.isclass):
                if value.__module__ == module.__name__ and issubclass(value, pydantic.BaseModel) and _small(value):
                    found[f"{module.__name__}.{name}"] = value
    return dict(sorted(found.items()))


def _modules(name: str) -> Iterator[Any]:
    try:
        module = importlib.import_module(name)
    except ImportError:
        return
    yield module
    for info in pkgutil.iter_modules(getattr(module, "__path__", [])):
        try:
            yield importlib.import_module(f"{name}.{info.name}")
        except ImportError:
            continue


def _small(model: type[pydantic.BaseModel]) -> bool:
    try:
        schema = model.model_json_schema()
    except (pydantic.errors.PydanticUserError, ValueError, TypeError):
        return False
    return bool(schema.get("properties")) and len(json.dumps(schema)) <= MAX_SIZE
