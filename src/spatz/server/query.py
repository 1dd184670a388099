"""Query strings as the fields of a model, checked as strictly as bodies are: an unknown name is an error.

`metadata[key]=value` becomes the entry of a map, `include[]=a&include[]=b` (or `include=a`) a list. Numbers are
written as text there, so the models are not strict about types. openapi.py makes the document's parameters of them.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from spatz.errors import RequestError
from spatz.server.problems import validate

__all__ = ["PageQuery", "Query", "parse_query"]

Parsed = TypeVar("Parsed", bound="Query")

MOST_PARAMETERS = 100
NESTED = re.compile(r"([a-z_]{1,64})\[([^\[\]]{0,256})\]")


class Query(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PageQuery(Query):
    """What all lists take."""

    after: Annotated[str, Field(max_length=256)] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    order: Literal["asc", "desc"] = "asc"


def parse_query(kind: type[Parsed], request: Request) -> Parsed:
    items = request.query_params.multi_items()
    if len(items) > MOST_PARAMETERS:
        raise RequestError("The query has too many parameters.", code="invalid_value")
    values: dict[str, Any] = {}
    for name, text in items:
        nested = NESTED.fullmatch(name)
        if nested is not None and nested[2]:
            into = values.setdefault(nested[1], {})
            if not isinstance(into, dict) or nested[2] in into:
                raise _twice(name)
            into[nested[2]] = text
            continue
        name = nested[1] if nested is not None else name
        if nested is not None or _is_list(kind, name):
            into = values.setdefault(name, [])
            if not isinstance(into, list):
                raise _twice(name)
            into.append(text)
        elif name in values:
            raise _twice(name)
        else:
            values[name] = text
    return validate(kind, values)


def _is_list(kind: type[Query], name: str) -> bool:
    field = kind.model_fields.get(name)
    return field is not None and "list[" in str(field.annotation)


def _twice(name: str) -> RequestError:
    return RequestError(
        f"Invalid '{name[:100]}': the parameter is given more than once.", param=name[:100], code="invalid_value"
    )
