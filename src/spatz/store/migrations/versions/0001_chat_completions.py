"""Stored chat completions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # only an INTEGER key counts up by itself in SQLite


def upgrade() -> None:
    op.create_table(
        "chat_completions",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("completion", sa.Text, nullable=False),
        sa.Column("messages", sa.Text, nullable=False),
        sa.UniqueConstraint("id", name="uq_chat_completions_id"),
    )
    op.create_index("ix_chat_completions_owner", "chat_completions", ["owner", "number"])
    op.create_index("ix_chat_completions_expires_at", "chat_completions", ["expires_at"])
    op.create_table(
        "chat_completion_metadata",
        sa.Column(
            "completion",
            NUMBER,
            sa.ForeignKey("chat_completions.number", ondelete="CASCADE", name="fk_chat_completion_metadata"),
            primary_key=True,
        ),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("chat_completion_metadata")
    op.drop_table("chat_completions")
