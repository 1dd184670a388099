"""What all shapes are made of: exact objects, errors, lists, and the answer to a deletion."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Count", "Deleted", "Error", "ErrorAnswer", "Health", "Listed", "Model", "ModelList", "Shape", "Text512"]

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


class Model(Shape):
    id: str
    object: Literal["model"]
    created: Count
    owned_by: str


class ModelList(Shape):
    object: Literal["list"]
    data: list[Model]
