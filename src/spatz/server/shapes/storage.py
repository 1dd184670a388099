"""Files, batches, conversations and usage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spatz.server.shapes.common import Count, Shape, Text512

__all__ = ["Batch", "Conversation", "FileObject", "UsagePage"]


class FileObject(Shape):
    id: str
    object: Literal["file"]
    bytes: Count
    created_at: Count
    expires_at: Count | None
    filename: str
    purpose: str
    status: Literal["processed"]
    status_details: None


class BatchError(Shape):
    code: str | None
    line: int | None
    message: str
    param: str | None


class BatchErrors(Shape):
    object: Literal["list"]
    data: list[BatchError]


class BatchCounts(Shape):
    total: Count
    completed: Count
    failed: Count


class CachedTokens(Shape):
    cached_tokens: Count


class ReasoningTokens(Shape):
    reasoning_tokens: Count


class BatchUsage(Shape):
    input_tokens: Count
    input_tokens_details: CachedTokens
    output_tokens: Count
    output_tokens_details: ReasoningTokens
    total_tokens: Count


class Batch(Shape):
    id: str
    object: Literal["batch"]
    endpoint: Literal["/v1/chat/completions", "/v1/responses", "/v1/completions"]
    model: str | None
    errors: BatchErrors | None
    input_file_id: str
    completion_window: str
    status: Literal[
        "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
    ]
    output_file_id: str | None
    error_file_id: str | None
    created_at: Count
    in_progress_at: Count | None
    expires_at: Count | None
    finalizing_at: Count | None
    completed_at: Count | None
    failed_at: Count | None
    expired_at: Count | None
    cancelling_at: Count | None
    cancelled_at: Count | None
    request_counts: BatchCounts
    usage: BatchUsage
    metadata: dict[str, Text512] | None


class Conversation(Shape):
    id: str
    object: Literal["conversation"]
    created_at: Count
    metadata: dict[str, Text512]


class UsageResult(Shape):
    object: Literal["organization.usage.completions.result"]
    input_tokens: Count
    input_cached_tokens: Count
    output_tokens: Count
    input_audio_tokens: Count
    output_audio_tokens: Count
    num_model_requests: Count
    project_id: None
    user_id: None
    service_tier: None
    api_key_id: str | None
    model: str | None
    batch: bool | None


class UsageBucket(Shape):
    object: Literal["bucket"]
    start_time: Annotated[int, Field(ge=0)]
    end_time: Annotated[int, Field(ge=0)]
    results: list[UsageResult]


class UsagePage(Shape):
    object: Literal["page"]
    data: list[UsageBucket]
    has_more: bool
    next_page: str | None
