"""What all shapes are made of: exact objects, errors, lists, and the answer to a deletion."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "ContextUse",
    "ContextUses",
    "Count",
    "Deleted",
    "Error",
    "ErrorAnswer",
    "Health",
    "Listed",
    "Model",
    "ModelList",
    "Shape",
    "Text512",
    "exactly",
]

Count = Annotated[int, Field(ge=0)]
Text512 = Annotated[str, Field(max_length=512)]
Item = TypeVar("Item")


class Shape(BaseModel):
    """Has all of its fields, and no others."""

    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())


class Error(Shape):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorAnswer(Shape):
    error: Error


class Listed(Shape, Generic[Item]):
    object: Literal["list"]
    data: list[Item]
    first_id: str | None
    last_id: str | None
    has_more: bool


class Deleted(Shape):
    id: str
    object: str
    deleted: Literal[True]


class Health(Shape):
    status: Literal["ok"]


class ModelContext(Shape):
    """context: how prompts are read where a request does not say. Lengths are of prompt and answer together."""

    context: Literal["auto", "exact", "routed", "skim"]
    native_context: Count
    context_limit: Count


class Model(Shape):
    id: str
    object: Literal["model"]
    created: Count
    owned_by: str
    spatz: ModelContext


class ContextUse(Shape):
    """How a prompt was read. spans: token ranges [start, end) of the prompt that the answer was drawn from."""

    mode: Literal["exact", "routed", "skim"]
    blocks: Count
    spans: list[Annotated[list[Count], Field(min_length=2, max_length=2)]]


def exactly() -> ContextUse:
    return ContextUse(mode="exact", blocks=0, spans=[])


class ContextUses(Shape):
    """The same of several prompts, in their order."""

    mode: Literal["exact", "routed", "skim", "mixed"]
    blocks: Count
    prompts: list[ContextUse]


class ModelList(Shape):
    object: Literal["list"]
    data: list[Model]
