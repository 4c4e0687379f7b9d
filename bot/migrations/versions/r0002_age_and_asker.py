"""Indexes for what is deleted by its age, and for what one person asked."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the indexes."""
    op.create_index("answers_by_age", "answers", ["at"])
    op.create_index("answers_of_asker", "answers", ["asker"])
    op.create_index("judgements_by_age", "judgements", ["at"])
