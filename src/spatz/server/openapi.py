"""The OpenAPI document, made of the routes and of what endpoints.py says about them.

Routes parse their bodies and queries themselves, so FastAPI knows only their paths. The document is made when it is
first asked for. `python -m spatz.server.openapi` prints it (docs/openapi.json); a test fails when that is stale.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI
from pydantic import TypeAdapter

from spatz import __version__

if TYPE_CHECKING:
    from spatz.server.endpoints import Endpoint

__all__ = ["document", "install"]

REF = "#/components/schemas/{model}"
DESCRIPTION = "A small language model, served in OpenAI's wire format. What is not served is refused with the reason."
ERRORS = {
    400: "The request is wrong: param says where.",
    401: "No valid API key.",
    403: "Not from this host or origin, or not with this model.",
    404: "There is no such object, or it belongs to another key.",
    408: "The body came too slowly.",
    409: "The state of the object does not allow this.",
    413: "The body, or what is stored, is too large.",
    415: "The body has another content type.",
    429: "Too much at once: see Retry-After.",
    500: "The server failed; the log has the request's id.",
    503: "The server is stopping, or its storage is not available.",
}
BODY_ERRORS = (408, 413, 415)
HEADERS = {"x-request-id": {"schema": {"type": "string"}, "description": "Names the request in the server's log."}}

CONTEXT_HEADER = {
    "x-spatz-context": {
        "schema": {"enum": ["exact", "routed", "skim", "mixed"]},
        "description": "How the prompt was read. Not of what is run in the background.",
    }
}


def install(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    routers = tuple(routers)

    def build() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = document(routers)
        return app.openapi_schema

    app.openapi = build  # type: ignore[method-assign]


def document(routers: Iterable[APIRouter]) -> dict[str, Any]:
    from spatz.server.endpoints import ENDPOINTS
    from spatz.server.shapes.common import ErrorAnswer

    schemas = _Schemas([kind for endpoint in ENDPOINTS.values() for kind in _kinds(endpoint)] + [(ErrorAnswer, False)])
    paths: dict[str, dict[str, Any]] = {}
    for method, path, name in _routes(routers):
        operation = _Operation(ENDPOINTS[method, path], schemas, path, method)
        paths.setdefault(path, {})[method.lower()] = {"operationId": name, **operation.build()}
    missing = ENDPOINTS.keys() - {(method.upper(), path) for path, found in paths.items() for method in found}
    assert not missing, f"endpoints without a route: {missing}"
    return {
        "openapi": "3.1.0",
        "info": {"title": "Spatz", "version": __version__, "description": DESCRIPTION},
        "security": [{"key": []}, {}],
        "paths": paths,
        "components": {
            "schemas": schemas.definitions,
            "responses": {
                f"Error{status}": {
                    "description": words,
                    "content": {"application/json": {"schema": schemas.of(ErrorAnswer)}},
                    "headers": HEADERS,
                }
                for status, words in ERRORS.items()
            },
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _routes(routers: Iterable[APIRouter]) -> Iterator[tuple[str, str, str]]:
    for router in routers:
        for route in router.routes:
            path, name = getattr(route, "path", ""), getattr(route, "name", "")
            for method in sorted(getattr(route, "methods", None) or ()):
                yield method, path.replace(":path}", "}"), name


def _kinds(endpoint: Endpoint) -> list[tuple[Any, bool]]:
    """The types of an endpoint, each with whether it comes in."""
    coming = [(kind, True) for kind in (endpoint.body, endpoint.form, endpoint.query) if kind is not None]
    return coming + [(kind, False) for kind in (endpoint.answer, endpoint.events) if kind is not None]


class _Schemas:
    """The schemas of all types together, so that names that are used twice are told apart."""

    def __init__(self, kinds: Iterable[tuple[Any, bool]]) -> None:
        adapters: dict[tuple[Any, bool], TypeAdapter[Any]] = {}
        for kind, coming in kinds:
            # What comes in may leave out what has a default, and what goes out, too: both are "validation".
            adapters.setdefault((kind, coming), TypeAdapter(kind))
        found, rest = TypeAdapter.json_schemas(
            [(key, "validation", adapter) for key, adapter in adapters.items()], ref_template=REF
        )
        names = {name: _short(name) for name in rest["$defs"]}
        assert len(set(names.values())) == len(names), "two schemas would have one name"
        made = {names[name]: _clean(schema, names) for name, schema in rest["$defs"].items()}
        self.definitions: dict[str, Any] = dict(sorted(made.items()))
        self._found = {key: _clean(schema, names) for (key, _), schema in found.items()}

    def of(self, kind: Any, coming: bool = False) -> dict[str, Any]:
        schema: dict[str, Any] = self._found[kind, coming]
        return schema

    def whole(self, kind: Any) -> dict[str, Any]:
        """The schema itself, where `of` may give a reference to it."""
        schema = self.of(kind, coming=True)
        while "$ref" in schema:
            schema = self.definitions[schema["$ref"].rpartition("/")[2]]
        return schema


def _short(name: str) -> str:
    """pydantic names what there is twice by its module: spatz__server__chat_tools__FunctionTool, a ChatFunctionTool."""
    if name.startswith("Listed_"):
        return name.removeprefix("Listed_").rstrip("_") + "List"
    *module, kind = name.removeprefix("spatz__server__").split("__")
    if not module or module[-1] == "fields":
        return kind
    prefix = module[-1].partition("_")[0].capitalize() + ("Answer" if module[0] == "shapes" else "")
    return kind if kind.startswith(prefix) else prefix + kind


def _clean(value: Any, names: Mapping[str, str]) -> Any:
    """With short names, and without titles, which repeat them. A property that is called title has no text there."""
    if isinstance(value, dict):
        kept = {key: _clean(item, names) for key, item in value.items() if key != "title" or not isinstance(item, str)}
        if isinstance(kept.get("$ref"), str):
            kept["$ref"] = REF.format(model=names[kept["$ref"].rpartition("/")[2]])
        return kept
    return [_clean(item, names) for item in value] if isinstance(value, list) else value


class _Operation:
    def __init__(self, endpoint: Endpoint, schemas: _Schemas, path: str, method: str) -> None:
        self._endpoint = endpoint
        self._schemas = schemas
        self._path = path
        self._method = method

    def build(self) -> dict[str, Any]:
        endpoint = self._endpoint
        made: dict[str, Any] = {"summary": endpoint.summary, "tags": [endpoint.tag]}
        if endpoint.open:
            made["security"] = []
        parameters = [*self._path_parameters(), *self._query_parameters()]
        if parameters:
            made["parameters"] = parameters
        if endpoint.body is not None:
            made["requestBody"] = {
                "required": not endpoint.optional_body,
                "content": {"application/json": {"schema": self._schemas.of(endpoint.body, coming=True)}},
            }
        if endpoint.form is not None:
            made["requestBody"] = {"required": True, "content": {"multipart/form-data": self._form()}}
        made["responses"] = {"200": self._answer(), **self._errors()}
        return made

    def _path_parameters(self) -> Iterator[dict[str, Any]]:
        for part in self._path.split("/"):
            if part.startswith("{"):
                schema = {"type": "string", "minLength": 1}
                yield {"name": part[1:-1], "in": "path", "required": True, "schema": schema}

    def _query_parameters(self) -> Iterator[dict[str, Any]]:
        if self._endpoint.query is None:
            return
        schema = self._schemas.whole(self._endpoint.query)
        for name, field in schema["properties"].items():
            branches = [branch for branch in field.get("anyOf", [field]) if branch.get("type") != "null"]
            if not branches:
                continue  # it is refused
            kept = {"default": field["default"]} if field.get("default") is not None else {}
            parameter: dict[str, Any] = {"name": name, "in": "query", "schema": {**branches[0], **kept}}
            if name in schema.get("required", ()):
                parameter["required"] = True
            if branches[0].get("type") == "object":
                parameter |= {"style": "deepObject", "explode": True}
            yield parameter

    def _form(self) -> dict[str, Any]:
        """A file beside the fields; those of an object are written name[field]."""
        fields: dict[str, Any] = {}
        schema = self._schemas.whole(self._endpoint.form)
        for name, field in schema["properties"].items():
            branch = next(item for item in field.get("anyOf", [field]) if item.get("type") != "null")
            if "$ref" in branch:
                inner = self._schemas.definitions[branch["$ref"].rpartition("/")[2]]
                fields |= {f"{name}[{key}]": item for key, item in inner["properties"].items()}
            else:
                fields[name] = branch
        file = {"type": "string", "contentMediaType": "application/octet-stream", "format": "binary"}
        return {
            "schema": {
                "type": "object",
                "required": ["file", *schema.get("required", ())],
                "properties": {"file": file, **fields},
                "additionalProperties": False,
            }
        }

    def _answer(self) -> dict[str, Any]:
        endpoint = self._endpoint
        content: dict[str, Any] = {}
        if endpoint.answer is not None:
            content["application/json"] = {"schema": self._schemas.of(endpoint.answer)}
        if endpoint.events is not None:
            # Of one event's data. OpenAPI 3.1 has no word for a stream of them.
            content["text/event-stream"] = {
                "schema": {"type": "string", "contentMediaType": "text/event-stream"},
                "x-event-schema": self._schemas.of(endpoint.events),
            }
        if endpoint.other:
            content[endpoint.other] = {"schema": {"type": "string"}}
        runs = endpoint.body is not None and endpoint.events is not None
        headers = HEADERS | CONTEXT_HEADER if runs else HEADERS
        return {"description": "The answer.", "content": content, "headers": headers}

    def _errors(self) -> dict[str, Any]:
        skipped = () if self._method == "POST" else BODY_ERRORS
        return {
            str(status): {"$ref": f"#/components/responses/Error{status}"} for status in ERRORS if status not in skipped
        }


def main() -> None:
    from spatz.server.app import ROUTERS

    print(json.dumps(document(ROUTERS), indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
