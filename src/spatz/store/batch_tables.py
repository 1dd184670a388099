"""The tables of batches and of their lines' results, and what a row of each is."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text

from spatz.store.db import metadata

__all__ = ["UNFINISHED", "Batch", "Result", "batch_results", "batches"]

UNFINISHED = ("validating", "in_progress", "finalizing", "cancelling")

NUMBER = BigInteger().with_variant(Integer(), "sqlite")

batches = Table(
    "batches",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("owner", Text, nullable=False),
    Column("owner_name", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("input_file_id", Text, nullable=False),
    Column("completion_window", Text, nullable=False),
    Column("metadata", Text),
    Column("output_seconds", BigInteger),
    Column("status", Text, nullable=False),
    Column("model", Text),
    Column("errors", Text),
    Column("output_file_id", Text),
    Column("error_file_id", Text),
    Column("total", BigInteger, nullable=False),
    Column("completed", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("in_progress_at", BigInteger),
    Column("expires_at", BigInteger),
    Column("finalizing_at", BigInteger),
    Column("completed_at", BigInteger),
    Column("failed_at", BigInteger),
    Column("expired_at", BigInteger),
    Column("cancelling_at", BigInteger),
    Column("cancelled_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("lease_holder", Text, nullable=False),
    Column("lease_until", BigInteger, nullable=False),
    Index("ix_batches_owner", "owner", "number"),
    Index("ix_batches_ended_at", "ended_at"),
    Index("ix_batches_input_file_id", "input_file_id"),
)
batch_results = Table(
    "batch_results",
    metadata,
    Column("batch", NUMBER, ForeignKey("batches.number", ondelete="CASCADE"), primary_key=True),
    Column("line", BigInteger, primary_key=True),
    Column("succeeded", Boolean, nullable=False),
    Column("output", LargeBinary, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Batch:
    number: int
    id: str
    owner: str
    owner_name: str
    endpoint: str
    input_file_id: str
    completion_window: str
    metadata: str | None  # JSON
    output_seconds: int | None  # after which the files that it makes expire
    status: str
    model: str | None
    errors: str | None  # JSON
    output_file_id: str | None
    error_file_id: str | None
    total: int
    completed: int
    failed: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    stored: int  # bytes of the results that are not in a file yet
    created_at: int
    in_progress_at: int | None
    expires_at: int | None  # None: never
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    ended_at: int | None
    lease_holder: str  # the name of a process (instance.py), "" for none
    lease_until: int

    @property
    def ended(self) -> bool:
        return self.status not in UNFINISHED


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one line: its line of the output or of the error file, and what it cost."""

    line: int
    succeeded: bool
    output: bytes
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
