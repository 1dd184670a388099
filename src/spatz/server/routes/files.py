"""/v1/files: upload, list, retrieve, download, delete. Each caller sees its own files alone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, BinaryIO, Literal
from urllib.parse import quote

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from spatz.errors import RequestError
from spatz.server.batch_body import ExpiresAfter
from spatz.server.caller import caller_of
from spatz.server.fields import Strict
from spatz.server.json_response import JsonResponse
from spatz.server.problems import validate
from spatz.server.query import Query, parse_query
from spatz.server.state import state_of
from spatz.server.upload import Upload, uploaded
from spatz.store.files import File, FileInUse

__all__ = ["FileRequest", "ListQuery", "find_file", "router"]

router = APIRouter()

PIECE = 1 << 18  # bytes that are read at once
FILE_ID = re.compile(r"file-[0-9a-f]{24}")


class FileRequest(Strict):
    """The form's fields; the file itself is written to the disk as it comes."""

    purpose: Literal["assistants", "batch", "vision", "user_data", "evals"]
    expires_after: ExpiresAfter | None = None


class ListQuery(Query):
    purpose: Annotated[str, Field(max_length=64, pattern=r"^[a-z_-]*$")] | None = None
    after: Annotated[str, Field(max_length=256)] | None = None
    limit: Annotated[int, Field(ge=1, le=10_000)] = 10_000
    order: Literal["asc", "desc"] = "desc"


@router.post("/v1/files")
async def create_file(request: Request) -> Response:
    files = state_of(request).files
    async with uploaded(request, files) as upload:
        body = _validated(upload)
        seconds = body.expires_after.seconds if body.expires_after is not None else None
        assert upload.filename is not None
        file = await files.keep(upload.draft, caller_of(request).owner, upload.filename, body.purpose, seconds)
    return JsonResponse(file_body(file))


@router.get("/v1/files")
async def list_files(request: Request) -> Response:
    query = parse_query(ListQuery, request)
    owner = caller_of(request).owner
    after = None
    if query.after is not None:
        after = await _find(request, query.after)
        if after is None:
            raise RequestError(f"No such object: '{query.after[:100]}'.", param="after", code="invalid_value")
    found, more = await state_of(request).files.list(
        owner, purpose=query.purpose, after=after, limit=query.limit, descending=query.order == "desc"
    )
    data = [file_body(file) for file in found]
    return JsonResponse(
        {
            "object": "list",
            "data": data,
            "first_id": data[0]["id"] if data else None,
            "last_id": data[-1]["id"] if data else None,
            "has_more": more,
        }
    )


@router.get("/v1/files/{file_id}")
async def retrieve_file(file_id: str, request: Request) -> Response:
    return JsonResponse(file_body(await find_file(request, file_id)))


@router.get("/v1/files/{file_id}/content")
async def download_file(file_id: str, request: Request) -> Response:
    file = await find_file(request, file_id)
    try:
        # Opened before the answer begins: from here on it may be deleted, and is sent whole all the same.
        content = await asyncio.to_thread(state_of(request).files.directory.open, file.id)
    except FileNotFoundError:
        raise _no_file(file_id) from None
    headers = {
        "content-length": str(file.bytes),
        "content-disposition": f"attachment; filename*=utf-8''{quote(file.filename, safe='')}",
        "x-content-type-options": "nosniff",  # whatever it holds, no browser is to run it
        "cache-control": "private, no-store",
    }
    return StreamingResponse(_pieces(content), headers=headers, media_type="application/octet-stream")


@router.delete("/v1/files/{file_id}")
async def delete_file(file_id: str, request: Request) -> Response:
    file = await find_file(request, file_id)
    try:
        deleted = await state_of(request).files.delete(file.owner, file.id)
    except FileInUse as reader:
        raise RequestError(
            f"The file '{file_id}' is read by the batch '{reader}', which has not ended. Cancel it first.",
            param="file_id",
            code="file_in_use",
        ) from None
    if not deleted:
        raise _no_file(file_id)
    return JsonResponse({"id": file_id, "object": "file", "deleted": True})


async def find_file(request: Request, file_id: str, param: str = "id") -> File:
    """The caller's file. Raises RequestError: 404."""
    file = await _find(request, file_id)
    if file is None:
        raise _no_file(file_id, param)
    return file


def file_body(file: File) -> dict[str, Any]:
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": file.created_at,
        "expires_at": file.expires_at,
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }


async def _find(request: Request, file_id: str) -> File | None:
    if not FILE_ID.fullmatch(file_id):
        return None
    return await state_of(request).files.find(caller_of(request).owner, file_id)


def _no_file(file_id: str, param: str = "id") -> RequestError:
    return RequestError(f"No such File object: {file_id[:100]}", status=404, param=param)


def _validated(upload: Upload) -> FileRequest:
    values: dict[str, Any] = {}
    for name, text in upload.fields.items():
        nested = re.fullmatch(r"(expires_after)\[([a-z_]{1,32})\]", name)
        if nested is not None:
            number = int(text) if re.fullmatch(r"[0-9]{1,12}", text) and nested[2] == "seconds" else text
            values.setdefault(nested[1], {})[nested[2]] = number
        elif name == "expires_after":
            raise RequestError(
                "Invalid type for 'expires_after': expected the fields 'expires_after[anchor]' and "
                "'expires_after[seconds]'.",
                param=name,
                code="invalid_type",
            )
        else:
            values[name] = text
    if values.get("purpose") == "fine-tune":
        raise RequestError("Fine-tuning is not available for this model.", param="purpose", code="model_not_available")
    body = validate(FileRequest, values)
    if upload.filename is None:
        raise RequestError("Missing required parameter: 'file'.", param="file", code="missing_required_parameter")
    if not upload.draft.size:
        raise RequestError("The file is empty.", param="file", code="empty_file")
    return body


async def _pieces(content: BinaryIO) -> AsyncIterator[bytes]:
    try:
        while piece := await asyncio.to_thread(content.read, PIECE):
            yield piece
    finally:
        content.close()
