"""A client's JSON schema as the grammar library is given it: what it would not hold an answer to is refused here.

The library refuses the keywords that it knows and does not do, and passes over all others. What it does differently
from validators is written in a way that makes no difference: references, patterns, formats, old spellings. An answer
made after the result always validates against the schema as it came; some that would are not made.

Size and depth are bounded before (schema_bounds.py). The rules of strict mode are strict_schema.py's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from spatz.prompt.json_format import HINTS, LIBRARY, PATTERNS
from spatz.prompt.json_keywords import KEPT, UNSUPPORTED, bound_digits, check_counts, checked, fail, old_bounds
from spatz.prompt.json_pattern import translate
from spatz.prompt.schema_finite import is_finite
from spatz.prompt.schema_place import Place, shown

__all__ = ["prepare"]

Schema = dict[str, Any] | bool

DIALECTS = frozenset(
    {
        "json-schema.org/draft-04/schema",
        "json-schema.org/draft-06/schema",
        "json-schema.org/draft-07/schema",
        "json-schema.org/draft/2019-09/schema",
        "json-schema.org/draft/2020-12/schema",
    }
)
# Keywords that hold schemas: by name, alone, in a list.
MAPS = ("properties", "patternProperties", "$defs", "definitions")
DEFINITIONS = ("$defs", "definitions")
SINGLE = ("items", "additionalItems", "additionalProperties")
LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")


def prepare(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema to compile. Raises RequestError (without a param) with the place and the reason."""
    return _Preparation(schema).run()


