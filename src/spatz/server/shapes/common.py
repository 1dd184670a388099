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
    """context: how prompts are read where a request does not say. Lengths are of prompt and answer together. images:
    whether the model sees them, or is told what could be read in them.
    """

    context: Literal["auto", "exact", "routed", "skim"]
    native_context: Count
    context_limit: Count
    images: Literal["read", "seen"]


class Model(Shape):
    id: str
    object: Literal["model"]
    created: Count
    owned_by: str
    spatz: ModelContext


class InputNote(Shape):
    """What a caller has to know of an image or a file: a word for programs, a sentence for people."""

    code: str
    message: str


class InputUse(Shape):
    """What was read of an image or a file. tokens: of the prompt. pictures: pages that were read as pictures."""

    param: str
    kind: Literal["image", "pdf", "text"]
    tokens: Count
    pages: Count
    read_pages: Count
    pictures: Count
    confidence: Annotated[float, Field(ge=0, le=1)] | None
    notes: list[InputNote]


class ProviderUse(Shape):
    """Who was asked. error: half a sentence where it gave nothing."""

    name: str
    results: Count
    seconds: Annotated[float, Field(ge=0)]
    error: str | None


class PageUse(Shape):
    """A page that was read. passages: of it that the model was shown. left_out: sentences that spoke to a model."""

    url: str
    passages: Count
    left_out: Count


class PageFailure(Shape):
    """A page that was wanted and could not be read: a word for programs, half a sentence for people."""

    url: str
    code: str
    message: str


class SearchUse(Shape):
    """What searching the web came to. tokens: of the prompt, that came of the pages."""

    queries: list[str]
    providers: list[ProviderUse]
    pages: list[PageUse]
    failures: list[PageFailure]
    tokens: Count
    seconds: Annotated[float, Field(ge=0)]


class ContextUse(Shape):
    """How a prompt was read. spans: token ranges [start, end) of the prompt that the answer was drawn from. inputs: one
    for each image and file, in their order; it is there where the request had any. search: where the web was searched.
    """

    mode: Literal["exact", "routed", "skim"]
    blocks: Count
    spans: list[Annotated[list[Count], Field(min_length=2, max_length=2)]]
    inputs: Annotated[list[InputUse], Field(default_factory=list)]
    search: SearchUse | None = None


def exactly() -> ContextUse:
    return ContextUse(mode="exact", blocks=0, spans=[], inputs=[])


class ContextUses(Shape):
    """The same of several prompts, in their order."""

    mode: Literal["exact", "routed", "skim", "mixed"]
    blocks: Count
    prompts: list[ContextUse]


class ModelList(Shape):
    object: Literal["list"]
    data: list[Model]