class _Preparation:
    """Walks the schema with a list of what is left to do, never recursively, and builds a new one beside it."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.source = root
        self.draft4 = False
        self.positions: dict[str, Schema] = {}  # by JSON pointer, as in the source
        self.references: list[tuple[dict[str, Any], str, Place]] = []
        self.nested_ids: list[Place] = []

    def run(self) -> dict[str, Any]:
        dialect = self.source.get("$schema")
        if dialect is not None:
            name = dialect.rstrip("#").partition("://")[2] if isinstance(dialect, str) else ""
            if name not in DIALECTS:
                fail(f"the dialect {shown(dialect)} is not supported.", Place(None))
            self.draft4 = "draft-04" in name
        holder: dict[str, Any] = {}
        todo: list[tuple[object, Place, str, Any, Any]] = [(self.source, Place(), "#", holder, "root")]
        while todo:
            source, place, pointer, into, key = todo.pop()
            into[key] = self.positions[pointer] = result = self.shallow(source, place)
            if isinstance(source, Mapping) and isinstance(result, dict):
                todo.extend(reversed(list(self.children(source, result, place, pointer))))
        root: dict[str, Any] = holder["root"]
        self.join(root)
        if self.references and not is_finite(root):
            fail("a part is only satisfied by a value without end, through its references.", Place())
        return root

    # --- one schema ---------------------------------------------------------------------------------------------------

    def shallow(self, source: object, place: Place) -> Schema:
        """One schema without those inside of it."""
        if isinstance(source, bool) and place.above is not None:
            return source
        if not isinstance(source, Mapping):
            fail(f"{shown(source)} is not a schema.", place)
        for key, harmless in UNSUPPORTED.items():
            if key in source and not any(source[key] is value or source[key] == value for value in harmless):
                fail(f"'{key}' is not supported.", place)
        result: dict[str, Any] = {}
        for key, value in source.items():
            if key in KEPT:
                result[key] = checked(key, value, place, draft4=self.draft4)
            elif key == "$ref":
                if not isinstance(value, str):
                    fail("'$ref' must be a string.", place)
                result["$ref"] = value
                self.references.append((result, value, place))
            elif key == "pattern":
                self.add_pattern(result, self.pattern(value, place))
            elif key == "format":
                self.format(result, source, place)
            elif key in MAPS and key not in DEFINITIONS:
                if not isinstance(value, Mapping):
                    fail(f"'{key}' must be an object.", place)
                result[key] = {}
            elif key in LISTS:
                if not isinstance(value, list) or not value:
                    fail(f"'{key}' must be an array of schemas, and not empty.", place)
                result[key] = [None] * len(value) + result.get(key, [])
            elif key in SINGLE and key != "additionalItems" and not isinstance(value, list):
                result[key] = None
        old_bounds(result)
        check_counts(source, result, place)
        bound_digits(result)
        if isinstance(source.get("$id"), str) and place.above is not None and not source["$id"].startswith("#"):
            self.nested_ids.append(place)
        return result

    def pattern(self, value: object, place: Place) -> str:
        if not isinstance(value, str):
            fail("'pattern' must be a string.", place)
        try:
            return translate(value)
        except ValueError as error:
            fail(f"{error}.", place)

    def add_pattern(self, result: dict[str, Any], pattern: str) -> None:
        if "pattern" in result:
            result.setdefault("allOf", []).append({"pattern": pattern})
        else:
            result["pattern"] = pattern

    def format(self, result: dict[str, Any], source: Mapping[str, Any], place: Place) -> None:
        name = source["format"]
        if not isinstance(name, str):
            fail("'format' must be a string.", place)
        kind = source.get("type", "string")
        if kind != "string" and not (isinstance(kind, list) and "string" in kind):
            return  # of numbers: int32, double. It has no meaning for anything but strings
        if name in PATTERNS:
            # A value that is given needs no pattern to be made after, and may be one that ours is too narrow for.
            if "const" not in source and "enum" not in source:
                self.add_pattern(result, PATTERNS[name])
            else:
                result["format"] = name
        elif name in LIBRARY:
            result["format"] = name
        elif name not in HINTS:
            fail(f"the format {shown(name)} is not supported.", place)

    # --- those inside of it -------------------------------------------------------------------------------------------

    def children(
        self, source: Mapping[str, Any], result: dict[str, Any], place: Place, pointer: str
    ) -> Iterator[tuple[object, Place, str, Any, Any]]:
        """(schema, place, pointer, where its copy goes)"""
        for key in MAPS:
            if key not in source:
                continue
            if not isinstance(source[key], Mapping):
                fail(f"'{key}' must be an object.", place)
            for name, value in source[key].items():
                below = Place(Place(place, key), name)
                into: dict[str, Any] = {} if key in DEFINITIONS else result[key]
                wanted = name
                if key == "patternProperties":
                    wanted = self.pattern(name, below)
                    if wanted in into:
                        fail("two patterns that are the same.", below)
                if key not in DEFINITIONS:
                    into[wanted] = None  # in the source's order, whenever it is filled
                yield value, below, f"{pointer}/{key}/{_escaped(name)}", into, wanted
        for key in LISTS:
            for index, value in enumerate(source.get(key, ())):
                yield value, Place(Place(place, key), str(index)), f"{pointer}/{key}/{index}", result[key], index
        for key in SINGLE:
            if key in source and isinstance(source[key], list):
                if key != "items" or "prefixItems" in source:
                    fail(f"'{key}' must be a schema.", place)
                # Before 2020 a list of items was what prefixItems is now, and additionalItems what items is.
                result["prefixItems"] = [None] * len(source[key])
                for index, value in enumerate(source[key]):
                    yield value, Place(Place(place, key), str(index)), "", result["prefixItems"], index
                if "additionalItems" in source:
                    yield source["additionalItems"], Place(place, "additionalItems"), "", result, "items"
            elif key in result:
                yield source[key], Place(place, key), f"{pointer}/{key}", result, key

    # --- references ---------------------------------------------------------------------------------------------------

    def join(self, root: dict[str, Any]) -> None:
        """Point every reference at a definition with a plain name, and keep no definition that nothing points at."""
        if self.references and self.nested_ids:
            fail("'$id' is not supported in a schema with references.", self.nested_ids[0])
        names: dict[int, str] = {}
        definitions: dict[str, Schema] = {}
        for holder, target, place in self.references:
            found = self.resolve(target, place)
            if found is root:
                holder["$ref"] = "#"
                continue
            name = names.setdefault(id(found), f"d{len(names)}")
            definitions[name] = found
            holder["$ref"] = f"#/$defs/{name}"
        if definitions:
            root["$defs"] = definitions

    def resolve(self, target: str, place: Place) -> Schema:
        if not target.startswith("#"):
            fail(f"the reference {shown(target)} leaves the schema.", place)
        pointers = [pointer.rstrip("/") for pointer in (target, unquote(target))]
        found = next((pointer for pointer in pointers if pointer in self.positions), None)
        if found is None:
            fail(f"the reference {shown(target)} points at no schema.", place)
        return self.positions[found]


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
